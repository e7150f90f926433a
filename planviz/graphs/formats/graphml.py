"""GraphML in and out; it is parsed without entities."""

from __future__ import annotations

from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

import networkx as nx
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from planviz.graphs.formats.common import Collector, Found, GraphFileError, safe_labels, shown
from planviz.graphs.formats.limits import MAX_ELEMENTS
from planviz.graphs.labels import clean_label

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

REFUSED = {"graph": "nested graphs", "hyperedge": "hyperedges", "port": "ports"}


def read(content: bytes) -> Found:
    """The graph in a GraphML file.

    A node's label is its data named `label` or `name`, or the text that yEd shows, or else its id. As in networkx,
    edges are undirected unless the file says otherwise.

    Raises:
        GraphFileError: the file is no GraphML, contradicts itself, or has too much.
    """
    root = _parse(content)
    if (start := _name(root)) != "graphml":
        raise GraphFileError(f"the file is no GraphML: it starts with <{clean_label(start)}>, not <graphml>")
    graphs = _children(root, "graph")
    if len(graphs) != 1:
        raise GraphFileError(f"the file holds {len(graphs)} graphs; exactly one is allowed")
    for name in map(_name, graphs[0].iterfind(".//")):
        if name in REFUSED:
            raise GraphFileError(f"the graph has {REFUSED[name]}; only plain nodes and edges are allowed")
    graph = Collector()
    _nodes(root, graphs[0], graph)
    _edges(graphs[0], graph)
    return graph.found("GraphML")


def write(graph: nx.DiGraph[int]) -> bytes:
    """The graph as GraphML: its nodes by number, their labels, and its edges."""
    plain: nx.DiGraph[int] = nx.DiGraph()
    plain.add_nodes_from((node, {"label": label}) for node, label in enumerate(safe_labels(graph)))
    plain.add_edges_from(graph.edges)
    file = BytesIO()
    nx.write_graphml_xml(plain, file)
    return file.getvalue()


def _parse(content: bytes) -> Element:
    """The root of the file, read in pieces so that too many elements never fill the memory."""
    if not content.strip():
        raise GraphFileError("the file is empty; a GraphML file is expected")
    try:
        started = iterparse(BytesIO(content), events=("start",), forbid_dtd=True)
        elements: list[Element] = [element for _, element in islice(started, MAX_ELEMENTS + 1)]
    except DefusedXmlException:
        raise GraphFileError("the file declares a document type or entities, which are not allowed") from None
    except (ParseError, ValueError, LookupError) as error:  # the last two: an encoding that cannot be read
        said = clean_label(str(error))
        raise GraphFileError(f"the file is no readable XML ({said}); a GraphML file is expected") from None
    if len(elements) > MAX_ELEMENTS:
        raise GraphFileError(f"the file has too many XML elements; at most {MAX_ELEMENTS:,} are allowed")
    return elements[0]


def _nodes(root: Element, element: Element, graph: Collector) -> None:
    keys = {key.get("id"): key.get("attr.name", "").lower() for key in _children(root, "key")}
    for node in _children(element, "node"):
        name = node.get("id")
        if name is None:
            raise GraphFileError("a node has no id; every node needs one of its own")
        data = {keys.get(entry.get("key")): entry.text for entry in _children(node, "data")}
        yed = next((part.text for part in node.iter() if _name(part) == "NodeLabel"), None)
        labels = (data.get("label"), data.get("name"), yed)
        graph.new_node(name, name, next((text for text in labels if text and text.strip()), None))


def _edges(element: Element, graph: Collector) -> None:
    default = "true" if element.get("edgedefault") == "directed" else "false"
    for edge in _children(element, "edge"):
        ends = [edge.get("source", ""), edge.get("target", "")]
        for end in ends:
            if end not in graph.index:
                raise GraphFileError(f"an edge ends at {shown(end)}, which is not the id of any node")
        graph.edge(graph.index[ends[0]], graph.index[ends[1]], edge.get("directed", default) == "false")


def _children(parent: Element, name: str) -> list[Element]:
    return [child for child in parent if _name(child) == name]


def _name(element: Element) -> str:
    """The tag without its namespace: files disagree on GraphML's."""
    return element.tag.rpartition("}")[2]
