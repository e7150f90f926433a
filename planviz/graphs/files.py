"""Graphs in and out of files: the formats, how they are told apart, and their limits.

Uploaded files are hostile: size is checked first, everything else is limited while it is read, and whatever is wrong
becomes one sentence in a GraphFileError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import networkx as nx

from planviz.config import GraphConfig
from planviz.graphs.formats import alpine, dot, edge_list, graphml, matrix, node_link, tables
from planviz.graphs.formats.alpine import ImportedTask
from planviz.graphs.formats.alpine import write_task as write_alpine
from planviz.graphs.formats.common import Found, GraphFileError, check_size, shown
from planviz.graphs.formats.limits import MAX_ELEMENTS, MAX_FILE_BYTES, MAX_TEXT_BYTES, stated_limits

__all__ = [
    "FORMATS", "MAX_ELEMENTS", "MAX_FILE_BYTES", "MAX_TEXT_BYTES", "UPLOADS", "Format", "GraphFileError",
    "ImportedGraph", "ImportedTask", "check_ending", "import_graph", "read_alpine", "read_graph",
    "read_graphml", "stated_limits", "write_alpine", "write_graph", "write_graphml",
]  # fmt: skip


class Format(NamedTuple):
    """A format of graph files."""

    title: str
    endings: tuple[str, ...]
    """Of file names, in small letters; the first is the usual one."""
    mime: str
    read: Callable[[bytes], Found]
    write: Callable[[nx.DiGraph[int]], bytes]


FORMATS = {
    "graphml": Format("GraphML", (".graphml", ".xml"), "application/xml", graphml.read, graphml.write),
    "adjacency": Format(
        "Adjacency matrix (CSV)", (".adjacency.csv", ".adj.csv"), "text/csv", tables.read, matrix.write
    ),
    "edges": Format(
        "Edge list (CSV)",
        (".csv", ".tsv", ".edgelist", ".edges"),
        "text/csv",
        tables.read,
        edge_list.write,
    ),
    "json": Format("JSON (node-link)", (".json",), "application/json", node_link.read, node_link.write),
    "dot": Format("DOT (Graphviz)", (".dot", ".gv"), "text/vnd.graphviz", dot.read, dot.write),
}
UPLOADS = ("graphml", "xml", "csv", "tsv", "edgelist", "edges", "json", "dot", "gv", "txt")
"""The endings that an upload may have, without their dots."""


class ImportedGraph(NamedTuple):
    """What a file held."""

    graph: GraphConfig
    """Settings of kind "file"."""
    format: str
    """In words, such as "edge list"."""
    notes: tuple[str, ...]
    """What was left out, changed or understood in one of several ways, for the user to know."""


def read_graph(name: str, content: bytes) -> GraphConfig:
    """The graph in a file of any format, as settings of kind "file".

    The format follows from the ending of the file's name or, if that is unknown or .txt, from how the file begins.
    Nodes keep their names, made safe and different by `clean_labels`. An undirected edge becomes one edge each way;
    edges from a node to itself and repeated edges are left out.

    Raises:
        GraphFileError: the file holds no graph that planviz can use.
    """
    return import_graph(name, content).graph


def import_graph(name: str, content: bytes) -> ImportedGraph:
    """Like `read_graph`, and says which format it was and what was left out."""
    found = _found(name, content)
    return ImportedGraph(found.config(), found.format, found.all_notes())


def write_graph(name: str, graph: nx.DiGraph[int]) -> bytes:
    """The graph in the format that the ending of the file's name says.

    Raises:
        GraphFileError: the ending is unknown.
    """
    return check_ending(name).write(graph)


def check_ending(name: str) -> Format:
    """The format that the ending of a file's name says.

    Raises:
        GraphFileError: the ending is unknown.
    """
    format = _by_ending(name)
    if format is None:
        known = ", ".join(format.endings[0] for format in FORMATS.values())
        raise GraphFileError(f"the ending of {shown(name)} names no format; {known} are known")
    return format


def read_alpine(files: Mapping[str, bytes]) -> ImportedTask:
    """ALPINE's three files by name: a graph, and texts in a .txt whose name has "train" and one that has "test".

    Raises:
        GraphFileError: a file is missing or one too many, the graph cannot be used, a text is no path of it, or a pair
            is in both texts.
    """
    texts = [name for name in files if name.lower().endswith(".txt")]
    train = [name for name in texts if "train" in name.lower()]
    test = [name for name in texts if "test" in name.lower() and name not in train]
    graphs = [name for name in files if name not in texts]
    if not (len(files) == 3 and len(train) == len(test) == len(graphs) == 1):
        given = ", ".join(map(shown, list(files)[:5])) or "none"
        raise GraphFileError(f"{given} given; three files are expected: the graph, train_….txt and test.txt")
    found = _found(graphs[0], files[graphs[0]])
    return alpine.read_task(found, (train[0], files[train[0]]), (test[0], files[test[0]]))


def read_graphml(content: bytes) -> GraphConfig:
    """`read_graph` for a file that has to be GraphML."""
    return read_graph(".graphml", content)


def write_graphml(graph: nx.DiGraph[int]) -> bytes:
    return graphml.write(graph)


def _found(name: str, content: bytes) -> Found:
    check_size(content)
    return (_by_ending(name) or _by_beginning(content)).read(content)


def _by_ending(name: str) -> Format | None:
    return next((f for f in FORMATS.values() if name.lower().endswith(f.endings)), None)


def _by_beginning(content: bytes) -> Format:
    """XML, JSON and DOT begin in ways that tables do not."""
    start = content[:200].decode(
        "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "ignore"
    )
    if start.lstrip().startswith("<"):
        return FORMATS["graphml"]
    if start.lstrip().startswith(("{", "[")):
        return FORMATS["json"]
    dot_starts = re.match(r"\s*(?:(?:strict\s+)?(?:di)?graph\b[^,;\t]*\{|//|/\*)", start, re.IGNORECASE)
    return FORMATS["dot" if dot_starts else "edges"]
