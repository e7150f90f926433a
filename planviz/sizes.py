"""How large models are, told without torch."""

from __future__ import annotations

import math

from planviz.config import ModelConfig

Shapes = dict[str, tuple[int, ...]]

PROMPT = 3
"""Tokens of the prompt ``s t s``."""


def weight_shapes(model: ModelConfig, nodes: int, max_steps: int) -> Shapes:
    """The names and shapes of a model's weights, for one seed, as `planviz.models` makes them.

    Args:
        max_steps: the length limit of a path, in nodes after s.
    """
    tokens, width = nodes + 1, model.width
    if model.kind == "factored":
        return {"adjacency_logits": (tokens, tokens), "reachability_logits": (nodes, tokens)}
    if model.kind == "tabular":
        return {"table": (nodes, tokens, tokens)}
    shapes: Shapes = {
        "token_embedding": (tokens, width),
        "position_embedding": (PROMPT + max_steps, width),
        "head": (tokens, width),
        "head_bias": (tokens,),
    }
    for layer in range(model.layers):
        shapes |= {
            f"blocks.{layer}.query_key_value": (3 * width, width),
            f"blocks.{layer}.attention_out": (width, width),
            f"blocks.{layer}.mlp_in": (4 * width, width),
            f"blocks.{layer}.mlp_out": (width, 4 * width),
        }
    return shapes


def parameters(model: ModelConfig, nodes: int, max_steps: int) -> int:
    """How many weights a model has, for one seed."""
    return sum(map(math.prod, weight_shapes(model, nodes, max_steps).values()))
