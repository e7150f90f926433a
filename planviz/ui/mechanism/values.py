"""Mechanism, first section: what each model learned about one target, beside what theory says it should be."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from planviz.config import ArmConfig, QLearningConfig, with_changes
from planviz.figures import style
from planviz.figures.mechanism_matrices import Scale, node_matrix
from planviz.learned import Errors, Table, errors, exact_table, learned_table, nearest
from planviz.mechanism import Probe
from planviz.runs.records import ExperimentRecord
from planviz.task import Task
from planviz.ui import lab
from planviz.ui.charts import show
from planviz.ui.lab import TaskView
from planviz.ui.mechanism.models import (
    Chosen,
    has_weights,
    possible_targets,
    probed_targets,
    probes,
    widget_key,
)
from planviz.ui.paths.models import Model
from planviz.ui.paths.text import node_names, plural
from planviz.ui.text import literal, sentence

MAX_SHOWN = 100
"""A matrix of more nodes than these shows those nearest to the target."""


def target_picker(experiment: ExperimentRecord, view: TaskView) -> int:
    """The target whose matrices are shown."""
    names, targets = node_names(view.task.labels), possible_targets(view.task)
    pairs = np.bincount(view.task.train_pairs[:, 1], minlength=view.task.nodes)
    chosen: int = st.selectbox(
        "Target", targets, key=widget_key("target", experiment), persist_state="session", width=340,
        format_func=lambda node: f"{names[node]}  ({plural(float(pairs[node]), 'training pair')})",
        help="Every row of a matrix is a current node on the way to this target, every column a next node.",
    )  # fmt: skip
    return chosen if chosen in targets else targets[0]


def values(experiment: ExperimentRecord, view: TaskView, chosen: Chosen, target: int) -> None:
    """Three matrices for each model: learned, exact, and the difference."""
    st.write(
        "Each row is a node where a path to the target may be, each column a node it could go to next: **what the "
        "model learned** stands beside **what theory says it should learn**."
    )
    models = has_weights(chosen.models(experiment))
    targets = probed_targets(view.task, target)
    found = probes(models, targets)
    rows, columns = nearest(view.task, target, MAX_SHOWN)
    if view.task.nodes > MAX_SHOWN:
        st.caption(f"Shown are the {MAX_SHOWN} nodes nearest to the target, of {view.task.nodes:,}.")
    for model in models:
        _compare(experiment, view.task, model, found[model.run.arm], targets, target, (rows, columns))


def _compare(
    experiment: ExperimentRecord,
    task: Task,
    model: Model,
    probe: Probe,
    targets: tuple[int, ...],
    target: int,
    shown: tuple[np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.int64]]],
) -> None:
    name, arm = model.run.arm, _arm_then(experiment, model)
    st.subheader(literal(style.arm_label(name)))
    try:
        exact = _exact(experiment.id, arm, targets, task)
    except ValueError as error:
        st.error(f"What this arm should learn cannot be computed. {sentence(error)}")
        return
    learned = learned_table(arm, probe)
    place = targets.index(target)
    here, everywhere = errors(learned[place], exact[place]), errors(learned, exact)
    st.markdown(
        f"Step {model.step:,} of {model.run.total_steps:,}: {_told(here, node_names(task.labels), targets, everywhere)}"
    )
    is_q = isinstance(arm, QLearningConfig)
    scale: Scale = "value" if is_q else "share"
    index = np.ix_(*shown)
    pictures = {
        "learned": (learned[place][index], scale, "Learned: " + ("Q-values" if is_q else "probabilities")),
        "exact": (
            exact[place][index],
            scale,
            "Exact: " + ("Q*" if is_q else "co-occurrences in the SFT text"),
        ),
        "difference": ((learned[place] - exact[place])[index], "difference", "Difference: learned − exact"),
    }
    said = _sentences(arm)
    reach = max(1.0, float(np.nanmax(np.abs(exact[place]), initial=0))) if is_q else 1.0
    with st.grid(3, min_column_width=300, gap="small") as grid:
        for kind, (matrix, colors, heading) in pictures.items():
            make = partial(
                node_matrix, matrix, *shown, task.labels, f"{heading}, {name}",
                f"the largest error at this target is {here.largest:.2f}, the mean {here.mean:.3f}.",
                scale=colors, reach=reach,
            )  # fmt: skip
            with grid.cell():
                version = experiment.id, model.run.id, model.step, target
                show(
                    make, f"mechanism:{kind}:{name}", version, said[kind], heading=heading, explained="below"
                )


def _arm_then(experiment: ExperimentRecord, model: Model) -> ArmConfig:
    """The arm's settings in the step that made its weights: a reward may have changed while it trained."""
    config, changed = experiment.config, lab.changes(experiment.id)
    before = changed[(changed["run"] == model.run.id) & (changed["step"] < (model.step or 0))]
    for settings in before["settings"]:
        config = with_changes(config, model.run.arm, settings)
    return config.arm(model.run.arm)


def _told(here: Errors, names: list[str], targets: tuple[int, ...], everywhere: Errors) -> str:
    """The errors in words."""
    if np.isnan(here.largest):
        return "no text leads to this target, so there is nothing to compare."
    current, following = (literal(names[node]) for node in here.at)
    return (
        f"largest error **{here.largest:.2f}**, at {current} → {following}; on average {here.mean:.3f}. "
        f"Over {plural(len(targets), 'target')} the largest is {everywhere.largest:.2f}, "
        f"the mean {everywhere.mean:.3f}."
    )


def _sentences(arm: ArmConfig) -> dict[str, str]:
    """One sentence for each of the three matrices."""
    difference = "Blue is too high, amber too low, pale is right."
    if isinstance(arm, QLearningConfig):
        worth = {
            "process": "1: an edge towards the target; 0: only an edge, or only towards it; −1: neither.",
            "custom": "What the reward chosen for this arm makes each next node worth.",
            "outcome": "Paid only for arriving, good and bad steps are worth nearly the same.",
        }
        discounted = f" Each further step counts {arm.discount:g} times as much." if arm.discount < 1 else ""
        learned = "What the model expects each next node to be worth."
        return {"learned": learned, "exact": worth[arm.reward] + discounted, "difference": difference}
    optimum = "How often the text took each step on the way to this target; empty where it never was."
    if arm.method == "pg":
        optimum += " PG starts from it, and need not stay."
    return {
        "learned": "How likely the model is to go to each next node.",
        "exact": optimum,
        "difference": difference,
    }


@st.cache_data(max_entries=32, max_size="64MB", show_spinner=False)
def _exact(experiment_id: str, arm: ArmConfig, targets: tuple[int, ...], _task: Task) -> Table:
    return exact_table(_task, arm, targets)
