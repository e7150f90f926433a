"""What all methods share: the models of S seeds, AdamW, a random generator a seed, and saving all three."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor

from planviz.config import Training
from planviz.models.base import PlanningModel
from planviz.packing import PackedPaths, Paths

Floats = npt.NDArray[np.float64]


class StepResult(NamedTuple):
    """What one optimizer step did.

    Attributes:
        samples: texts or paths trained on, for each seed.
        tokens: (S,) tokens read or sampled.
        paths: the paths that were sampled or read, without the EOS that follows t in a text.
        values: (S,) each, the numbers to plot; a loss that is not finite means that the seed has diverged.
    """

    samples: int
    tokens: npt.NDArray[np.int64]
    paths: Paths
    values: dict[str, Floats]


class Method:
    """A way to train S models at once, one a seed; the seeds never touch each other.

    `step` makes one update of each; the state holds all that the next steps depend on.
    """

    def __init__(self, model: PlanningModel, config: Training, generators: Sequence[Generator]) -> None:
        self.model = model
        self.generators = generators
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=config.learning_rate, weight_decay=0.0, fused=True
        )
        self.updates = 0
        self._schedule = (config.schedule, config.learning_rate, config.steps)

    def step(self) -> StepResult:
        """One optimizer step of every seed's model."""
        raise NotImplementedError

    def update(self, losses: Tensor) -> None:
        """One step of AdamW down the gradient of each seed's loss, (S,)."""
        self.optimizer.param_groups[0]["lr"] = scheduled(*self._schedule, self.updates)
        self.updates += 1
        self.optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()  # no parameter is shared, so each seed's gradient is its own
        self.optimizer.step()

    def draw(self, count: int, choices: int) -> npt.NDArray[np.int64]:
        """(S, count) uniform random integers below `choices`, with replacement."""
        drawn = [torch.randint(choices, (count,), generator=generator) for generator in self.generators]
        return torch.stack(drawn).numpy()

    def states(self) -> list[dict[str, Tensor]]:
        """For each seed model, optimizer and random state as named tensors (a method adds its own)."""
        states = with_prefix("model.", self.model.states())
        for index, entry in self.optimizer.state_dict()["state"].items():
            for name, value in entry.items():
                for seed, state in enumerate(states):
                    state[f"optimizer.{index}.{name}"] = value if value.ndim == 0 else value[seed]
        for state, generator in zip(states, self.generators, strict=True):
            state["generator"] = generator.get_state()
            state["updates"] = torch.tensor(self.updates)
        return states

    def load_states(self, states: Sequence[dict[str, Tensor]]) -> None:
        """Go on from what `states` returned, bit for bit."""
        self.model.load_states(without_prefix("model.", states))
        optimizer = self.optimizer.state_dict()
        entries: dict[int, dict[str, Tensor]] = {}
        for key, first in without_prefix("optimizer.", states)[0].items():
            index, name = key.split(".")
            values = [state[f"optimizer.{key}"] for state in states]
            entries.setdefault(int(index), {})[name] = (
                first.clone() if name == "step" else torch.stack(values)
            )
        self.optimizer.load_state_dict(optimizer | {"state": entries})
        for state, generator in zip(states, self.generators, strict=True):
            generator.set_state(state["generator"])
        self.updates = int(states[0]["updates"])


def scheduled(schedule: str, learning_rate: float, steps: int, updates: int) -> float:
    """The learning rate of the next update, after so many of `steps`."""
    done = min(updates / steps, 1.0)
    if schedule == "linear":
        return learning_rate * (1 - done)
    if schedule == "cosine":
        return learning_rate * (1 + math.cos(math.pi * done)) / 2
    return learning_rate


def per_seed(steps: Tensor, batch: PackedPaths) -> Tensor:
    """The sum over each seed's real steps, (S,), of values (S, N)."""
    return torch.where(torch.from_numpy(batch.inside), steps, 0).sum(dim=1)


def with_prefix(prefix: str, states: Sequence[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    """The states with a prefix before every name."""
    return [{prefix + name: value for name, value in state.items()} for state in states]


def without_prefix(prefix: str, states: Sequence[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    """The entries of the states whose name begins with the prefix, without it."""
    return [
        {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        for state in states
    ]
