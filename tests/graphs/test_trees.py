from __future__ import annotations

from collections import Counter

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planviz.graphs.trees import random_tree, regular_tree

counts = st.integers(2, 80)
seeds = st.integers(0, 2**31 - 1)


def keeps_the_contract(graph: nx.DiGraph[int], nodes: int) -> None:
    """A tree away from node 0, whose nodes are numbered level by level."""
    assert list(graph) == list(range(nodes))
    assert nx.is_arborescence(graph) and graph.in_degree(0) == 0
    level = nx.single_source_shortest_path_length(graph, 0)
    assert [level[node] for node in graph] == sorted(level.values())


@given(counts, st.integers(1, 10))
def test_a_regular_tree_is_full_level_by_level(nodes: int, children: int) -> None:
    graph = regular_tree(nodes, children, both_ways=False)
    keeps_the_contract(graph, nodes)
    assert {(u, v) for u, v in graph.edges} == {((v - 1) // children, v) for v in range(1, nodes)}


@pytest.mark.parametrize(("children", "height"), [(1, 6), (2, 4), (3, 3), (10, 2)])
def test_a_complete_tree_is_balanced(children: int, height: int) -> None:
    reference = nx.balanced_tree(children, height, create_using=nx.DiGraph)
    assert set(regular_tree(len(reference), children, both_ways=False).edges) == set(reference.edges)


@given(counts, seeds)
def test_a_random_tree_is_a_tree_and_the_same_every_time(nodes: int, seed: int) -> None:
    graph = random_tree(nodes, both_ways=False, seed=seed)
    keeps_the_contract(graph, nodes)
    assert list(graph.edges) == list(random_tree(nodes, both_ways=False, seed=seed).edges)
    drawn = nx.random_labeled_rooted_tree(nodes, seed=seed)
    assert sorted(d for _, d in drawn.degree) == sorted(d for _, d in graph.degree)


@given(counts, seeds)
def test_both_ways_there_is_one_path_between_any_two_nodes(nodes: int, seed: int) -> None:
    away, both = (random_tree(nodes, both_ways=both_ways, seed=seed) for both_ways in (False, True))
    assert set(both.edges) == set(away.edges) | {(v, u) for u, v in away.edges}
    assert nx.is_tree(both.to_undirected()) and nx.is_strongly_connected(both)


def test_shapes_of_random_trees_are_as_frequent_as_they_should_be() -> None:
    """Of the 4³ = 64 rooted labelled trees of 4 nodes, 24 are chains from their root, 4 stars from their root,
    24 forks at the root with one longer branch, and 12 forks one step below it."""
    shapes = Counter(
        tuple(random_tree(4, both_ways=False, seed=seed).out_degree(node) for node in range(4))
        for seed in range(3200)
    )
    expected = {(1, 1, 1, 0): 24, (3, 0, 0, 0): 4, (1, 2, 0, 0): 12}
    for shape, trees in expected.items():
        assert shapes[shape] == pytest.approx(50 * trees, abs=5 * (50 * trees) ** 0.5)
    assert shapes[2, 1, 0, 0] + shapes[2, 0, 1, 0] == pytest.approx(50 * 24, abs=5 * (50 * 24) ** 0.5)
    assert sum(shapes.values()) == 3200 and len(shapes) == 5
