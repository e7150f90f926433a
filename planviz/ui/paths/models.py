"""The models of the Paths page: which arms, at which point of their training, and what they answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import streamlit as st

from planviz.config import BASE
from planviz.events import QueryInspection
from planviz.figures import style
from planviz.runs.records import ExperimentRecord, RunRecord
from planviz.ui import lab
from planviz.ui.paths.query import Query
from planviz.ui.text import literal

FIRST_CHOICE = (BASE, "pg", "q-process")
SAMPLES = (20, 50, 100, 200)


@dataclass(frozen=True)
class Choice:
    """Whom to ask, and how often; `progress` is the share of their training that is done, 0 to 1."""

    arms: tuple[str, ...]
    seed: int
    samples: int
    progress: float


@dataclass(frozen=True)
class Model:
    """The weights that a run had after a step; no step if it has none yet."""

    run: RunRecord
    step: int | None


def model_picker(experiment: ExperimentRecord) -> Choice:
    """The widgets that choose arms, seed and samples, and the timeline at the bottom of the screen."""
    config = experiment.config
    arms = style.arm_order([BASE, *config.arms])
    default = [arm for arm in FIRST_CHOICE if arm in arms]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.pills(
            "Models", arms, selection_mode="multi", wrap=True, format_func=literal,
            default=default if len(default) > 1 else arms[:3],
            key=f"paths:arms:{experiment.id}", persist_state="session",
        )  # fmt: skip
        seed = config.seeds[0]
        if len(config.seeds) > 1:
            seed = st.selectbox(
                "Seed", config.seeds, key=f"paths:seed:{experiment.id}", persist_state="session", width=110
            )
        samples = st.segmented_control(
            "Samples", SAMPLES, default=100, required=True, key="paths:samples", persist_state="session",
            help="How many paths each model is asked for; all models draw with the same random numbers.",
        )  # fmt: skip
    marks = config.evaluation.evaluations
    with st.bottom:
        mark = st.select_slider(
            "Training progress", range(marks + 1), value=marks, format_func=lambda i: f"{i / marks:.0%}",
            key=f"paths:progress:{experiment.id}", persist_state="session",
            help="How much of its training each arm has done. The base beside other arms has done all of it.",
        )  # fmt: skip
    return Choice(  # what a browser sends may be anything
        tuple(arm for arm in arms if arm in chosen),
        seed if seed in config.seeds else config.seeds[0],
        samples if samples in SAMPLES else 100,
        mark / marks,
    )


def models_at(runs: Iterable[RunRecord], choice: Choice) -> list[Model]:
    """The chosen runs, each with its weights nearest to the chosen progress.

    The base beside other arms is finished, whatever the progress: it is what they all start from.
    """
    chosen = {run.arm: run for run in runs if run.seed == choice.seed}
    models = []
    for arm in choice.arms:
        run = chosen[arm]
        wanted = run.total_steps * (1 if arm == BASE and len(choice.arms) > 1 else choice.progress)
        steps = lab.store().weight_steps(run.id)
        models.append(Model(run, min(steps, key=lambda step: abs(step - wanted), default=None)))
    return models


def answers(models: list[Model], query: Query, samples: int) -> dict[str, QueryInspection]:
    """What those models that have weights, all of one experiment, answer to a query; by arm.

    Raises:
        KeyError: a run or its weights were deleted.
        RuntimeError: sampling failed.
    """
    ready = {model.run.arm: (model.run.id, model.step) for model in models if model.step is not None}
    if not ready:
        return {}
    return dict(zip(ready, _answers(tuple(ready.values()), query, samples), strict=True))


@st.cache_data(max_entries=256, max_size="128MB", show_spinner=False)
def _answers(models: tuple[tuple[str, int], ...], query: Query, samples: int) -> list[QueryInspection]:
    store = lab.store()
    runs = [store.run(run_id) for run_id, _ in models]
    config = store.experiment(runs[0].experiment_id).config
    weights = [(run.arm, store.weights(run.id, step)) for run, (_, step) in zip(runs, models, strict=True)]
    return lab.manager().inspect(config, weights, *query, samples, seed=0)
