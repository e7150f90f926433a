"""The factored model of the paper's theory: logits = W_M[current] + W_V[target]."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from planviz.models.base import MarkovModel, look_up, random_weights


class FactoredModel(MarkovModel):
    """W_M learns adjacency and W_V reachability (paper, section 3)."""

    def __init__(self, nodes: int, generators: Sequence[Generator]) -> None:
        super().__init__()
        self.adjacency_logits = random_weights(generators, nodes + 1, nodes + 1)
        self.reachability_logits = random_weights(generators, nodes, nodes + 1)

    def logits(self, current: Tensor, target: Tensor) -> Tensor:
        return look_up(self.adjacency_logits, current) + look_up(self.reachability_logits, target)

    @torch.no_grad()
    def rescale_logits(self, scale: Tensor, shift: Tensor) -> None:
        self.adjacency_logits.mul_(scale[:, None, None]).add_(shift[:, None, None])
        self.reachability_logits.mul_(scale[:, None, None])
