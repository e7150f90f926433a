"""A path of a Blocksworld graph as a plan: a row of pictures with the moves between them, and a file in PDDL."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import streamlit as st

from planviz.figures.blocks import NO_MOVE, graph_states, plan_html, step_name
from planviz.graphs.blocksworld import State
from planviz.graphs.limits import GraphError
from planviz.graphs.pddl import write_plan
from planviz.runs.records import ExperimentRecord
from planviz.task import Task
from planviz.ui.paths.pddl import asked_problem
from planviz.ui.paths.text import plural

Query = tuple[int, int]


def plan_player(experiment: ExperimentRecord, task: Task, query: Query, path: Sequence[int]) -> None:
    """The pictures of a sampled path, what it achieves, and its download.

    Args:
        path: tokens after the source, as sampled; the end of a path is no node.
    """
    states = graph_states(task.graph)
    if states is None:
        return
    nodes = [query[0], *(token for token in path if token < task.nodes)]
    shown = [states[node] for node in nodes]
    st.html(plan_html(shown, dark=st.context.theme.type == "dark", goal=states[query[1]]))
    with st.container(horizontal=True, vertical_alignment="center"):
        plan = _plan(experiment, shown)
        st.download_button(
            "Plan in PDDL", plan or "", "plan.pddl", "text/plain", icon=":material/download:", key="paths:plan",
            disabled=not plan, on_click="ignore",
            help="Every move as two of the four operators, one a line." if plan
            else "Only a path of legal moves is a plan.",
        )  # fmt: skip
        st.caption(verdict(shown, states[query[1]]))


def verdict(states: Sequence[State], goal: State) -> str:
    """What a path does as a plan, in a sentence."""
    moves = plural(len(states) - 1, "move")
    wrong = [at for at, step in enumerate(pairwise(states), start=1) if step_name(*step) == NO_MOVE]
    if wrong:
        return f"This is no plan: no legal move makes step {wrong[0]}."
    if states[-1] == goal:
        return f"This plan reaches the goal with {moves}."
    return f"This plan stops after {moves}, before it reaches the goal."


def _plan(experiment: ExperimentRecord, states: Sequence[State]) -> str | None:
    """The path in PDDL; its blocks are called as in the problem that was given, if there is one."""
    asked = asked_problem(experiment)
    try:
        return write_plan(states, None if asked is None or asked.problem is None else asked.problem.letters)
    except GraphError:
        return None
