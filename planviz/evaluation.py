"""Measuring a model: greedy and sampled paths of many queries at once, and the distance to the base."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from planviz.config import PolicyGradientConfig, QLearningConfig, SftConfig
from planviz.events import QueryPaths
from planviz.methods.policy_gradient import path_kl
from planviz.metrics import group_paths, sampled_metrics
from planviz.models.base import PlanningModel
from planviz.rollout import Paths, sample_paths
from planviz.task import Ints, Task, judge

MAX_ROWS = 4096
"""At most so many paths are sampled at once, which bounds the memory of an evaluation."""

KL_SAMPLES = 4
"""Samples of each query that the KL to the base is estimated on."""


def policy_temperature(arm: SftConfig | PolicyGradientConfig | QLearningConfig) -> float:
    """The temperature at which an arm's logits are a policy: 1, or for Q-values the small τ of softmax(Q / τ)."""
    return arm.policy_temperature if isinstance(arm, QLearningConfig) else 1.0


@torch.no_grad()
def evaluate(
    model: PlanningModel,
    base: PlanningModel,
    task: Task,
    pairs: Ints,
    correct_paths: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    *,
    temperature: float,
    samples: int,
    generator: Generator,
) -> tuple[dict[str, float], tuple[QueryPaths, ...]]:
    """All metrics of a model on some queries, and the paths behind them.

    Args:
        base: the model that `kl_to_base` refers to, at temperature 1.
        pairs: (P, 2) queries.
        correct_paths: (n, n) number of correct paths that exist.
        temperature: of the model's policy softmax(logits / temperature).
        samples: paths a query.
    """
    queries = torch.from_numpy(pairs)
    greedy = sample_paths(model, queries, task.max_steps, generator, temperature=0)
    outcomes = judge(task, *greedy.arrays())
    grouped: list[QueryPaths] = []
    divergences: list[Tensor] = []
    for chunk in queries.split(max(1, MAX_ROWS // samples)):
        sampled = sample_paths(
            model, chunk, task.max_steps, generator, samples=samples, temperature=temperature
        )
        grouped += group_paths(task, *sampled.arrays(), samples)
        first = samples * torch.arange(len(chunk))[:, None] + torch.arange(min(samples, KL_SAMPLES))
        divergences.append(kl_to_base(model, base, sampled.select(first.flatten()), temperature))
    values = {
        "greedy_accuracy": float(np.mean(outcomes == 0)),
        **sampled_metrics(task, grouped, correct_paths),
        "kl_to_base": torch.cat(divergences).mean().item(),
    }
    return values, tuple(grouped)


@torch.no_grad()
def kl_to_base(model: PlanningModel, base: PlanningModel, paths: Paths, temperature: float) -> Tensor:
    """Σ_j KL(π(·|u_<j) ‖ π_base(·|u_<j)) along paths sampled from π, (B,), in nats; their mean estimates
    KL(π ‖ π_base) of whole paths. π is softmax(logits / temperature), π_base has temperature 1."""
    inputs = paths.pairs, paths.tokens[:, :-1]
    return path_kl(model(*inputs) / temperature, base(*inputs), paths.lengths)
