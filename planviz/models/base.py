"""The one interface of all models: logits for whole paths, and step by step with a cache.

Every parameter has a leading axis for the S seeds that train together: S independent models in one, whose
matrix products are batched. One model is S = 1.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Protocol, Self

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from planviz.packing import PackedPaths
from planviz.task import Ints

INITIAL_STD = 0.02
"""Standard deviation of all initial weights."""


class ModelError(ValueError):
    """A model does not fit the task, or weights do not fit a model."""


class Cache(Protocol):
    """What a model remembers of the (S, P) paths it is extending."""

    def select(self, rows: Tensor) -> Cache:
        """The cache of the given rows (S, Q) of each seed, in that order; a row may be given several times."""
        ...


class PlanningModel(nn.Module):
    """Next-token logits over V tokens, n nodes and EOS, for paths that answer queries (s, t).

    `forward` and `begin` + `advance` give the same logits; the first is for training, the others for sampling.
    """

    def forward(self, batch: PackedPaths) -> Tensor:
        """Logits (S, N, V) for the token of each step, from all that comes before it in its path."""
        raise NotImplementedError

    def begin(self, pairs: Ints) -> tuple[Tensor, Cache]:
        """Logits (S, P, V) for the first token of the paths of (S, P, 2) queries, and the cache to go on with."""
        raise NotImplementedError

    def advance(self, tokens: Tensor, cache: Cache) -> Tensor:
        """Logits (S, P, V) after the paths in the cache were extended by one token each, (S, P)."""
        raise NotImplementedError

    def rescale_logits(self, scale: Tensor, shift: Tensor) -> None:
        """Change the weights so that all logits of a seed become scale · logits + shift; (S,) each."""
        raise NotImplementedError

    @property
    def seeds(self) -> int:
        """How many models this one holds."""
        return len(next(self.parameters()))

    def states(self) -> list[dict[str, Tensor]]:
        """The weights of each seed's model alone; they are views, which later updates change."""
        return [
            {name: value[seed] for name, value in self.state_dict().items()} for seed in range(self.seeds)
        ]

    def load_states(self, states: Sequence[dict[str, Tensor]]) -> None:
        """Take over the weights of S models, from `states`.

        Raises:
            ModelError: they are those of another kind of model.
        """
        own = {name: value.shape[1:] for name, value in self.state_dict().items()}
        if any({name: value.shape for name, value in state.items()} != own for state in states):
            raise ModelError(
                "the weights do not fit the model: they come from other settings or another version of planviz"
            )
        self.load_state_dict({name: torch.stack([state[name] for state in states]) for name in states[0]})

    def is_finite(self) -> Tensor:
        """(S,): whether all weights of a seed are still numbers."""
        sums = torch.stack([weights.detach().flatten(1).sum(dim=1) for weights in self.parameters()])
        return sums.isfinite().all(dim=0)

    def alone(self, seed: int) -> Self:
        """One seed's model, S = 1, frozen; it shares its weights with this one."""
        own = {
            id(weights): nn.Parameter(weights.data[seed : seed + 1], requires_grad=False)
            for weights in self.parameters()
        }
        return copy.deepcopy(self, own)  # everything but the weights, which are taken from `own`


def random_weights(generators: Sequence[Generator], *shape: int) -> nn.Parameter:
    """Initial weights (S, *shape), each seed's drawn by its own generator."""
    return nn.Parameter(
        torch.stack([torch.empty(shape).normal_(0, INITIAL_STD, generator=draw) for draw in generators])
    )


def look_up(table: Tensor, index: Tensor) -> Tensor:
    """Rows (S, …, d) of each seed's own table (S, K, d), by index (S, …)."""
    seeds, length, _ = table.shape
    if seeds == 1:
        return F.embedding(index, table[0])
    first = torch.arange(0, seeds * length, length).view(-1, *[1] * (index.ndim - 1))
    return F.embedding(index + first, table.flatten(0, 1))


class PairCache:
    """The cache of a model that looks only at the current node and the target."""

    def __init__(self, targets: Tensor) -> None:
        self.targets = targets

    def select(self, rows: Tensor) -> PairCache:
        return PairCache(self.targets.gather(1, rows))


class MarkovModel(PlanningModel):
    """A model whose logits depend only on (current node c, target t), as the paper's theory assumes."""

    def logits(self, current: Tensor, target: Tensor) -> Tensor:
        """Logits (S, …, V) for current nodes and targets (S, …)."""
        raise NotImplementedError

    def forward(self, batch: PackedPaths) -> Tensor:
        return self.logits(torch.from_numpy(batch.current), torch.from_numpy(batch.target))

    def begin(self, pairs: Ints) -> tuple[Tensor, PairCache]:
        sources, targets = torch.from_numpy(pairs).unbind(2)
        return self.logits(sources, targets), PairCache(targets)

    def advance(self, tokens: Tensor, cache: Cache) -> Tensor:
        assert isinstance(cache, PairCache)
        return self.logits(tokens, cache.targets)
