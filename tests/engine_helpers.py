"""Small graphs, tasks and models for the tests of the engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

from benchmarks.plain_loop import PlainTransformer, path_logits
from planviz.config import ExperimentConfig, GraphConfig, ModelConfig, SplitConfig
from planviz.models import PlanningModel, build_model
from planviz.models.transformer import Transformer
from planviz.packing import PackedPaths, Paths, pack
from planviz.task import Bools, Task, build_task

MODELS = {
    "transformer": ModelConfig(width=16),
    "deep transformer": ModelConfig(width=16, layers=2, heads=2),
    "factored": ModelConfig(kind="factored"),
    "tabular": ModelConfig(kind="tabular"),
}

Text = tuple[int, int, list[int]]
"""(source, target, path): what `benchmarks.plain_loop` works on."""


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


def generators(*seeds: int) -> list[Generator]:
    return [Generator().manual_seed(seed) for seed in seeds]


def strong_model(
    kind: str | ModelConfig, nodes: int, max_steps: int, *, seed: int = 0, std: float = 0.6, seeds: int = 1
) -> PlanningModel:
    """Models with weights so large that their logits clearly depend on all that they see.

    The first one's weights are drawn with `seed`, the next one's with `seed` + 1, and so on."""
    config = MODELS[kind] if isinstance(kind, str) else kind
    model = build_model(config, nodes, max_steps, [Generator()] * seeds)
    draws = generators(*range(seed, seed + seeds))
    with torch.no_grad():
        for weights in model.parameters():
            for own, draw in zip(weights, draws, strict=True):
                own.normal_(0, std, generator=draw)
    return model


class PlainMarkov(nn.Module):
    """The tables of one factored or tabular model, looked up in the plain way."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        for name, value in weights.items():
            self.register_parameter(name, nn.Parameter(value.clone()))

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, T, V) after each of the tokens ``s t s u1 …``, (B, T)."""
        tables, targets = dict(self.named_parameters()), tokens[:, 1:2].expand_as(tokens)
        if "table" in tables:
            return tables["table"][targets, tokens]
        return tables["adjacency_logits"][tokens] + tables["reachability_logits"][targets]


def plain(model: PlanningModel, seed: int = 0) -> nn.Module:
    """One seed's model in the plain style of `benchmarks.plain_loop`, with a copy of the weights."""
    (weights,) = model.alone(seed).states()
    if not isinstance(model, Transformer):
        return PlainMarkov(weights)
    nodes, (context, width) = len(weights["head_bias"]) - 1, weights["position_embedding"].shape
    same = PlainTransformer(nodes, context, width, len(model.blocks), model.blocks[0].heads)
    same.load_state_dict(weights)
    return same


def next_logits(model: PlanningModel, pair: tuple[int, int], prefix: list[int]) -> Tensor:
    """(V,) logits after one prefix: of the first seed, one query at a time, and without the engine."""
    return path_logits(plain(model), *pair, [*prefix, 0])[-1]


def log_likelihood(model: nn.Module, source: int, target: int, path: Sequence[int]) -> Tensor:
    """log π(path) of a plain model, token by token."""
    log_policy = path_logits(model, source, target, path).log_softmax(dim=1)
    return torch.stack([log_policy[j, token] for j, token in enumerate(path)]).sum()


def assert_gradients(model: PlanningModel, seed: int, loss: Tensor, same: nn.Module) -> None:
    """One seed's part of the gradients that the model has is that of the loss of its plain counterpart."""
    names, weights = zip(*same.named_parameters(), strict=True)
    expected = dict(zip(names, torch.autograd.grad(loss, weights), strict=True))
    largest = max(gradient.abs().max().item() for gradient in expected.values())
    assert largest > 1e-4
    found = {name: own.grad[seed] for name, own in model.named_parameters() if own.grad is not None}
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5 * largest)


def as_paths(*texts_of_seeds: Sequence[Text], filler: int = 0) -> Paths:
    """Paths from lists, one for each seed, with filler behind the short ones."""
    longest = max(len(path) for texts in texts_of_seeds for *_, path in texts)
    return Paths(
        np.array([[(source, target) for source, target, _ in texts] for texts in texts_of_seeds]),
        np.array(
            [[path + [filler] * (longest - len(path)) for *_, path in texts] for texts in texts_of_seeds]
        ),
        np.array([[len(path) for *_, path in texts] for texts in texts_of_seeds]),
    )


def as_lists(paths: Paths, seed: int = 0) -> list[Text]:
    """Each query of one seed with its path, without filler."""
    return [
        (source, target, tokens[:length])
        for (source, target), tokens, length in zip(*(array[seed].tolist() for array in paths), strict=True)
    ]


def record_paths(monkeypatch: pytest.MonkeyPatch, module: str) -> list[Paths]:
    """The paths that a method's module trains on from now on, those that it leaves out included."""
    recorded: list[Paths] = []

    def recording(paths: Paths, used: Bools | None = None) -> PackedPaths:
        recorded.append(paths)
        return pack(paths, used)

    monkeypatch.setattr(f"{module}.pack", recording)
    return recorded
