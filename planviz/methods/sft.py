"""Supervised fine-tuning on random-walk texts.

    L(θ) = − E_{u ~ texts} [ Σ_j log π_θ(u_j | s, t, u_<j) ]

The sum runs over the path and the EOS that ends it; the prompt ``s t s`` is given, not learned. The optimum is
the table of co-occurrences p(k | t, c) = N(t, c, k) / Σ_k' N(t, c, k') (paper, section 3): nothing in it uses
transitivity. Continual SFT just goes on.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from planviz.config import SftConfig
from planviz.methods.base import Method, StepResult
from planviz.models.base import PlanningModel
from planviz.rollout import Paths
from planviz.task import Task, text_arrays


def negative_log_likelihood(logits: Tensor, paths: Paths) -> Tensor:
    """−log π(u) of each path, (B,), from logits (B, L or L + 1, V); tokens past a path's length do not count."""
    length = paths.tokens.shape[1]
    per_token = F.cross_entropy(logits[:, :length].transpose(1, 2), paths.tokens, reduction="none")
    inside = torch.arange(length) < paths.lengths[:, None]
    return (per_token * inside).sum(dim=1)


class Sft(Method):
    """Cross-entropy on texts drawn uniformly with replacement."""

    def __init__(self, model: PlanningModel, task: Task, config: SftConfig, generator: Generator) -> None:
        super().__init__(model, config.learning_rate, generator)
        self.batch_size = config.batch_size
        self.texts = Paths(*(torch.from_numpy(array) for array in text_arrays(task)))

    def step(self) -> StepResult:
        rows = torch.randint(len(self.texts.lengths), (self.batch_size,), generator=self.generator)
        batch = self.texts.select(rows)
        logits = self.model(batch.pairs, batch.tokens[:, :-1])
        loss = negative_log_likelihood(logits, batch).mean()
        self.update(loss)
        return StepResult(self.batch_size, int(batch.lengths.sum()), {"loss": loss.item()})
