"""The models of the Mechanism page: which arms, at which point of their training, and what probes of them say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from planviz.config import BASE, ExperimentConfig
from planviz.figures import style
from planviz.mechanism import PathShares, Probe, states
from planviz.runs.records import ExperimentRecord
from planviz.task import Task
from planviz.ui import lab
from planviz.ui.lab import TaskView
from planviz.ui.paths.models import Choice, Model, models_at
from planviz.ui.text import literal

FIRST_CHOICE = (BASE, "pg", "pg-kl", "q-process")
MAX_PROBED = 2_000_000
"""Of so many logits at most is one model asked; on larger graphs for the targets that are trained on most."""
CHECKPOINTS = 24
"""At most so many of an arm's stored weights are followed over training."""
MANY = 30
"""More correct paths of a pair than these are hard to follow."""
LISTED = 200
"""Where a pair has no more correct paths than this, every one of them is followed."""

Weights = tuple[str, int]
"""A run, and a step at which its weights are kept."""


@dataclass(frozen=True)
class Chosen:
    """Whom the page looks at; `progress` is the share of their training that is done, 0 to 1."""

    arms: tuple[str, ...]
    seed: int
    progress: float = 1.0

    def models(self, experiment: ExperimentRecord) -> list[Model]:
        """The chosen runs with their weights nearest to the progress; none if the experiment was deleted."""
        runs = lab.store().runs(experiment.id)
        return models_at(runs, Choice(self.arms, self.seed, 0, self.progress)) if runs else []


def widget_key(name: str, experiment: ExperimentRecord) -> str:
    """The key of a widget whose choice belongs to one experiment."""
    return f"mechanism:{name}:{experiment.id}"


def arms_of(config: ExperimentConfig) -> list[str]:
    """The base and all arms, in the order in which they are offered."""
    return style.arm_order([BASE, *config.arms])


def first_arms(config: ExperimentConfig) -> list[str]:
    """The arms that are chosen at first: a few that differ."""
    few = sorted(arms_of(config), key=lambda arm: arm not in FIRST_CHOICE)[: len(FIRST_CHOICE)]
    return style.arm_order(few)


def arm_picker(experiment: ExperimentRecord) -> Chosen:
    """The widgets that choose arms and seed."""
    config, arms_key = experiment.config, widget_key("arms", experiment)
    st.session_state.setdefault(arms_key, first_arms(config))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.pills(
            "Models", arms_of(config), selection_mode="multi", wrap=True, format_func=literal,
            key=arms_key, persist_state="session",
        )  # fmt: skip
        seed = config.seeds[0]
        if len(config.seeds) > 1:
            seed = st.selectbox(
                "Seed", config.seeds, key=widget_key("seed", experiment), persist_state="session", width=110
            )
    return Chosen(  # what a browser sends may be anything
        tuple(arm for arm in arms_of(config) if arm in chosen),
        seed if seed in config.seeds else config.seeds[0],
    )


def progress_picker(experiment: ExperimentRecord) -> float:
    """The timeline at the bottom of the screen; at its end are the latest weights, also while a run trains."""
    marks, key = experiment.config.evaluation.evaluations, widget_key("progress", experiment)
    st.session_state.setdefault(key, marks)
    with st.bottom:
        mark = st.select_slider(
            "Training progress", range(marks + 1), key=key, persist_state="session",
            format_func=lambda i: "latest" if i == marks else f"{i / marks:.0%}",
            help="How much of its training each model has done. The base beside other arms has done all of it.",
        )  # fmt: skip
    return float(mark / marks)


def first_pair(experiment: ExperimentRecord, view: TaskView) -> tuple[int, int]:
    """The training pair that is followed at first."""
    return _first_pair(experiment.id, view)


@st.cache_data(max_entries=256, show_spinner=False)
def _first_pair(experiment_id: str, _view: TaskView) -> tuple[int, int]:
    return most_varied(_view)


def most_varied(view: TaskView) -> tuple[int, int]:
    """The training pair whose texts take the most different paths, so that there is variety to lose; of several, the
    one with the fewest correct paths. Pairs with so many paths that no eye could follow them come last."""
    different = Counter((text[0], text[-1]) for text in set(view.task.texts))
    return min(
        different,
        key=lambda pair: (view.correct_paths[pair] > MANY, -different[pair], view.correct_paths[pair]),
    )


def has_weights(models: Sequence[Model]) -> list[Model]:
    """The models that have weights, after a sentence about those that have none."""
    absent = [model.run for model in models if model.step is None]
    if absent:
        told = ", ".join(f"{literal(run.arm)} ({run.state})" for run in absent)
        st.info(f"No weights are stored of {told}.", icon=":material/hourglass_empty:")
    return [model for model in models if model.step is not None]


def possible_targets(task: Task) -> list[int]:
    """The nodes that any path leads to, those with the most training pairs first."""
    pairs = np.bincount(task.train_pairs[:, 1], minlength=task.nodes)
    reached = np.flatnonzero(states(task).any(axis=1))
    return [int(node) for node in reached[np.argsort(-pairs[reached], kind="stable")]]


def probed_targets(task: Task, wanted: int | None = None) -> tuple[int, ...]:
    """The targets that models are probed for: all, or as many as `MAX_PROBED` allows, the wanted one among them."""
    most = max(1, MAX_PROBED // (task.nodes * (task.nodes + 1)))
    first = possible_targets(task)[:most]
    if wanted is not None and wanted not in first:
        first[-1] = wanted
    return tuple(sorted(first))


def probes(models: Sequence[Model], targets: tuple[int, ...]) -> dict[str, Probe]:
    """What probes of some models of one experiment, all with weights, say; by arm.

    Raises:
        KeyError: a run or its weights were deleted.
        RuntimeError: probing failed.
    """
    asked = tuple((model.run.id, model.step) for model in models if model.step is not None)
    if not asked:
        return {}
    return dict(zip((model.run.arm for model in models), _probes(asked, targets), strict=True))


@st.cache_data(max_entries=64, max_size="128MB", show_spinner=False)
def _probes(asked: tuple[Weights, ...], targets: tuple[int, ...]) -> list[Probe]:
    store = lab.store()
    runs = [store.run(run_id) for run_id, _ in asked]
    config = store.experiment(runs[0].experiment_id).config
    weights = [(run.arm, store.weights(run.id, step)) for run, (_, step) in zip(runs, asked, strict=True)]
    return lab.manager().probe(config, weights, targets)


def kept_weights(models: Sequence[Model]) -> tuple[Weights, ...]:
    """The stored weights of some runs over their training, evenly spread where there are many."""
    kept: list[Weights] = []
    for model in models:
        steps = lab.store().weight_steps(model.run.id)
        places = np.unique(np.linspace(0, len(steps) - 1, min(CHECKPOINTS, len(steps))).round().astype(int))
        kept += [(model.run.id, steps[place]) for place in places]
    return tuple(kept)


@st.cache_data(max_entries=64, max_size="32MB", show_spinner=False)
def shares_over_time(asked: tuple[Weights, ...], source: int, target: int) -> PathShares:
    """How probable each correct path of a pair is to some stored weights of one experiment.

    Raises:
        KeyError: a run or its weights were deleted.
        RuntimeError: it could not be computed.
    """
    store = lab.store()
    runs = {run_id: store.run(run_id) for run_id in dict.fromkeys(run_id for run_id, _ in asked)}
    config = store.experiment(next(iter(runs.values())).experiment_id).config
    weights = [(runs[run_id].arm, store.weights(run_id, step)) for run_id, step in asked]
    return lab.manager().path_shares(config, weights, source, target, LISTED)
