"""Reward designs: what each step of a path is worth.

A reward is a function from `Steps` to one number a step. It serves Q-learning on sampled paths, where arrays
are (batch, length), and value iteration over all (target, current, next), where they are (n, n, n).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from planviz.task import Bools


@dataclass(frozen=True)
class Steps:
    """What a reward may look at, arrays of one common shape.

    Attributes:
        arrives: the step goes to the target.
        is_edge: the step follows an edge of the graph.
        edges_so_far: this step and all before it follow edges.
    """

    arrives: Bools
    is_edge: Bools
    edges_so_far: Bools


Reward = Callable[[Steps], npt.NDArray[np.float64]]


def outcome_reward(steps: Steps) -> npt.NDArray[np.float64]:
    """r = 1 on reaching t if every step was an edge, else 0 (paper, section 5.1)."""
    return (steps.arrives & steps.edges_so_far).astype(np.float64)


def process_reward(steps: Steps) -> npt.NDArray[np.float64]:
    """r = 1[k = t] − 1[(c, k) is no edge] (paper, section 5.2)."""
    return steps.arrives.astype(np.float64) - ~steps.is_edge


REWARDS: dict[Literal["outcome", "process"], Reward] = {
    "outcome": outcome_reward,
    "process": process_reward,
}
