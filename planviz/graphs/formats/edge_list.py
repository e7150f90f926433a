"""Edge lists, in and out."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from itertools import chain, islice

import networkx as nx

from planviz.graphs.formats.common import Collector, Found, GraphFileError, counted, safe_labels, shown
from planviz.graphs.formats.limits import MAX_NODES
from planviz.graphs.formats.rows import Row, is_number, is_whole

HEADINGS = (
    ("source", "target"), ("from", "to"), ("src", "dst"), ("start", "end"), ("tail", "head"), ("u", "v"),
)  # fmt: skip


def read(rows: Iterator[Row], delimiter: str | None) -> Found:
    """The graph in rows of source and target.

    Raises:
        GraphFileError: a row has no source, or words that an edge does not have.
    """
    graph = Collector()
    peeked = list(islice(rows, 2))
    rows = chain(peeked, rows)
    first, second = ([row for _, row in peeked] + [[]])[:2]
    source, target, kind = 0, 1, None
    if (columns := heading(first)) is not None:
        source, target, kind = columns
        next(rows)
    elif len(second) > 1 and all(map(is_whole, second[:2])) and not any(map(is_whole, first[:2])):
        graph.notes.append(f"its first line was taken for a heading: {shown(' '.join(first[:2]))}")
        next(rows)
    edges: list[tuple[str, str, bool]] = []
    names: dict[str, None] = {}
    ignored = False
    for line, cells in rows:
        if delimiter is None:
            _check_words(line, cells)
        ends = [cells[column] if column < len(cells) else "" for column in (source, target)]
        if not ends[0] and any(cells):
            raise GraphFileError(f"line {line} has no source; every row needs one")
        names |= dict.fromkeys(end for end in ends if end)
        if len(names) > MAX_NODES:
            raise GraphFileError(f"the graph has more than {MAX_NODES} nodes; 2 to {MAX_NODES} are allowed")
        if ends[1]:
            undirected = kind is not None and kind < len(cells) and cells[kind].lower() == "undirected"
            edges.append((ends[0], ends[1], undirected))
        ignored = ignored or len(cells) > 2 + (kind is not None)
    whole = all(map(is_whole, names))
    for name in sorted(names, key=lambda name: (int(name), name)) if whole else names:
        graph.new_node(name, name)
    for one, other, undirected in edges:
        graph.edge(graph.index[one], graph.index[other], undirected)
    if ignored:
        graph.notes.append("columns other than source and target were left out")
    return graph.found("edge list")


def write(graph: nx.DiGraph[int]) -> bytes:
    """The graph as CSV with a heading and the labels of an edge's ends; nodes without edges have rows of their own.

    The order of the nodes is kept only where their labels are whole numbers in ascending order.
    """
    labels = safe_labels(graph)
    file = StringIO(newline="")
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["source", "target"])
    table.writerows((labels[source], labels[target]) for source, target in graph.edges)
    table.writerows((labels[node], "") for node in range(len(graph)) if not graph.degree(node))
    return file.getvalue().encode()


def heading(cells: list[str]) -> tuple[int, int, int | None] | None:
    """The columns of source, target and kind of edge, if the cells are a heading that names them."""
    lower = [cell.lower() for cell in cells]
    for source, target in HEADINGS:
        if source in lower and target in lower:
            return lower.index(source), lower.index(target), lower.index("type") if "type" in lower else None
    return None


def _check_words(line: int, words: list[str]) -> None:
    if len(words) >= 4 and words[0] == words[2] and words[1] == words[-1]:
        raise GraphFileError(
            f"line {line} is a path, not an edge: ALPINE's texts are read together with their graph in GraphML"
        )
    if len(words) > 3 or (len(words) == 3 and not is_number(words[2])):
        raise GraphFileError(
            f"line {line} has {counted(len(words), 'word', 'words')}; a source, a target and at most a weight are "
            "expected, and names with blanks need a CSV"
        )
