"""Trees, with node 0 as the root and the other nodes numbered level by level."""

from __future__ import annotations

import networkx as nx


def regular_tree(nodes: int, children: int, both_ways: bool) -> nx.DiGraph[int]:
    """Every node has `children` children until the nodes run out; edges lead away from the root."""
    return _rooted(nx.full_rary_tree(children, nodes), 0, both_ways)


def random_tree(nodes: int, both_ways: bool, seed: int) -> nx.DiGraph[int]:
    """A tree drawn uniformly from all labelled trees, with a random root; edges lead away from it.

    Such trees are deep, about √(πn/2) levels below the root on average; most nodes have few children.
    """
    tree = nx.random_labeled_rooted_tree(nodes, seed=seed)
    return _rooted(tree, tree.graph["root"], both_ways)


def _rooted(tree: nx.Graph[int], root: int, both_ways: bool) -> nx.DiGraph[int]:
    """The tree numbered level by level; with `both_ways`, edges lead back to the root as well."""
    downwards = list(nx.bfs_edges(tree, root, sort_neighbors=sorted))
    number = {node: place for place, node in enumerate([root, *(child for _, child in downwards)])}
    graph: nx.DiGraph[int] = nx.DiGraph(kind="tree")
    graph.add_nodes_from((node, {"label": str(node)}) for node in range(len(number)))
    for parent, child in downwards:
        graph.add_edge(number[parent], number[child])
        if both_ways:
            graph.add_edge(number[child], number[parent])
    return graph
