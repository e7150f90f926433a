"""Graphs from their settings: the same settings give the same graph, node for node."""

from __future__ import annotations

import networkx as nx

from planviz.config import GraphConfig
from planviz.graphs import random_graphs
from planviz.graphs.blocksworld import blocksworld
from planviz.graphs.grids import grid, maze
from planviz.graphs.hanoi import hanoi
from planviz.graphs.labels import clean_label, clean_labels
from planviz.graphs.limits import MAX_EDGES, MAX_LABEL, MAX_NODES, MAX_RANDOM_EDGES, GraphError
from planviz.graphs.trees import random_tree, regular_tree

__all__ = [
    "MAX_EDGES", "MAX_LABEL", "MAX_NODES", "MAX_RANDOM_EDGES", "GraphError", "build_graph", "clean_label",
    "clean_labels",
]  # fmt: skip


def build_graph(config: GraphConfig) -> nx.DiGraph[int]:
    """The graph that the settings describe.

    Nodes are 0 … n-1 with a `label`; the graph attribute `kind` names the kind. Nodes of a staged graph also
    have a `stage` (from 0), nodes of a grid or a maze a `cell` (row, column), and those of the Tower of Hanoi
    their `pegs`. The root of a tree is node 0. If the settings have positions, every node has its `position`.

    Raises:
        GraphError: the settings contradict each other, such as more stages than nodes, the graph would have too
            many edges, or it is one's own graph, whose nodes, edges or positions are not allowed.
    """
    graph = _graph(config)
    if config.positions:
        if len(config.positions) != len(graph):
            raise GraphError(
                f"the graph has {len(graph)} nodes, but {len(config.positions):,} positions are given"
            )
        for node, (x, y) in enumerate(config.positions):
            if not (0 <= x <= 1 and 0 <= y <= 1):
                raise GraphError(f"node {node} is to be drawn at ({x:g}, {y:g}); 0 to 1 is allowed")
            graph.nodes[node]["position"] = (x, y)
    return graph


def _graph(config: GraphConfig) -> nx.DiGraph[int]:
    match config.kind:
        case "acyclic":
            return random_graphs.acyclic(config.nodes, config.density, config.seed)
        case "directed":
            return random_graphs.directed(config.nodes, config.density, config.seed)
        case "staged":
            return random_graphs.staged(config.nodes, config.stages, config.density, config.seed)
        case "grid":
            return grid(config.rows, config.columns)
        case "maze":
            return maze(config.rows, config.columns, config.openings, config.seed)
        case "tree" if config.tree == "random":
            return random_tree(config.nodes, config.both_ways, config.seed)
        case "tree":
            return regular_tree(config.nodes, config.children, config.both_ways)
        case "small-world":
            return random_graphs.small_world(config.nodes, config.neighbours, config.rewiring, config.seed)
        case "preferential":
            return random_graphs.preferential(config.nodes, config.links, config.seed)
        case "blocksworld":
            return blocksworld(config.blocks)
        case "hanoi":
            return hanoi(config.disks)
        case "file":
            return _listed(config.labels, config.edges)


def _listed(labels: tuple[str, ...], edges: tuple[tuple[int, int], ...]) -> nx.DiGraph[int]:
    """One's own graph, checked: settings may come from a stranger's file too."""
    nodes = len(labels)
    if not 2 <= nodes <= MAX_NODES:
        raise GraphError(f"the graph has {nodes:,} nodes; 2 to {MAX_NODES} are allowed")
    if len(edges) > MAX_EDGES:
        raise GraphError(f"the graph has {len(edges):,} edges; at most {MAX_EDGES:,} are allowed")
    graph: nx.DiGraph[int] = nx.DiGraph(kind="file")
    graph.add_nodes_from((node, {"label": label}) for node, label in enumerate(clean_labels(labels)))
    for source, target in edges:
        if not (0 <= source < nodes and 0 <= target < nodes):
            raise GraphError(f"edge ({source}, {target}) leaves the graph: its nodes are 0 to {nodes - 1}")
        if source == target:
            raise GraphError(f"edge ({source}, {target}) leads from a node to itself, which is not allowed")
        if graph.has_edge(source, target):
            raise GraphError(f"edge ({source}, {target}) is there twice; every edge may be listed once")
        graph.add_edge(source, target)
    return graph
