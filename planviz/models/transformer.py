"""A small decoder-only transformer: one layer, one head and d = 120 in the paper."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from planviz.models.base import Cache, PlanningModel

PROMPT = 3
"""Tokens of the prompt ``s t s``."""


class KeyValueCache:
    """Keys and values of all positions so far, a pair of (B, H, C, D) tensors a layer, filled up to `length`."""

    def __init__(self, layers: list[tuple[Tensor, Tensor]], length: int) -> None:
        self.layers = layers
        self.length = length

    def select(self, rows: Tensor) -> KeyValueCache:
        return KeyValueCache([(keys[rows], values[rows]) for keys, values in self.layers], self.length)


class Block(nn.Module):
    """Causal self-attention and an MLP, each with layer norm before and a residual around it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, 4 * width)
        self.mlp_out = nn.Linear(4 * width, width)

    def project(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (B, H, T, D) of hidden states (B, T, d)."""
        batch, length, width = hidden.shape
        projected = self.query_key_value(self.attention_norm(hidden))
        shaped = projected.view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        queries, keys, values = shaped.unbind(0)
        return queries, keys, values

    def finish(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """The block's output (B, T, d) from its input and the attended values (B, H, T, D)."""
        hidden = hidden + self.attention_out(attended.transpose(1, 2).flatten(2))
        out: Tensor = hidden + self.mlp_out(F.gelu(self.mlp_in(self.mlp_norm(hidden))))
        return out


class Transformer(PlanningModel):
    """Learned token and position embeddings, `layers` blocks, and an untied head with a bias."""

    def __init__(
        self, nodes: int, max_steps: int, *, width: int, layers: int, heads: int, generator: Generator
    ) -> None:
        super().__init__()
        self.context = PROMPT + max_steps
        self.token_embedding = nn.Embedding(nodes + 1, width)
        self.position_embedding = nn.Embedding(self.context, width)
        self.blocks: Sequence[Block] = nn.ModuleList(Block(width, heads) for _ in range(layers))  # type: ignore[assignment]
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, nodes + 1)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02, generator=generator)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def embed(self, tokens: Tensor, start: int = 0) -> Tensor:
        """Hidden states (B, T, d) of tokens (B, T) that stand at positions start, start + 1, …"""
        positions = torch.arange(start, start + tokens.shape[1], device=tokens.device)
        hidden: Tensor = self.token_embedding(tokens) + self.position_embedding(positions)
        return hidden

    def encode(self, tokens: Tensor, first: int) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Final hidden states (B, T - first, d) from position `first` on, and every layer's keys and values."""
        hidden, layers = self.embed(tokens), []
        for block in self.blocks:
            queries, keys, values = block.project(hidden)
            layers.append((keys, values))
            attended = F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
            if block is self.blocks[-1]:  # nothing looks at what comes before any more
                hidden, attended = hidden[:, first:], attended[:, :, first:]
            hidden = block.finish(hidden, attended)
        return self.norm(hidden), layers

    def forward(self, pairs: Tensor, paths: Tensor) -> Tensor:
        hidden, _ = self.encode(torch.cat([pairs, pairs[:, :1], paths], dim=1), first=PROMPT - 1)
        logits: Tensor = self.head(hidden)
        return logits

    def begin(self, pairs: Tensor) -> tuple[Tensor, KeyValueCache]:
        hidden, layers = self.encode(torch.cat([pairs, pairs[:, :1]], dim=1), first=PROMPT - 1)
        room = (0, 0, 0, self.context - PROMPT)
        padded = [(F.pad(keys, room), F.pad(values, room)) for keys, values in layers]
        return self.head(hidden[:, 0]), KeyValueCache(padded, PROMPT)

    def advance(self, tokens: Tensor, cache: Cache) -> Tensor:
        assert isinstance(cache, KeyValueCache)
        hidden = self.embed(tokens[:, None], start=cache.length)
        cache.length += 1
        for block, (all_keys, all_values) in zip(self.blocks, cache.layers, strict=True):
            queries, keys, values = block.project(hidden)
            all_keys[:, :, cache.length - 1] = keys[:, :, 0]
            all_values[:, :, cache.length - 1] = values[:, :, 0]
            attended = F.scaled_dot_product_attention(
                queries, all_keys[:, :, : cache.length], all_values[:, :, : cache.length]
            )
            hidden = block.finish(hidden, attended)
        logits: Tensor = self.head(self.norm(hidden[:, 0]))
        return logits

    @torch.no_grad()
    def rescale_logits(self, scale: float, shift: float) -> None:
        self.head.weight.mul_(scale)
        self.head.bias.mul_(scale).add_(shift)
