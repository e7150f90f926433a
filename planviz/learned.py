"""What was learned beside what theory says it should be, state by state.

Q-learning's logits should come to Q* of its reward and discount. SFT's policy should come to the co-occurrences of
its texts. PG has no such limit, since every policy that is always correct is optimal to it: it is compared with the
co-occurrences too, from which it starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planviz.config import ArmConfig, QLearningConfig
from planviz.exact import policy_table
from planviz.mechanism import Probe, states
from planviz.rewards import reward_of
from planviz.task import Ints, Task
from planviz.theory import cooccurrence_policy, optimal_q

Table = npt.NDArray[np.float32]


def learned_table(arm: ArmConfig, probe: Probe) -> Table:
    """(T, n, n) indexed [t, c, k]: the Q-values of Q-learning, otherwise the probabilities of the next nodes."""
    nodes = probe.logits.shape[1]
    if isinstance(arm, QLearningConfig):
        return probe.logits[:, :, :nodes]
    shares = np.empty((*probe.logits.shape[:2], nodes), dtype=np.float32)
    for table, logits in zip(shares, probe.logits, strict=True):  # float64 of one target at a time
        table[:] = policy_table(logits, probe.temperature)[:, :nodes]
    return shares


def exact_table(task: Task, arm: ArmConfig, targets: Sequence[int] | Ints) -> Table:
    """(T, n, n) indexed [t, c, k]: Q* or the co-occurrences; NaN at states that no path or no text visits.

    Raises:
        ValueError: Q* does not settle.
    """
    if isinstance(arm, QLearningConfig):
        exact = optimal_q(task, reward_of(arm), arm.discount, targets=targets).astype(np.float32)
        exact[~states(task)[np.asarray(targets, dtype=int)]] = np.nan
        return exact
    exact = cooccurrence_policy(task, targets).astype(np.float32)
    exact[exact.sum(axis=2) == 0] = np.nan
    return exact


@dataclass(frozen=True)
class Errors:
    """How far learned values are from exact ones: the largest with its (c, k), and the mean; NaN if none is known."""

    largest: float
    at: tuple[int, int]
    mean: float


def errors(learned: npt.NDArray[np.floating], exact: npt.NDArray[np.floating]) -> Errors:
    """The errors of values (…, n, n) indexed [c, k]; where the exact ones are NaN, nothing is compared."""
    apart = np.abs(learned - exact)
    known = ~np.isnan(apart)
    if not known.any():
        return Errors(float("nan"), (0, 0), float("nan"))
    place = np.unravel_index(np.nanargmax(apart), apart.shape)
    return Errors(
        float(apart[place]), (int(place[-2]), int(place[-1])), float(apart[known].mean(dtype=float))
    )


def nearest(task: Task, target: int, most: int) -> tuple[Ints, Ints]:
    """The states of a target and the next nodes to show, at most so many each: those nearest to it, in order of number.

    All next nodes, or the target and the nodes from which it is reached in the fewest steps.
    """
    distance = task.distance[:, target]
    near = [int(node) for node in np.argsort(distance, kind="stable") if distance[node] >= 0]
    rows = np.array(sorted([node for node in near if node != target][:most]), dtype=np.int64)
    columns = np.arange(task.nodes) if task.nodes <= most else np.array(sorted(near[:most]), dtype=np.int64)
    return rows, columns
