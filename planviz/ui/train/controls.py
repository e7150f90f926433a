"""Pause, single step, resume and stop, for some runs of an experiment."""

from __future__ import annotations

import streamlit as st

from planviz.events import Command
from planviz.runs.records import RESUMABLE, ExperimentRecord, RunError, RunRecord
from planviz.ui.lab import manager
from planviz.ui.state import notify
from planviz.ui.train.problems import go_on


def controls(experiment: ExperimentRecord, everything: list[RunRecord], chosen: list[RunRecord]) -> None:
    """Buttons that act on the chosen runs, which may be all of them."""
    states = {run.state for run in chosen}
    going = bool(states & {"running", "queued"}) and not manager().is_held(experiment.id)
    stuck = bool(manager().trouble(experiment.id))
    waiting = "paused" in states or manager().is_held(experiment.id) or stuck
    everyone = len(chosen) == len(everything)
    buttons: list[tuple[Command, str, str, bool, str]] = [
        ("pause", "Pause", ":material/pause:", going, "Wait before the next step."),
        (
            "step",
            "Step",
            ":material/skip_next:",
            "paused" in states,
            "Make one optimizer step, then wait again.",
        ),
        ("resume", "Resume", ":material/play_arrow:", waiting, "Go on after a pause."),
        ("stop", "Stop", ":material/stop:", going or waiting, "End for good; what was measured is kept."),
    ]
    with st.container(horizontal=True, vertical_alignment="center"):
        for command, label, icon, enabled, help in buttons:
            st.button(
                label, icon=icon, disabled=not enabled, help=help, key=f"control:{command}",
                on_click=_send, args=(experiment.id, command, None if everyone else [run.id for run in chosen]),
            )  # fmt: skip
        if states & RESUMABLE and not states & {"running", "queued", "paused"}:
            st.button(
                "Go on from the last checkpoint", icon=":material/restart_alt:", key="control:again",
                on_click=go_on, args=([run.id for run in chosen if run.state in RESUMABLE],),
            )  # fmt: skip
        finished = sum(run.state == "finished" for run in everything)
        acts_on = "" if everyone else f" The buttons act on the {len(chosen)} chosen."
        st.caption(f"{finished} of {len(everything)} runs finished.{acts_on}")


def _send(experiment_id: str, command: Command, run_ids: list[str] | None) -> None:
    try:
        if run_ids is None:
            manager().send_all(experiment_id, command)
        else:
            manager().send(run_ids, command)
    except RunError as error:
        notify(f"{error}.")
