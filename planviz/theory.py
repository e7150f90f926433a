"""Exact references: the number of correct paths, the SFT optimum, and the optimal Q-values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from planviz.rewards import Reward, Steps
from planviz.task import Bools, Task

Floats = npt.NDArray[np.float64]

MANY = 1e300
"""Numbers of paths are not counted beyond this."""


def count_correct_paths(adjacency: Bools, max_steps: int) -> Floats:
    """(n, n): how many correct paths every pair (s, t) has, with at most `max_steps` steps.

    A path ends when it first reaches t, so on a graph with cycles it may visit other nodes again. With C_l the
    number of paths of at most l steps, C_l(s, t) = Σ_k A(s, k) · (1 if k = t, else C_{l-1}(k, t)). Counts are
    floats: they grow without bound on dense graphs, and stop at `MANY`. The diagonal is 0: no query asks for it.
    """
    steps = adjacency.astype(np.float64)
    arrived = np.eye(len(adjacency), dtype=bool)
    counts = arrived.astype(np.float64)
    for _ in range(max_steps):
        counts = np.where(arrived, 1.0, np.minimum(steps @ counts, MANY))
    return np.where(arrived, 0.0, counts)


def cooccurrence_policy(task: Task) -> Floats:
    """(n, n, n) indexed [t, c, k]: the SFT optimum N(t, c, k) / Σ_k' N(t, c, k') (paper, section 3).

    N counts how often the SFT texts step c → k on the way to t. Rows that no text visits are 0.
    """
    counts = np.zeros((task.nodes,) * 3)
    for text in task.texts:
        for current, following in pairwise(text):
            counts[text[-1], current, following] += 1
    totals = counts.sum(axis=2, keepdims=True)
    return np.asarray(counts / np.where(totals > 0, totals, 1))


def optimal_q(
    task: Task, reward: Reward, discount: float = 1.0, *, sweeps: int = 10_000, tolerance: float = 1e-10
) -> Floats:
    """(n, n, n) indexed [t, c, k]: the fixed point of Q(t,c,k) = r + γ · max_k' Q(t,k,k'), no bootstrap at k = t.

    Value iteration from Q = 0, as if every path had taken edges only so far. For the process reward with γ = 1 on an
    acyclic graph this is A(c, k) + R(t, k) − 1.

    Raises:
        ValueError: the values do not settle within `sweeps` sweeps.
    """
    nodes = np.arange(task.nodes)
    arrives = np.broadcast_to(nodes[None, None, :] == nodes[:, None, None], (task.nodes,) * 3)
    is_edge = np.broadcast_to(task.adjacency, (task.nodes,) * 3)
    rewards = reward(Steps(arrives=arrives, is_edge=is_edge, edges_so_far=is_edge))
    values = np.zeros_like(rewards)
    for _ in range(sweeps):
        best = values.max(axis=2)  # [t, k]
        updated = rewards + discount * np.where(arrives, 0.0, best[:, None, :])
        if np.abs(updated - values).max() < tolerance:
            return np.asarray(updated)
        values = updated
    raise ValueError(f"the Q-values did not settle within {sweeps} sweeps; try a discount below {discount:g}")
