"""Words on the Build page: errors as sentences, large numbers in short, texts as the model reads them."""

from __future__ import annotations

from collections import Counter
from math import isinf

import pandas as pd

from planviz.task import Task

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
EXACT = 1_000_000
"""Larger counts are given to one digit."""


def count(number: float) -> str:
    """A count in short, such as 1,234 or 3·10¹⁷."""
    if isinf(number):
        return "over 10³⁰⁸"
    if number < EXACT:
        return f"{number:,.1f}".removesuffix(".0")
    digit, exponent = f"{number:.0e}".split("e")
    return f"{digit}·10{str(int(exponent)).translate(SUPERSCRIPTS)}"


def text_table(task: Task, pairs: int) -> pd.DataFrame:
    """The training texts of the first `pairs` training pairs, equal ones counted.

    One row a text: the pair, the tokens ``s t s u1 … t EOS``, the path in labels, and how often it was drawn.
    """
    labels = task.labels
    shown = {(source, target) for source, target in task.train_pairs[:pairs].tolist()}
    times_of = Counter(text for text in task.texts if (text[0], text[-1]) in shown)
    return pd.DataFrame(
        [
            {
                "Pair": f"{labels[path[0]]} → {labels[path[-1]]}",
                "Text": " ".join(map(str, (path[0], path[-1], *path))) + " EOS",
                "Path": " → ".join(labels[node] for node in path),
                "Times": times,
            }
            for path, times in times_of.items()
        ]
    )


def texts_per_pair(task: Task) -> str:
    """How many texts a training pair has, such as "5", or "1 to 20" if not all have as many."""
    times = Counter((text[0], text[-1]) for text in task.texts).values()
    least, most = min(times), max(times)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"
