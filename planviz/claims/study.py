"""The experiment that tests all claims at once, and what its stored runs say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from planviz.claims.evidence import Evidence
from planviz.config import ExperimentConfig, PolicyGradientConfig, QLearningConfig, parse
from planviz.runs.records import ExperimentRecord, RunRecord
from planviz.runs.store import Store
from planviz.task import build_task
from planviz.theory import count_correct_paths

if TYPE_CHECKING:
    from planviz.runs.manager import RunManager

MIN_PAIRS = 100
"""At least so many pairs of each split are measured: fewer make intervals wide by chance."""

PROBED = ("sft", "pg", "pg-kl", "q-outcome", "q-process", "q-process-offpolicy")
"""The arms whose weights are asked what they know."""


def study(config: ExperimentConfig, seeds: Sequence[int]) -> ExperimentConfig:
    """The experiment with what the claims need besides: seeds, enough pairs, and three arms next to the presets'.

    These are ten times less and ten times more KL than in `pg-kl`, for the paper's figure 2, and Q-learning on the
    outcome of the base's paths, for its figure 3. Each is made only if the arm that it varies is there.
    """
    arms = dict(config.arms)
    kl, outcome, off = (arms.get(name) for name in ("pg-kl", "q-outcome", "q-process-offpolicy"))
    if isinstance(kl, PolicyGradientConfig):
        arms["pg-kl-weak"] = kl.model_copy(update={"kl": kl.kl / 10})
        arms["pg-kl-strong"] = kl.model_copy(update={"kl": min(100.0, kl.kl * 10)})
    if isinstance(outcome, QLearningConfig) and isinstance(off, QLearningConfig):
        arms["q-outcome-offpolicy"] = off.model_copy(update={"reward": "outcome", "steps": outcome.steps})
    values = config.model_dump()
    values["name"] = f"{config.name[:70]}, claims"
    values |= {"arms": {name: arm.model_dump() for name, arm in arms.items()}, "seeds": tuple(seeds)}
    values["evaluation"]["pairs"] = max(MIN_PAIRS, config.evaluation.pairs)
    return parse(values)


def stored(store: Store, config: ExperimentConfig) -> ExperimentRecord | None:
    """The latest stored experiment with exactly these settings, whatever its name."""
    same = [
        record
        for record in store.experiments()
        if record.config.model_copy(update={"name": config.name}) == config
    ]
    return max(same, key=lambda record: record.created, default=None)


def take_up(store: Store, manager: RunManager, config: ExperimentConfig, preset: str | None) -> str:
    """Start a study, or go on with the stored one of the same settings; its id.

    Raises:
        GraphError, TaskError, RunError: it cannot be trained.
    """
    record = stored(store, config)
    if record is None:
        return manager.start(config, preset)
    manager.resume_all(record.id)
    return record.id


def gather(store: Store, manager: RunManager, experiment_id: str) -> Evidence:
    """What the finished runs of a stored experiment say; their weights are asked in a worker process.

    Raises:
        KeyError: there is no such experiment.
        RuntimeError: the weights could not be asked.
    """
    config = store.experiment(experiment_id).config
    task = build_task(config)
    runs = [run for run in store.runs(experiment_id) if run.arm in PROBED and run.state == "finished"]
    return Evidence(
        config,
        task,
        count_correct_paths(task.adjacency, task.max_steps),
        store.evaluations(experiment_id),
        weights_of(store, manager, config, runs),
    )


def weights_of(
    store: Store, manager: RunManager, config: ExperimentConfig, runs: Sequence[RunRecord]
) -> pd.DataFrame:
    """What the last weights of some runs know: columns arm, seed, measure and value.

    Raises:
        RuntimeError: the weights could not be asked.
    """
    # an import may come without weights
    runs = [run for run in runs if run.step in store.weight_steps(run.id)]
    models = [(run.arm, store.weights(run.id, run.step)) for run in runs]
    found = manager.weights_known(config, models) if models else []
    rows = [
        (run.arm, run.seed, measure, value)
        for run, known in zip(runs, found, strict=True)
        for measure, value in known.items()
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "measure", "value"])
