"""Where to draw the nodes: the same graph always gets the same picture."""

from __future__ import annotations

import networkx as nx
import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.float64]

SWEEPS = 12
"""Passes over the columns of an acyclic graph, each of which reorders them to reduce crossings."""
TRIALS = 100
"""So many ways of shifting the columns are tried to keep nodes off the edges that pass them …"""
HIDING_WORK = 2_000_000
"""… but fewer in a large graph: no more than this many pairs of a node and an edge are looked at."""
CLEAR = 0.04
"""A node this far from an edge, in units of the picture's height, does not hide it."""
STRESS_STEPS = 60


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
        return _layered(graph)
    return _fit(_least_stress(graph))


def _fit(values: Positions) -> Positions:
    """Moved and stretched to fill [0, 1]; flat pictures stay flat: no direction grows over twofold."""
    low, high = values.min(axis=0), values.max(axis=0)
    extent = np.maximum(high - low, (high - low).max() / 2)
    fitted: Positions = 0.5 + (values - (low + high) / 2) / np.where(extent > 0, extent, 1)
    return np.clip(fitted, 0, 1)


def _cells(graph: nx.DiGraph[int]) -> Positions:
    row, column = np.array([graph.nodes[node]["cell"] for node in range(len(graph))]).T
    size = max(row.max(), column.max())  # one scale for both directions: cells stay square
    cells: Positions = 0.5 + np.stack([column - column.max() / 2, row.max() / 2 - row], axis=1) / size
    return cells


def _rings(graph: nx.DiGraph[int]) -> Positions:
    """Node 0 in the centre, its distance as the ring, branches of its breadth-first tree side by side."""
    tree = nx.bfs_tree(graph, 0)
    ring = nx.single_source_shortest_path_length(tree, 0)
    leaves = [node for node in nx.dfs_preorder_nodes(tree, 0) if not tree[node]]
    angle = {leaf: 2 * np.pi * at / len(leaves) for at, leaf in enumerate(leaves)}
    for node in nx.dfs_postorder_nodes(tree, 0):
        if tree[node]:
            angle[node] = sum(angle[child] for child in tree[node]) / len(tree[node])
    polar = [(ring[node] ** 0.7, angle[node]) for node in range(len(graph))]
    return np.array([(radius * np.cos(turn), radius * np.sin(turn)) for radius, turn in polar])


def _layered(graph: nx.DiGraph[int]) -> Positions:
    """Columns from left to right, each in a good order and shifted up or down until few nodes hide edges."""
    x = _column_places(graph)
    column = np.unique(x, return_inverse=True)[1]
    height = _order(graph, column)
    edges = np.array(graph.edges, dtype=int).reshape(-1, 2)
    trials = int(np.clip(HIDING_WORK / max(1, len(graph) * len(edges)), 1, TRIALS))
    shifts = np.random.default_rng(0).uniform(-0.35, 0.35, (trials, column.max() + 1))
    shifts[0] = 0  # kept where nothing is better: a chain stays a straight line
    shifts /= np.bincount(column)  # at most about a third of the way to the next node of the column
    pictures = [_fit(np.stack([x, height + shift[column]], axis=1)) for shift in shifts]
    return min(pictures, key=lambda picture: _hiding(picture, edges)) if trials > 1 else pictures[0]


def _order(graph: nx.DiGraph[int], column: NDArray[np.intp]) -> NDArray[np.float64]:
    """Every node's height: columns ordered by the mean height of their neighbours, then spread evenly."""
    members = [np.flatnonzero(column == at) for at in range(column.max() + 1)]
    places = [(np.arange(len(nodes)) + 0.5) / len(nodes) for nodes in members]
    edges = nx.to_numpy_array(graph) / np.maximum(1, np.abs(column[:, None] - column[None, :]))
    height = np.empty(len(graph))
    for nodes, place in zip(members, places, strict=True):
        height[nodes] = place
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        weights = edges.T if forward else edges
        for at in range(len(members)) if forward else reversed(range(len(members))):
            nodes, pull = members[at], weights[members[at]]
            total = pull.sum(axis=1)
            goal = np.where(total > 0, pull @ height / np.where(total > 0, total, 1), height[nodes])
            height[nodes[np.argsort(goal, kind="stable")]] = places[at]
    return height


def _hiding(positions: Positions, edges: NDArray[np.int_]) -> float:
    """How much nodes lie on edges that pass them: 1 for a node hit in the middle, 0 from CLEAR on."""
    x, y = positions.T
    start, end = edges.T
    slope = (y[end] - y[start]) / (x[end] - x[start])
    gap = np.abs(y[:, None] - y[start] - slope * (x[:, None] - x[start])) / np.sqrt(1 + slope**2)
    passes = (x[start] < x[:, None]) & (x[:, None] < x[end])
    return float(np.clip(1 - gap / CLEAR, 0, None)[passes].sum())


def _column_places(graph: nx.DiGraph[int]) -> NDArray[np.float64]:
    """Every node's x: its longest path from a source, counted and spread within its stage."""
    stage = [graph.nodes[node].get("stage", 0) for node in range(len(graph))]
    depth = [0] * len(graph)
    deepest = [0] * (max(stage) + 1)
    for node in nx.topological_sort(graph):
        before = [depth[p] for p in graph.predecessors(node) if stage[p] == stage[node]]
        depth[node] = max(before, default=-1) + 1
        deepest[stage[node]] = max(deepest[stage[node]], depth[node])
    places = [s + 0.8 * (d + 0.5) / (deepest[s] + 1) for s, d in zip(stage, depth, strict=True)]
    return np.array(places) / len(deepest)


def _least_stress(graph: nx.DiGraph[int]) -> Positions:
    """Stress majorization (Gansner, Koren, North 2004): the aim of Kamada and Kawai, without scipy."""
    distance = nx.floyd_warshall_numpy(graph.to_undirected(as_view=True))
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
    positions -= positions.mean(axis=0)
    axes = np.linalg.svd(positions, full_matrices=False)[2]
    turned: Positions = positions @ axes.T  # so that the longer side lies flat
    return turned
