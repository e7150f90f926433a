"""A small decoder-only transformer: one layer, one head and d = 120 in the paper.

Pre-norm blocks without biases. The layer norms have no weights of their own: each is followed by a matrix that
can take them over. The head has a bias, so that its logits can be shifted onto the scale of Q-values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from planviz.models.base import Cache, PlanningModel, look_up, random_weights
from planviz.packing import PackedPaths
from planviz.sizes import PROMPT
from planviz.task import Ints

ROOM = 4
"""Positions that a cache has to spare when it is made, and again each time it is full."""


class KeyValueCache:
    """Keys and values of all positions so far, for S · P paths.

    Attributes:
        layers: for each block a tensor (C, S · P, 2d): positions first, so that each one is written in one piece.
        length: how many of the C positions are filled.
    """

    def __init__(self, layers: list[Tensor], length: int) -> None:
        self.layers = layers
        self.length = length

    def select(self, rows: Tensor) -> KeyValueCache:
        seeds = len(rows)
        first = torch.arange(seeds)[:, None] * (self.layers[0].shape[1] // seeds)
        index = (rows + first).flatten()
        layers = []
        for layer in self.layers:
            chosen = layer.new_empty(self.length + ROOM, len(index), layer.shape[2])
            torch.index_select(layer[: self.length], 1, index, out=chosen[: self.length])
            layers.append(chosen)
        return KeyValueCache(layers, self.length)

    def write(self, block: int, keys_values: Tensor) -> Tensor:
        """Add keys and values (S, P, 2d) at the position `length`; all of them so far, (length + 1, S · P, 2d)."""
        layer = self.layers[block]
        if self.length == len(layer):
            layer = self.layers[block] = F.pad(layer, (0, 0, 0, 0, 0, ROOM))
        layer[self.length] = keys_values.flatten(0, 1)
        return layer[: self.length + 1]


def linear(inputs: Tensor, weights: Tensor) -> Tensor:
    """inputs (S, N, i) times each seed's own weights (S, o, i), transposed: (S, N, o)."""
    return torch.bmm(inputs, weights.transpose(1, 2))


def add_linear(hidden: Tensor, inputs: Tensor, weights: Tensor) -> Tensor:
    """hidden + `linear`(inputs, weights), in one pass."""
    return torch.baddbmm(hidden, inputs, weights.transpose(1, 2))


def norm(hidden: Tensor) -> Tensor:
    """Layer norm over the last dimension, without weights."""
    return F.layer_norm(hidden, hidden.shape[-1:])


class Block(nn.Module):
    """Causal self-attention and an MLP, each with layer norm before and a residual around it."""

    def __init__(self, width: int, heads: int, generators: Sequence[Generator]) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = random_weights(generators, 3 * width, width)
        self.attention_out = random_weights(generators, width, width)
        self.mlp_in = random_weights(generators, 4 * width, width)
        self.mlp_out = random_weights(generators, width, 4 * width)

    def project(self, hidden: Tensor) -> Tensor:
        """Queries, keys and values (S, N, 3d) of hidden states (S, N, d)."""
        return linear(norm(hidden), self.query_key_value)

    def attend_in_rows(self, projected: Tensor, mask: Tensor) -> Tensor:
        """Attended values (S, R · C, d), where each token looks at those of its row that the mask lets it see.

        Args:
            projected: (S, R · C, 3d).
            mask: (S · R, C, C), 0 to look and -inf not to.
        """
        seeds, tokens, width = projected.shape[0], projected.shape[1], projected.shape[2] // 3
        rows, columns = mask.shape[:2]
        shaped = projected.view(rows, columns, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        queries, keys, values = shaped.flatten(1, 2).unbind(0)
        if self.heads > 1:
            mask = mask.repeat_interleave(self.heads, dim=0)
        scale = (width // self.heads) ** -0.5
        weights = torch.baddbmm(mask, queries, keys.transpose(1, 2), alpha=scale).softmax(dim=2)
        attended = torch.bmm(weights, values).view(rows, self.heads, columns, -1)
        return attended.transpose(1, 2).reshape(seeds, tokens, width)

    def attend_to_cache(self, queries: Tensor, keys_values: Tensor) -> Tensor:
        """Attended values (S, P, d) of queries (S, P, d) that look at all positions, (C, S · P, 2d)."""
        positions, rows, _ = keys_values.shape
        shaped = keys_values.view(positions, rows, 2, self.heads, -1).permute(2, 1, 3, 0, 4)
        queries_shaped = queries.reshape(rows, self.heads, 1, -1)
        attended = F.scaled_dot_product_attention(queries_shaped, shaped[0], shaped[1])
        return attended.reshape(queries.shape)

    def finish(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """The block's output (S, N, d) from its input and the attended values."""
        hidden = add_linear(hidden, attended, self.attention_out)
        return add_linear(hidden, F.gelu(linear(norm(hidden), self.mlp_in)), self.mlp_out)


class Transformer(PlanningModel):
    """Learned token and position embeddings, `layers` blocks, and an untied head with a bias."""

    def __init__(
        self,
        nodes: int,
        max_steps: int,
        *,
        width: int,
        layers: int,
        heads: int,
        generators: Sequence[Generator],
    ) -> None:
        super().__init__()
        self.token_embedding = random_weights(generators, nodes + 1, width)
        self.position_embedding = random_weights(generators, PROMPT + max_steps, width)
        self.blocks: Sequence[Block] = nn.ModuleList(Block(width, heads, generators) for _ in range(layers))  # type: ignore[assignment]
        self.head = random_weights(generators, nodes + 1, width)
        self.head_bias = nn.Parameter(torch.zeros(len(generators), nodes + 1))

    def forward(self, batch: PackedPaths) -> Tensor:
        tokens, positions, sequence, steps = (torch.from_numpy(array) for array in batch.rows)
        mask = row_mask(sequence.flatten(0, 1))
        hidden = look_up(self.token_embedding, tokens.flatten(1)) + look_up(
            self.position_embedding, positions.flatten(1)
        )
        for block in self.blocks:
            attended = block.attend_in_rows(block.project(hidden), mask)
            if (
                block is self.blocks[-1]
            ):  # only the steps are asked for, and nothing looks at the rest any more
                hidden, attended = look_up(hidden, steps), look_up(attended, steps)
            hidden = block.finish(hidden, attended)
        return self._head(hidden)

    def begin(self, pairs: Ints) -> tuple[Tensor, KeyValueCache]:
        sources, targets = torch.from_numpy(pairs).unbind(2)
        width = self.head.shape[2]
        empty = [self.head.new_empty(PROMPT + ROOM, sources.numel(), 2 * width) for _ in self.blocks]
        cache = KeyValueCache(empty, 0)
        self._extend(sources, cache, predict=False)
        self._extend(targets, cache, predict=False)
        return self.advance(sources, cache), cache

    def advance(self, tokens: Tensor, cache: Cache) -> Tensor:
        assert isinstance(cache, KeyValueCache)
        return self._head(self._extend(tokens, cache, predict=True))

    def _extend(self, tokens: Tensor, cache: KeyValueCache, predict: bool) -> Tensor:
        """Final hidden states (S, P, d) after one token more; unfinished ones if nothing is to be predicted."""
        hidden = look_up(self.token_embedding, tokens) + self.position_embedding[:, None, cache.length]
        for index, block in enumerate(self.blocks):
            projected = block.project(hidden)
            width = hidden.shape[2]
            keys_values = cache.write(index, projected[:, :, width:])
            if predict or block is not self.blocks[-1]:
                hidden = block.finish(hidden, block.attend_to_cache(projected[:, :, :width], keys_values))
        cache.length += 1
        return hidden

    def _head(self, hidden: Tensor) -> Tensor:
        return add_linear(self.head_bias[:, None], norm(hidden), self.head)

    @torch.no_grad()
    def rescale_logits(self, scale: Tensor, shift: Tensor) -> None:
        self.head.mul_(scale[:, None, None])
        self.head_bias.mul_(scale[:, None]).add_(shift[:, None])


def row_mask(sequence: Tensor) -> Tensor:
    """(R, C, C): 0 where a token may look, at itself and what comes before in its own sequence, else -inf.

    Args:
        sequence: (R, C) which sequence each token belongs to.
    """
    place = np.arange(sequence.shape[1])
    before = torch.from_numpy(place <= place[:, None])
    visible = (sequence[:, :, None] == sequence[:, None, :]) & before
    return torch.zeros(visible.shape).masked_fill_(~visible, float("-inf"))
