"""The query of the Paths page: from which node to which, among the pairs that have a path."""

from __future__ import annotations

import numpy as np
import streamlit as st

from planviz.runs.records import ExperimentRecord
from planviz.task import Bools, Task
from planviz.ui.build.pair import use_of
from planviz.ui.lab import TaskView
from planviz.ui.paths.pddl import pddl_picker, told
from planviz.ui.paths.text import node_names, plural

USES = {"train": "Training pairs", "test": "Test pairs", "any": "Any pair"}
KINDS_OF_PAIRS = {
    "train": "training pair",
    "test": "test pair, which no model is trained on",
    "left out": "pair that is neither trained on nor tested",
}
FEW = 6
"""So many correct paths are enough to see a collapse, and few enough to follow each by eye."""

SELECTOR_WIDTH = 205
"""In pixels: two side by side on a narrow screen."""

Query = tuple[int, int]


def query_picker(experiment: ExperimentRecord, view: TaskView) -> Query:
    """The widgets that choose a query, and what there is to know about it."""
    task, names = view.task, node_names(view.task.labels)
    source_key, target_key = (f"paths:{end}:{experiment.id}" for end in ("from", "to"))
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.session_state.setdefault("paths:use", "train")
            use = st.segmented_control(
                "Query", list(USES), required=True, format_func=USES.__getitem__,
                key="paths:use", persist_state="session",
            )  # fmt: skip
            allowed = allowed_pairs(task, use if use in USES else "train")
            chosen = st.session_state.get(source_key), st.session_state.get(target_key)
            query = settle(chosen, allowed, view)
            st.session_state[source_key], st.session_state[target_key] = query
            with st.container(horizontal=True, width="content"):
                st.selectbox(
                    "From", np.flatnonzero(allowed.any(axis=1)).tolist(), format_func=names.__getitem__,
                    key=source_key, persist_state="session", width=SELECTOR_WIDTH,
                )  # fmt: skip
                st.selectbox(
                    "To", np.flatnonzero(allowed[query[0]]).tolist(), format_func=names.__getitem__,
                    key=target_key, persist_state="session", width=SELECTOR_WIDTH,
                )  # fmt: skip
            st.button(
                "Random query", icon=":material/casino:", key="paths:random",
                on_click=_draw, args=(source_key, target_key, allowed),
            )  # fmt: skip
            pddl_picker(experiment, task)
        if read := told(experiment, query):
            st.markdown(read)
        st.markdown(describe(query, view))
    return query


def allowed_pairs(task: Task, use: str) -> Bools:
    """(n, n): the pairs that can be asked for: those of a split, or all with a path."""
    if use == "any":
        return np.asarray(task.distance > 0)
    allowed = np.zeros_like(task.adjacency)
    allowed[tuple(task.pairs(use).T)] = True
    return allowed


def settle(chosen: tuple[object, object], allowed: Bools, view: TaskView) -> Query:
    """The chosen query if it is allowed; or else one that is, from the same source if that has any.

    Args:
        chosen: source and target; what a browser sends may be anything.
        allowed: (n, n), with at least one pair.
    """
    pairs = [(int(source), int(target)) for source, target in np.argwhere(allowed)]
    if chosen in pairs:
        return pairs[pairs.index(chosen)]
    candidates = [pair for pair in pairs if pair[0] == chosen[0]] or pairs
    distance, counts = view.task.distance, view.correct_paths
    return min(candidates, key=lambda pair: (distance[pair] < 2, abs(counts[pair] - FEW)))


def describe(query: Query, view: TaskView) -> str:
    """Train or test, how many correct paths, how short; and what correct means."""
    kind = KINDS_OF_PAIRS[use_of(query, view.task)]
    paths, steps = view.correct_paths[query], int(view.task.distance[query])
    limit = "" if view.facts.acyclic else f" of at most {view.task.max_steps} steps"
    return (
        f"This is a **{kind}**, with **{plural(paths, 'correct path')}**{limit}; the shortest takes "
        f"**{plural(steps, 'step')}**. A path is correct if every step is an edge and it ends at the target."
    )


def _draw(source_key: str, target_key: str, allowed: Bools) -> None:
    """Choose any other allowed query."""
    pairs = np.argwhere(allowed)
    now = st.session_state.get(source_key), st.session_state.get(target_key)
    others = pairs[(pairs != now).any(axis=1)]
    if len(others):
        source, target = np.random.default_rng().choice(others)
        st.session_state[source_key], st.session_state[target_key] = int(source), int(target)
