"""The panels of the Compare page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from planviz.config import BASE
from planviz.figures import style
from planviz.figures.curves import failure_kinds, metric_curve, pass_at_k
from planviz.figures.export import page_html
from planviz.runs.bundle import metrics_csv
from planviz.runs.records import ExperimentRecord
from planviz.summary import KEPT, SUMMARY
from planviz.ui import lab
from planviz.ui.charts import show

CURVES = {
    "sampled_accuracy": "Paths drawn from the policy, as when it is used with temperature.",
    "greedy_accuracy": "The single most likely path of every query.",
    "distinct_paths": "How many different correct paths the samples of a query hold: diversity.",
    "path_entropy": "How evenly the correct samples spread over paths; 0 means always the same one.",
    "kl_to_base": "How far the policy has moved from the model it started from, in nats.",
    "coverage": "Distinct correct paths, out of as many as the samples could have shown.",
}


@dataclass(frozen=True)
class Selection:
    """What the user chose to see."""

    arms: list[str]
    split: str
    x: str
    smoothing: float


def choices(experiment: ExperimentRecord) -> Selection:
    """The widgets above the charts."""
    arms = [BASE, *experiment.config.arms]
    shown = st.pills(
        "Arms", arms, selection_mode="multi", default=arms, key=f"compare:arms:{experiment.id}",
        format_func=style.arm_label,
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        split = st.segmented_control(
            "Pairs", list(style.SPLITS), default="test", required=True, key="compare:split",
            format_func=lambda name: style.SPLITS[name].capitalize(),
        )  # fmt: skip
        x = st.segmented_control(
            "Horizontal axis", list(style.X_AXES), default="step", required=True, key="compare:x",
            format_func=lambda name: {"step": "Steps", "samples": "Samples", "seconds": "Seconds"}[name],
        )  # fmt: skip
        smoothing = st.slider("Smoothing", 0.0, 0.95, 0.0, 0.05, key="compare:smoothing", width=220)
    return Selection(shown, split, x, smoothing)


def figures(
    selection: Selection, evaluations: pd.DataFrame, changes: pd.DataFrame
) -> dict[str, Callable[[], go.Figure]]:
    """How to make each chart of the page, by name."""
    lines = [arm for arm in selection.arms if arm != BASE] or selection.arms
    curve = partial(
        metric_curve, evaluations, split=selection.split, x=selection.x, smoothing=selection.smoothing,
        arms=lines, base=BASE in selection.arms, changes=changes,
    )  # fmt: skip
    return {metric: partial(curve, metric) for metric in CURVES} | {
        "pass_at_k": partial(pass_at_k, evaluations, split=selection.split, arms=selection.arms),
        "failure_kinds": partial(failure_kinds, evaluations, split=selection.split, arms=selection.arms),
    }


THEORY_CURVES = {
    "kl_to_cooccurrence": "SFT converges to the table of what followed what in its text, and PG leaves it again.",
    "q_error": "Q-learning on the process reward comes close to the exact values, which tell edge and reachability.",
}
"""Distances to what theory says a method converges to, where the SFT texts pass."""


def theory(selection: Selection) -> None:
    """How far the models are from the exact references."""
    experiment = lab.current_experiment()
    evaluations = lab.evaluations(experiment.id)
    changes = lab.changes(experiment.id)
    version = (*lab.version(experiment, evaluations), lab.changes_version(changes), repr(selection))
    with st.grid(2, min_column_width=380, gap="medium") as grid:
        for name, sentence in THEORY_CURVES.items():
            make = partial(
                metric_curve, evaluations, name, split="train", x=selection.x,
                smoothing=selection.smoothing, arms=selection.arms, changes=changes,
            )  # fmt: skip
            with grid.cell():
                show(make, f"compare:{name}", version, sentence)


def charts(selection: Selection) -> None:
    """The charts, two in a row on a wide screen."""
    explanations = CURVES | {
        "pass_at_k": "Chance that at least one of k samples is correct: a collapsed policy wins at 1, loses later.",
        "failure_kinds": "How the sampled paths end.",
    }
    experiment = lab.current_experiment()
    evaluations = lab.evaluations(experiment.id)
    changes = lab.changes(experiment.id)
    version = (*lab.version(experiment, evaluations), lab.changes_version(changes), repr(selection))
    with st.grid(2, min_column_width=380, gap="medium") as grid:
        for name, make in figures(selection, evaluations, changes).items():
            with grid.cell():
                show(make, f"compare:{name}", version, explanations[name])


def table(selection: Selection) -> None:
    """Final and best values, a row an arm (the mean over its seeds)."""
    values = lab.values(lab.current_experiment().id).arms
    if values.empty:
        st.info("Nothing has been measured yet.", icon=":material/hourglass_empty:")
        return
    means = values[values["arm"].isin(selection.arms)]
    shares = [c for c in means.columns if c.removeprefix("best ") in SUMMARY and "distinct" not in c]
    percent = st.column_config.NumberColumn(format="percent")
    st.dataframe(
        means.drop(columns="method"),
        hide_index=True,
        alt=f"Final and best values of {len(means)} arms.",
        column_config=dict.fromkeys([*shares, KEPT], percent)
        | {"distinct paths": st.column_config.NumberColumn(format="%.2f", help="Per training pair")}
        | {"best distinct paths": st.column_config.NumberColumn(format="%.2f")}
        | {"seconds": st.column_config.NumberColumn(format="%.1f")},
    )


def downloads(selection: Selection) -> None:
    """Buttons for the data as CSV and the charts as HTML."""
    experiment = lab.current_experiment()
    with st.container(horizontal=True):
        st.download_button(
            "Data as CSV", lambda: metrics_csv(lab.evaluations(experiment.id)),
            file_name=f"planviz-{experiment.id}.csv", mime="text/csv", icon=":material/download:", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "Charts as HTML", lambda: _page(selection),
            file_name=f"planviz-{experiment.id}.html", mime="text/html", icon=":material/download:",
            on_click="ignore",
        )  # fmt: skip


def _page(selection: Selection) -> str:
    """All charts as one HTML page that needs no network."""
    experiment = lab.current_experiment()
    makes = figures(selection, lab.evaluations(experiment.id), lab.changes(experiment.id))
    return page_html([make() for make in makes.values()], f"planviz: {experiment.name}")
