"""The one interface of all models: logits for whole paths, and step by step with a cache."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn


class Cache(Protocol):
    """What a model remembers of the paths it is extending, one row a path."""

    def select(self, rows: Tensor) -> Cache:
        """The cache of the given rows, in that order; a row may be given several times."""
        ...


class PlanningModel(nn.Module):
    """Next-token logits over n nodes and EOS, for paths that answer queries (s, t).

    `forward` and `begin` + `advance` give the same logits; the first is for training, the others for sampling.
    """

    def forward(self, pairs: Tensor, paths: Tensor) -> Tensor:
        """Logits along whole paths.

        Args:
            pairs: (B, 2) queries (s, t).
            paths: (B, L) the nodes after s.

        Returns:
            (B, L + 1, V): entry j is for the token that follows the first j nodes of the path.
        """
        raise NotImplementedError

    def begin(self, pairs: Tensor) -> tuple[Tensor, Cache]:
        """Logits (B, V) for the first token of the paths of (B, 2) queries, and the cache to go on with."""
        raise NotImplementedError

    def advance(self, tokens: Tensor, cache: Cache) -> Tensor:
        """Logits (B, V) after the paths in the cache were extended by one token each, (B,)."""
        raise NotImplementedError

    def rescale_logits(self, scale: float, shift: float) -> None:
        """Change the weights so that all logits become scale · logits + shift."""
        raise NotImplementedError


class PairCache:
    """The cache of a model that looks only at the current node and the target."""

    def __init__(self, targets: Tensor) -> None:
        self.targets = targets

    def select(self, rows: Tensor) -> PairCache:
        return PairCache(self.targets[rows])


class MarkovModel(PlanningModel):
    """A model whose logits depend only on (current node c, target t), as the paper's theory assumes."""

    def logits(self, current: Tensor, target: Tensor) -> Tensor:
        """Logits (..., V) for current nodes and targets of one shape."""
        raise NotImplementedError

    def forward(self, pairs: Tensor, paths: Tensor) -> Tensor:
        current = torch.cat([pairs[:, :1], paths], dim=1)
        return self.logits(current, pairs[:, 1:].expand_as(current))

    def begin(self, pairs: Tensor) -> tuple[Tensor, PairCache]:
        return self.logits(pairs[:, 0], pairs[:, 1]), PairCache(pairs[:, 1])

    def advance(self, tokens: Tensor, cache: Cache) -> Tensor:
        assert isinstance(cache, PairCache)
        return self.logits(tokens, cache.targets)
