from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planviz.graphs.distances import all_distances


@given(st.integers(1, 140), st.floats(0, 0.2), st.integers(0, 99))
def test_distances_are_those_of_networkx(nodes: int, density: float, seed: int) -> None:
    graph = nx.gnp_random_graph(nodes, density, seed=seed, directed=True)
    edges = np.array(graph.edges, dtype=int)
    assert np.array_equal(all_distances(nodes, edges), nx.floyd_warshall_numpy(graph))
    assert np.array_equal(all_distances(nodes, np.concatenate([edges, edges])), all_distances(nodes, edges))


@pytest.mark.parametrize("nodes", [2, 63, 64, 65, 200])
def test_a_long_ring_is_as_long_as_it_is(nodes: int) -> None:
    ring = np.array([(i, (i + 1) % nodes) for i in range(nodes)])
    here, there = np.indices((nodes, nodes))
    assert np.array_equal(all_distances(nodes, ring), (there - here) % nodes)
