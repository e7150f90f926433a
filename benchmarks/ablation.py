"""Which settings matter: variants of one arm on the `paper` preset, five seeds each.

    python -m benchmarks.ablation NAME [variant …]      NAME is one of those in `ABLATIONS`

Prints one line a variant: the mean over seeds, and the lowest and highest, at some steps and at the end.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from planviz.config import BASE, ExperimentConfig, parse, preset
from planviz.events import Checkpoint, Evaluation
from planviz.experiment import train_seeds
from planviz.methods.base import Floats

SEEDS = (0, 1, 2, 3, 4)
Q = {
    "method": "q",
    "batch_size": 128,
    "learning_rate": 5e-4,
    "exploration": 0.05,
    "rollout_temperature": 0.1,
    "steps": 200,
}
PG = {"method": "pg", "batch_size": 128, "learning_rate": 3e-4, "steps": 800}

ABLATIONS: dict[str, tuple[str, dict[str, Any], dict[str, dict[str, Any]]]] = {
    "q": (
        "paper",
        Q,
        {
            "default": {},
            "no target network": {"target_decay": 0.0},
            "target decay 0.97": {"target_decay": 0.97},
            "head as SFT left it": {"calibrate_head": False},
            "neither (the paper)": {"target_decay": 0.0, "calibrate_head": False},
            "rollout temperature 0.3": {"rollout_temperature": 0.3},
            "exploration 0": {"exploration": 0.0},
            "exploration 0.2": {"exploration": 0.2},
            "learning rate 2e-4": {"learning_rate": 2e-4},
            "learning rate 2e-3": {"learning_rate": 2e-3},
            "batch 32": {"batch_size": 32},
            "batch 256": {"batch_size": 256},
            "linear schedule": {"schedule": "linear"},
            "Huber loss": {"loss": "huber"},
            "replay of 8 batches": {"replay": 8},
        },
    ),
    "pg": (
        "paper",
        PG,
        {
            "default": {},
            "learning rate 1e-4": {"learning_rate": 1e-4},
            "learning rate 1e-3": {"learning_rate": 1e-3},
            "KL 0.01": {"kl": 0.01},
            "KL 0.03": {"kl": 0.03},
            "KL 0.1": {"kl": 0.1},
            "KL 0.3": {"kl": 0.3},
            "moving-average baseline": {"baseline": "moving average"},
            "group-mean baseline": {"baseline": "group mean"},
            "batch 32": {"batch_size": 32},
            "linear schedule": {"schedule": "linear"},
            "continual SFT": {"method": "sft"},
        },
    ),
}
"""For each ablation: the preset that gives graph, split and base, the arm, and what each variant changes."""

SHOWN = (
    ("train", "greedy_accuracy"),
    ("train", "sampled_accuracy"),
    ("train", "distinct_paths"),
    ("test", "greedy_accuracy"),
    ("test", "sampled_accuracy"),
)


def experiment(name: str, arm: Mapping[str, Any]) -> ExperimentConfig:
    """The preset with one arm, `arm`, and four evaluations of it."""
    values = preset(name).model_dump()
    values |= {"arms": {"arm": dict(arm)}, "seeds": SEEDS}
    values["evaluation"] |= {"evaluations": 4, "pairs": 60}
    return parse(values)


def bases(name: str) -> dict[int, bytes]:
    """The trained bases of the preset; kept in the temporary folder, since every variant begins with them."""
    config = experiment(name, PG)
    folder = Path(tempfile.gettempdir()) / f"planviz-ablation-{name}"
    folder.mkdir(exist_ok=True)
    files = {seed: folder / f"{seed}.safetensors" for seed in SEEDS}
    if not all(file.exists() for file in files.values()):
        for told in train_seeds(config, BASE, SEEDS, None):
            if isinstance(told.event, Checkpoint):
                files[told.seed].write_bytes(told.event.weights)
    return {seed: file.read_bytes() for seed, file in files.items()}


def measured(config: ExperimentConfig, base: Mapping[int, bytes]) -> dict[int, Floats]:
    """For each evaluated step the values of `SHOWN`, (seeds, metrics)."""
    found: dict[int, dict[tuple[int, str], Evaluation]] = {}
    for told in train_seeds(config, "arm", SEEDS, base):
        if isinstance(told.event, Evaluation):
            found.setdefault(told.event.step, {})[told.seed, told.event.split] = told.event
    return {
        step: np.array([[of_step[seed, split].values[name] for split, name in SHOWN] for seed in SEEDS])
        for step, of_step in found.items()
    }


def main() -> None:
    name, *chosen = sys.argv[1:]
    preset_name, arm, variants = ABLATIONS[name]
    torch.set_num_threads(1)
    base = bases(preset_name)
    print("variant; at each step: mean (lowest to highest seed) of", *(" ".join(shown) for shown in SHOWN))
    for variant in chosen or variants:
        began = time.perf_counter()
        results = measured(experiment(preset_name, arm | variants[variant]), base)
        print(f"{variant}  [{time.perf_counter() - began:.0f} s]")
        for step, values in results.items():
            columns = zip(values.mean(axis=0), values.min(axis=0), values.max(axis=0), strict=True)
            print(f"  {step:5d}", *(f"{mean:5.2f} ({low:.2f}-{high:.2f})" for mean, low, high in columns))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
