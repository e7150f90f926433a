"""The Mechanism page: its sections, each computed only while it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import streamlit as st

from planviz.runs.records import ExperimentRecord
from planviz.ui import lab
from planviz.ui.lab import TaskView
from planviz.ui.mechanism.collapse import collapse, pair_picker
from planviz.ui.mechanism.found import found
from planviz.ui.mechanism.link import SECTION, SECTIONS, follow_link, write_link
from planviz.ui.mechanism.models import Chosen, arm_picker, progress_picker
from planviz.ui.mechanism.values import target_picker, values
from planviz.ui.mechanism.weights import weights
from planviz.ui.refreshing import refreshing
from planviz.ui.text import sentence


def mechanism(experiment: ExperimentRecord, view: TaskView) -> None:
    """The widgets of the page, and the section that is open."""
    follow_link(experiment, view)
    st.session_state.setdefault(SECTION, "values")
    section = st.segmented_control(
        "Look at", list(SECTIONS), required=True, format_func=SECTIONS.__getitem__,
        key=SECTION, persist_state="session", label_visibility="collapsed", wrap=True,
    )  # fmt: skip
    chosen = arm_picker(experiment)
    panel: Callable[[], None]
    if section == "found":
        panel = partial(found, experiment, view, chosen)
    elif section == "collapse":
        panel = partial(collapse, experiment, view, chosen, pair_picker(experiment, view))
    elif section == "weights":
        panel = partial(weights, experiment, view, replace(chosen, progress=progress_picker(experiment)))
    else:
        target = target_picker(experiment, view)
        now = replace(chosen, progress=progress_picker(experiment))
        panel = partial(values, experiment, view, now, target)
    write_link(experiment, view)
    refreshing(lambda: _told(panel, experiment, chosen), f"mechanism:{section}")


def _told(panel: Callable[[], None], experiment: ExperimentRecord, chosen: Chosen) -> None:
    """Draw a panel, or say why it cannot be drawn."""
    if not chosen.arms:
        st.info("Choose at least one model.", icon=":material/touch_app:")
        return
    if not lab.store().runs(experiment.id):
        st.error("This experiment was deleted meanwhile; choose another one.")
        return
    try:
        panel()
    except RuntimeError as error:
        st.error(f"The models could not be asked. {sentence(error)}")
    except (KeyError, OSError):
        st.error("The weights of a chosen model are no longer stored; its experiment may have been deleted.")
