"""Node labels that are safe to show, whoever wrote them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from planviz.graphs.limits import MAX_LABEL


def clean_label(text: str) -> str:
    """Text that is safe to show: printable, on one line and at most MAX_LABEL characters; it may be empty.

    Control, bidirectional and other invisible characters go, runs of white space become one blank.
    """
    # Category C holds control, format (bidirectional marks, zero width), surrogate and unassigned characters.
    kept = (c for c in text[: 10 * MAX_LABEL] if c.isspace() or not unicodedata.category(c).startswith("C"))
    return _shorten(" ".join("".join(kept).split()), MAX_LABEL)


def clean_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Labels cleaned by `clean_label` and all different; cleaning them again changes nothing.

    An empty label becomes the node's number; a label that was there before gets " (2)", " (3)" …
    """
    seen: dict[str, None] = {}
    for number, raw in enumerate(labels):
        label = clean_label(raw) or str(number)
        unique, copies = label, 1
        while unique in seen:
            copies += 1
            suffix = f" ({copies})"
            unique = _shorten(label, MAX_LABEL - len(suffix)) + suffix
        seen[unique] = None
    return tuple(seen)


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
