"""The Rewards page while it trains: the designs side by side, and another reward in the middle of a run."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from planviz.arms import QLearningConfig
from planviz.config import ExperimentConfig, SettingError, with_changes
from planviz.events import Change
from planviz.figures import style
from planviz.figures.change_marks import change_words
from planviz.figures.curves import metric_curve
from planviz.runs.records import ExperimentRecord, RunError, RunRecord
from planviz.ui import lab, state
from planviz.ui.charts import show
from planviz.ui.refreshing import REFRESH, refreshing
from planviz.ui.rewards.designs import (
    CHOSEN,
    MAX_STEPS,
    designs,
    name_of,
    reward_controls,
    template,
    words_of,
)
from planviz.ui.text import literal, sentence
from planviz.ui.train.live import fresh_paths, progress

EVALUATIONS = 30
"""Evaluations of each run here: a change shows soon."""

CURVES = {
    "train": ("sampled_accuracy", "train", "Sampled paths of pairs that are trained on."),
    "test": (
        "sampled_accuracy",
        "test",
        "Sampled paths of pairs that appear in no text and no training query.",
    ),
    "distinct": ("distinct_paths", "train", "How many different correct paths the samples of a query hold."),
}


def experiment_of(config: ExperimentConfig) -> ExperimentConfig:
    """The draft with the designs as its arms."""
    usual = template(config)
    arms = {
        name_of(number): usual.model_copy(
            update={name: getattr(design, name) for name in CHOSEN}
            | {"steps": st.session_state.rewards_steps}
        )
        for number, design in enumerate(designs())
    }
    evaluations = max(EVALUATIONS, config.evaluation.evaluations)
    evaluation = config.evaluation.model_copy(update={"evaluations": evaluations})
    return config.model_copy(
        update={"name": f"rewards on {config.name}"[:80], "arms": arms, "evaluation": evaluation}
    )


def start_panel() -> None:
    """The button that trains the designs."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.session_state["rewards:steps"] = st.session_state.rewards_steps
        st.number_input("Steps", 1, MAX_STEPS, step=100, key="rewards:steps", width=140, on_change=_set_steps)
        st.button(
            f"Train these {len(designs())} side by side", type="primary", icon=":material/play_arrow:",
            key="rewards:start", on_click=_start,
        )  # fmt: skip


def _set_steps() -> None:
    st.session_state.rewards_steps = int(st.session_state["rewards:steps"])


def _start() -> None:
    try:
        started = lab.start(experiment_of(state.draft()), st.session_state.preset)
    except ValueError as error:
        state.notify(f"The training could not start: {error}.")
    else:
        state.open_experiment(started)


def training() -> None:
    """The runs of the experiment being looked at, if its arms are designs of this page."""
    experiment = lab.current_experiment()
    arms = [name for name, _ in _began_with(experiment)]
    if not arms:
        st.info("The curves appear here once the training has started.", icon=":material/show_chart:")
        return
    st.caption(
        ". ".join(f"**{arm}** began with: {literal(words)}" for arm, words in _began_with(experiment)) + "."
    )
    refreshing(progress, "rewards:progress", REFRESH)
    refreshing(partial(_change_panel, arms), "rewards:change", REFRESH)
    refreshing(_curves, "rewards:curves")
    st.subheader("Current paths")
    st.write("Lines show where the samples of the latest evaluation went; the wider, the more of them.")
    refreshing(partial(fresh_paths, arms), "rewards:fresh")


def _began_with(experiment: ExperimentRecord) -> list[tuple[str, str]]:
    """Each arm of the designs, and its reward as it was at the start."""
    arms = experiment.config.arms.items()
    return [
        (name, words_of(arm))
        for name, arm in arms
        if name.startswith("reward-") and isinstance(arm, QLearningConfig)
    ]


def _curves() -> None:
    experiment = lab.current_experiment()
    evaluations, changes = lab.evaluations(experiment.id), lab.changes(experiment.id)
    version = (*lab.version(experiment, evaluations), lab.changes_version(changes))
    with st.grid(3, min_column_width=330, gap="medium") as grid:
        for name, (metric, split, explanation) in CURVES.items():
            with grid.cell():
                make = partial(metric_curve, evaluations, metric, split=split, changes=changes)
                show(make, f"rewards:curve:{name}", version, explanation)


def _change_panel(arms: list[str]) -> None:
    """Another reward for an arm that trains, from its next step on."""
    experiment = lab.current_experiment()
    runs = lab.store().runs(experiment.id)
    training = [arm for arm in arms if any(run.arm == arm and _trains(run) for run in runs)]
    with st.container(border=True):
        st.markdown("**Change the reward now**")
        if not training:
            st.caption("While an arm trains, it can be given another reward here, and its policy reroutes.")
            return _tell(experiment)
        arm = st.segmented_control(
            "Arm", training, default=training[0], required=True, key=f"change:arm:{experiment.id}",
            format_func=style.arm_label,
        )  # fmt: skip
        arm = arm if arm in training else training[0]
        now = in_force(experiment, arm)
        version = lab.changes_version(lab.changes(experiment.id))[0]
        values = reward_controls(now, f"change:{experiment.id}:{arm}:{version}")
        wanted = {name: value for name, value in values.items() if getattr(now, name) != value}
        st.button(
            "Apply from the next step on", icon=":material/bolt:", type="primary", key="rewards:apply",
            disabled=not wanted, on_click=_apply, args=(experiment, arm, wanted),
        )  # fmt: skip
        return _tell(experiment)


def _trains(run: RunRecord) -> bool:
    return run.state in ("running", "paused")


def in_force(experiment: ExperimentRecord, arm: str) -> QLearningConfig:
    """The settings of an arm as they are now, with all that has changed."""
    changes = lab.changes(experiment.id)
    settings: dict[str, Any] = {}
    for changed in changes.loc[changes["arm"] == arm].sort_values("step")["settings"]:
        settings |= changed
    found = with_changes(experiment.config, arm, settings).arm(arm)
    assert isinstance(found, QLearningConfig)
    return found


def _apply(experiment: ExperimentRecord, arm: str, wanted: dict[str, Any]) -> None:
    """Send the change to all runs of the arm that train; what came of it is said in the panel."""
    runs = [run.id for run in lab.store().runs(experiment.id) if run.arm == arm and _trains(run)]
    try:
        if not runs:
            raise RunError(f"{arm} does not train any more")
        with_changes(experiment.config, arm, wanted)
        lab.manager().send(runs, Change(tuple(wanted.items())))
    except (RunError, SettingError, KeyError) as error:
        st.session_state.rewards_refused = sentence(error)
    else:
        st.session_state.rewards_refused = ""


def _tell(experiment: ExperimentRecord) -> None:
    """What has changed so far, and why the last change was refused."""
    if refused := st.session_state.get("rewards_refused"):
        st.error(refused)
    told = lab.changes(experiment.id).drop_duplicates(["arm", "step"])
    for arm, step, settings in told[["arm", "step", "settings"]].itertuples(index=False):
        st.markdown(f"- **{literal(arm)}** after step {step:,}: {literal(change_words(settings))}")
