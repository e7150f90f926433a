"""What is chosen on the Mechanism page, in the URL: only what is not what everybody sees at first."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from planviz.runs.records import ExperimentRecord
from planviz.ui import state
from planviz.ui.lab import TaskView
from planviz.ui.mechanism.models import arms_of, first_arms, first_pair, possible_targets, widget_key

PREFIX = "mechanism."
SECTIONS = {
    "values": "Learned against exact",
    "weights": "What the weights know",
    "found": "What exploration found",
    "collapse": "Why it collapses",
}
SECTION = "mechanism:section"
_FOLLOWED = "mechanism:followed"
_NUMBERS = re.compile(r"\d{1,9}(-\d{1,9})?", re.ASCII)


def follow_link(experiment: ExperimentRecord, view: TaskView) -> None:
    """On a session's first visit, choose what the link says; what is not usable is named."""
    if st.session_state.get(_FOLLOWED):
        return
    st.session_state[_FOLLOWED] = True
    for name, text in state.page_link(PREFIX).items():
        chosen = _read(name.removeprefix(PREFIX), text, experiment, view)
        for key, value in chosen.items():
            st.session_state[key] = value
        if not chosen:
            told = f"{name[:40]} = {text[:40]!r} is not known here, so it is left out"
            state.notify(f"This link could not be read in full: {told}.")


def _read(name: str, text: str, experiment: ExperimentRecord, view: TaskView) -> dict[str, Any]:
    """The widgets that one part of a link is about, with their values; none if it is not usable."""
    config, task = experiment.config, view.task
    if name == "section" and text in SECTIONS:
        return {SECTION: text}
    if name == "models":
        chosen = [arm for arm in arms_of(config) if arm in text.split(",")]
        return {widget_key("arms", experiment): chosen} if chosen else {}
    numbers = [*map(int, text.split("-"))] if _NUMBERS.fullmatch(text) else []
    if name == "pair" and numbers in task.train_pairs.tolist():
        return {widget_key(end, experiment): node for end, node in zip(("from", "to"), numbers, strict=True)}
    allowed = {
        "seed": config.seeds,
        "target": possible_targets(task),
        "progress": range(config.evaluation.evaluations + 1),
    }
    if len(numbers) == 1 and numbers[0] in allowed.get(name, ()):
        return {widget_key(name, experiment): numbers[0]}
    return {}


def write_link(experiment: ExperimentRecord, view: TaskView) -> None:
    """Bring the URL up to date with the widgets."""
    config = experiment.config

    def chosen(name: str, first: Any) -> Any:
        return st.session_state.get(widget_key(name, experiment), first)

    pair = first_pair(experiment, view)
    first = {
        "section": "values",
        "models": ",".join(first_arms(config)),
        "seed": config.seeds[0],
        "target": possible_targets(view.task)[0],
        "progress": config.evaluation.evaluations,
        "pair": f"{pair[0]}-{pair[1]}",
    }
    now = {name: chosen(name, first[name]) for name in ("seed", "target", "progress")} | {
        "section": st.session_state.get(SECTION),
        "models": ",".join(arm for arm in arms_of(config) if arm in chosen("arms", ())),
        "pair": f"{chosen('from', pair[0])}-{chosen('to', pair[1])}",
    }
    link = {f"{PREFIX}{name}": str(value) for name, value in now.items() if value != first[name]}
    state.set_page_link(PREFIX, link)
