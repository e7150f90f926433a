"""Supervised fine-tuning on random-walk texts.

    L(θ) = − E_{u ~ texts} [ Σ_j log π_θ(u_j | s, t, u_<j) ]

The sum runs over the path and the EOS that ends it; the prompt ``s t s`` is given, not learned. The optimum is
the table of co-occurrences p(k | t, c) = N(t, c, k) / Σ_k' N(t, c, k') (paper, section 3): nothing in it uses
transitivity. Continual SFT just goes on.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from planviz.config import SftConfig
from planviz.methods.base import Method, StepResult, per_seed
from planviz.models.base import PlanningModel
from planviz.packing import PackedPaths, Paths, pack
from planviz.task import Task, text_arrays


def negative_log_likelihood(logits: Tensor, batch: PackedPaths) -> Tensor:
    """−log π of each step's token, (S, N), from logits (S, N, V)."""
    tokens = torch.from_numpy(batch.token)
    return F.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none").view(tokens.shape)


class Sft(Method):
    """Cross-entropy on texts drawn uniformly with replacement."""

    def __init__(
        self, model: PlanningModel, task: Task, config: SftConfig, generators: Sequence[Generator]
    ) -> None:
        super().__init__(model, config, generators)
        self.batch_size = config.batch_size
        self.texts = Paths(*text_arrays(task))

    def step(self) -> StepResult:
        rows = self.draw(self.batch_size, len(self.texts.lengths))
        texts = Paths(*(array[rows] for array in self.texts))
        batch = pack(texts)
        losses = per_seed(negative_log_likelihood(self.model(batch), batch), batch) / self.batch_size
        self.update(losses)
        values = {"loss": losses.detach().double().numpy()}
        read = texts._replace(lengths=texts.lengths - 1)
        return StepResult(self.batch_size, texts.lengths.sum(axis=1), read, values)
