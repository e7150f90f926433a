"""Graphs from their settings: the same settings give the same graph, node for node."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from planviz.config import GraphConfig
from planviz.graphs.blocksworld import blocksworld

MAX_NODES = 1600
MAX_EDGES = 20_000
"""At most this many edges in a graph that lists them (kind "file")."""
MAX_RANDOM_EDGES = 100_000
"""At most this many edges in a graph that is drawn at random."""
MAX_LABEL = 60
"""Longer labels are cut to this many characters, the last of which is then …"""


class GraphError(ValueError):
    """A graph cannot be made as asked; the message says what is wrong and what is allowed."""


def build_graph(config: GraphConfig) -> nx.DiGraph[int]:
    """The graph that the settings describe.

    Nodes are 0 … n-1 with a `label`; the graph attribute `kind` names the kind. Nodes of a staged graph also
    have a `stage` (from 0), nodes of a grid a `cell` (row, column).

    Raises:
        GraphError: more stages than nodes, or a graph from a file whose nodes or edges are not allowed.
    """
    match config.kind:
        case "grid":
            return _grid(config.rows, config.columns)
        case "blocksworld":
            return blocksworld(config.blocks)
        case "file":
            return _listed(config.labels, config.edges)
        case "staged":
            return _staged(config)
        case "acyclic":
            return _random(config, np.triu(np.ones((config.nodes, config.nodes), dtype=bool), k=1))
        case "directed":
            return _random(config, ~np.eye(config.nodes, dtype=bool))


def clean_label(text: str) -> str:
    """Text that is safe to show: printable, on one line and at most MAX_LABEL characters; it may be empty.

    Control, bidirectional and other invisible characters go, runs of white space become one blank.
    """
    # Category C holds control, format (bidirectional marks, zero width), surrogate and unassigned characters.
    kept = (c for c in text[: 10 * MAX_LABEL] if c.isspace() or not unicodedata.category(c).startswith("C"))
    return _shorten(" ".join("".join(kept).split()), MAX_LABEL)


def clean_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Labels cleaned by `clean_label` and all different; cleaning them again changes nothing.

    An empty label becomes the node's number; a label that was there before gets " (2)", " (3)" …
    """
    seen: dict[str, None] = {}
    for number, raw in enumerate(labels):
        label = clean_label(raw) or str(number)
        unique, copies = label, 1
        while unique in seen:
            copies += 1
            suffix = f" ({copies})"
            unique = _shorten(label, MAX_LABEL - len(suffix)) + suffix
        seen[unique] = None
    return tuple(seen)


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _random(config: GraphConfig, allowed: NDArray[np.bool_]) -> nx.DiGraph[int]:
    """Every allowed edge is there with probability `density`, independently."""
    drawn = np.random.default_rng(config.seed).random(allowed.shape) < config.density
    if (count := int((allowed & drawn).sum())) > MAX_RANDOM_EDGES:
        raise GraphError(
            f"{config.nodes:,} nodes with density {config.density:g} have {count:,} edges; at most "
            f"{MAX_RANDOM_EDGES:,} are allowed, so choose fewer nodes or a lower density"
        )
    graph: nx.DiGraph[int] = nx.DiGraph(kind=config.kind)
    graph.add_nodes_from((node, {"label": str(node)}) for node in range(len(allowed)))
    graph.add_edges_from((i, j) for i, j in np.argwhere(allowed & drawn).tolist())
    return graph


def _staged(config: GraphConfig) -> nx.DiGraph[int]:
    """Edges i < j within a stage, and from every stage to the next."""
    if config.stages > config.nodes:
        raise GraphError(
            f"{config.nodes} nodes cannot fill {config.stages} stages: choose at most {config.nodes} stages"
        )
    node = np.arange(config.nodes)
    stage = node * config.stages // config.nodes
    ahead = stage[None, :] - stage[:, None]
    graph = _random(config, ((ahead == 0) & (node[:, None] < node[None, :])) | (ahead == 1))
    nx.set_node_attributes(graph, dict(enumerate(stage.tolist())), "stage")
    return graph


def _grid(rows: int, columns: int) -> nx.DiGraph[int]:
    """Moves to the next cell up, down, left and right; cells are numbered row by row."""
    cells = nx.convert_node_labels_to_integers(nx.grid_2d_graph(rows, columns), label_attribute="cell")
    graph: nx.DiGraph[int] = nx.DiGraph(cells.to_directed(), kind="grid")
    nx.set_node_attributes(graph, {n: f"{r},{c}" for n, (r, c) in graph.nodes(data="cell")}, "label")
    return graph


def _listed(labels: tuple[str, ...], edges: tuple[tuple[int, int], ...]) -> nx.DiGraph[int]:
    """The graph of a file, checked: settings may come from a stranger's file too."""
    nodes = len(labels)
    if not 2 <= nodes <= MAX_NODES:
        raise GraphError(f"the graph has {nodes:,} nodes; 2 to {MAX_NODES} are allowed")
    if not 1 <= len(edges) <= MAX_EDGES:
        raise GraphError(f"the graph has {len(edges):,} edges; 1 to {MAX_EDGES:,} are allowed")
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
