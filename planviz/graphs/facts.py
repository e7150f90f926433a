"""What there is to know about a graph before anything is trained on it."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np

from planviz.graphs.distances import all_distances


@dataclass(frozen=True)
class GraphFacts:
    """Pairs (s, t) have s != t and count in one direction; components are the strongly connected ones."""

    nodes: int
    edges: int
    acyclic: bool
    reachable_pairs: int
    dead_ends: int
    """Nodes without an outgoing edge."""
    components: int
    longest_path: int | None
    """Edges on the longest path of an acyclic graph; with a cycle there is no simple answer: None."""
    path_lengths: dict[int, int]
    """For every shortest-path length, in ascending order, the number of reachable pairs that have it."""


def graph_facts(graph: nx.DiGraph[int]) -> GraphFacts:
    """The facts of a graph with nodes 0 … n-1."""
    distance = all_distances(len(graph), np.array(graph.edges, dtype=int).reshape(-1, 2))
    reachable = distance[np.isfinite(distance) & (distance > 0)]
    lengths, pairs = np.unique(reachable.astype(int), return_counts=True)
    acyclic = nx.is_directed_acyclic_graph(graph)
    return GraphFacts(
        nodes=graph.number_of_nodes(),
        edges=graph.number_of_edges(),
        acyclic=acyclic,
        reachable_pairs=len(reachable),
        dead_ends=sum(not graph.out_degree(node) for node in graph),
        components=nx.number_strongly_connected_components(graph),
        longest_path=nx.dag_longest_path_length(graph, weight="") if acyclic else None,
        path_lengths=dict(zip(lengths.tolist(), pairs.tolist(), strict=True)),
    )


def reachability_change(before: nx.DiGraph[int], after: nx.DiGraph[int]) -> tuple[int, int]:
    """How many pairs (s, t) an edit made reachable, and how many it made unreachable; nodes are told by labels."""
    old, new = _reachable_labels(before), _reachable_labels(after)
    return len(new - old), len(old - new)


def _reachable_labels(graph: nx.DiGraph[int]) -> set[tuple[str, str]]:
    labels = [graph.nodes[node]["label"] for node in range(len(graph))]
    distance = all_distances(len(graph), np.array(graph.edges, dtype=int).reshape(-1, 2))
    pairs = np.argwhere(np.isfinite(distance) & (distance > 0)).tolist()
    return {(labels[source], labels[target]) for source, target in pairs}
