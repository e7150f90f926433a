"""Short reference trainings, one of each method, whose numbers are committed.

They notice a change of an algorithm that no other test asks about. `python -m tests.trajectories` writes them anew.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from unittest import mock

import torch
from safetensors.torch import load

from planviz import experiment
from planviz.config import (
    BASE,
    EvaluationConfig,
    ExperimentConfig,
    GraphConfig,
    ModelConfig,
    PolicyGradientConfig,
    QLearningConfig,
    SftConfig,
    SplitConfig,
)
from planviz.events import Checkpoint, Evaluation, Event, StepMetrics

FOLDER = Path(__file__).parent / "fixtures" / "trajectories"
COMMAND = "python -m tests.trajectories"
SIZE = {"steps": 12, "batch_size": 16}
CONFIG = ExperimentConfig(
    graph=GraphConfig(nodes=9, density=0.5),
    split=SplitConfig(train_share=0.4, paths_per_pair=4),
    model=ModelConfig(width=12, layers=2, heads=2),
    base=SftConfig(steps=20, batch_size=16, learning_rate=0.02),
    arms={
        "pg": PolicyGradientConfig(**SIZE, learning_rate=0.01),
        "pg-kl": PolicyGradientConfig(
            steps=8, batch_size=48, learning_rate=0.003, kl=0.05, baseline="moving average"
        ),
        "pg-group-mean": PolicyGradientConfig(
            **SIZE, learning_rate=0.01, baseline="group mean", group_size=4, schedule="cosine"
        ),
        "q-outcome": QLearningConfig(
            **SIZE, learning_rate=0.005, reward="outcome", discount=0.9, target_decay=0
        ),
        "q-process": QLearningConfig(**SIZE, learning_rate=0.005, schedule="linear"),
        "q-off-policy": QLearningConfig(**SIZE, learning_rate=0.005, off_policy=True, calibrate_head=False),
        "q-replay": QLearningConfig(**SIZE, learning_rate=0.005, replay=3, loss="huber"),
    },
    evaluation=EvaluationConfig(evaluations=3, pairs=6, samples=5),
)
RUNS = (BASE, *CONFIG.arms)

Trajectory = dict[str, list[float]]


def trajectory(arm: str) -> Trajectory:
    """The numbers of one run by their names: of every step, then of every evaluation."""
    numbers: Trajectory = {}
    for event in _events(arm):
        named: dict[str, float] = {}
        if isinstance(event, StepMetrics):
            named = {name: event.values[name] for name in ("loss", "reward", "kl") if name in event.values}
        elif isinstance(event, Evaluation):
            found = {name: value for name, value in event.values.items() if name in MEASURED}
            named = {f"{event.split} {name}": value for name, value in found.items()}
        elif isinstance(event, Checkpoint):
            weights = torch.cat([tensor.flatten() for tensor in load(event.weights).values()])
            named = {"mean absolute weight": weights.abs().double().mean().item()}
        for name, value in named.items():
            numbers.setdefault(name, []).append(float(f"{value:.5g}"))
    return numbers


MEASURED = (
    "sampled_accuracy", "distinct_paths", "kl_to_cooccurrence", "q_error", "q_error_max",
)  # fmt: skip


@cache
def _events(arm: str) -> list[Event]:
    torch.set_num_threads(1)
    bases = None
    if arm != BASE:
        bases = {0: [event.weights for event in _events(BASE) if isinstance(event, Checkpoint)][-1]}
    with mock.patch.object(experiment, "REPORT_SECONDS", 0):  # every step
        return [told.event for told in experiment.train_seeds(CONFIG, arm, [0], bases)]


def write() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.json"):
        old.unlink()
    for arm in RUNS:
        lines = [f" {json.dumps(name)}: {json.dumps(values)}" for name, values in trajectory(arm).items()]
        (FOLDER / f"{arm}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


if __name__ == "__main__":
    write()
