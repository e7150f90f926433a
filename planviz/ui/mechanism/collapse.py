"""Mechanism, fourth section: the probability of each correct path of one pair, over training."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from planviz.config import BASE
from planviz.figures.mechanism_paths import Series, path_areas
from planviz.mechanism import PathShares
from planviz.runs.records import ExperimentRecord
from planviz.ui.charts import show
from planviz.ui.lab import TaskView
from planviz.ui.mechanism.models import (
    Chosen,
    Weights,
    first_pair,
    kept_weights,
    shares_over_time,
    widget_key,
)
from planviz.ui.paths.query import SELECTOR_WIDTH, allowed_pairs, settle
from planviz.ui.paths.text import ARROW, node_names, plural

TARGET_WIDTH = 260
MAX_NAME = 34
"""Characters of a path's name in the legend."""


def pair_picker(experiment: ExperimentRecord, view: TaskView) -> tuple[int, int]:
    """The training pair whose paths are followed."""
    names = node_names(view.task.labels)
    keys = [widget_key(end, experiment) for end in ("from", "to")]
    allowed = allowed_pairs(view.task, "train")
    chosen = tuple(st.session_state.get(key) for key in keys)
    first = first_pair(experiment, view) if chosen == (None, None) else (chosen[0], chosen[1])
    pair = settle(first, allowed, view)
    st.session_state[keys[0]], st.session_state[keys[1]] = pair
    counts = view.correct_paths
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "From", np.flatnonzero(allowed.any(axis=1)).tolist(), format_func=names.__getitem__,
            key=keys[0], persist_state="session", width=SELECTOR_WIDTH,
        )  # fmt: skip
        st.selectbox(
            "To", np.flatnonzero(allowed[pair[0]]).tolist(), key=keys[1], persist_state="session",
            format_func=lambda node: f"{names[node]}  ({plural(counts[pair[0], node], 'path')})",
            width=TARGET_WIDTH,
        )  # fmt: skip
    return pair


def collapse(experiment: ExperimentRecord, view: TaskView, chosen: Chosen, pair: tuple[int, int]) -> None:
    """Stacked areas, one panel a model."""
    names = node_names(view.task.labels)
    models = chosen.models(experiment)
    if len(models) > 1:  # the base is where all others begin
        models = [model for model in models if model.run.arm != BASE]
    kept = kept_weights(models)
    if not kept:
        st.info("The first weights are stored with the first evaluation.", icon=":material/hourglass_empty:")
        return
    found = shares_over_time(kept, *pair)
    heading = f"How likely each correct path from {names[pair[0]]} to {names[pair[1]]} is, over training"
    make = partial(_figure, {model.run.id: model.run.arm for model in models}, kept, found, names, heading)
    listed = (
        "" if found.exact else " Paths that no sample showed are estimated together, as other correct paths."
    )
    show(
        make, "mechanism:collapse", (experiment.id, kept, pair),
        "Every colour is one correct path, and its height is its probability. Without KL, policy gradient rewards "
        "whatever it happens to draw, so **one colour swallows the others**; with KL and under Q-learning the bands "
        "stay. *Effective paths*: as many equally likely paths would be as varied." + listed,
        explained="above",
    )  # fmt: skip


def _figure(
    arms: dict[str, str], kept: tuple[Weights, ...], found: PathShares, names: list[str], heading: str
) -> object:
    # Sorted by path, not by likelihood: a path keeps its colour while the models train.
    order = sorted(range(len(found.paths)), key=found.paths.__getitem__)
    shares, series = found.shares[:, order], {}
    for run_id, arm in arms.items():
        rows = [index for index, (of, _) in enumerate(kept) if of == run_id]
        steps = [kept[index][1] for index in rows]
        series[arm] = Series(steps, shares[rows], found.others[rows], found.wrong[rows])
    return path_areas(series, [path_name(found.paths[index], names) for index in order], heading)


def path_name(path: tuple[int, ...], names: list[str]) -> str:
    """A path by the nodes between its ends; the middle of a long one is left out."""
    between = [names[node] for node in path[:-1]]
    whole = ARROW.join(between) or "directly"
    if len(whole) <= MAX_NAME or len(between) < 3:
        return whole
    return f"{between[0]}{ARROW}…{ARROW}{between[-1]} ({len(path)} steps)"
