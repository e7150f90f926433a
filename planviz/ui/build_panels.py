"""The panels of the Build page: presets, picture, facts, split and texts."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from planviz.config import PRESETS, differences, preset
from planviz.figures.task import path_length_histogram, paths_per_pair_histogram, split_matrix
from planviz.graphs.files import FORMATS, write_graph
from planviz.graphs.generate import GraphError
from planviz.task import TaskError
from planviz.ui.build_graph import forget_files, reroll_button
from planviz.ui.build_network import draw_network
from planviz.ui.build_text import count, text_table
from planviz.ui.charts import show
from planviz.ui.lab import GraphView, TaskView, graph_view, task_view
from planviz.ui.settings import setting_input
from planviz.ui.state import draft, set_chosen_arms, set_draft
from planviz.ui.text import sentence

PRESET = "build:preset"
PRESET_WORDS = {
    "quick": "a small acyclic graph, on which all arms train in about a minute",
    "paper": "the paper's acyclic graph of 100 nodes, and its model",
    "blocksworld": "all 73 states of four blocks",
}
SHOWN_PAIRS = 5
LARGEST_COUNT = 1e300
"""The histogram cannot draw counts that are infinite."""


def presets() -> None:
    """Start from a preset; once something was changed, a button brings the preset back."""
    name = st.session_state.preset
    st.session_state[PRESET] = name
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Start from a preset", PRESETS, required=True, format_func=str.capitalize, key=PRESET,
            on_change=lambda: _load(st.session_state[PRESET]),
            help="Graph, split, model and training settings at once.\n\n"
            + "\n".join(f"- **{name.capitalize()}**: {words}." for name, words in PRESET_WORDS.items()),
        )  # fmt: skip
        if differences(draft(), preset(name)):
            st.button(
                f"Reset to {name}", icon=":material/undo:", type="tertiary", key="build:undo",
                on_click=_load, args=(name,), help="Undo all changes to this preset, on every page.",
            )  # fmt: skip


def _load(name: str) -> None:
    forget_files()
    set_draft(preset(name), name)
    set_chosen_arms(list(preset(name).arms))


def picture() -> GraphView | None:
    """The graph, drawn, or a sentence that says why there is none."""
    graph = draft().graph
    if graph.kind == "file" and not graph.labels:
        st.info(
            "Links do not carry a graph from a file. Upload it again, or choose another kind of graph.",
            icon=":material/info:",
        )
        return None
    try:
        view = graph_view(graph)
    except GraphError as error:
        st.error(sentence(error), icon=":material/error:")
        return None
    draw_network(graph)
    return view


def download(view: GraphView) -> None:
    """The graph as a file of any format, which can be uploaded again."""
    with st.popover("Download the graph", icon=":material/download:", width="stretch"):
        for name, format in FORMATS.items():
            file = f"{view.graph.graph['kind']}{format.endings[0]}"
            st.download_button(
                format.title, partial(write_graph, file, view.graph), file, format.mime,
                key=f"build:download:{name}", on_click="ignore", width="stretch",
            )  # fmt: skip


def split_settings() -> None:
    """Which pairs are trained on, and with how many texts."""
    for setting in ("split.train_share", "split.paths_per_pair", "split.seed"):
        setting_input(setting)
    reroll_button("Draw another split", "split.seed", "Other pairs and other texts on the same graph.")


def task_or_error() -> TaskView | None:
    """The task, or a sentence that says why there is none."""
    try:
        with st.spinner("Splitting the pairs and walking the graph …"):
            return task_view(draft())
    except (GraphError, TaskError) as error:
        st.error(sentence(error), icon=":material/error:")
        return None


def facts(view: GraphView) -> DeltaGenerator:
    """What there is to know about the graph itself, in tiles; returns their grid, for one more."""
    known = view.facts
    extremes = [*known.path_lengths][:1] + [*known.path_lengths][-1:]
    share = known.reachable_pairs / (known.nodes * (known.nodes - 1))
    grid = st.grid(6, min_column_width=165)
    with grid:
        _tile(
            "Nodes", f"{known.nodes:,}", f"dead ends: {known.dead_ends}",
            "Each node is one token of the model's language. A dead end has no edge that leads out.",
        )  # fmt: skip
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
            "Reachable pairs", f"{known.reachable_pairs:,}", f"{share:.0%} of all pairs",
            "A pair (s, t) is reachable if a path leads from s to t. Each is a query: find such a path.",
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


def _tile(label: str, value: str, note: str, help: str) -> None:
    st.metric(
        label, value, note, delta_color="off", delta_arrow="off", border=True, help=help, height="stretch"
    )


def split_summary(view: TaskView) -> None:
    """The split in numbers."""
    train, test, texts = len(view.task.train_pairs), len(view.task.test_pairs), len(view.task.texts)
    st.markdown(
        f"**Training:** {train:,} pairs, {texts // train} paths each: {texts:,} texts.\n\n"
        f"**Test:** {test:,} pairs, which are in no text and no training query."
    )


def matrix(view: TaskView) -> None:
    """Every pair of nodes and where it belongs."""
    show(
        split_matrix(view.task.train_pairs, view.task.test_pairs, view.task.labels), "build:matrix",
        "Each cell is a pair: the row is its source, the column its target.",
    )  # fmt: skip


def histograms(view: TaskView) -> None:
    """What the pairs of both parts are like."""
    task, counts = view.task, np.minimum(view.correct_paths, LARGEST_COUNT)
    train, test = task.train_pairs.T, task.test_pairs.T
    left, right = st.columns(2, gap="medium")
    with left:
        show(
            paths_per_pair_histogram(counts[*train], counts[*test]), "build:paths",
            "How many pairs have how many correct paths. Only a pair with several can lose diversity.",
        )  # fmt: skip
    with right:
        show(
            path_length_histogram(task.distance[*train], task.distance[*test]), "build:lengths",
            "How many pairs are how many steps apart. A long way has to be put together from short ones.",
        )  # fmt: skip


def texts(view: TaskView) -> None:
    """Some of the texts that the base model is trained on."""
    st.write(
        "The model reads node numbers: the source *s*, the target *t*, then a path from *s* to *t*; **EOS** "
        "ends the text. Each path is a random walk that only takes steps from which *t* can still be reached."
    )
    table = text_table(view.task, SHOWN_PAIRS)
    st.dataframe(
        table, hide_index=True, key="build:texts", alt=f"Training texts of {SHOWN_PAIRS} pairs",
        column_config={
            "Pair": st.column_config.TextColumn("Pair s → t", width=120),
            "Text": st.column_config.TextColumn("Text: s t s u1 … t EOS", width=320),
            "Path": st.column_config.TextColumn("The same path by node names", width=360),
            "Times": st.column_config.NumberColumn("Times", width=60, help="How often it was drawn."),
        },
    )  # fmt: skip
    st.caption(
        f"Shown are {table['Times'].sum():,} of the {len(view.task.texts):,} texts; another split has others."
    )


def next_step(ready: bool) -> None:
    """On to training."""
    with st.bottom, st.container(horizontal=True, horizontal_alignment="right"):
        go_on = st.button(
            "Train on this graph", type="primary", icon=":material/arrow_forward:", icon_position="right",
            key="build:train", disabled=not ready,
        )  # fmt: skip
    if go_on:
        st.switch_page("pages/train.py")
