"""The rewards being compared: their state in the session and in the URL, and the widgets that change them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st
from pydantic import ValidationError

from planviz.arms import TERMS, QLearningConfig
from planviz.config import ExperimentConfig
from planviz.figures.change_marks import change_words
from planviz.ui import state
from planviz.ui.text import literal

Design = QLearningConfig
"""Of its settings the reward, its terms and the discount are chosen here; the others are those of the draft."""

Query = tuple[int, int]

CHOSEN = ("reward", *TERMS, "discount")
REWARDS = {"outcome": "Outcome", "process": "Process", "custom": "Custom"}
MEANINGS = {
    "outcome": "1 for arriving by a correct path, else nothing.",
    "process": "1 for reaching the target, −1 for every step along no edge.",
    "custom": "The sum of these terms, for every step.",
}
FIRST: tuple[dict[str, Any], ...] = (
    {"reward": "process"},
    {"reward": "outcome"},
    {"reward": "custom", "step_reward": -0.1},
)
"""What the designs are at first; the third comes with a button."""
STEPS, MAX_STEPS = 600, 100_000
PREFIX = "rewards."


def start() -> None:
    """On a session's first visit of the page, take the designs from the URL."""
    if "rewards" in st.session_state:
        return
    designs, query, steps, problems = from_link(state.page_link(PREFIX), state.draft())
    for problem in problems:
        state.notify(f"This link could not be read in full: {problem}")
    st.session_state.rewards_query, st.session_state.rewards_query_in_link = query, query is not None
    st.session_state.rewards_steps = steps
    st.session_state.rewards = designs


def designs() -> list[Design]:
    """The rewards being compared, two or three."""
    chosen: list[Design] = st.session_state.rewards
    return chosen


def first(number: int, config: ExperimentConfig) -> Design:
    """A design as it is at first; what is not chosen on this page is as in the draft's arm of Q-learning."""
    return template(config).model_copy(update=plain_terms() | FIRST[number])


def plain_terms() -> dict[str, float]:
    """The terms of a custom reward as they are at first."""
    return {name: QLearningConfig.model_fields[name].default for name in TERMS}


def template(config: ExperimentConfig) -> QLearningConfig:
    """The Q-learning arm of an experiment, `q-process` if there are several; the defaults if there is none."""
    arms = {name: arm for name, arm in config.arms.items() if isinstance(arm, QLearningConfig)}
    return arms.get("q-process") or next(iter(arms.values()), QLearningConfig())


def from_link(
    link: Mapping[str, str], config: ExperimentConfig
) -> tuple[list[Design], Query | None, int, list[str]]:
    """The designs, the query and the steps that a link names, and a sentence for every part that was not usable."""
    found, query, steps, problems = [first(0, config), first(1, config)], None, STEPS, []
    for key, text in sorted(link.items()):
        name = key.removeprefix(PREFIX)
        try:
            if name in ("1", "2", "3"):
                place = int(name) - 1
                found[place : place + 1] = [read_design(text, config)]
            elif name == "query":
                source, _, target = text.partition("-")
                query = int(source[:9]), int(target[:9])
            elif name == "steps":
                steps = min(max(int(text[:9]), 1), MAX_STEPS)
            else:
                problems.append(f"{key[:40]}: there is no such setting.")
        except ValueError:
            problems.append(f"{key[:40]} = {text[:60]!r} is none; the page's own is used instead.")
    return found, query, steps, problems


def read_design(text: str, config: ExperimentConfig) -> Design:
    """A design from how a link writes it, such as ``custom,step_reward=-0.1``.

    Raises:
        ValueError: it is none.
    """
    reward, *parts = text[:400].split(",")
    values: dict[str, Any] = {"reward": reward}
    for part in parts:
        name, _, value = part.partition("=")
        if name not in CHOSEN[1:]:
            raise ValueError(name)
        values[name] = value
    try:
        checked = QLearningConfig.model_validate(values)
    except ValidationError as error:
        raise ValueError(text) from error
    given = {name: getattr(checked, name) for name in values}
    return template(config).model_copy(update=plain_terms() | given)


def write_design(design: Design, config: ExperimentConfig) -> str:
    """A design as `read_design` reads it: the kind of reward, and what is not as it is at first."""
    usual = plain_terms() | {"discount": template(config).discount}
    names = CHOSEN[1:] if design.reward == "custom" else ("discount",)
    parts = [f"{name}={getattr(design, name):g}" for name in names if getattr(design, name) != usual[name]]
    return ",".join([design.reward, *parts])


def to_link() -> dict[str, str]:
    """What of the page is not as it is at first, for the URL."""
    config, link = state.draft(), {}
    for number, design in enumerate(designs()):
        text = write_design(design, config)
        if number == 2 or text != write_design(first(number, config), config):
            link[f"{PREFIX}{number + 1}"] = text
    if st.session_state.rewards_query is not None:
        link[f"{PREFIX}query"] = "{}-{}".format(*st.session_state.rewards_query)
    if st.session_state.rewards_steps != STEPS:
        link[f"{PREFIX}steps"] = str(st.session_state.rewards_steps)
    return link


def name_of(number: int) -> str:
    """The arm that trains on a design."""
    return f"reward-{number + 1}"


def title_of(number: int, design: Design) -> str:
    return f"Reward {number + 1}: {REWARDS[design.reward].lower()}"


def words_of(design: Design) -> str:
    """What a design is, in words: the kind of reward, the terms of a custom one, and a discount below 1."""
    settings = {"reward": design.reward}
    names = [name for name in TERMS if design.reward == "custom" and getattr(design, name)]
    names += ["discount"] if design.discount < 1 else []
    return change_words(settings | {name: getattr(design, name) for name in names})


def design_controls(number: int) -> None:
    """The widgets of one design."""
    design = designs()[number]
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{literal(title_of(number, design))}**")
        reward_controls(design, f"rewards:{number}", lambda name, value: _set(number, name, value), own=False)


def reward_controls(
    design: Design, key: str, changed: Callable[[str, Any], None] | None = None, *, own: bool = True
) -> dict[str, Any]:
    """The kind of reward, its terms and the discount; what they are set to.

    Args:
        changed: called with the name of a setting and its new value.
        own: the widgets keep what they are set to; otherwise they always show the design.
    """
    fields = QLearningConfig.model_fields

    def key_of(name: str) -> str:
        widget = f"{key}:{name}"
        if not own or widget not in st.session_state:
            st.session_state[widget] = getattr(design, name)
        return widget

    def options(name: str) -> dict[str, Any]:
        told: dict[str, Any] = {"key": key_of(name), "help": fields[name].description}
        if changed is not None:
            told["on_change"] = lambda: changed(name, st.session_state[f"{key}:{name}"])
        return told

    reward = st.segmented_control(
        "Reward", list(REWARDS), format_func=REWARDS.__getitem__, required=True, label_visibility="collapsed",
        **options("reward") | {"help": None},
    )  # fmt: skip
    st.caption(MEANINGS[reward])
    values: dict[str, Any] = {"reward": reward}
    with st.grid("auto", min_column_width=170):
        for name in TERMS if reward == "custom" else ():
            values[name] = st.slider(fields[name].title or name, -5.0, 5.0, step=0.05, **options(name))
        values["discount"] = st.slider("Discount (γ)", 0.0, 1.0, step=0.01, **options("discount"))
    return values


def _set(number: int, name: str, value: Any) -> None:
    designs()[number] = designs()[number].model_copy(update={name: value})


def third_button() -> None:
    """Adds a third design, or removes it."""
    if len(designs()) == 2:
        st.button("Add a third reward", icon=":material/add:", key="rewards:add", on_click=_add)
    else:
        st.button("Remove the third reward", icon=":material/close:", key="rewards:remove", on_click=_remove)


def _add() -> None:
    designs().append(first(2, state.draft()))


def _remove() -> None:
    del designs()[2:]
