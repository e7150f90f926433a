"""What all formats share: how a file's text is read, how its graph is collected, and how errors are said."""

from __future__ import annotations

import codecs
from collections.abc import Hashable
from dataclasses import dataclass

import networkx as nx

from planviz.config import GraphConfig
from planviz.graphs.formats.limits import MAX_EDGES, MAX_ELEMENTS, MAX_FILE_BYTES, MAX_NODES
from planviz.graphs.labels import clean_label, clean_labels
from planviz.graphs.limits import GraphError


class GraphFileError(GraphError):
    """A file holds no graph that planviz can use; the message says why and what is allowed."""


@dataclass(frozen=True)
class Found:
    """A graph as a file has it: names and labels are not yet safe to show."""

    format: str
    names: tuple[str, ...]
    """What the file calls its nodes."""
    labels: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    notes: tuple[str, ...]
    """What was left out or understood in one of several ways, for the user to know."""

    def config(self) -> GraphConfig:
        """The graph as settings of kind "file", with safe labels."""
        return GraphConfig(kind="file", labels=clean_labels(self.labels), edges=self.edges)

    def all_notes(self) -> tuple[str, ...]:
        """The notes, and how many labels `config` changed."""
        changed = sum(a != b for a, b in zip(self.labels, clean_labels(self.labels), strict=True))
        names = (
            f"{counted(changed, 'name was', 'names were')} changed: too long, twice the same or not printable"
        )
        return (*self.notes, *([names] if changed else []))


class Collector:
    """Takes nodes and edges one by one, and refuses too many of them at once.

    Edges from a node to itself and repeated edges are left out; an undirected edge becomes one edge each way.
    """

    def __init__(self) -> None:
        self.index: dict[Hashable, int] = {}
        self.names: list[str] = []
        self.labels: list[str] = []
        self.edges: dict[tuple[int, int], None] = {}
        self.notes: list[str] = []
        self._listed = self._loops = self._repeats = self._undirected = 0

    def new_node(self, key: Hashable, name: str, label: str | None = None) -> int:
        """Add a node that must not have been there; its label is its name unless another one is given."""
        if key in self.index:
            raise GraphFileError(f"the node {shown(name)} is there twice; every node needs a name of its own")
        if len(self.index) == MAX_NODES:
            raise GraphFileError(f"the graph has more than {MAX_NODES} nodes; 2 to {MAX_NODES} are allowed")
        self.index[key] = number = len(self.names)
        self.names.append(name)
        self.labels.append(name if label is None else label)
        return number

    def node(self, name: str) -> int:
        """The number of a node, which is added if it is new."""
        found = self.index.get(name)
        return self.new_node(name, name) if found is None else found

    def edge(self, source: int, target: int, undirected: bool = False) -> None:
        self._listed += 1
        if self._listed > MAX_ELEMENTS:
            raise GraphFileError(f"the file lists more than {MAX_ELEMENTS:,} edges, repeated ones included")
        if source == target:
            self._loops += 1
            return
        before = len(self.edges)
        self.edges[source, target] = None
        if undirected:
            self._undirected += 1
            self.edges[target, source] = None
        self._repeats += len(self.edges) == before
        if len(self.edges) > MAX_EDGES:
            raise GraphFileError(
                f"the graph has more than {MAX_EDGES:,} edges between different nodes; "
                f"1 to {MAX_EDGES:,} are allowed"
            )

    def found(self, format: str) -> Found:
        """The graph.

        Raises:
            GraphFileError: it has too few nodes or no edge.
        """
        if len(self.names) < 2:
            raise GraphFileError(
                f"the graph has {counted(len(self.names), 'node', 'nodes')}; 2 to {MAX_NODES} are allowed"
            )
        if not self.edges:
            raise GraphFileError(
                f"the graph has 0 edges between different nodes; 1 to {MAX_EDGES:,} are allowed"
            )
        notes = (
            (self._undirected, "undirected edge leads", "undirected edges lead", "both ways"),
            (self._loops, "edge was", "edges were", "left out that led from a node to itself"),
            (self._repeats, "edge was", "edges were", "left out that had been there before"),
        )
        told = [f"{counted(count, one, many)} {rest}" for count, one, many, rest in notes if count]
        return Found(format, tuple(self.names), tuple(self.labels), tuple(self.edges), (*self.notes, *told))


def counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def check_size(content: bytes, limit: int = MAX_FILE_BYTES, file: str = "the file") -> None:
    """Refuse a file that is too large, before anything looks into it."""
    if len(content) > limit:
        raise GraphFileError(
            f"{file} has {len(content) / 1e6:.1f} MB; at most {limit / 1e6:.0f} MB are allowed"
        )


def decoded(content: bytes, expected: str, file: str = "the file") -> str:
    """The text of a file in UTF-8, or in UTF-16 if it begins with its mark; lines end with a line feed.

    Raises:
        GraphFileError: the file is empty, in another encoding, or no text.
    """
    sixteen = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if sixteen else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise GraphFileError(
            f"{file} is no {'UTF-16' if sixteen else 'UTF-8'} text (byte 0x{error.object[error.start]:02x} at "
            f"position {error.start:,}); {expected} in UTF-8 is expected"
        ) from None
    if not text.strip():
        raise GraphFileError(f"{file} is empty; {expected} is expected")
    if "\0" in text:
        raise GraphFileError(f"{file} holds NUL characters; {expected} in UTF-8 is expected")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def shown(value: object) -> str:
    """A value from a file as messages name it: short, printable and on one line."""
    match value:
        case str():
            return repr(clean_label(value))
        case bool() | None:
            return str(value).lower() if value is not None else "null"
        case int() | float():
            return clean_label(str(value))
        case list() | tuple():
            return "a list"
        case dict():
            return "an object"
        case _:
            return f"a {type(value).__name__}"


def safe_labels(graph: nx.DiGraph[int]) -> tuple[str, ...]:
    """The labels of nodes 0 … n-1, all different, as they are written to files."""
    return clean_labels(graph.nodes[node].get("label", str(node)) for node in range(len(graph)))
