"""The models: one interface (`PlanningModel`), three kinds."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Generator

from planviz.config import ModelConfig
from planviz.models.base import ModelError, PlanningModel
from planviz.models.factored import FactoredModel
from planviz.models.tabular import TabularModel
from planviz.models.transformer import Transformer

__all__ = ["ModelError", "PlanningModel", "build_model"]

MAX_TABLE = 20_000_000
"""Largest number of entries of a tabular model (80 MB of weights, three times that while training)."""


def build_model(
    config: ModelConfig, nodes: int, max_steps: int, generators: Sequence[Generator]
) -> PlanningModel:
    """Freshly initialised models, one for each generator, for paths of at most `max_steps` nodes.

    Raises:
        ModelError: a tabular model would be too large.
    """
    if config.kind == "factored":
        return FactoredModel(nodes, generators)
    if config.kind == "tabular":
        if nodes * (nodes + 1) ** 2 > MAX_TABLE:
            raise ModelError(
                f"a tabular model of {nodes} nodes has {nodes * (nodes + 1) ** 2:,} entries; "
                f"at most {MAX_TABLE:,} are allowed, so choose the factored model or fewer nodes"
            )
        return TabularModel(nodes, generators)
    return Transformer(
        nodes, max_steps, width=config.width, layers=config.layers, heads=config.heads, generators=generators
    )
