"""GraphML in and out. Uploaded files are hostile: they are parsed without entities, limited and checked."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

import networkx as nx
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from planviz.config import GraphConfig
from planviz.graphs.generate import MAX_EDGES, MAX_NODES, GraphError, clean_label, clean_labels

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_FILE_BYTES = 5_000_000
MAX_ELEMENTS = 200_000
"""Beside these, files keep the limits of every listed graph: MAX_NODES, MAX_EDGES and MAX_LABEL."""

REFUSED = {"graph": "nested graphs", "hyperedge": "hyperedges", "port": "ports"}


class GraphFileError(GraphError):
    """A file holds no graph that planviz can use; the message says why and what is allowed."""


def read_graphml(data: bytes) -> GraphConfig:
    """The graph in a GraphML file, as settings of kind "file".

    A node's label is its data named `label` or `name`, or the text that yEd shows, or else its id; it is made
    safe by `clean_labels`. An undirected edge becomes one edge each way; as in networkx, edges are undirected
    unless the file says otherwise. Edges from a node to itself and repeated edges are left out.

    Raises:
        GraphFileError: the file is empty, too large, not GraphML or contradicts itself, or its graph has more
            than planviz can show.
    """
    root = _parse(data)
    if (start := _name(root)) != "graphml":
        raise GraphFileError(f"the file is no GraphML: it starts with <{clean_label(start)}>, not <graphml>")
    graphs = _children(root, "graph")
    if len(graphs) != 1:
        raise GraphFileError(f"the file holds {len(graphs)} graphs; exactly one is allowed")
    for name in map(_name, graphs[0].iterfind(".//")):
        if name in REFUSED:
            raise GraphFileError(f"the graph has {REFUSED[name]}; only plain nodes and edges are allowed")
    nodes = _nodes(graphs[0])
    edges = tuple(dict.fromkeys(_edges(graphs[0], {node: index for index, node in enumerate(nodes)})))
    if not 1 <= len(edges) <= MAX_EDGES:
        raise GraphFileError(
            f"the graph has {len(edges):,} edges between different nodes; 1 to {MAX_EDGES:,} are allowed"
        )
    return GraphConfig(kind="file", labels=_labels(root, nodes), edges=edges)


def write_graphml(graph: nx.DiGraph[int]) -> bytes:
    """The graph as GraphML: its nodes, labels and edges, which `read_graphml` reads back."""
    plain: nx.DiGraph[int] = nx.DiGraph()
    plain.add_nodes_from((node, {"label": label}) for node, label in graph.nodes(data="label"))
    plain.add_edges_from(graph.edges)
    file = BytesIO()
    nx.write_graphml_xml(plain, file)
    return file.getvalue()


def _parse(data: bytes) -> Element:
    """The root of the file, read in pieces so that too many elements never fill the memory."""
    if len(data) > MAX_FILE_BYTES:
        raise GraphFileError(
            f"the file has {len(data) / 1e6:.1f} MB; at most {MAX_FILE_BYTES / 1e6:.0f} MB are allowed"
        )
    if not data.strip():
        raise GraphFileError("the file is empty; a GraphML file is expected")
    try:
        started = iterparse(BytesIO(data), events=("start",), forbid_dtd=True)
        elements: list[Element] = [element for _, element in islice(started, MAX_ELEMENTS + 1)]
    except DefusedXmlException:
        raise GraphFileError("the file declares a document type or entities, which are not allowed") from None
    except (ParseError, ValueError, LookupError) as error:  # the last two: an encoding that cannot be read
        raise GraphFileError(f"the file is no readable XML ({error}); a GraphML file is expected") from None
    if len(elements) > MAX_ELEMENTS:
        raise GraphFileError(f"the file has too many XML elements; at most {MAX_ELEMENTS:,} are allowed")
    return elements[0]


def _nodes(graph: Element) -> dict[str, Element]:
    """Every node by its id, in the order of the file."""
    found = _children(graph, "node")
    if not 2 <= len(found) <= MAX_NODES:
        raise GraphFileError(f"the graph has {len(found):,} nodes; 2 to {MAX_NODES} are allowed")
    nodes: dict[str, Element] = {}
    for node in found:
        node_id = node.get("id")
        if node_id is None:
            raise GraphFileError("a node has no id; every node needs one of its own")
        if node_id in nodes:
            raise GraphFileError(f"the id {clean_label(node_id)!r} is there twice; every node needs its own")
        nodes[node_id] = node
    return nodes


def _edges(graph: Element, index: dict[str, int]) -> Iterator[tuple[int, int]]:
    """Edges as the file lists them: repeated ones too, but none from a node to itself."""
    default = "true" if graph.get("edgedefault") == "directed" else "false"
    for edge in _children(graph, "edge"):
        ends = [edge.get("source", ""), edge.get("target", "")]
        for end in ends:
            if end not in index:
                raise GraphFileError(f"an edge ends at {clean_label(end)!r}, which is not the id of any node")
        source, target = (index[end] for end in ends)
        if source != target:
            yield source, target
            if edge.get("directed", default) == "false":
                yield target, source


def _labels(root: Element, nodes: dict[str, Element]) -> tuple[str, ...]:
    names = {key.get("id"): key.get("attr.name", "").lower() for key in _children(root, "key")}
    labels = []
    for node_id, node in nodes.items():
        data = {names.get(entry.get("key")): entry.text for entry in _children(node, "data")}
        yed = next((part.text for part in node.iter() if _name(part) == "NodeLabel"), None)
        candidates = (data.get("label"), data.get("name"), yed)
        labels.append(next((text for text in candidates if text and text.strip()), node_id))
    return clean_labels(labels)


def _children(parent: Element, name: str) -> list[Element]:
    return [child for child in parent if _name(child) == name]


def _name(element: Element) -> str:
    """The tag without its namespace: files disagree on GraphML's."""
    return element.tag.rpartition("}")[2]
