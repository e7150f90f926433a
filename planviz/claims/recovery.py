"""What stored weights know: how well they tell edges, and how near their values are to Q*. Torch is needed here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from safetensors.torch import load
from torch import Generator

from planviz.claims.evidence import EXPLAINED, GROUPS
from planviz.config import ExperimentConfig, QLearningConfig
from planviz.mechanism import auc_by_group, edge_candidates, edge_scores, states
from planviz.models import build_model
from planviz.probing import MAX_ENTRIES, first_logits
from planviz.rewards import reward_of
from planviz.task import Ints, Task, build_task
from planviz.theory import Floats, optimal_q, text_steps


def weights_known(config: ExperimentConfig, models: Sequence[tuple[str, bytes]]) -> list[dict[str, float]]:
    """For each of some models, given as (arm, weights): the AUC of each of `GROUPS`, NaN of an empty one, and for
    Q-learning `explained`, see `explained_variance`.

    The edges' scores are `mechanism.edge_scores` at all targets, or at as many as `MAX_ENTRIES` allows, those with the
    most training pairs.
    """
    torch.set_num_threads(1)
    task = build_task(config)
    targets = _targets(task)
    by_frequency, nothing = edge_candidates(task)
    by_frequency["rare"] = by_frequency["seldom"] | by_frequency["never"]
    groups = {name: by_frequency[name] for name in GROUPS}
    optimum: dict[str, Floats] = {}
    found = []
    for arm, weights in models:
        model = build_model(config.model, task.nodes, task.max_steps, [Generator()])
        model.load_states([load(weights)])
        table = first_logits(model, task, targets.tolist())
        scores = edge_scores(task, table, targets)
        known = auc_by_group(scores, groups, nothing)
        settings = config.arm(arm)
        if isinstance(settings, QLearningConfig):
            if arm not in optimum:
                optimum[arm] = _optimum(task, settings, targets)
            known[EXPLAINED] = explained_variance(task, table[:, :, :-1], optimum[arm], targets)
        found.append(known)
    return found


def _targets(task: Task) -> Ints:
    possible = np.flatnonzero(states(task).any(axis=1))
    most = max(1, MAX_ENTRIES // (task.nodes * (task.nodes + 1)))
    pairs = np.bincount(task.train_pairs[:, 1], minlength=task.nodes)[possible]
    return np.sort(possible[np.argsort(-pairs, kind="stable")[:most]])


def _optimum(task: Task, settings: QLearningConfig, targets: Ints) -> Floats:
    """Q*, or NaN where a reward has values that grow without end."""
    try:
        return optimal_q(task, reward_of(settings), settings.discount, targets=targets)
    except ValueError:
        return np.full((len(targets), task.nodes, task.nodes), np.nan)


def explained_variance(task: Task, values: np.ndarray, optimum: Floats, targets: Ints) -> float:
    """The share of the variance of Q*(t, c, ·) that learned values explain (R²), at the states that SFT texts pass.

    1 is the exact values; 0 is as far away as a model for which all is worth the mean of Q*; worse is negative.

    Args:
        values, optimum: (T, n, n) indexed [t, c, k], for T targets.
        targets: (T,) in ascending order.
    """
    (target, current, _), _ = text_steps(task)
    kept = np.isin(target, targets)
    passed = np.unique(np.searchsorted(targets, target[kept]) * task.nodes + current[kept])
    row = np.divmod(passed, task.nodes)
    learned, exact = values[row].astype(np.float64), optimum[row]
    return float(1 - ((learned - exact) ** 2).sum() / ((exact - exact.mean()) ** 2).sum())
