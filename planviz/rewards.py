"""Reward designs: what each step of a path is worth.

A reward is a function from `Steps` to one number a step. It serves Q-learning on sampled paths, where arrays
are (batch, length), and value iteration over all (target, current, next), where they are (n, n) for one target.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planviz.config import QLearningConfig
from planviz.task import Bools, Ints, Task, edges_taken


@dataclass(frozen=True)
class Steps:
    """What a reward may look at, arrays of one common shape.

    Attributes:
        arrives: the step goes to the target.
        is_edge: the step follows an edge of the graph.
        edges_so_far: this step and all before it follow edges.
        dead_end: the target cannot be reached from the node that the step goes to.
        repeat: the path was at that node before, at its source included.
    """

    arrives: Bools
    is_edge: Bools
    edges_so_far: Bools
    dead_end: Bools
    repeat: Bools


Reward = Callable[[Steps], npt.NDArray[np.float64]]


def outcome_reward(steps: Steps) -> npt.NDArray[np.float64]:
    """r = 1 on reaching t if every step was an edge, else 0 (paper, section 5.1)."""
    return (steps.arrives & steps.edges_so_far).astype(np.float64)


def process_reward(steps: Steps) -> npt.NDArray[np.float64]:
    """r = 1[k = t] − 1[(c, k) is no edge] (paper, section 5.2)."""
    return steps.arrives.astype(np.float64) - ~steps.is_edge


@dataclass(frozen=True)
class CustomReward:
    """A sum of terms, each for the steps that it names; the process reward is the one with 1 and −1, else 0."""

    arrive: float
    invalid_edge: float
    step: float
    dead_end: float
    repeat: float

    def __call__(self, steps: Steps) -> npt.NDArray[np.float64]:
        return np.asarray(
            self.arrive * steps.arrives
            + self.invalid_edge * ~steps.is_edge
            + self.step
            + self.dead_end * steps.dead_end
            + self.repeat * steps.repeat
        )


def reward_of(arm: QLearningConfig) -> Reward:
    """The reward that the settings of an arm name."""
    if arm.reward == "outcome":
        return outcome_reward
    if arm.reward == "process":
        return process_reward
    return CustomReward(
        arm.arrive_reward, arm.invalid_edge_reward, arm.step_reward, arm.dead_end_reward, arm.repeat_reward
    )


def steps_of(task: Task, pairs: Ints, paths: Ints) -> Steps:
    """The steps of sampled paths; EOS is reached along no edge, and is neither a dead end nor a repeat.

    Args:
        pairs: (B, 2) queries (s, t).
        paths: (B, L) tokens after the prompt; what stands after the end of a path means nothing.
    """
    is_edge = edges_taken(task, pairs, paths)
    reaches = np.pad(task.reachable, ((0, 1), (0, 0)), constant_values=True)
    return Steps(
        arrives=paths == pairs[:, 1:],
        is_edge=is_edge,
        edges_so_far=is_edge.cumprod(axis=1).astype(bool),
        dead_end=~reaches[paths, pairs[:, 1:]],
        repeat=_repeats(task, pairs[:, 0], paths),
    )


def _repeats(task: Task, sources: Ints, paths: Ints) -> Bools:
    """(B, L): whether a path (B, L) from its source (B,) was at each of its nodes before."""
    visited = np.zeros((len(paths), task.nodes + 1), dtype=bool)
    rows = np.arange(len(paths))
    visited[rows, sources] = True
    repeats = np.empty(paths.shape, dtype=bool)
    for place in range(paths.shape[1]):
        repeats[:, place] = visited[rows, paths[:, place]]
        visited[rows, paths[:, place]] = True
    return np.asarray(repeats & (paths != task.eos))


def all_steps(task: Task, target: int) -> Steps:
    """Every step (c, k) on the way to one target, (n, n), as if the path before it had taken edges only.

    A path's history is not part of (t, c, k): of the repeats only the step from a node to itself is one here.
    """
    shape = task.adjacency.shape
    return Steps(
        arrives=np.broadcast_to(np.arange(task.nodes) == target, shape),
        is_edge=task.adjacency,
        edges_so_far=task.adjacency,
        dead_end=np.broadcast_to(~task.reachable[:, target], shape),
        repeat=np.eye(task.nodes, dtype=bool),
    )
