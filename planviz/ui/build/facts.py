"""What there is to know about the graph on the Build page, and what the last change did to it."""

from __future__ import annotations

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from planviz.config import GraphConfig
from planviz.graphs.facts import reachability_change
from planviz.graphs.generate import GraphError
from planviz.ui.build.history import history
from planviz.ui.build.text import count
from planviz.ui.lab import GraphView, TaskView, graph_view
from planviz.ui.state import draft


def facts(view: GraphView) -> DeltaGenerator:
    """What there is to know about the graph itself, in tiles; returns their grid, for one more."""
    known = view.facts
    extremes = [*known.path_lengths][:1] + [*known.path_lengths][-1:]
    share = known.reachable_pairs / (known.nodes * (known.nodes - 1))
    grid = st.grid(4, min_column_width=165)
    with grid:
        _tile("Nodes", f"{known.nodes:,}", "tokens", "Each node is one token of the model's language.")
        _tile(
            "Edges", f"{known.edges:,}", f"{known.edges / known.nodes:.1f} a node",
            "Edges are directed: a step may only follow the arrow.",
        )  # fmt: skip
        _tile(
            "Acyclic", "yes" if known.acyclic else "no",
            f"longest path: {known.longest_path}" if known.acyclic else "it has cycles",
            "In an acyclic graph no path comes back to where it was, so all paths end.",
        )  # fmt: skip
        _tile(
            "Strongly connected parts", f"{known.components:,}",
            "one a node" if known.components == known.nodes else f"of {known.nodes:,} nodes",
            "Within such a part every node can be reached from every other. In an acyclic graph each node is one.",
        )  # fmt: skip
        _tile(
            "Dead ends", f"{known.dead_ends:,}", "nodes",
            "A dead end has no edge that leads out: a path that gets there without being at its target has failed.",
        )  # fmt: skip
        _tile(
            "Reachable pairs", f"{known.reachable_pairs:,}", _last_edit() or f"{share:.0%} of all pairs",
            "A pair (s, t) is reachable if a path leads from s to t. Each is a query: find such a path. Below it "
            "stands what the last edit changed, if there was one.",
        )  # fmt: skip
        _tile(
            "Shortest paths", "–".join(map(str, dict.fromkeys(extremes))) or "none", "steps",
            "How many steps it takes at least from the source to the target of a reachable pair.",
        )  # fmt: skip
    return grid


def correct_paths(view: TaskView | None) -> None:
    """One more tile: how many correct paths a pair has. The task sets how long they may be."""
    meaning = "A correct path follows edges from s until it first reaches t."
    if view is None:
        _tile("Correct paths", "–", "needs a split", meaning)
        return
    if not view.facts.acyclic:
        meaning += (
            " With cycles there is no end to them, so only paths of at most "
            f"{view.task.max_steps} steps count, the length limit of a sampled path."
        )
    counts = view.correct_paths[view.task.distance > 0]
    middle, most = count(float(np.median(counts))), count(float(counts.max()))
    _tile("Correct paths", middle, f"median, most {most}", f"{meaning} So many has a reachable pair.")


def _last_edit() -> str | None:
    """What the last edit of one's own graph did to the reachable pairs, if that was the last change."""
    graph, past = draft().graph, history().past
    if graph.kind != "file" or not past or past[-1][0] == graph:
        return None
    change = _change(past[-1][0].model_dump_json(), graph.model_dump_json())
    if change is None:
        return None
    gained, lost = change
    parts = [f"+{gained:,} {'pair' if gained == 1 else 'pairs'}"] if gained else []
    parts += [f"{lost:,} no longer reachable"] if lost else []
    return ", ".join(parts) or "unchanged by the last edit"


@st.cache_data(max_entries=64, show_spinner=False)
def _change(before: str, after: str) -> tuple[int, int] | None:
    """(gained, lost) reachable pairs; None if the two have no node in common or the old one is no graph."""
    try:
        old, new = (graph_view(GraphConfig.model_validate_json(graph)).graph for graph in (before, after))
    except GraphError:
        return None
    shared = {label for _, label in old.nodes(data="label")} & {label for _, label in new.nodes(data="label")}
    return reachability_change(old, new) if shared else None


def _tile(label: str, value: str, note: str, meaning: str) -> None:
    st.metric(
        label, value, note, delta_color="off", delta_arrow="off", border=True, help=meaning, height="stretch"
    )
