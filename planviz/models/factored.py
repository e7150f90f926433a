"""The factored model of the paper's theory: logits = W_M[current] + W_V[target]."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from planviz.models.base import MarkovModel


class FactoredModel(MarkovModel):
    """W_M learns adjacency and W_V reachability (paper, section 3)."""

    def __init__(self, nodes: int, generator: Generator) -> None:
        super().__init__()
        tokens = nodes + 1
        self.adjacency_logits = nn.Parameter(
            torch.empty(tokens, tokens).normal_(0, 0.02, generator=generator)
        )
        self.reachability_logits = nn.Parameter(
            torch.empty(nodes, tokens).normal_(0, 0.02, generator=generator)
        )

    def logits(self, current: Tensor, target: Tensor) -> Tensor:
        return self.adjacency_logits[current] + self.reachability_logits[target]

    @torch.no_grad()
    def rescale_logits(self, scale: float, shift: float) -> None:
        self.adjacency_logits.mul_(scale).add_(shift)
        self.reachability_logits.mul_(scale)
