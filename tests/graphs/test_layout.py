from __future__ import annotations

import time
from typing import Any, get_args

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
    GraphConfig(kind="blocksworld", blocks=2),
    GraphConfig(kind="blocksworld", blocks=5),
    GraphConfig(kind="maze", rows=20, columns=20),
    GraphConfig(kind="tree", nodes=2),
    GraphConfig(kind="tree", nodes=1600, children=10),
    GraphConfig(kind="tree", nodes=1600, tree="random"),
    GraphConfig(kind="tree", nodes=60, tree="random", both_ways=True),
    GraphConfig(kind="small-world", nodes=2, neighbours=1),
    GraphConfig(kind="small-world", nodes=1600),
    GraphConfig(kind="preferential"),
    GraphConfig(kind="preferential", nodes=600, links=10),
    GraphConfig(kind="hanoi", disks=1),
    GraphConfig(kind="hanoi", disks=6),
    GraphConfig(kind="file", labels=("a", "b"), edges=((0, 1), (1, 0))),
    GraphConfig(kind="file", labels=tuple("abcdefgh"), edges=((0, 1), (1, 0), (2, 3), (3, 2))),
]


KINDS_WITH_CELLS: tuple[GraphKind, GraphKind] = ("maze", "grid")


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


@st.composite
def any_graph(draw: st.DrawFn) -> GraphConfig:
    """Settings of any kind, or an arbitrary listed graph: with twins, several parts, nodes without edges."""
    nodes = draw(st.integers(2, 30))
    node = st.integers(0, nodes - 1)
    edge = st.tuples(node, node).filter(lambda pair: pair[0] != pair[1])
    edges = draw(st.lists(edge, min_size=1, max_size=60, unique=True))
    kind = draw(st.sampled_from(get_args(GraphKind)))
    return GraphConfig(
        kind=kind, nodes=nodes, density=draw(st.floats(0.01, 1)), seed=draw(st.integers(0, 99)), stages=2,
        rows=draw(st.integers(2, 9)), columns=draw(st.integers(2, 9)), openings=draw(st.floats(0, 1)),
        tree=draw(st.sampled_from(["regular", "random"])), children=draw(st.integers(1, 10)),
        both_ways=draw(st.booleans()), neighbours=draw(st.integers(1, min(20, nodes - 1))),
        rewiring=draw(st.floats(0, 1)), links=draw(st.integers(1, min(20, nodes - 1))),
        blocks=draw(st.integers(2, 4)), disks=draw(st.integers(1, 4)),
        labels=tuple(map(str, range(nodes))), edges=tuple(edges),
    )  # fmt: skip


@given(any_graph())
def test_every_node_has_a_place_of_its_own_and_keeps_it(config: GraphConfig) -> None:
    positions = layout(build_graph(config))
    assert np.isfinite(positions).all() and positions.min() >= 0 and positions.max() <= 1
    assert nearest(positions) > 1e-3
    assert np.array_equal(positions, layout(build_graph(config)))


def test_nodes_with_the_same_neighbours_do_not_cover_each_other() -> None:
    star = tuple(edge for leaf in range(1, 12) for edge in ((0, leaf), (leaf, 0)))
    positions = layout(build_graph(GraphConfig(kind="file", labels=tuple("abcdefghijkl"), edges=star)))
    assert nearest(positions) > 0.1


def test_parts_of_a_graph_lie_beside_each_other() -> None:
    """Two rings of 8 nodes: neighbours are nearer than any two nodes of different rings."""
    edges = tuple((part + i, part + (i + 1) % 8) for part in (0, 8) for i in range(8))
    at = layout(build_graph(GraphConfig(kind="file", labels=tuple("abcdefghijklmnop"), edges=edges)))
    gaps = np.linalg.norm(at[:, None] - at[None, :], axis=2)
    assert gaps[:8, 8:].min() > 0.5 * max(gaps[u, v] for u, v in edges)
    assert max(np.ptp(at[:8, 0]), np.ptp(at[8:, 0])) < 0.5


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


def test_a_maze_is_drawn_where_its_grid_is() -> None:
    maze, grid = (build_graph(GraphConfig(kind=kind, rows=4, columns=7)) for kind in KINDS_WITH_CELLS)
    assert np.array_equal(layout(maze), layout(grid))


@pytest.mark.parametrize(
    "shape", [{"children": 3}, {"tree": "random"}, {"tree": "random", "both_ways": True}]
)
def test_a_tree_grows_down_from_its_root_and_no_edges_cross(shape: dict[str, Any]) -> None:
    graph = build_graph(GraphConfig.model_validate({"kind": "tree", "nodes": 60} | shape))
    at = layout(graph)
    tree = nx.bfs_tree(graph, 0)
    level = nx.single_source_shortest_path_length(tree, 0)
    rows = [
        {round(float(at[node, 1]), 9) for node in graph if level[node] == row}
        for row in range(max(level) + 1)
    ]
    heights = [height for row in rows for height in row]
    assert heights == sorted(heights, reverse=True) and all(len(row) <= 1 for row in rows)
    for parent in graph:
        if children := list(tree[parent]):
            assert at[children, 0].min() - 1e-9 <= at[parent, 0] <= at[children, 0].max() + 1e-9
    assert crossings(tree, at) == 0


@pytest.mark.parametrize("disks", [1, 2, 5])
def test_hanoi_is_a_triangle_with_edges_of_one_length_and_towers_in_its_corners(disks: int) -> None:
    graph = build_graph(GraphConfig(kind="hanoi", disks=disks))
    at = layout(graph)
    corners = [0, (len(graph) - 1) // 2, len(graph) - 1]
    assert at[corners].ravel() == pytest.approx([0, 0, 0.5, 1, 1, 0])
    upright = at * (1, 0.75**0.5)
    sides = [float(np.linalg.norm(upright[u] - upright[v])) for u, v in graph.edges]
    assert sides == pytest.approx([1 / (2**disks - 1)] * len(sides))
    assert crossings(graph.subgraph(range(min(27, len(graph)))), at) == 0


def test_a_small_world_is_a_ring_in_the_order_of_its_nodes() -> None:
    at = layout(build_graph(GraphConfig(kind="small-world", nodes=12))) - 0.5
    assert at[[0, 3, 6, 9]].ravel() == pytest.approx([0, 0.5, 0.5, 0, 0, -0.5, -0.5, 0], abs=1e-9)
    assert np.linalg.norm(at, axis=1) == pytest.approx(0.5)
    assert np.linalg.norm(at - np.roll(at, 1, axis=0), axis=1) == pytest.approx(np.sin(np.pi / 12))


def stacks_of(graph: nx.DiGraph[int]) -> np.ndarray:
    """How many stacks every state of Blocksworld has."""
    return np.array([len(graph.nodes[node]["label"].split()) for node in graph])


@pytest.mark.parametrize("blocks", [3, 4, 5])
def test_blocksworld_has_a_ring_for_every_number_of_stacks(blocks: int) -> None:
    graph = build_graph(GraphConfig(kind="blocksworld", blocks=blocks))
    at = layout(graph)
    away = np.linalg.norm((at - at[0]) / np.ptp(at, axis=0), axis=1)  # the picture may be longer than high
    rings = [away[stacks_of(graph) == stacks] for stacks in range(blocks, 0, -1)]
    low, high = [ring.min() for ring in rings], [ring.max() for ring in rings]
    assert low[0] == high[0] == 0
    assert all(high[i] < low[i + 1] for i in range(blocks - 1))


def test_edges_between_the_rings_of_blocksworld_are_short() -> None:
    graph = build_graph(GraphConfig(kind="blocksworld"))
    at, rng = layout(graph), np.random.default_rng(0)
    shuffled = at.copy()
    for stacks in range(1, 5):
        ring = np.flatnonzero(stacks_of(graph) == stacks)
        shuffled[ring] = at[rng.permutation(ring)]

    def length(positions: np.ndarray) -> float:
        return float(np.mean([np.linalg.norm(positions[u] - positions[v]) for u, v in graph.edges]))

    assert length(at) < 0.6 * length(shuffled)


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


@pytest.mark.parametrize("kind", ["acyclic", "directed", "staged", "preferential", "small-world", "tree"])
def test_500_nodes_and_5000_edges_are_laid_out_quickly(kind: GraphKind) -> None:
    density = {"directed": 0.02, "staged": 0.052}.get(kind, 0.04)
    config = GraphConfig(kind=kind, nodes=500, density=density, links=10, neighbours=10)
    graph = build_graph(config)
    start = time.process_time()
    layout(graph)
    assert time.process_time() - start < 1  # at most 0.2 on an idle core


@pytest.mark.parametrize("kind", ["acyclic", "directed"])
def test_the_largest_graphs_are_laid_out_quickly(kind: GraphKind) -> None:
    graph = build_graph(GraphConfig(kind=kind, nodes=1600, density=0.07 if kind == "acyclic" else 0.035))
    start = time.process_time()
    layout(graph)
    assert time.process_time() - start < 10  # about 2 on an idle core; guards against a cubic slip
