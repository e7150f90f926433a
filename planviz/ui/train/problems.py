"""What went wrong with runs of an experiment: which, at which step, with which settings, and how to go on."""

from __future__ import annotations

import streamlit as st

from planviz.config import BASE, PRESETS, ExperimentConfig, preset
from planviz.runs.records import ExperimentRecord, RunRecord
from planviz.ui import lab
from planviz.ui.state import notify
from planviz.ui.text import literal


def problems(experiment: ExperimentRecord, runs: list[RunRecord]) -> None:
    """Draw what keeps runs from going on, and a panel for each run that failed; nothing where all is well."""
    if trouble := lab.manager().trouble(experiment.id):
        st.error(
            f"{literal(trouble)}, then press Resume. Until then the runs wait, and nothing is lost.",
            icon=":material/hard_drive:",
        )
    for run in runs:
        if run.state == "failed":
            with st.container(border=True):
                _failed(experiment, run)


def _failed(experiment: ExperimentRecord, run: RunRecord) -> None:
    st.error(
        f"**{literal(run.arm)} (seed {run.seed}) failed at step {run.step:,} of {run.total_steps:,}.** "
        f"{literal(run.message)}",
        icon=":material/error:",
    )
    differing = unusual_settings(experiment, run.arm)
    if differing:
        st.caption(f"Settings of its own: {literal(', '.join(differing))}.")
    else:
        st.caption("All its settings are those of the preset.")
    kept = lab.store().resume_step(run.id)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Start it again" if kept is None else f"Go on from the last good checkpoint (step {kept:,})",
            icon=":material/restart_alt:", key=f"again:{run.id}", on_click=go_on, args=([run.id],),
        )  # fmt: skip
        st.caption("It goes on as if nothing had happened; what lies in the settings will happen again.")
    if run.details:
        with st.expander("Details", icon=":material/bug_report:"):
            st.code(run.details, language=None)


def unusual_settings(experiment: ExperimentRecord, arm: str) -> list[str]:
    """The settings of an arm, and of the model, that differ from its preset's, or from the defaults, in words."""
    config, reference = experiment.config, _reference(experiment)
    own = config.arm(arm)
    known = arm == BASE or arm in reference.arms
    usual = reference.arm(arm) if known else type(own)()
    if type(usual) is not type(own):
        usual = type(own)()
    found = []
    for here, there in ((own, usual), (config.model, reference.model)):
        for name, field in type(here).model_fields.items():
            value, normal = getattr(here, name), getattr(there, name)
            if value != normal:
                found.append(f"{field.title or name} {value} (otherwise {normal})")
    return found


def _reference(experiment: ExperimentRecord) -> ExperimentConfig:
    return preset(experiment.preset) if experiment.preset in PRESETS else ExperimentConfig()


def go_on(run_ids: list[str]) -> None:
    """Resume runs that ended early; what cannot be resumed is said at the top of the page."""
    for run_id in run_ids:
        try:
            lab.check_limits(lab.current_experiment().config, 1)
            lab.manager().resume(run_id)
        except ValueError as error:
            notify(f"{error}.")
