from __future__ import annotations

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from planviz.graphs.grids import grid, maze

sides = st.integers(2, 9)
seeds = st.integers(0, 2**31 - 1)


@given(sides, sides, seeds)
def test_a_maze_without_openings_is_a_spanning_tree_of_the_grid(rows: int, columns: int, seed: int) -> None:
    graph = maze(rows, columns, 0, seed)
    assert nx.is_tree(graph.to_undirected())
    assert list(graph.nodes(data=True)) == list(grid(rows, columns).nodes(data=True))
    assert set(graph.edges) <= set(grid(rows, columns).edges)
    assert all(graph.has_edge(v, u) for u, v in graph.edges)


@given(sides, sides, st.floats(0, 1), seeds)
def test_openings_open_their_share_of_the_walls(rows: int, columns: int, openings: float, seed: int) -> None:
    everything = rows * (columns - 1) + columns * (rows - 1)
    needed = rows * columns - 1
    graph = maze(rows, columns, openings, seed)
    assert graph.number_of_edges() == 2 * (needed + round(openings * (everything - needed)))
    assert set(maze(rows, columns, openings / 2, seed).edges) <= set(graph.edges)
    assert list(graph.edges) == list(maze(rows, columns, openings, seed).edges)


def test_with_all_walls_open_a_maze_is_the_grid() -> None:
    assert set(maze(6, 7, 1, 3).edges) == set(grid(6, 7).edges)


def test_every_spanning_tree_of_a_small_grid_is_drawn() -> None:
    """A grid of 2 × 3 cells has 15 spanning trees."""
    assert len({frozenset(maze(2, 3, 0, seed).edges) for seed in range(400)}) == 15
