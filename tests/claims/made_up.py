"""Evidence whose verdicts are known: curves of every arm as a person would draw them, with a little noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from planviz.claims.evidence import EXPLAINED, GROUPS, Evidence
from planviz.claims.study import study
from planviz.config import BASE, ExperimentConfig, preset
from planviz.task import build_task
from planviz.theory import count_correct_paths

SEEDS = range(5)

# (start, end) of each metric, for training and test pairs where both have it
AS_IN_THE_PAPER: dict[str, dict[str, Any]] = {
    BASE: {"accuracy": ((0.0, 0.8), (0.0, 0.45)), "distinct": (0.2, 2.5), "kl": (3.0, 0.2), "found": (0, 100)},
    "sft": {"accuracy": ((0.8, 0.95), (0.45, 0.5)), "distinct": (2.5, 2.5), "kl": (0.2, 0.1), "found": (0, 100)},
    "pg": {"accuracy": ((0.8, 0.99), (0.45, 0.65)), "distinct": (2.5, 1.1), "kl": (0.2, 1.2), "found": (0, 200)},
    "pg-kl": {"accuracy": ((0.8, 0.95), (0.45, 0.6)), "distinct": (2.5, 2.2), "kl": (0.2, 0.3), "found": (0, 220)},
    "pg-kl-weak": {"accuracy": ((0.8, 0.98), (0.45, 0.6)), "distinct": (2.5, 1.3), "kl": (0.2, 1), "found": (0, 210)},
    "pg-kl-strong": {"accuracy": ((0.8, 0.86), (0.4, 0.5)), "distinct": (2.5, 2.5), "kl": (0.2, 0.2),
                     "found": (0, 230)},
    "q-outcome": {"accuracy": ((0.99, 0.02), (0.5, 0.02)), "distinct": (1.6, 0.2), "q": (1.9, 0.5),
                  "spread": (0.5, 0.03), "found": (0, 90)},
    "q-process": {"accuracy": ((0.99, 0.99), (0.5, 0.9)), "distinct": (1.6, 4.0), "q": (0.7, 0.05),
                  "spread": (0.5, 0.45), "found": (0, 300)},
    "q-process-offpolicy": {"accuracy": ((0.99, 0.98), (0.5, 0.88)), "distinct": (1.6, 4.0), "q": (0.7, 0.08),
                            "spread": (0.5, 0.45), "found": (0, 250)},
    "q-outcome-offpolicy": {"accuracy": ((0.99, 0.02), (0.5, 0.02)), "distinct": (1.6, 0.2), "q": (1.9, 0.5),
                            "spread": (0.5, 0.08), "found": (0, 200)},
}  # fmt: skip
EDGES = {
    "sft": 0.6,
    "pg": 0.7,
    "pg-kl": 0.7,
    "q-outcome": 0.55,
    "q-process": 0.98,
    "q-process-offpolicy": 0.97,
}


def settings() -> ExperimentConfig:
    return study(preset("quick"), SEEDS)


def evidence(
    curves: dict[str, dict[str, Any]] | None = None,
    edges: dict[str, float] | None = None,
    *,
    explained: float = 0.9,
    seeds: range = SEEDS,
    noise: float = 0.004,
    config: ExperimentConfig | None = None,
) -> Evidence:
    """Runs that went as in the paper, but for the arms given."""
    chosen = config or settings()
    task = build_task(chosen)
    random = np.random.default_rng(0)
    rows = []
    for arm, made in (AS_IN_THE_PAPER | (curves or {})).items():
        steps = np.linspace(0, chosen.arm(arm).steps, 5).astype(int)
        for seed in seeds:
            for step, done in zip(steps, np.linspace(0, 1, 5), strict=True):
                for place, split in enumerate(("train", "test")):

                    def between(bounds: tuple[float, float], done: float = done) -> float:
                        value = bounds[0] + done * (bounds[1] - bounds[0])
                        return float(value * (1 + random.normal(0, noise)))

                    values = dict.fromkeys(
                        ("sampled_accuracy", "greedy_accuracy"), between(made["accuracy"][place])
                    )
                    if split == "train":
                        values |= {"distinct_paths": between(made["distinct"])}
                        values |= {"paths_found": between(made["found"])}
                        names = {"kl": "kl_to_cooccurrence", "q": "q_error", "spread": "q_spread"}
                        values |= {names[key]: between(made[key]) for key in names if key in made}
                    rows.append(
                        {"arm": arm, "method": "?", "seed": seed, "step": step, "split": split} | values
                    )
    found = EDGES | (edges or {})
    recovered = [
        (arm, seed, group, value + random.normal(0, noise))
        for arm, value in found.items()
        for seed in seeds
        for group in GROUPS
    ]
    recovered += [("q-process", seed, EXPLAINED, explained + random.normal(0, noise)) for seed in seeds]
    return Evidence(
        chosen,
        task,
        count_correct_paths(task.adjacency, task.max_steps),
        pd.DataFrame(rows),
        pd.DataFrame(recovered, columns=["arm", "seed", "measure", "value"]),
    )
