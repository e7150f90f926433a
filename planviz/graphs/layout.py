"""Where to draw the nodes: the same graph always gets the same picture."""

from __future__ import annotations

import networkx as nx
import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.float64]

SWEEPS = 12
"""Passes over the columns of an acyclic graph, each of which reorders them to reduce crossings."""
GOLDEN = (5**0.5 - 1) / 2
"""Its multiples modulo 1 never come close to a pattern, which keeps nodes of different columns out of line."""
STRESS_STEPS = 100


def layout(graph: nx.DiGraph[int]) -> Positions:
    """A position (x, y) in [0, 1] for every node, shape (n, 2); y grows upwards.

    Grids keep their cells, row 0 on top. In acyclic graphs all edges lead to the right, and every stage of a
    staged graph has a vertical band of its own. Blocksworld has rings around the state with all blocks on the
    table. In every other graph, distances in the picture follow distances in the graph.
    """
    kind = graph.graph["kind"]
    if kind == "grid":
        return _cells(graph)
    if kind == "blocksworld":
        return _fit(_rings(graph))
    if nx.is_directed_acyclic_graph(graph):
        return _fit(_layered(graph))
    return _fit(_least_stress(graph))


def _fit(positions: Positions) -> Positions:
    """Stretched to fill the unit square; a direction without any extent is centred."""
    low, extent = positions.min(axis=0), np.ptp(positions, axis=0)
    fitted: Positions = np.where(extent > 0, (positions - low) / np.where(extent > 0, extent, 1), 0.5)
    return fitted


def _cells(graph: nx.DiGraph[int]) -> Positions:
    row, column = np.array([graph.nodes[node]["cell"] for node in range(len(graph))]).T
    size = max(row.max(), column.max())  # one scale for both directions: cells stay square
    cells: Positions = 0.5 + np.stack([column - column.max() / 2, row.max() / 2 - row], axis=1) / size
    return cells


def _rings(graph: nx.DiGraph[int]) -> Positions:
    """Node 0 in the centre, its distance as the ring, and the branches of its breadth-first tree side by side."""
    tree = nx.bfs_tree(graph, 0)
    ring = nx.single_source_shortest_path_length(tree, 0)
    angle: dict[int, float] = {}
    leaves = [node for node in nx.dfs_preorder_nodes(tree, 0) if not tree[node]]
    for node in nx.dfs_postorder_nodes(tree, 0):
        children = [angle[child] for child in tree[node]]
        angle[node] = sum(children) / len(children) if children else 2 * np.pi * leaves.index(node) / len(leaves)
    polar = [(ring[node] ** 0.7, angle[node]) for node in range(len(graph))]
    return np.array([(radius * np.cos(turn), radius * np.sin(turn)) for radius, turn in polar])


def _layered(graph: nx.DiGraph[int]) -> Positions:
    """Columns from left to right, each ordered by the mean height of its neighbours (Sugiyama's barycenters)."""
    x = _column_places(graph)
    places, rank = np.unique(x, return_inverse=True)
    columns = [np.flatnonzero(rank == at) for at in range(len(places))]
    edges = nx.to_numpy_array(graph) / np.maximum(1, np.abs(rank[:, None] - rank[None, :]))
    y = np.empty(len(graph))
    for at, column in enumerate(columns):
        y[column] = _spread(len(column), at)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        weights = edges.T if forward else edges
        for at in range(len(columns)) if forward else reversed(range(len(columns))):
            pull = weights[columns[at]]
            total = pull.sum(axis=1)
            height = np.where(total > 0, pull @ y / np.where(total > 0, total, 1), y[columns[at]])
            y[columns[at][np.argsort(height, kind="stable")]] = _spread(len(columns[at]), at)
    return np.stack([x, y], axis=1)


def _column_places(graph: nx.DiGraph[int]) -> NDArray[np.float64]:
    """Every node's x: its longest path from a source, counted and spread within its stage."""
    stage = [graph.nodes[node].get("stage", 0) for node in range(len(graph))]
    depth = [0] * len(graph)
    deepest = [0] * (max(stage) + 1)
    for node in nx.topological_sort(graph):
        before = [depth[p] for p in graph.predecessors(node) if stage[p] == stage[node]]
        depth[node] = max(before, default=-1) + 1
        deepest[stage[node]] = max(deepest[stage[node]], depth[node])
    return np.array([s + 0.9 * (d + 0.5) / (deepest[s] + 1) for s, d in zip(stage, depth, strict=True)])


def _spread(nodes: int, column: int) -> NDArray[np.float64]:
    offset = 0.25 + 0.5 * (column * GOLDEN % 1)
    return (np.arange(nodes) + offset) / nodes


def _least_stress(graph: nx.DiGraph[int]) -> Positions:
    """Stress majorization (Gansner, Koren, North 2004): the aim of Kamada and Kawai, without needing scipy."""
    distance = nx.floyd_warshall_numpy(graph.to_undirected())
    apart = np.isinf(distance)
    distance[apart] = distance[~apart].max() + 1
    weight = 1 / np.maximum(distance, 1) ** 2
    np.fill_diagonal(weight, 0)
    # The Laplacian has no inverse because pictures may be shifted; adding a constant fixes the shift.
    inverse = np.linalg.inv(np.diag(weight.sum(axis=1)) - weight + 1 / len(graph))
    positions = np.random.default_rng(0).standard_normal((len(graph), 2))
    for _ in range(STRESS_STEPS):
        squares = (positions**2).sum(axis=1)
        drawn = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * positions @ positions.T, 1e-12))
        ratio = weight * distance / drawn
        positions = inverse @ (ratio.sum(axis=1)[:, None] * positions - ratio @ positions)
    return positions
