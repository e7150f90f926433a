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
from planviz.rollout import sample_paths
from planviz.task import Ints, Task, judge


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
    sampled = sample_paths(
        model, queries, task.max_steps, generator, samples=samples, temperature=temperature
    )
    grouped = group_paths(task, *sampled.arrays(), samples)
    values = {
        "greedy_accuracy": float(np.mean(outcomes == 0)),
        **sampled_metrics(task, grouped, correct_paths),
        "kl_to_base": kl_to_base(model, base, task, grouped, temperature),
    }
    return values, grouped


def kl_to_base(
    model: PlanningModel, base: PlanningModel, task: Task, queries: tuple[QueryPaths, ...], temperature: float
) -> float:
    """KL(π ‖ π_base) of whole paths in nats, estimated on the sampled paths: the mean sum of the exact KL
    between the next-token distributions along them."""
    pairs = torch.tensor([(query.source, query.target) for query in queries for _ in query.paths])
    paths = [path for query in queries for path in query.paths]
    counts = torch.tensor([count for query in queries for count in query.counts], dtype=torch.float32)
    lengths = torch.tensor([len(path) for path in paths])
    tokens = torch.full((len(paths), int(lengths.max())), task.eos)
    for row, path in zip(tokens, paths, strict=True):
        row[: len(path)] = torch.tensor(path)
    divergences: list[Tensor] = []
    for rows in torch.arange(len(paths)).split(512):
        inputs = pairs[rows], tokens[rows, :-1]
        divergences.append(path_kl(model(*inputs) / temperature, base(*inputs), lengths[rows]))
    return float((torch.cat(divergences) * counts).sum() / counts.sum())
