"""Adjacency matrices, in and out."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from io import StringIO
from typing import NamedTuple

import networkx as nx

from planviz.graphs.formats.common import Collector, Found, GraphFileError, safe_labels, shown
from planviz.graphs.formats.edge_list import heading
from planviz.graphs.formats.rows import Row, is_number


class Shape(NamedTuple):
    """Where a matrix has the names of its nodes."""

    names: list[str]
    first_row: bool
    first_column: bool


def shape_of(rows: list[Row]) -> Shape | None:
    """Of an adjacency matrix, by its first rows; None if they are an edge list's."""
    (_, first), *others = rows
    width = len(first)
    if width > 2 and others and (first[0] == "" or not is_number(first[0])):
        second = others[0][1]
        all_same = [row[0] for _, row in others] == first[1:]
        if all_same or (second[0] == first[1] and all(map(is_number, second[1:]))):
            return Shape(first[1:], True, True)
    if heading(first) is not None:
        return None
    if first[0] == "":
        return Shape(first[1:], True, True)
    for body, names in ((rows, None), (others, first)):
        if width >= 3 and len(body) == width and all(len(row) == width for _, row in body):
            cells = {cell for _, row in body for cell in row}
            numbers = {float(cell or 0) for cell in cells} if all(map(is_number, cells)) else {math.nan}
            if numbers <= {0, 1} or (names is None and width >= 4 and math.nan not in numbers):
                return Shape(names or [str(number) for number in range(width)], names is not None, False)
    return None


def read(rows: Iterator[Row], shape: Shape) -> Found:
    """The graph in a matrix: an edge for every number that is not 0.

    Raises:
        GraphFileError: it is not square, its names contradict each other, or a cell is no number.
    """
    graph = Collector()
    names = shape.names
    for name in names:
        if not name:
            raise GraphFileError("the first row has a column without a name; every node needs one")
        graph.new_node(name, name)
    if shape.first_row:
        next(rows)
    size = len(names)
    number = 0
    for number, (line, cells) in enumerate(rows, 1):
        if number > size:
            raise GraphFileError(
                f"line {line} is one row too many; a matrix with {size} columns has {size} rows"
            )
        if shape.first_column:
            if cells[0] != names[number - 1]:
                raise GraphFileError(
                    f"line {line} is named {shown(cells[0])}, but column {number} is {shown(names[number - 1])}; "
                    "rows and columns of an adjacency matrix have the same names in the same order"
                )
            cells = cells[1:]
        if len(cells) != size:
            raise GraphFileError(f"line {line} has {len(cells):,} cells for {size} columns")
        for column, cell in enumerate(cells):
            if cell != "0" and cell != "":
                if not is_number(cell):
                    raise GraphFileError(
                        f"line {line} has {shown(cell)} in the matrix; finite numbers are allowed"
                    )
                if float(cell):
                    graph.edge(number - 1, column)
    if number < size:
        raise GraphFileError(
            f"the matrix has {number} rows, but {size} columns; as many of both are expected"
        )
    return graph.found("adjacency matrix")


def write(graph: nx.DiGraph[int]) -> bytes:
    """The adjacency matrix as CSV with the labels as its first row and column.

    From about 1,550 nodes on it is larger than a file that planviz reads.
    """
    labels = safe_labels(graph)
    file = StringIO(newline="")
    # Names are quoted, 0 and 1 are not: a semicolon in a name must not look as if it separated cells.
    table = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    table.writerow(["", *labels])
    nodes = range(len(graph))
    table.writerows([labels[node], *(int(graph.has_edge(node, other)) for other in nodes)] for node in nodes)
    return file.getvalue().encode()
