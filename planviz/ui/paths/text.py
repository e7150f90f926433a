"""Words of the Paths page: nodes, paths and numbers as text that a stranger's labels cannot break."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence

from planviz.figures import style

ARROW = " → "


def node_names(labels: Sequence[str]) -> list[str]:
    """A short name for every node, no two alike, as plain text."""
    return [html.unescape(name) for name in style.unique(labels)]


def path_text(source: int, path: Sequence[int], names: Sequence[str]) -> str:
    """A path from its source on; the EOS token, which is no node, reads "end"."""
    return ARROW.join([names[source], *(names[token] if token < len(names) else "end" for token in path)])


def visit_names(nodes: Sequence[int], names: Sequence[str]) -> list[str]:
    """The nodes of a path, no two alike: where a path comes back to a node, the visit is named too."""
    visits: Counter[int] = Counter()
    texts = []
    for node in nodes:
        visits[node] += 1
        texts.append(names[node] if visits[node] == 1 else f"{names[node]} (visit {visits[node]})")
    return texts


def plural(count: float, thing: str) -> str:
    """A number with its noun; the number of paths can be astronomical."""
    amount = f"{count:,.0f}" if count < 1e6 else "over a million"
    return f"{amount} {thing}" + ("" if count == 1 else "s")
