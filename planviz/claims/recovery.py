"""How well the edges of the graph can be read out of stored weights. Torch is needed here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from safetensors.torch import load
from torch import Generator

from planviz.config import ExperimentConfig
from planviz.mechanism import auc, edge_candidates, edge_scores, states
from planviz.models import build_model
from planviz.probing import MAX_ENTRIES, first_logits
from planviz.task import build_task

GROUPS = ("often", "rare", "seldom", "never")
"""Edges by how often the SFT texts take them; rare is seldom or never."""


def recovered_edges(config: ExperimentConfig, weights: Sequence[bytes]) -> list[dict[str, float]]:
    """For some models the AUC of each group of edges, NaN of an empty one, against all that is no edge.

    The scores are `mechanism.edge_scores` at all targets, or at as many as `MAX_ENTRIES` allows, evenly spread.
    """
    torch.set_num_threads(1)
    task = build_task(config)
    possible = np.flatnonzero(states(task).any(axis=1))
    most = max(1, MAX_ENTRIES // (task.nodes * (task.nodes + 1)))
    targets = possible[np.unique(np.linspace(0, len(possible) - 1, most).round().astype(int))]
    groups, nothing = edge_candidates(task)
    groups["rare"] = groups["seldom"] | groups["never"]
    found = []
    for stored in weights:
        model = build_model(config.model, task.nodes, task.max_steps, [Generator()])
        model.load_states([load(stored)])
        scores = edge_scores(task, first_logits(model, task, targets.tolist()), targets)
        found.append({group: auc(scores, groups[group], nothing) for group in GROUPS})
    return found
