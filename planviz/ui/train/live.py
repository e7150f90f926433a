"""The live panel of the Train page: progress, controls, curves and freshly sampled paths."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from planviz.config import BASE
from planviz.events import SampledPaths, Split
from planviz.figures import style
from planviz.figures.curves import loss_curve, metric_curve, throughput_curve
from planviz.figures.paths import paths_on_graph
from planviz.runs.records import ExperimentRecord, RunRecord
from planviz.ui import lab
from planviz.ui.charts import show
from planviz.ui.live_chart import drawn, live_chart
from planviz.ui.text import literal
from planviz.ui.train.controls import controls
from planviz.ui.train.problems import problems
from planviz.ui.train.runs_table import runs_table


def progress() -> None:
    """The runs with their progress, and the buttons that act on them."""
    experiment = lab.current_experiment()
    runs = lab.store().runs(experiment.id)
    toolbar = st.container()
    queue = lab.manager().queue() if any(run.state == "queued" for run in runs) else []
    chosen = runs_table(runs, lab.values(experiment.id).latest, f"runs:{experiment.id}", queue)
    with toolbar:
        controls(experiment, runs, chosen)
    problems(experiment, runs)


CURVES: dict[str, tuple[dict[str, Any], str]] = {
    "train": (
        {"metric": "sampled_accuracy", "split": "train"},
        "Queries that the model is trained on. SFT, PG and Q-learning on the process reward all get them right.",
    ),
    "test": (
        {"metric": "sampled_accuracy", "split": "test"},
        "Queries that appear in no text and in no training prompt: here planning has to generalise.",
    ),
    "distinct": (
        {"metric": "distinct_paths", "split": "train"},
        "Under policy gradient without KL this falls towards 1: one path per query is left.",
    ),
    "greedy": (
        {"metric": "greedy_accuracy", "split": ("train", "test")},
        "The single most likely path of every query.",
    ),
}
"""Arguments of `metric_curve` and a sentence for each of the curves."""


def curves() -> None:
    """Accuracy, diversity, loss and throughput so far."""
    experiment = lab.current_experiment()
    evaluations = lab.evaluations(experiment.id)
    changes = lab.changes(experiment.id)
    version = (*lab.version(experiment, evaluations), lab.changes_version(changes))
    with st.grid(2, min_column_width=380, gap="medium") as grid:
        for name, (arguments, sentence) in CURVES.items():
            with grid.cell():
                make = partial(metric_curve, evaluations, changes=changes, **arguments)
                show(make, f"live:{name}", version, sentence)
    with st.expander(
        "Loss and throughput", icon=":material/speed:", on_change="rerun", key="live:more"
    ) as more:
        if more.open:
            steps = lab.steps(experiment.id)
            if not steps.empty:
                share = steps.groupby("run")["evaluation_share"].last().mean()
                st.caption(f"Evaluations take {share:.0%} of the time of a run, on average.")
            of_steps = lab.version(experiment, steps)
            show(partial(loss_curve, steps), "live:loss", of_steps)
            show(partial(throughput_curve, steps), "live:throughput", of_steps)


def fresh_paths(arms: Sequence[str] = ("pg", "q-process")) -> None:
    """The paths sampled at the latest evaluation of some runs, those of `arms` at first, for one query."""
    experiment = lab.current_experiment()
    runs = lab.store().runs(experiment.id)
    by_name = {_name(run, runs): run for run in runs}
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    default = [name for name, run in by_name.items() if run.arm in arms][: len(arms)] or list(by_name)[:2]
    chosen = left.pills(
        "Show", list(by_name), selection_mode="multi", default=default, key=f"fresh:runs:{experiment.id}"
    )
    split: Split = right.segmented_control(
        "Pairs", ["train", "test"], default="train", required=True, key="fresh:split",
        format_func=lambda name: style.SPLITS[name],
    )  # fmt: skip
    sampled = {name: lab.store().latest_paths(by_name[name].id, split) for name in chosen[:4]}
    measured = {name: paths for name, paths in sampled.items() if paths is not None}
    if not measured:
        fallback = next((run for run in runs if run.arm == BASE), None)
        paths = lab.store().latest_paths(fallback.id, split) if fallback else None
        if paths is None:
            st.info("The first paths appear with the first evaluation.", icon=":material/hourglass_empty:")
            return
        measured = {BASE: paths}
    _draw_query(experiment, measured, split)


def _draw_query(experiment: ExperimentRecord, measured: dict[str, SampledPaths], split: Split) -> None:
    view = lab.task_view(experiment.config)
    labels, queries = view.task.labels, next(iter(measured.values())).queries
    order = sorted(
        range(len(queries)),
        key=lambda i: -view.correct_paths[queries[i].source, queries[i].target],
    )
    index = st.selectbox(
        "Query", order, key=f"fresh:query:{experiment.id}:{split}",
        format_func=lambda i: f"{labels[queries[i].source]} → {labels[queries[i].target]}  "
        f"({view.correct_paths[queries[i].source, queries[i].target]:,.0f} correct paths)",
    )  # fmt: skip
    for column, (name, paths) in zip(st.columns(len(measured)), measured.items(), strict=True):
        with column:
            st.markdown(f"**{literal(name)}** at step {paths.step:,}")
            make = partial(paths_on_graph, view.task.graph, view.positions, paths.queries[index])
            key = f"fresh:{name}"
            live_chart(drawn(make, key, (experiment.id, split, index, paths.step)), key)


def _name(run: RunRecord, runs: list[RunRecord]) -> str:
    return f"{run.arm}, seed {run.seed}" if len({other.seed for other in runs}) > 1 else run.arm
