"""Mechanism, third section: the correct paths and the useful steps that training has come across."""

from __future__ import annotations

from functools import partial

import streamlit as st

from planviz.discovery import existing
from planviz.figures.mechanism_paths import found_curve
from planviz.mechanism import edge_groups
from planviz.runs.records import ExperimentRecord
from planviz.theory import text_steps
from planviz.ui import lab
from planviz.ui.charts import show
from planviz.ui.lab import TaskView
from planviz.ui.mechanism.models import Chosen

CURVES = {
    "paths_found": "A path counts once, however often it is met: SFT reads the same texts again and again, while PG "
    "and Q-learning sample paths of their own.",
    "triples_found": "A useful step is an edge to a node from which the target can be reached: nobody can learn one "
    "that was never tried.",
}


def found(experiment: ExperimentRecord, view: TaskView, chosen: Chosen) -> None:
    """Curves of what was found, against all that exists."""
    st.write(
        "What a method never comes across it cannot learn. Each model starts with nothing found, and adds what it "
        "trains on: **texts** for SFT, **its own samples** for policy gradient and Q-learning."
    )
    limits = _existing(experiment.id, view)
    _texts(view, limits)
    evaluations = lab.evaluations(experiment.id)
    if not evaluations.empty:
        evaluations = evaluations[evaluations["seed"] == chosen.seed]
    if not {*CURVES} <= {*evaluations.columns}:
        st.info(
            "This experiment was trained before planviz counted what training comes across, or has not been "
            "measured yet. Train it again to see the curves.",
            icon=":material/explore_off:",
        )
        return
    version = (*lab.version(experiment, evaluations), chosen)
    with st.grid(2, min_column_width=380, gap="medium") as grid:
        for metric, explanation in CURVES.items():
            make = partial(found_curve, evaluations, metric, limits[metric], arms=chosen.arms)
            with grid.cell():
                show(make, f"mechanism:{metric}", version, explanation, explained="above")


def _texts(view: TaskView, limits: dict[str, float]) -> None:
    """What the SFT texts alone hold, out of what there is."""
    edges = {name: int(group.sum()) for name, group in edge_groups(view.task).items()}
    taken = edges["often"] + edges["seldom"]
    held = {
        "Different paths in the SFT text": (len(set(view.task.texts)), limits["paths_found"]),
        "Useful steps in the SFT text": (len(text_steps(view.task)[1]), limits["triples_found"]),
        "Edges in the SFT text": (taken, taken + edges["never"]),
    }
    with st.container(horizontal=True):
        for label, (number, all_there_are) in held.items():
            whole = f"{all_there_are:,.0f}" if all_there_are < 1e9 else "over a billion"
            st.metric(label, f"{number:,} of {whole}", width=300, border=True)


@st.cache_data(max_entries=64, show_spinner=False)
def _existing(experiment_id: str, _view: TaskView) -> dict[str, float]:
    return existing(_view.task, _view.correct_paths)
