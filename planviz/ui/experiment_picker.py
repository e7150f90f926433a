"""Choosing which stored experiment Train, Compare and Paths show."""

from __future__ import annotations

import time

import streamlit as st

from planviz.runs.records import ExperimentRecord
from planviz.ui import lab
from planviz.ui.lab import TaskView
from planviz.ui.state import open_experiment
from planviz.ui.text import sentence

SHOWN = 20


def experiment_picker() -> None:
    """A selector over the demo, the experiments that this session started, and the one in the URL."""
    current = lab.current_experiment()
    records = {lab.demo_id(): lab.store().experiment(lab.demo_id()), current.id: current}
    for known in st.session_state.get("opened", []):
        if known not in records and lab.exists(known):
            records[known] = lab.store().experiment(known)
    st.session_state["picker"] = current.id
    st.selectbox(
        "Experiment", list(records)[:SHOWN], key="picker", format_func=lambda key: _title(records[key]),
        on_change=lambda: open_experiment(st.session_state["picker"]),
    )  # fmt: skip


def picked_task() -> tuple[ExperimentRecord, TaskView] | None:
    """The selector, and the experiment with its task; None, and a sentence, if they make none."""
    experiment_picker()
    experiment = lab.current_experiment()
    try:
        return experiment, lab.task_view(experiment.config)
    except ValueError as error:
        st.error(f"The graph of this experiment cannot be shown. {sentence(error)}")
        return None


def _title(record: ExperimentRecord) -> str:
    if record.id == lab.demo_id():
        return "The demo that ships with planviz"
    started = time.strftime("%H:%M:%S", time.localtime(record.created))
    states = ", ".join(f"{count} {state}" for state, count in record.states.items())
    return f"{record.name}, started {started} ({states})"
