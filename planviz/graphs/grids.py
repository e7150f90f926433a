"""Grids and mazes: every step leads to the next cell up, down, left or right."""

from __future__ import annotations

import networkx as nx
import numpy as np


def grid(rows: int, columns: int) -> nx.DiGraph[int]:
    """All moves between neighbouring cells; cells are numbered row by row, and nodes have their `cell`."""
    return _both_ways("grid", _cells(rows, columns))


def maze(rows: int, columns: int, openings: float, seed: int) -> nx.DiGraph[int]:
    """A grid with walls: a random spanning tree of its cells, and the share `openings` of all other moves.

    Moves can be undone. Without openings there is one way between two cells; with all of them it is the grid. More
    openings with the same seed only add moves.
    """
    cells = _cells(rows, columns)
    # All moves in a random order: Kruskal's algorithm takes those that close no circle, whatever library runs it.
    order = np.random.default_rng(seed).permutation(cells.number_of_edges())
    for (u, v), place in zip(cells.edges, order.tolist(), strict=True):
        cells.edges[u, v]["weight"] = place
    tree = nx.minimum_spanning_tree(cells)
    walls = [edge for edge in cells.edges if not tree.has_edge(*edge)]
    walls.sort(key=lambda edge: cells.edges[edge]["weight"])
    cells.remove_edges_from(walls[round(openings * len(walls)) :])
    return _both_ways("maze", cells)


def _cells(rows: int, columns: int) -> nx.Graph[int]:
    cells: nx.Graph[int] = nx.convert_node_labels_to_integers(
        nx.grid_2d_graph(rows, columns), label_attribute="cell"
    )
    return cells


def _both_ways(kind: str, cells: nx.Graph[int]) -> nx.DiGraph[int]:
    graph: nx.DiGraph[int] = nx.DiGraph(kind=kind)
    graph.add_nodes_from(
        (node, {"cell": (row, column), "label": f"{row},{column}"})
        for node, (row, column) in cells.nodes(data="cell")
    )
    graph.add_edges_from(cells.to_directed().edges)
    return graph
