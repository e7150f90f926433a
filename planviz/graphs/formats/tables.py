"""Tables: edge lists and adjacency matrices; which of them a file holds shows in its first rows."""

from __future__ import annotations

import re
from itertools import chain, islice

from planviz.graphs.formats import edge_list, matrix
from planviz.graphs.formats.common import Found, GraphFileError, decoded
from planviz.graphs.formats.limits import MAX_LINE, MAX_NODES
from planviz.graphs.formats.rows import delimiter_of, separated, spaced

EXPECTED = "an edge list or an adjacency matrix"


def read(content: bytes) -> Found:
    """The graph in an edge list or an adjacency matrix; which of them it is shows in its first rows.

    An edge list has one edge a row, source and target; a row without a target names a node. A heading, if there is one,
    says which columns they are and, in a column `type`, whether an edge is undirected. Nodes are numbered as they
    appear, or by their names if all of these are whole numbers.

    An adjacency matrix has the nodes' names as its first row and column, or none; what is not 0 or empty is an edge
    from the row's node to the column's. Without names it is taken for one if it is square, with at least four columns
    of numbers, or three of 0 and 1.

    Raises:
        GraphFileError: the file is no such table, contradicts itself, or has too much.
    """
    text = decoded(content, EXPECTED)
    if (longest := max(map(len, text.split("\n")))) > MAX_LINE:
        raise GraphFileError(f"a line has {longest:,} characters; at most {MAX_LINE:,} are allowed")
    text = re.sub(r"\A(?:#[^\n]*+\n)++", lambda comments: "\n" * comments[0].count("\n"), text)
    delimiter = delimiter_of(text)
    rows = separated(text, delimiter) if delimiter else spaced(text)
    peeked = list(islice(rows, 1))
    if not peeked:
        raise GraphFileError(f"the file holds only comments; {EXPECTED} is expected")
    peeked += islice(rows, min(len(peeked[0][1]), MAX_NODES) + 1)
    shape = matrix.shape_of(peeked)
    rows = chain(peeked, rows)
    return edge_list.read(rows, delimiter) if shape is None else matrix.read(rows, shape)
