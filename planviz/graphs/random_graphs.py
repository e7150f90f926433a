"""Graphs drawn at random: Erdős–Rényi, staged, small worlds and preferential attachment."""

from __future__ import annotations

from collections.abc import Iterable

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from planviz.graphs.limits import MAX_RANDOM_EDGES, GraphError


def acyclic(nodes: int, density: float, seed: int) -> nx.DiGraph[int]:
    """Every edge i → j with i < j is there with probability `density`, independently.

    Raises:
        GraphError: more than MAX_RANDOM_EDGES edges were drawn.
    """
    return _drawn("acyclic", np.triu(np.ones((nodes, nodes), dtype=bool), k=1), density, seed)


def directed(nodes: int, density: float, seed: int) -> nx.DiGraph[int]:
    """Every edge i → j with i ≠ j is there with probability `density`, independently.

    Raises:
        GraphError: more than MAX_RANDOM_EDGES edges were drawn.
    """
    return _drawn("directed", ~np.eye(nodes, dtype=bool), density, seed)


def staged(nodes: int, stages: int, density: float, seed: int) -> nx.DiGraph[int]:
    """Edges i < j within a stage, and from every stage to the next, each with probability `density`.

    The stages are as equal in size as possible; nodes have their `stage`, from 0.

    Raises:
        GraphError: there are more stages than nodes, or more than MAX_RANDOM_EDGES edges were drawn.
    """
    if stages > nodes:
        raise GraphError(f"{nodes} nodes cannot fill {stages} stages: choose at most {nodes} stages")
    node = np.arange(nodes)
    stage = node * stages // nodes
    ahead = stage[None, :] - stage[:, None]
    allowed = ((ahead == 0) & (node[:, None] < node[None, :])) | (ahead == 1)
    graph = _drawn("staged", allowed, density, seed)
    nx.set_node_attributes(graph, dict(enumerate(stage.tolist())), "stage")
    return graph


def small_world(nodes: int, neighbours: int, rewiring: float, seed: int) -> nx.DiGraph[int]:
    """The small world of Watts and Strogatz (1998) with directed edges, so that a shortcut leads one way only.

    The nodes form a ring. Each has edges to the `neighbours` nodes nearest to it, ahead and behind in turn; then
    each edge gets, with probability `rewiring`, another end: uniform among the nodes not yet led to. Every node
    keeps exactly `neighbours` edges out.

    Raises:
        GraphError: as many neighbours as nodes, or more.
    """
    if neighbours >= nodes:
        raise GraphError(
            f"a node among {nodes} has only {nodes - 1} others, not {neighbours} neighbours: "
            f"choose at most {nodes - 1} neighbours"
        )
    rng = np.random.default_rng(seed)
    offsets = dict.fromkeys(sign * far % nodes for far in range(1, nodes) for sign in (1, -1))
    nearest = np.array(list(offsets)[:neighbours])
    edges = []
    for node in range(nodes):
        ends = (node + nearest) % nodes
        for place in np.flatnonzero(rng.random(neighbours) < rewiring):
            free = np.ones(nodes, dtype=bool)
            free[[node, *ends]] = False
            if free.any():
                ends[place] = rng.choice(np.flatnonzero(free))
        edges += [(node, end) for end in sorted(ends.tolist())]
    return _numbered("small-world", nodes, edges)


def preferential(nodes: int, links: int, seed: int) -> nx.DiGraph[int]:
    """Preferential attachment (Barabási and Albert, 1999): the nodes come one after the other, and each is linked
    to `links` earlier ones, which are the likelier the more links they have.

    Edges lead from old to new: the graph is acyclic, node 0 reaches every node, and at a hub, which has many ways
    on, the target decides. (From new to old, every path would lead into the few hubs.)

    Raises:
        GraphError: as many links as nodes, or more.
    """
    if links >= nodes:
        raise GraphError(
            f"a new node cannot be linked to {links} earlier ones among {nodes} nodes: "
            f"choose at most {nodes - 1} links"
        )
    drawn = nx.barabasi_albert_graph(nodes, links, seed=seed)
    return _numbered("preferential", nodes, sorted((min(edge), max(edge)) for edge in drawn.edges))


def _drawn(kind: str, allowed: NDArray[np.bool_], density: float, seed: int) -> nx.DiGraph[int]:
    """Every allowed edge is there with probability `density`, independently."""
    edges = allowed & (np.random.default_rng(seed).random(allowed.shape) < density)
    if (count := int(edges.sum())) > MAX_RANDOM_EDGES:
        raise GraphError(
            f"{len(allowed):,} nodes with density {density:g} have {count:,} edges; at most "
            f"{MAX_RANDOM_EDGES:,} are allowed, so choose fewer nodes or a lower density"
        )
    return _numbered(kind, len(allowed), ((i, j) for i, j in np.argwhere(edges).tolist()))


def _numbered(kind: str, nodes: int, edges: Iterable[tuple[int, int]]) -> nx.DiGraph[int]:
    """A graph whose nodes have their numbers as labels."""
    graph: nx.DiGraph[int] = nx.DiGraph(kind=kind)
    graph.add_nodes_from((node, {"label": str(node)}) for node in range(nodes))
    graph.add_edges_from(edges)
    return graph
