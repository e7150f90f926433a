"""What all methods share: the model, AdamW, a random generator, and saving all three."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from planviz.models.base import PlanningModel


class TrainingError(RuntimeError):
    """Training cannot go on; the message says what happened."""


class StepResult(NamedTuple):
    """What one optimizer step did: texts or paths trained on, their tokens, and the values to plot."""

    samples: int
    tokens: int
    values: dict[str, float]


class Method:
    """A way to train: `step` makes one update; the state holds all that the next steps depend on."""

    def __init__(self, model: PlanningModel, learning_rate: float, generator: Generator) -> None:
        self.model = model
        self.generator = generator
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.0, fused=True)

    def step(self) -> StepResult:
        """One optimizer step.

        Raises:
            TrainingError: the loss is no longer a number.
        """
        raise NotImplementedError

    def update(self, loss: Tensor) -> None:
        """One step of AdamW down the gradient of the loss."""
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss became {loss.item()}; try a smaller learning rate")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def state(self) -> dict[str, Tensor]:
        """Model, optimizer and random state as named tensors (a method adds its own)."""
        state = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for index, entry in self.optimizer.state_dict()["state"].items():
            state |= {f"optimizer.{index}.{name}": value for name, value in entry.items()}
        return state | {"generator": self.generator.get_state()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state` returned, bit for bit."""
        self.model.load_state_dict(with_prefix(state, "model."))
        optimizer = self.optimizer.state_dict()
        entries: dict[int, dict[str, Tensor]] = {}
        for key, value in with_prefix(state, "optimizer.").items():
            index, name = key.split(".")
            entries.setdefault(int(index), {})[name] = value.clone()
        self.optimizer.load_state_dict(optimizer | {"state": entries})
        self.generator.set_state(state["generator"])


def with_prefix(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries whose name begins with the prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
