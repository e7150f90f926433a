"""Small graphs, tasks and models for the tests of the engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import networkx as nx
import pytest
import torch
from hypothesis import strategies as st
from torch import Generator

from planviz.config import ExperimentConfig, GraphConfig, ModelConfig, SplitConfig
from planviz.models import PlanningModel, build_model
from planviz.rollout import Paths, sample_paths
from planviz.task import Task, build_task

MODELS = {
    "transformer": ModelConfig(width=16),
    "deep transformer": ModelConfig(width=16, layers=2, heads=2),
    "factored": ModelConfig(kind="factored"),
    "tabular": ModelConfig(kind="tabular"),
}


def listed(nodes: int, edges: Iterable[tuple[int, int]]) -> GraphConfig:
    """A graph with exactly these edges."""
    return GraphConfig(kind="file", labels=tuple(map(str, range(nodes))), edges=tuple(edges))


@st.composite
def graphs(draw: st.DrawFn, *, acyclic: bool = False, max_nodes: int = 7) -> GraphConfig:
    """Graphs with at least two edges; an acyclic one has its nodes in any order."""
    nodes = draw(st.integers(3, max_nodes))
    order = draw(st.permutations(range(nodes)))
    pairs = [(i, j) for i in range(nodes) for j in range(nodes) if (i < j if acyclic else i != j)]
    edges = draw(st.lists(st.sampled_from(pairs), min_size=2, unique=True))
    return listed(nodes, [(order[i], order[j]) for i, j in edges])


def task_of(graph: GraphConfig, **split: Any) -> Task:
    return build_task(ExperimentConfig(graph=graph, split=SplitConfig(**{"train_share": 0.5} | split)))


def networkx_graph(graph: GraphConfig) -> nx.DiGraph[int]:
    """The graph of a `listed` config, made without planviz."""
    result: nx.DiGraph[int] = nx.DiGraph()
    result.add_nodes_from(range(len(graph.labels)))
    result.add_edges_from(graph.edges)
    return result


def strong_model(kind: str, nodes: int, max_steps: int, *, seed: int = 0, std: float = 0.6) -> PlanningModel:
    """A model with weights so large that its logits clearly depend on all that it sees."""
    model = build_model(MODELS[kind], nodes, max_steps, Generator())
    generator = Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in model.parameters():
            weights.normal_(0, std, generator=generator)
    return model


def as_paths(pairs: list[tuple[int, int]], paths: list[list[int]], eos: int) -> Paths:
    """Paths from lists, with filler behind the short ones."""
    longest = max(map(len, paths))
    return Paths(
        torch.tensor(pairs),
        torch.tensor([path + [eos] * (longest - len(path)) for path in paths]),
        torch.tensor([len(path) for path in paths]),
    )


def record_paths(monkeypatch: pytest.MonkeyPatch, module: str) -> list[Paths]:
    """The paths that a module samples from now on, as it samples them."""
    recorded: list[Paths] = []

    def recording(*args: Any, **kwargs: Any) -> Paths:
        recorded.append(sample_paths(*args, **kwargs))
        return recorded[-1]

    monkeypatch.setattr(f"{module}.sample_paths", recording)
    return recorded


def as_lists(paths: Paths) -> list[tuple[tuple[int, int], list[int]]]:
    """Each query with its path, without filler."""
    return [
        ((int(pair[0]), int(pair[1])), tokens[:length].tolist())
        for pair, tokens, length in zip(*paths, strict=True)
    ]


def next_logits(model: PlanningModel, pair: tuple[int, int], prefix: list[int]) -> torch.Tensor:
    """(V,) logits after one prefix, one query at a time and without a cache."""
    logits: torch.Tensor = model(torch.tensor([pair]), torch.tensor([prefix], dtype=torch.long))
    return logits[0, -1]


def log_likelihood(model: PlanningModel, pair: tuple[int, int], path: list[int]) -> torch.Tensor:
    """log π(path), token by token."""
    terms = [next_logits(model, pair, path[:j]).log_softmax(0)[token] for j, token in enumerate(path)]
    return torch.stack(terms).sum()
