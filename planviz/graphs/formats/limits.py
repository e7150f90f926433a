"""What a file may hold at most: stated before an upload, and enforced before the work that it would cost."""

from __future__ import annotations

from planviz.graphs.limits import MAX_EDGES, MAX_LABEL, MAX_NODES, MAX_TEXT_TOKENS

__all__ = [
    "MAX_DEPTH", "MAX_EDGES", "MAX_ELEMENTS", "MAX_FILE_BYTES", "MAX_LABEL", "MAX_LINE", "MAX_NODES",
    "MAX_TEXT_BYTES", "MAX_TEXT_CELLS", "MAX_TEXT_TOKENS", "stated_limits",
]  # fmt: skip

MAX_FILE_BYTES = 5_000_000
"""Of a file with a graph."""
MAX_ELEMENTS = 200_000
"""Of XML elements, of lists and objects in JSON, of words in DOT, of rows in a table, and of edges with repeats."""
MAX_DEPTH = 50
"""Of subgraphs inside one another in DOT."""
MAX_LINE = 250_000
"""Characters in a line of a table or of texts: enough for the heading of the largest adjacency matrix."""
MAX_TEXT_BYTES = 20_000_000
"""Of a file with texts (ALPINE)."""
MAX_TEXT_CELLS = 50_000_000
"""Texts times the nodes of the longest one, which is what they take in memory once training has begun."""


def stated_limits() -> str:
    """The limits of a file with a graph, in words that a page can show."""
    return (
        f"one graph of 2 to {MAX_NODES} nodes and 1 to {MAX_EDGES:,} edges, in at most "
        f"{MAX_FILE_BYTES / 1e6:.0f} MB and {MAX_ELEMENTS:,} elements (of XML, JSON or DOT) or rows; "
        f"names are cut to {MAX_LABEL} characters"
    )
