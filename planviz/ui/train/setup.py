"""Setting up an experiment: arms, model, seeds, and the settings of each arm."""

from __future__ import annotations

import streamlit as st

from planviz.config import BASE, ExperimentConfig
from planviz.figures import style
from planviz.ui import lab
from planviz.ui.settings import setting_input, settings_of, unlike_paper
from planviz.ui.state import change, chosen_arms, draft, notify, open_experiment, set_chosen_arms
from planviz.ui.text import sentence

MODEL_SETTINGS = ("model.width", "model.layers", "model.heads")


def setup() -> None:
    """Draw the set-up and the start button."""
    _arms()
    with st.expander("Settings", icon=":material/tune:", on_change="rerun", key="train:settings") as settings:
        if settings.open:  # dozens of widgets, which otherwise take more time than the rest of the page
            st.caption("The help of a setting names the paper's value, where the paper has one.")
            _model()
            _arm_settings()
    try:
        view = lab.task_view(draft())
    except ValueError as error:
        st.error(
            f"{sentence(error)} Change the graph or the split on the Build page.", icon=":material/error:"
        )
        return
    arms, seeds = len(chosen_arms()), len(draft().seeds)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Start training", type="primary", icon=":material/play_arrow:", key="start",
            on_click=_start, disabled=arms == 0,
        )  # fmt: skip
        st.caption(
            f"{arms} arm{'s' * (arms != 1)} × {seeds} seed{'s' * (seeds != 1)} on a graph of "
            f"{view.facts.nodes} nodes and {view.facts.edges} edges, with {len(view.task.train_pairs)} "
            f"training and {len(view.task.test_pairs)} test pairs. Up to {lab.manager().workers} processes at once; "
            "the seeds of an arm train together."
        )


def _arms() -> None:
    st.session_state["train:arms"] = chosen_arms()
    st.pills(
        "Arms: every arm branches from the same SFT base",
        list(draft().arms),
        selection_mode="multi",
        format_func=style.arm_label,
        key="train:arms",
        on_change=lambda: set_chosen_arms(st.session_state["train:arms"]),
    )


def _model() -> None:
    with st.grid("auto", min_column_width=180):
        setting_input("model.kind")
        if draft().model.kind == "transformer":
            for key in MODEL_SETTINGS:
                setting_input(key)
        st.session_state["train:seeds"] = ", ".join(map(str, draft().seeds))
        st.text_input(
            "Seeds", key="train:seeds", on_change=lambda: change({"seeds": st.session_state["train:seeds"]}),
            help="Every arm is trained once with each of these seeds, such as 0, 1, 2.",
        )  # fmt: skip
        for name in type(draft().evaluation).model_fields:
            setting_input(f"evaluation.{name}")


def _arm_settings() -> None:
    names = [BASE, *chosen_arms()]
    for name, tab in zip(names, st.tabs(names), strict=True):
        with tab:
            st.caption(style.arm_label(name))
            prefix = BASE if name == BASE else f"arms.{name}"
            with st.grid("auto", min_column_width=180):
                for setting in settings_of(draft().arm(name)):
                    if setting != "method":
                        setting_input(f"{prefix}.{setting}")
            _variant(prefix, name)


def _variant(prefix: str, name: str) -> None:
    """Says whether an arm is as in the paper or the practical variant, and switches to the paper's."""
    arm = draft().arm(name)
    fields, differing = type(arm).model_fields, unlike_paper(arm)
    with st.container(horizontal=True, vertical_alignment="center"):
        if not differing:
            st.caption("**As in the paper**, as far as the paper gives settings.")
            return
        said = ", ".join(
            f"{fields[key].title} {_said(here)} (paper: {_said(there)})"
            for key, (here, there) in differing.items()
        )
        st.caption(f"**Practical variant**, which converges faster or suits this graph: {said}.")
        st.button(
            "Set as in the paper", icon=":material/menu_book:", key=f"paper:{name}", on_click=change,
            args=({f"{prefix}.{key}": there for key, (_, there) in differing.items()},),
        )  # fmt: skip


def _said(value: object) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else f"{value}"


def _start() -> None:
    config: ExperimentConfig = draft()
    arms = {name: arm for name, arm in config.arms.items() if name in chosen_arms()}
    try:
        started = lab.start(config.model_copy(update={"arms": arms}), st.session_state.preset)
    except ValueError as error:
        notify(f"The training could not start: {error}.")
    else:
        open_experiment(started)
