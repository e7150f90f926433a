"""Exact references: the number of correct paths, the SFT optimum, the optimal Q-values, and distances to the two."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from planviz.rewards import Reward, all_steps
from planviz.task import Bools, Ints, Task

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


def cooccurrence_policy(task: Task, targets: Sequence[int] | Ints | None = None) -> Floats:
    """(T, n, n) indexed [t, c, k]: the SFT optimum N(t, c, k) / Σ_k' N(t, c, k') (paper, section 3).

    N counts how often the SFT texts step c → k on the way to t. Rows that no text visits are 0.

    Args:
        targets: (T,) the targets wanted, all n of them by default: that takes 8 n³ bytes, 0.5 GB for n = 400.
    """
    (target, current, following), counts = text_steps(task)
    chosen = range(task.nodes) if targets is None else targets
    policy = np.zeros((len(chosen), task.nodes, task.nodes))
    for table, wanted in zip(policy, chosen, strict=True):
        rows = target == wanted
        table[current[rows], following[rows]] = counts[rows]
        totals = table.sum(axis=1, keepdims=True)
        table /= np.where(totals > 0, totals, 1)
    return policy


def cooccurrence_divergence(task: Task, log_policy: Floats) -> float:
    """Mean over the steps of the SFT texts of KL(co-occurrence optimum ‖ policy), in nats; ∞ if the policy rules out
    a step that the texts take.

    With the weights N(t, c) / Σ N of the visited pairs, Σ_k p(k|t,c) · log(p(k|t,c) / π(k|t,c)) averages to
    Σ N(t,c,k) · log(p(k|t,c) / π(k|t,c)) / Σ N. It is 0 exactly where π equals the optimum p at every visited (t, c).
    The mean SFT loss of a step to a node is this divergence plus the optimum's own entropy: the divergence is the
    loss's excess. Left out is the EOS that follows t.

    Args:
        log_policy: (n, n, n + 1) log-probabilities indexed [t, c, token], natural logarithm.
    """
    (target, current, following), counts = text_steps(task)
    _, visited = np.unique(target * task.nodes + current, return_inverse=True)
    log_optimum = np.log(counts / np.bincount(visited, weights=counts)[visited])
    excess = log_optimum - log_policy[target, current, following]
    return float(excess @ counts / counts.sum())


def text_steps(task: Task) -> tuple[Ints, Ints]:
    """The different steps of the SFT texts: (3, S) target, current and following node, (S,) how often it is taken."""
    steps = np.fromiter(
        (
            (text[-1] * task.nodes + current) * task.nodes + following
            for text in task.texts
            for current, following in pairwise(text)
        ),
        dtype=np.int64,
    )
    different, counts = np.unique(steps, return_counts=True)
    return np.array(np.unravel_index(different, (task.nodes,) * 3)), counts


def optimal_q(
    task: Task,
    reward: Reward,
    discount: float = 1.0,
    *,
    targets: Sequence[int] | Ints | None = None,
    sweeps: int = 10_000,
    tolerance: float = 1e-10,
) -> Floats:
    """(T, n, n) indexed [t, c, k]: the fixed point of Q(t,c,k) = r + γ · max_k' Q(t,k,k'), no bootstrap at k = t.

    Value iteration from Q = 0, as if every path had taken edges only so far and repeated no node but the current one
    (`rewards.all_steps`): the history of a path is not part of (t, c, k). For the process reward with γ = 1 on an
    acyclic graph this is A(c, k) + R(t, k) − 1. Targets do not affect each other: one is solved at a time, so that the
    result is all the memory needed.

    Args:
        targets: (T,) the targets wanted, all n of them by default: that takes 8 n³ bytes, 0.5 GB for n = 400.

    Raises:
        ValueError: without a discount the values grow without end, or they do not settle within `sweeps` sweeps.
    """
    chosen = range(task.nodes) if targets is None else targets
    q_values = np.empty((len(chosen), task.nodes, task.nodes))
    for table, target in zip(q_values, chosen, strict=True):
        rewards = reward(all_steps(task, int(target)))
        if discount >= 1 and gains_without_end(rewards, int(target)):
            raise ValueError(GROWS)
        best = np.zeros(task.nodes)  # max_k' Q(t, k, k') for every k, and 0 at t, where paths end
        for _ in range(sweeps):
            np.add(rewards, discount * best, out=table)
            previous, best = best, table.max(axis=1)
            best[target] = 0.0
            if np.abs(best - previous).max() < tolerance:
                break
        else:
            raise ValueError(
                f"the Q-values did not settle within {sweeps} sweeps; try a discount below {discount:g}"
            )
    return q_values


GROWS = (
    "without a discount (γ = 1) a path can collect reward round after round, so its value has no end; "
    "lower the discount, or give no step away from the target a positive reward"
)


def gains_without_end(rewards: Floats, target: int) -> bool:
    """Whether some round of steps, none of them to the target, adds up to a positive reward.

    A path that may end anywhere gains most within n − 1 steps if there is none (Bellman and Ford).

    Args:
        rewards: (n, n) indexed [c, k].
    """
    steps = np.delete(np.delete(rewards, target, axis=0), target, axis=1)
    if not (steps > 0).any():
        return False
    gains = np.zeros(len(steps))
    for _ in range(len(steps) + 1):
        previous, gains = gains, np.maximum(gains, (steps + gains).max(axis=1))
        if (gains <= previous + 1e-9).all():
            return False
    return True


def q_error(task: Task, learned: Floats, optimal: Floats, visited: Bools) -> tuple[float, float]:
    """The largest and the mean |Q − Q*| over the visited (t, c, k); NaN twice if nothing was visited.

    Args:
        learned: (T, n, n), or (T, n, n + 1) with a last token EOS, which is left out.
        optimal: (T, n, n) from `optimal_q`, for the same targets.
        visited: the shape of either; which steps to compare.
    """
    compared = visited[..., : task.nodes]
    errors = np.abs(learned[..., : task.nodes][compared] - optimal[compared])
    return (float(errors.max()), float(errors.mean())) if errors.size else (float("nan"), float("nan"))
