"""Where to draw the nodes: the same graph always gets the same picture."""

from __future__ import annotations

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from planviz.graphs.distances import all_distances

Positions = NDArray[np.float64]

SWEEPS = 12
"""Passes over columns or rings, each of which reorders them to reduce crossings."""
TRIALS = 100
"""So many ways of shifting the columns are tried to keep nodes off the edges that pass them …"""
HIDING_WORK = 2_000_000
"""… but fewer in a large graph: no more than this many pairs of a node and an edge are looked at."""
CLEAR = 0.04
"""A node this far from an edge, in units of the picture's height, does not hide it."""
WIDE = 1.6
"""How much wider than high pictures usually are."""
SCALING_STEPS = 20
STRESS_STEPS = 20
"""Steps of classical scaling, and then of stress majorization; more of them move hardly any node."""


def layout(graph: nx.DiGraph[int]) -> Positions:
    """A position (x, y) in [0, 1] for every node, shape (n, 2); y grows upwards.

    Grids and mazes keep their cells, row 0 on top. Trees have the root on top and a row for every level.
    Blocksworld has rings around the state with all blocks on the table, one for every number of stacks. The Tower
    of Hanoi is Sierpinski's triangle, with a whole tower in each corner, and a small world is a ring. In all other
    acyclic graphs edges lead to the right, and every stage of a staged graph has a vertical band of its own; in
    all other graphs, distances in the picture follow distances in the graph. Nodes that have a `position` keep it.
    """
    if all("position" in graph.nodes[node] for node in graph):
        return np.array([graph.nodes[node]["position"] for node in range(len(graph))], dtype=float)
    match graph.graph["kind"]:
        case "grid" | "maze":
            return _cells(graph)
        case "tree":
            return _fit(_levels(graph))
        case "blocksworld":
            return _fit(_rings(graph))
        case "hanoi":
            return _fit(_triangle(graph))
        case "small-world":
            return _fit(_circle(len(graph)))
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


def _levels(graph: nx.DiGraph[int]) -> Positions:
    """Leaves side by side, and every other node in the middle above its children."""
    tree = nx.bfs_tree(graph, 0)
    level = nx.single_source_shortest_path_length(tree, 0)
    leaves = [node for node in nx.dfs_preorder_nodes(tree, 0) if not tree[node]]
    x = {leaf: float(place) for place, leaf in enumerate(leaves)}
    for node in nx.dfs_postorder_nodes(tree, 0):
        if tree[node]:
            children = [x[child] for child in tree[node]]
            x[node] = (min(children) + max(children)) / 2
    return np.array([(x[node], -level[node]) for node in range(len(graph))], dtype=float)


def _triangle(graph: nx.DiGraph[int]) -> Positions:
    """All edges equally long. The largest disk says which third of the triangle a state is in, and so on.

    The corners of a third are the states with all smaller disks on one peg. For the largest disk to move to another
    peg they have to lie on the remaining one: so in each third the other two pegs change places.
    """
    corner = np.array([(-0.5, 0), (0, 0.75**0.5), (0.5, 0)])
    positions = np.zeros((len(graph), 2))
    for node in graph:
        pegs: tuple[int, ...] = graph.nodes[node]["pegs"]
        place = [0, 1, 2]  # the corner that stands for each peg
        for smaller, peg in zip(reversed(range(len(pegs))), pegs, strict=True):
            positions[node] += 2**smaller * corner[place[peg]]
            others = [p for p in range(3) if p != peg]
            place[others[0]], place[others[1]] = place[others[1]], place[others[0]]
    return positions


def _circle(nodes: int) -> Positions:
    """Node 0 on top, the others clockwise."""
    angle = 2 * np.pi * np.arange(nodes) / nodes
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)


def _rings(graph: nx.DiGraph[int]) -> Positions:
    """Node 0 in the centre, the distance from it as the ring, and rings ordered so that edges are short."""
    distance = nx.single_source_shortest_path_length(graph, 0)
    ring = np.array([distance[node] for node in range(len(graph))])
    members = [np.flatnonzero(ring == at) for at in range(1, ring.max() + 1)]
    places = [np.exp(2j * np.pi * np.arange(len(nodes)) / len(nodes)) for nodes in members]
    edges = nx.to_numpy_array(graph)
    turn = np.zeros(len(graph), dtype=complex)  # every node's direction as a complex number of length 1
    for nodes, place in zip(members, places, strict=True):
        turn[nodes] = place
    for sweep in range(SWEEPS):
        for at in range(len(members)) if sweep % 2 == 0 else reversed(range(len(members))):
            nodes, place = members[at], places[at]
            goal = np.angle(edges[nodes] @ turn + 1e-3 * turn[nodes]).round(9)
            order = np.argsort(goal, kind="stable")
            turned = (np.exp(1j * goal[order]) / place).sum()  # places are the same everywhere but for a turn
            turn[nodes[order]] = place * turned / abs(turned) if abs(turned) > 1e-9 else place
    radius, angle = ring**0.7, _even_on_ellipse(np.angle(turn))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _even_on_ellipse(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angles moved so that what is even on a circle stays even on an ellipse `WIDE` times as wide as high."""
    turn = np.linspace(0, 2 * np.pi, 721)
    way = np.hypot(WIDE * np.sin(turn), np.cos(turn)).cumsum()
    return np.interp((angle / (2 * np.pi)) % 1, (way - way[0]) / (way[-1] - way[0]), turn)


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
    edges = np.array(graph.edges, dtype=int).reshape(-1, 2)
    distance = all_distances(len(graph), np.concatenate([edges, edges[:, ::-1]]))
    apart = np.isinf(distance)
    farthest = np.where(apart, 0, distance).max(axis=1)
    radius = np.where(apart, 0, farthest).max(axis=1) / 2  # of the part of the graph that a node belongs to
    distance = np.where(apart, radius[:, None] + radius + 1, distance)
    weight = 1 / np.maximum(distance, 1) ** 2
    np.fill_diagonal(weight, 0)
    # The Laplacian has no inverse because pictures may be shifted; adding a constant fixes the shift.
    inverse = np.linalg.inv(np.diag(weight.sum(axis=1)) - weight + 1 / len(graph))
    weight *= distance
    positions = _scaled(distance)
    for _ in range(STRESS_STEPS):
        squares = (positions**2).sum(axis=1)
        drawn = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * positions @ positions.T, 1e-12))
        ratio = weight / drawn
        positions = inverse @ (ratio.sum(axis=1)[:, None] * positions - ratio @ positions)
    positions -= positions.mean(axis=0)
    axes = np.linalg.svd(positions, full_matrices=False)[2]
    turned: Positions = positions @ axes.T  # so that the longer side lies flat
    return turned


def _scaled(distance: NDArray[np.float64]) -> Positions:
    """Classical scaling (Torgerson 1952), a start that keeps long graphs from being folded; slightly shaken, because
    it draws nodes with the same neighbours on top of each other."""
    shake = np.random.default_rng(0).standard_normal((len(distance), 2))
    centred = -(distance**2) / 2
    centred -= centred.mean(axis=0)
    centred -= centred.mean(axis=1)[:, None]
    axes = shake
    for _ in range(SCALING_STEPS):
        axes = np.linalg.qr(centred @ axes)[0]
    lengths = np.einsum("ij,ij->j", axes, centred @ axes)
    start: Positions = axes * np.sqrt(np.maximum(lengths, 0)) + 0.1 * shake
    return start
