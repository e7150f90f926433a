"""Edits of a graph by hand: each is plain data, and turns the settings of one's own graph into new ones."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from planviz.config import GraphConfig
from planviz.graphs.generate import build_graph
from planviz.graphs.labels import clean_label
from planviz.graphs.limits import MAX_EDGES, MAX_NODES, GraphError

Node = Annotated[int, Field(ge=0)]
Edge = tuple[Node, Node]
Place = tuple[float, float]

FREE_PLACES = np.stack(np.meshgrid(np.linspace(0, 1, 25), np.linspace(0, 1, 25)), axis=-1).reshape(-1, 2)


class _Edit(BaseModel):
    """What every edit may have.

    Attributes:
        positions: where all nodes are drawn afterwards, in [0, 1]; empty: the others stay where they are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    positions: tuple[Place, ...] = ()


class AddNode(_Edit):
    """A new node, numbered last and named after its number."""

    do: Literal["add node"] = "add node"


class AddEdge(_Edit):
    """An edge between two nodes."""

    do: Literal["add edge"] = "add edge"
    edge: Edge


class Delete(_Edit):
    """Nodes with all their edges, and other edges. The nodes that stay are numbered anew in their order."""

    do: Literal["delete"] = "delete"
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()


class Rename(_Edit):
    """Another label for a node."""

    do: Literal["rename"] = "rename"
    node: Node
    label: str


class Move(_Edit):
    """Nothing but other positions."""

    do: Literal["move"] = "move"


class ListEdges(_Edit):
    """All edges anew, by the labels of their ends; a label that no node has becomes a new node."""

    do: Literal["list edges"] = "list edges"
    edges: tuple[tuple[str, str], ...]


Edit = Annotated[AddNode | AddEdge | Delete | Rename | Move | ListEdges, Field(discriminator="do")]


def own_graph(graph: nx.DiGraph[int], positions: NDArray[np.float64]) -> GraphConfig:
    """A graph of any kind as one's own (kind "file"), drawn as it is: what can be edited.

    Args:
        positions: (n, 2) in [0, 1].

    Raises:
        GraphError: it has more edges than a graph that lists them may have.
    """
    if graph.number_of_edges() > MAX_EDGES:
        raise GraphError(
            f"the graph has {graph.number_of_edges():,} edges; up to {MAX_EDGES:,} can be edited by hand"
        )
    return GraphConfig(
        kind="file",
        labels=tuple(graph.nodes[node]["label"] for node in range(len(graph))),
        edges=tuple(graph.edges),
        positions=_places(positions),
    )


def apply(graph: GraphConfig, edit: Edit) -> GraphConfig:
    """The graph after an edit.

    Args:
        graph: of kind "file", with positions.

    Raises:
        GraphError: the edit does not fit the graph, or what comes out is no graph that planviz can use.
    """
    match edit:
        case AddNode():
            changed = _with_nodes(graph, [_free_name(graph.labels)])
        case AddEdge():
            changed = _with(graph, edges=(*graph.edges, edit.edge))
        case Delete():
            changed = _without(graph, set(edit.nodes), set(edit.edges))
        case Rename():
            changed = _renamed(graph, edit.node, edit.label)
        case Move():
            changed = graph
        case ListEdges():
            changed = _with_listed(graph, edit.edges)
    if edit.positions:
        changed = _with(changed, positions=edit.positions)
    build_graph(changed)  # says what is wrong with it, if anything is
    return changed


def _with(graph: GraphConfig, **values: object) -> GraphConfig:
    return graph.model_copy(update=values)


def _with_nodes(graph: GraphConfig, labels: list[str]) -> GraphConfig:
    """New nodes without edges, each as far from all others as possible."""
    if len(graph.labels) + len(labels) > MAX_NODES:
        raise GraphError(
            f"the graph would have {len(graph.labels) + len(labels):,} nodes; at most {MAX_NODES} are allowed"
        )
    gaps = np.linalg.norm(FREE_PLACES[:, None] - np.array(graph.positions), axis=2).min(axis=1)
    places = []
    for _ in labels:
        place = FREE_PLACES[gaps.argmax()]
        gaps = np.minimum(gaps, np.linalg.norm(FREE_PLACES - place, axis=1))
        places.append(place)
    positions = (*graph.positions, *_places(np.array(places).reshape(-1, 2)))
    return _with(graph, labels=(*graph.labels, *labels), positions=positions)


def _without(graph: GraphConfig, nodes: set[int], edges: set[Edge]) -> GraphConfig:
    kept = [node for node in range(len(graph.labels)) if node not in nodes]
    number = {node: at for at, node in enumerate(kept)}
    return _with(
        graph,
        labels=tuple(graph.labels[node] for node in kept),
        positions=tuple(graph.positions[node] for node in kept),
        edges=tuple(
            (number[u], number[v])
            for u, v in graph.edges
            if u in number and v in number and (u, v) not in edges
        ),
    )


def _renamed(graph: GraphConfig, node: int, label: str) -> GraphConfig:
    if node >= len(graph.labels):
        raise GraphError(f"node {node} cannot be renamed: the nodes are 0 to {len(graph.labels) - 1}")
    name = clean_label(label)
    if not name:
        raise GraphError(f"a node needs a name with at least one printable character, not {label[:60]!r}")
    if name in (*graph.labels[:node], *graph.labels[node + 1 :]):
        raise GraphError(f"there is a node {name!r} already; every node has a name of its own")
    return _with(graph, labels=(*graph.labels[:node], name, *graph.labels[node + 1 :]))


def _with_listed(graph: GraphConfig, edges: tuple[tuple[str, str], ...]) -> GraphConfig:
    named = [(clean_label(source), clean_label(target)) for source, target in edges]
    if any("" in edge for edge in named):
        raise GraphError("an edge needs the names of two nodes, with at least one printable character each")
    known = set(graph.labels)
    new = dict.fromkeys(name for edge in named for name in edge if name not in known)
    changed = _with_nodes(graph, list(new))
    number = {label: node for node, label in enumerate(changed.labels)}
    listed = [(number[source], number[target]) for source, target in named]
    for source, target in listed:  # named by label here; `build_graph` knows numbers only
        if source == target:
            raise GraphError(f"{changed.labels[source]!r} cannot lead to itself")
    (edge, times), *_ = Counter(listed).most_common(1) or [((0, 0), 0)]
    if times > 1:
        ends = " → ".join(changed.labels[node] for node in edge)
        raise GraphError(f"the edge {ends} is there {times} times; every edge may be listed once")
    return _with(changed, edges=tuple(listed))


def _free_name(labels: tuple[str, ...]) -> str:
    """The number of the new node, or the next one that no node is called."""
    number = len(labels)
    while str(number) in labels:
        number += 1
    return str(number)


def _places(positions: NDArray[np.float64]) -> tuple[Place, ...]:
    return tuple((x, y) for x, y in positions.round(4).tolist())
