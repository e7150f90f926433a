from __future__ import annotations

import itertools
from collections import Counter

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planviz.config import GraphConfig
from planviz.graphs.generate import build_graph
from planviz.graphs.limits import MAX_RANDOM_EDGES, GraphError
from planviz.graphs.random_graphs import preferential, small_world

seeds = st.integers(0, 2**31 - 1)


@given(st.integers(2, 60), st.data())
def test_without_rewiring_a_small_world_is_the_lattice_of_watts_and_strogatz(
    nodes: int, data: st.DataObject
) -> None:
    half = data.draw(st.integers(1, max(1, (nodes - 1) // 2)))
    if 2 * half < nodes:
        lattice = nx.watts_strogatz_graph(nodes, 2 * half, 0)
        assert set(small_world(nodes, 2 * half, 0, 0).edges) == set(lattice.to_directed().edges)


def test_one_neighbour_makes_a_ring_and_all_of_them_a_complete_graph() -> None:
    assert set(small_world(7, 1, 0, 0).edges) == {(i, (i + 1) % 7) for i in range(7)}
    for nodes in (2, 5, 6):
        everything = set(itertools.permutations(range(nodes), 2))
        assert set(small_world(nodes, nodes - 1, 0, 0).edges) == everything
        assert set(small_world(nodes, nodes - 1, 1, 0).edges) == everything, "there is nowhere else to lead"


@given(st.integers(2, 40), st.integers(1, 20), st.floats(0, 1), seeds)
def test_every_node_of_a_small_world_keeps_its_number_of_edges_out(
    nodes: int, neighbours: int, rewiring: float, seed: int
) -> None:
    if neighbours >= nodes:
        with pytest.raises(GraphError, match=f"choose at most {nodes - 1} neighbours"):
            small_world(nodes, neighbours, rewiring, seed)
        return
    graph = small_world(nodes, neighbours, rewiring, seed)
    assert {degree for _, degree in graph.out_degree} == {neighbours}
    assert nx.number_of_selfloops(graph) == 0
    assert list(graph.edges) == list(small_world(nodes, neighbours, rewiring, seed).edges)


@pytest.mark.parametrize("rewiring", [0.05, 0.5, 1])
def test_edges_are_rewired_as_often_as_asked_and_to_anywhere(rewiring: float) -> None:
    nodes, neighbours = 1000, 4
    graph = small_world(nodes, neighbours, rewiring, 3)
    lattice = set(small_world(nodes, neighbours, 0, 0).edges)
    shortcuts = [(u, v) for u, v in graph.edges if (u, v) not in lattice]
    expected = nodes * neighbours * rewiring
    # Up to 3 of 1,000 shortcuts happen to end where another rewired edge of the node once did.
    assert abs(len(shortcuts) - expected) < 5 * (expected * (1 - rewiring)) ** 0.5 + 0.01 * expected
    quarters = Counter((v - u) % nodes * 4 // nodes for u, v in shortcuts)
    assert all(abs(quarters[q] - len(shortcuts) / 4) < 5 * (len(shortcuts) * 3 / 16) ** 0.5 for q in range(4))


def test_shortcuts_make_the_world_small_as_in_networkx() -> None:
    def far(graph: nx.Graph[int]) -> float:
        return nx.average_shortest_path_length(graph)

    ring, world = small_world(200, 4, 0, 0), small_world(200, 4, 0.2, 0)
    undirected = nx.connected_watts_strogatz_graph(200, 4, 0.2, seed=0)
    assert far(ring) > 4 * far(world)
    assert far(world) == pytest.approx(far(undirected), rel=0.2)


@given(st.integers(2, 60), st.integers(1, 20), seeds)
def test_preferential_attachment_is_networkx_from_old_to_new(nodes: int, links: int, seed: int) -> None:
    if links >= nodes:
        with pytest.raises(GraphError, match=f"choose at most {nodes - 1} links"):
            preferential(nodes, links, seed)
        return
    graph = preferential(nodes, links, seed)
    assert graph.number_of_edges() == links * (nodes - links)
    assert all(u < v for u, v in graph.edges) and nx.is_directed_acyclic_graph(graph)
    assert nx.descendants(graph, 0) == set(range(1, nodes))
    assert all(graph.in_degree(node) == (links if node > links else 1) for node in range(1, nodes))
    drawn = nx.barabasi_albert_graph(nodes, links, seed=seed)
    assert nx.utils.graphs_equal(nx.Graph(graph.edges), nx.Graph(drawn.edges))


def test_preferential_attachment_has_hubs_and_erdos_renyi_has_none() -> None:
    graph = preferential(400, 3, 0)
    alike = build_graph(GraphConfig(nodes=400, density=2 * graph.number_of_edges() / 400 / 399))
    assert max(d for _, d in graph.degree) > 2.5 * max(d for _, d in alike.degree)


def test_the_largest_settings_keep_the_limit_of_edges() -> None:
    for kind in ("small-world", "preferential"):
        config = GraphConfig.model_validate({"kind": kind, "nodes": 1600, "neighbours": 20, "links": 20})
        assert build_graph(config).number_of_edges() <= MAX_RANDOM_EDGES
