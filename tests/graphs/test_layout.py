from __future__ import annotations

import time

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planviz.config import GraphConfig, GraphKind
from planviz.graphs.generate import build_graph
from planviz.graphs.layout import layout

CONFIGS = [
    GraphConfig(),
    GraphConfig(nodes=2, density=0.01),
    GraphConfig(nodes=50, density=1),
    GraphConfig(nodes=400, density=0.2),
    GraphConfig(kind="directed"),
    GraphConfig(kind="directed", nodes=60, density=0.02),
    GraphConfig(kind="directed", nodes=400, density=0.12),
    GraphConfig(kind="staged", nodes=40, stages=5),
    GraphConfig(kind="grid", rows=2, columns=20),
    GraphConfig(kind="blocksworld", blocks=3),
    GraphConfig(kind="blocksworld"),
    GraphConfig(kind="file", labels=("a", "b"), edges=((0, 1), (1, 0))),
    GraphConfig(kind="file", labels=tuple("abcdefgh"), edges=((0, 1), (1, 0), (2, 3), (3, 2))),
]


def nearest(positions: np.ndarray) -> float:
    """The distance of the two nodes that are closest to each other."""
    gaps = np.linalg.norm(positions[:, None] - positions[None, :], axis=2)
    return float(gaps[~np.eye(len(gaps), dtype=bool)].min())


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.kind}-{config.nodes}")
def test_positions_are_in_the_square_distinct_and_always_the_same(config: GraphConfig) -> None:
    graph = build_graph(config)
    positions = layout(graph)
    assert positions.shape == (len(graph), 2)
    assert np.isfinite(positions).all() and positions.min() >= 0 and positions.max() <= 1
    assert nearest(positions) > 1e-4
    assert np.array_equal(positions, layout(build_graph(config)))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 40), st.floats(0.01, 1), st.integers(0, 99))
def test_in_an_acyclic_graph_every_edge_leads_to_the_right(nodes: int, density: float, seed: int) -> None:
    graph = build_graph(GraphConfig(nodes=nodes, density=density, seed=seed))
    x, y = layout(graph).T
    assert all(x[u] < x[v] for u, v in graph.edges)
    assert np.ptp(y) <= 1 and nearest(np.stack([x, y], axis=1)) > 0


def test_a_node_stands_in_the_column_of_its_longest_path() -> None:
    graph = build_graph(GraphConfig())
    x = layout(graph)[:, 0]
    column = np.unique(x, return_inverse=True)[1]
    for layer, nodes in enumerate(nx.topological_generations(graph)):
        assert {int(column[node]) for node in nodes} == {layer}


def test_a_chain_is_a_straight_line() -> None:
    chain = GraphConfig(kind="file", labels=tuple("abcde"), edges=((0, 1), (1, 2), (2, 3), (3, 4)))
    x, y = layout(build_graph(chain)).T
    assert x == pytest.approx([0, 0.25, 0.5, 0.75, 1]) and y == pytest.approx(0.5)


def test_stages_have_bands_that_do_not_overlap() -> None:
    graph = build_graph(GraphConfig(kind="staged", nodes=40, stages=5))
    x = layout(graph)[:, 0]
    stage = np.array([graph.nodes[node]["stage"] for node in graph])
    for s in range(4):
        assert x[stage == s].max() < x[stage == s + 1].min()
    assert all(x[u] < x[v] for u, v in graph.edges)


def test_a_grid_is_drawn_with_square_cells_and_its_first_row_on_top() -> None:
    graph = build_graph(GraphConfig(kind="grid", rows=3, columns=5))
    at = layout(graph)
    assert at[0] == pytest.approx((0, 0.75)) and at[14] == pytest.approx((1, 0.25))
    assert all(np.linalg.norm(at[u] - at[v]) == pytest.approx(0.25) for u, v in graph.edges)


def test_fewer_edges_cross_than_with_shuffled_columns() -> None:
    graph = build_graph(GraphConfig())
    positions = layout(graph)
    shuffled = positions.copy()
    rng = np.random.default_rng(0)
    for x in np.unique(positions[:, 0]):
        shuffled[positions[:, 0] == x, 1] = rng.permutation(positions[positions[:, 0] == x, 1])
    assert crossings(graph, positions) < 0.8 * crossings(graph, shuffled)


def crossings(graph: nx.DiGraph[int], at: np.ndarray) -> int:
    def side(a: int, b: int, c: int) -> float:
        (ux, uy), (vx, vy) = at[b] - at[a], at[c] - at[a]
        return float(ux * vy - uy * vx)

    pairs = ((e, f) for e in graph.edges for f in graph.edges if e < f and not set(e) & set(f))
    return sum(
        side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0 for (a, b), (c, d) in pairs
    )


def test_distances_in_a_cyclic_graph_are_drawn_as_they_are() -> None:
    """A ring of 12 nodes becomes a ring: opposite nodes are far apart, neighbours near and equally so."""
    edges = tuple((i, (i + 1) % 12) for i in range(12))
    positions = layout(build_graph(GraphConfig(kind="file", labels=tuple("abcdefghijkl"), edges=edges)))
    sides = np.linalg.norm(positions - np.roll(positions, 1, axis=0), axis=1)
    across = np.linalg.norm(positions - np.roll(positions, 6, axis=0), axis=1)
    assert sides.max() < 1.3 * sides.min() and across.min() > 3 * sides.max()


@pytest.mark.parametrize("kind", ["acyclic", "directed"])
def test_the_largest_graphs_are_laid_out_quickly(kind: GraphKind) -> None:
    graph = build_graph(GraphConfig(kind=kind, nodes=400, density=0.12))
    start = time.process_time()
    layout(graph)
    assert time.process_time() - start < 4  # far below on an idle core; guards against a quadratic slip
