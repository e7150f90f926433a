"""The tabular model: one free logit for every (target, current, next)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from planviz.models.base import MarkovModel, look_up, random_weights


class TabularModel(MarkovModel):
    """The most general model whose logits depend only on the current node and the target."""

    def __init__(self, nodes: int, generators: Sequence[Generator]) -> None:
        super().__init__()
        self.table = random_weights(generators, nodes, nodes + 1, nodes + 1)

    def logits(self, current: Tensor, target: Tensor) -> Tensor:
        tokens = self.table.shape[2]
        return look_up(self.table.flatten(1, 2), target * tokens + current)

    @torch.no_grad()
    def rescale_logits(self, scale: Tensor, shift: Tensor) -> None:
        self.table.mul_(scale[:, None, None, None]).add_(shift[:, None, None, None])
