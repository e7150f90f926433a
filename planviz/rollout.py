"""Batched sampling of paths from any model, with a cache.

A path ends when it reaches its target, emits EOS, or hits the length limit: the same for every method.
Rows that have ended leave the batch once enough of them have gathered.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from planviz.models.base import PlanningModel
from planviz.task import Ints

COMPACT_BELOW = 0.8
"""The batch is compacted when fewer than this share of its rows is still running."""


class Paths(NamedTuple):
    """Sampled paths: pairs (B, 2), tokens (B, L) with EOS as filler, lengths (B,) with the last token counted."""

    pairs: Tensor
    tokens: Tensor
    lengths: Tensor

    def arrays(self) -> tuple[Ints, Ints, Ints]:
        """Pairs, tokens and lengths as numpy arrays that share the tensors' memory."""
        return self.pairs.numpy(), self.tokens.numpy(), self.lengths.numpy()

    def select(self, rows: Tensor) -> Paths:
        """The paths of the given rows, cut to the longest of them."""
        lengths = self.lengths[rows]
        longest = int(lengths.max()) if len(lengths) else 1
        return Paths(self.pairs[rows], self.tokens[rows, :longest], lengths)


@torch.no_grad()
def sample_paths(
    model: PlanningModel,
    pairs: Tensor,
    max_steps: int,
    generator: Generator,
    *,
    samples: int = 1,
    temperature: float = 1.0,
    exploration: float = 0.0,
) -> Paths:
    """Paths drawn from softmax(logits / temperature), `samples` in a row for each query.

    Args:
        pairs: (P, 2) queries (s, t).
        max_steps: length limit, in nodes after s.
        temperature: 0 means greedy.
        exploration: probability that a step is a uniformly random node instead.

    Returns:
        P · samples paths, those of one query next to each other, cut to the longest.
    """
    logits, cache = model.begin(pairs)
    if samples > 1:
        rows = torch.arange(len(pairs)).repeat_interleave(samples)
        pairs, logits, cache = pairs[rows], logits[rows], cache.select(rows)
    eos = logits.shape[1] - 1
    tokens = torch.full((len(pairs), max_steps), eos)
    lengths = torch.zeros(len(pairs), dtype=torch.long)
    rows, targets = torch.arange(len(pairs)), pairs[:, 1]
    running = torch.ones(len(pairs), dtype=torch.bool)
    for step in range(max_steps):
        choice = _choose(logits, generator, temperature, exploration)
        tokens[rows[running], step] = choice[running]
        lengths[rows[running]] = step + 1
        running &= (choice != targets) & (choice != eos)
        count = int(running.sum())
        if count == 0 or step + 1 == max_steps:
            break
        if count < COMPACT_BELOW * len(rows):
            keep = running.nonzero()[:, 0]
            rows, targets, choice, cache = rows[keep], targets[keep], choice[keep], cache.select(keep)
            running = running[keep]
        logits = model.advance(choice, cache)
    return Paths(pairs, tokens[:, : step + 1], lengths)


def _choose(logits: Tensor, generator: Generator, temperature: float, exploration: float) -> Tensor:
    if temperature == 0:
        choice = logits.argmax(dim=1)
    else:  # the exponential race: argmax of p / Exp(1) is a draw from p, faster than multinomial
        race = torch.empty_like(logits).exponential_(generator=generator)
        choice = (torch.softmax(logits / temperature, dim=1) / race).argmax(dim=1)
    if exploration > 0:
        explore = torch.rand(len(choice), generator=generator) < exploration
        nodes = torch.randint(logits.shape[1] - 1, (len(choice),), generator=generator)
        choice = torch.where(explore, nodes, choice)
    return choice
