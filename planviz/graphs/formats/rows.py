"""Rows of a table, as CSV or with blanks between the words."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from io import StringIO

from planviz.graphs.formats.common import GraphFileError
from planviz.graphs.formats.limits import MAX_ELEMENTS
from planviz.graphs.labels import clean_label

Row = tuple[int, list[str]]
"""A line's number and its cells."""


def delimiter_of(text: str) -> str | None:
    """What separates the cells of the first line, quoted ones aside; None for blanks."""
    lines = (line for line in text.split("\n") if line.strip())
    plain = re.sub(r'"[^"]*+"', "", next(lines, ""))
    if "\t" in plain:  # names hold commas more often than tabs
        return "\t"
    best = max(",;", key=plain.count)
    return best if best in plain else None


def separated(text: str, delimiter: str) -> Iterator[Row]:
    """Rows of CSV, their cells without blanks around them.

    Raises:
        GraphFileError: the text is no CSV, or has too many rows.
    """
    rows = csv.reader(StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for number, row in enumerate(rows):
            if number >= MAX_ELEMENTS:
                raise GraphFileError(
                    f"the table has more than {MAX_ELEMENTS:,} rows, the most that are allowed"
                )
            if row:
                yield rows.line_num, [cell.strip() for cell in row]
    except csv.Error as error:
        raise GraphFileError(f"line {rows.line_num} is no readable CSV ({clean_label(str(error))})") from None


def spaced(text: str) -> Iterator[Row]:
    """Lines of words, without the data, such as {'weight': 2}, that networkx writes after an edge.

    Raises:
        GraphFileError: there are too many lines.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if number > MAX_ELEMENTS:
            raise GraphFileError(f"the table has more than {MAX_ELEMENTS:,} lines, the most that are allowed")
        start = line.find(" {")
        if start >= 0 and line[start + 2 : start + 3] in ("}", "'", '"') and line.rstrip().endswith("}"):
            line = line[:start]
        if words := line.split():
            yield number, words


def is_number(cell: str) -> bool:
    """Whether a cell is a finite number, or empty."""
    try:
        return cell in ("", "0", "1") or math.isfinite(float(cell))
    except ValueError:
        return False


def is_whole(name: str) -> bool:
    return re.fullmatch(r"-?[0-9]{1,15}", name) is not None
