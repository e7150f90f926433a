"""The tabular model: one free logit for every (target, current, next)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from planviz.models.base import MarkovModel


class TabularModel(MarkovModel):
    """The most general model whose logits depend only on the current node and the target."""

    def __init__(self, nodes: int, generator: Generator) -> None:
        super().__init__()
        tokens = nodes + 1
        self.table = nn.Parameter(torch.empty(nodes, tokens, tokens).normal_(0, 0.02, generator=generator))

    def logits(self, current: Tensor, target: Tensor) -> Tensor:
        return self.table[target, current]

    @torch.no_grad()
    def rescale_logits(self, scale: float, shift: float) -> None:
        self.table.mul_(scale).add_(shift)
