"""The split on the Build page: its kind and settings, its numbers, and the matrix of all pairs, to be clicked on."""

from __future__ import annotations

from functools import partial

import streamlit as st

from planviz.config import SplitKind
from planviz.figures.task import split_matrix
from planviz.graphs.generate import GraphError
from planviz.splits import SPLITS, stages_of
from planviz.task import Task, TaskError
from planviz.ui.build.graph import reroll_button
from planviz.ui.build.pair import MAX_CHOSEN, choose_pair, chosen_pair, pairs_of
from planviz.ui.build.text import texts_per_pair
from planviz.ui.charts import show
from planviz.ui.lab import TaskView, graph_view, task_view
from planviz.ui.live_chart import Click
from planviz.ui.paths.text import plural
from planviz.ui.settings import setting_input
from planviz.ui.state import change, draft, notify, set_draft
from planviz.ui.text import sentence

KIND, STAGES = "build:split", "build:stages"
REROLL = {
    "random": "Draw another split",
    "edges": "Draw another split",
    "target": "Draw other targets",
}
"""What the next seed draws, besides other texts."""
NOT_IN_LINKS = {"pairs": " Links do not carry the pairs.", "texts": " Links do not carry the texts."}
FARTHER = {
    "label": "Share of farther pairs",
    "help": "Share of the pairs more than one step apart that are trained on, besides all edges.",
}


def split_settings() -> None:
    """Which pairs are trained on, and with how many texts: the kind of split, and the settings that matter for it."""
    split = draft().split
    kinds = [kind for kind in SPLITS if kind != "texts" or split.texts or split.kind == "texts"]
    st.session_state[KIND] = split.kind
    st.selectbox(
        "Kind of split", kinds, format_func=lambda kind: SPLITS[kind].title, key=KIND, on_change=_choose_kind
    )
    st.caption(SPLITS[split.kind].question + NOT_IN_LINKS.get(split.kind, ""))
    settings = SPLITS[split.kind].settings
    if "tested_stages" in settings:
        _stages()
    with st.grid(2, min_column_width=120):
        for name in settings:
            if name != "tested_stages":
                setting_input(
                    f"split.{name}", **(FARTHER if (split.kind, name) == ("edges", "train_share") else {})
                )
    if "seed" in settings:
        drawn = REROLL.get(split.kind, "Draw other texts")
        reroll_button(drawn, "split.seed", "The same settings with the next seed; the graph stays.")


def _choose_kind() -> None:
    kind: SplitKind = st.session_state[KIND]
    if kind != "pairs":
        change({"split.kind": kind})
        return
    config = draft()
    chosen = config.model_copy(update={"split": config.split.model_copy(update={"kind": "pairs"})})
    try:
        task_view(chosen)  # pairs that were chosen before, if they fit this graph
    except (GraphError, TaskError):
        try:
            task = task_view(config).task
        except (GraphError, TaskError):
            task = None
        if task is not None and len(task.train_pairs) + len(task.test_pairs) > MAX_CHOSEN:
            notify(f"Pairs can be chosen one by one among at most {MAX_CHOSEN:,}; this split has more.")
            return
        if task is not None:
            pairs = {"train_pairs": pairs_of(task.train_pairs), "test_pairs": pairs_of(task.test_pairs)}
            chosen = chosen.model_copy(update={"split": chosen.split.model_copy(update=pairs)})
    set_draft(chosen)


def _stages() -> None:
    """Which pairs of stages are tested; on a graph without stages the task says what is wrong."""
    try:
        stages = stages_of(graph_view(draft().graph).graph)
    except GraphError:
        return
    if stages is None:
        return
    count = int(stages.max())
    offered = [(start, end) for start in range(1, count + 1) for end in range(start, count + 1)]
    tested = draft().split.tested_stages or _apart(offered)
    st.session_state[STAGES] = [pair for pair in tested if pair in offered]
    st.pills(
        "Only tested: from stage to stage", offered, selection_mode="multi", key=STAGES, wrap=True,
        format_func=lambda pair: f"S{pair[0]} → S{pair[1]}", on_change=_choose_stages, args=(offered,),
        help="Pairs between all other stages are trained on. With none chosen, all that are two stages or more apart "
        "are tested.",
    )  # fmt: skip


def _apart(offered: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The pairs of stages that are tested by default."""
    return tuple((start, end) for start, end in offered if end - start >= 2)


def _choose_stages(offered: list[tuple[int, int]]) -> None:
    tested = tuple(sorted(st.session_state[STAGES]))
    change({"split.tested_stages": () if tested == _apart(offered) else tested})


def task_or_error() -> TaskView | None:
    """The task, or a sentence that says why there is none."""
    try:
        with st.spinner("Splitting the pairs and walking the graph …"):
            return task_view(draft())
    except (GraphError, TaskError) as error:
        st.error(sentence(error), icon=":material/error:")
        return None


def split_summary(view: TaskView) -> None:
    """The split in numbers."""
    task = view.task
    train, test, texts = len(task.train_pairs), len(task.test_pairs), len(task.texts)
    each = texts_per_pair(task) if draft().split.kind == "texts" else f"{texts // train}"
    lines = [
        f"**Training:** {plural(train, 'pair')}, {each} {'path' if each == '1' else 'paths'} each: "
        f"{plural(texts, 'text')}.",
        f"**Test:** {plural(test, 'pair')}, in no text and no training query.",
    ]
    if left := left_out(task):
        lines.append(f"**Left out:** {plural(left, 'pair')} with a path, neither trained on nor tested.")
    st.markdown("\n\n".join(lines))


def left_out(task: Task) -> int:
    """How many pairs have a path but are in neither part."""
    return int((task.distance > 0).sum()) - len(task.train_pairs) - len(task.test_pairs)


def matrix(view: TaskView) -> None:
    """Every pair of nodes and where it belongs; a click chooses a pair."""
    task, chosen = view.task, chosen_pair(view.task.nodes)
    show(
        lambda: split_matrix(task.train_pairs, task.test_pairs, task.labels, task.reachable, chosen),
        "build:matrix", (view.name, chosen),
        "Each cell is a pair: the row is its source, the column its target. Click on one to see its paths and to "
        "change what it is for.",
        on_click=partial(_choose_cell, task.nodes),
    )  # fmt: skip


def _choose_cell(nodes: int, click: Click) -> None:
    """Choose the pair of a cell; what a browser sends may be no cell of this matrix."""
    if click.trace == 0 and len(click.point) == 2 and max(click.point) < nodes:
        choose_pair(*click.point)
