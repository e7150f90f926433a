"""One pair of nodes on the Build page: what it is for, its paths, and the buttons that change what it is for."""

from __future__ import annotations

from typing import Literal

import networkx as nx
import streamlit as st

from planviz.figures.blocks import graph_states, plan_html
from planviz.graphs.generate import GraphError
from planviz.task import Ints, Task, TaskError
from planviz.ui.build.text import count
from planviz.ui.lab import TaskView, task_view
from planviz.ui.paths.text import ARROW, node_names, plural
from planviz.ui.state import draft, notify, set_draft
from planviz.ui.text import literal

PAIR = "build:pair"
"""The chosen pair, (source, target), which the matrix and the graph both choose and show."""
FROM, TO = "build:pair:from", "build:pair:to"
MAX_CHOSEN = 300_000
"""More pairs than these, which travel with the settings, would make every click slow."""
LONGEST_SHOWN = 10
"""Of a longer path, the nodes in the middle are left out."""

Pair = tuple[int, int]
Use = Literal["train", "test", "left out"]
USES: dict[Use, str] = {
    "train": "this is **a training pair**",
    "test": "this is **a test pair**",
    "left out": "this pair is **left out**",
}
BUTTONS: dict[Use, tuple[str, str]] = {
    "train": ("Train on it", ":material/school:"),
    "test": ("Test on it", ":material/quiz:"),
    "left out": ("Leave it out", ":material/block:"),
}


def chosen_pair(nodes: int) -> Pair | None:
    """The pair that was chosen, if a graph of so many nodes has it."""
    match st.session_state.get(PAIR):
        case (int(source), int(target)) if (
            source != target and 0 <= min(source, target) <= max(source, target) < nodes
        ):
            return source, target
    return None


def choose_pair(source: int, target: int) -> None:
    """Choose a pair; a node with itself is none."""
    if source != target:
        st.session_state[PAIR] = (source, target)


def pairs_of(pairs: Ints) -> tuple[Pair, ...]:
    """(P, 2) pairs as settings hold them."""
    return tuple((source, target) for source, target in pairs.tolist())


def pair_panel(view: TaskView) -> None:
    """The chosen pair, or how to choose one."""
    task = view.task
    names = node_names(task.labels)
    with st.container(border=True):
        pair = _picker(names)
        if pair is None:
            st.caption(
                "Click on a cell of the matrix, or choose two different nodes here, to see a pair and its paths."
            )
            return
        st.markdown(describe(pair, view, names))
        if task.distance[pair] > 0:
            _buttons(pair, task)


def pair_in_words(view: TaskView) -> None:
    """The chosen pair in a sentence, below the picture of the graph."""
    names = node_names(view.task.labels)
    pair = chosen_pair(len(names))
    if pair is None:
        st.caption("Click one node, then another: what leads from the one to the other is said here.")
    else:
        st.markdown(describe(pair, view, names))
        _plan(pair, view)


def _plan(pair: Pair, view: TaskView) -> None:
    """The shortest path of a Blocksworld pair as a row of pictures."""
    states = graph_states(view.task.graph)
    if states is not None and view.task.distance[pair] > 0:
        shown = [states[node] for node in nx.shortest_path(view.task.graph, *pair)]
        st.html(plan_html(shown, dark=st.context.theme.type == "dark", goal=states[pair[1]], width=84))


def _picker(names: list[str]) -> Pair | None:
    """Two menus, for those who cannot click on a small cell."""
    pair = chosen_pair(len(names))
    if pair is not None:
        st.session_state[FROM], st.session_state[TO] = pair
    for key in (FROM, TO):
        node = st.session_state.get(key)
        st.session_state[key] = node if node in range(len(names)) else None
    with st.container(horizontal=True):
        for label, key in (("From", FROM), ("To", TO)):
            st.selectbox(
                label, range(len(names)), format_func=names.__getitem__, key=key, on_change=_picked, width=205,
                placeholder="Choose a node", index=None,
            )  # fmt: skip
    return pair


def _picked() -> None:
    source, target = st.session_state[FROM], st.session_state[TO]
    st.session_state[PAIR] = None
    if source is not None and target is not None:
        choose_pair(source, target)


def use_of(pair: Pair, task: Task) -> Use:
    """What a pair with a path is for."""
    if (task.train_pairs == pair).all(axis=1).any():
        return "train"
    return "test" if (task.test_pairs == pair).all(axis=1).any() else "left out"


def describe(pair: Pair, view: TaskView, names: list[str]) -> str:
    """What the pair is for, its shortest path, and how many correct ones it has, in Markdown."""
    task = view.task
    source, target = (literal(names[node]) for node in pair)
    start = f"From **{source}** to **{target}**:"
    if task.distance[pair] < 0:
        return f"{start} **not reachable**. No path leads there, so it is neither trained on nor tested."
    path = [names[node] for node in nx.shortest_path(task.graph, *pair)]
    if len(path) > LONGEST_SHOWN:
        path[LONGEST_SHOWN // 2 : -LONGEST_SHOWN // 2] = ["…"]
    steps, paths = plural(int(task.distance[pair]), "step"), view.correct_paths[pair]
    limit = "" if view.facts.acyclic else f" of at most {task.max_steps} steps"
    return (
        f"{start} {USES[use_of(pair, task)]}. Shortest path: {literal(ARROW.join(path))} "
        f"({steps}). It has **{count(float(paths))} correct "
        f"path{'' if paths == 1 else 's'}**{limit}."
    )


def _buttons(pair: Pair, task: Task) -> None:
    now = use_of(pair, task)
    fits = len(task.train_pairs) + len(task.test_pairs) <= MAX_CHOSEN
    with st.container(horizontal=True):
        for use, (label, icon) in BUTTONS.items():
            st.button(
                label, icon=icon, key=f"build:pair:{use}", disabled=use == now or not fits, on_click=_put,
                args=(pair, use),
            )  # fmt: skip
    if not fits:
        st.caption(f"Pairs can be chosen one by one among at most {MAX_CHOSEN:,}; this split has more.")
    elif draft().split.kind != "pairs":
        st.caption("A change makes this a split of pairs of your choice; all other pairs stay what they are.")


def _put(pair: Pair, use: Use) -> None:
    """Give the pair another use. It comes first, because models are measured on the first pairs of a part."""
    try:
        task = task_view(draft()).task
    except (GraphError, TaskError):
        return
    parts = {"train": pairs_of(task.train_pairs), "test": pairs_of(task.test_pairs)}
    for name in parts:
        others = tuple(other for other in parts[name] if other != pair)
        parts[name] = (pair, *others) if name == use else others
    for name, words in (("train", "training"), ("test", "test")):
        if not parts[name]:
            notify(f"This is the only {words} pair; choose another {words} pair before you take it away.")
            return
    pairs = {"kind": "pairs", "train_pairs": parts["train"], "test_pairs": parts["test"]}
    set_draft(draft().model_copy(update={"split": draft().split.model_copy(update=pairs)}))
