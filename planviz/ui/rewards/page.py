"""The Rewards page before training: what each reward implies on the draft's graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from planviz.arms import QLearningConfig
from planviz.figures.rewards import fates, policy_on_graph, value_matrix
from planviz.figures.style import SPLITS
from planviz.reward_analysis import Implied, Shares, implied, reward_shares, share_in_words
from planviz.rewards import reward_of
from planviz.ui import state
from planviz.ui.charts import show
from planviz.ui.lab import TaskView
from planviz.ui.paths.query import SELECTOR_WIDTH, allowed_pairs, describe, settle
from planviz.ui.paths.text import node_names
from planviz.ui.rewards.designs import Query, design_controls, designs, name_of, third_button, title_of
from planviz.ui.text import literal, sentence

EXPLAINED = {
    "policy": "From every node it goes to the next node of the greatest Q*, to each of several equal ones alike; lines "
    "are the wider, the more of its paths take them.",
    "fates": "A pair is right surely if every choice among equal next nodes leads to its target along edges.",
    "values": "What a step is worth at best: its own reward, and all that can follow. The policy takes the greatest "
    "value of a row; dots are the steps that are drawn above.",
}


def before_training(view: TaskView) -> None:
    """The designs, and what each implies for one query and for all pairs."""
    chosen = designs()
    for column, number in zip(st.columns(len(chosen)), range(len(chosen)), strict=True):
        with column:
            design_controls(number)
    third_button()
    query = _query_picker(view)
    st.caption(
        "Q* is exact: it is what each reward is worth with perfect play, before anything is trained. It knows the "
        "current node and the target, not how a path came there: of repeats it counts only standing still, and the "
        "outcome reward counts as if every step before had been an edge."
    )
    panels = [_panel(view, number, design, query) for number, design in enumerate(chosen)]
    for row in ("verdict", "policy", "fates", "values"):
        for column, draw in zip(st.columns(len(chosen)), panels, strict=True):
            with column:
                draw(row)


def _query_picker(view: TaskView) -> Query:
    """From where to where the policies are drawn."""
    names, allowed = node_names(view.task.labels), allowed_pairs(view.task, "any")
    query = settle(st.session_state.rewards_query or (None, None), allowed, view)
    if st.session_state.rewards_query not in (None, query):
        if st.session_state.rewards_query_in_link:
            asked = "-".join(map(str, st.session_state.rewards_query))
            state.notify(
                f"This link could not be read in full: {asked} is no pair with a path; another is shown."
            )
        st.session_state.rewards_query = query
    st.session_state.rewards_query_in_link = False
    st.session_state["rewards:from"], st.session_state["rewards:to"] = query
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "From", np.flatnonzero(allowed.any(axis=1)).tolist(), format_func=names.__getitem__,
            key="rewards:from", width=SELECTOR_WIDTH, on_change=_ask,
        )  # fmt: skip
        st.selectbox(
            "To", np.flatnonzero(allowed[query[0]]).tolist(), format_func=names.__getitem__,
            key="rewards:to", width=SELECTOR_WIDTH, on_change=_ask,
        )  # fmt: skip
    st.markdown(describe(query, view))
    return query


def _ask() -> None:
    st.session_state.rewards_query = st.session_state["rewards:from"], st.session_state["rewards:to"]


def _panel(view: TaskView, number: int, design: QLearningConfig, query: Query) -> Callable[[str], None]:
    """What one design implies, as a function that draws a part of it: columns stay aligned row by row."""
    title, task = title_of(number, design), view.task
    key, version = f"rewards:{name_of(number)}", (view.name, design.model_dump_json(), query)
    try:
        found = _implied(view.name, design.model_dump_json(), query, view)
        shares = {split: _shares(view.name, design.model_dump_json(), split, view) for split in SPLITS}
    except ValueError as error:
        said = f"{sentence(error)} Training is still possible, but its values will never settle."
        return lambda row: _no_end(title, said) if row == "verdict" else None
    short = f"Reward {number + 1}"
    figures: dict[str, Callable[[], go.Figure]] = {
        "policy": partial(policy_on_graph, task, view.positions, found, *query, title=short),
        "fates": partial(fates, shares, title=short),
        "values": partial(value_matrix, task, found, *query, title=short),
    }

    def draw(row: str) -> None:
        if row == "verdict":
            st.subheader(title, anchor=False)
            st.markdown(f":material/gavel: {literal(found.verdict)}")
            return
        show(figures[row], f"{key}:{row}", version, EXPLAINED[row])
        if row == "fates":
            st.caption(_in_numbers(shares, design.policy_temperature))

    return draw


def _no_end(title: str, said: str) -> None:
    st.subheader(title, anchor=False)
    st.warning(said, icon=":material/all_inclusive:")


def _in_numbers(shares: dict[str, Shares], temperature: float) -> str:
    test = shares["test"]
    length = "" if np.isnan(test.stretch) else f" Correct paths are {test.stretch:.2f} times the shortest."
    some = "" if test.pairs == test.of else f" Of {test.of:,} test pairs, {test.pairs:,} were looked at."
    return (
        f"Test pairs: {share_in_words(test.arrival, 1)} of its paths are correct; "
        f"{share_in_words(test.sampled, 1)} where they are sampled from softmax(Q\\*/τ) with "
        f"τ = {temperature:g}, as a trained model is.{length}{some}"
    )


@st.cache_resource(max_entries=24, show_spinner="Solving for the exact values …")
def _implied(task_name: str, settings: str, query: Query, _view: TaskView) -> Implied:
    design = QLearningConfig.model_validate_json(settings)
    paths = float(_view.correct_paths[query])
    return implied(_view.task, reward_of(design), design.discount, *query, paths)


@st.cache_data(max_entries=256, show_spinner="Solving for the exact values …")
def _shares(task_name: str, settings: str, split: str, _view: TaskView) -> Shares:
    design = QLearningConfig.model_validate_json(settings)
    pairs, temperature = _view.task.pairs(split), design.policy_temperature
    return reward_shares(_view.task, reward_of(design), design.discount, pairs, temperature)
