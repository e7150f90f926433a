"""Pictures of a task: its split into training and test pairs, and how long and how many its paths are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from planviz.figures import style

SPLIT_COLORS = {"train": style.TEAL, "test": style.GREY}
SPLIT_PATTERNS = {"train": "", "test": "/"}
LIMIT = 400
"""Bars further right than this many steps are counted in the last one."""
MAX_BARS = 16


def split_matrix(train_pairs: ArrayLike, test_pairs: ArrayLike, labels: Sequence[str]) -> go.Figure:
    """Which queries are trained on: one cell for every source (row) and target (column).

    Args:
        train_pairs: (P, 2) pairs (s, t).
        test_pairs: (Q, 2) pairs (s, t).
        labels: the names of the n nodes. A pair in neither array is unreachable and stays empty.
    """
    train, test = (np.asarray(pairs, dtype=int).reshape(-1, 2) for pairs in (train_pairs, test_pairs))
    nodes = len(labels)
    cells = np.zeros((nodes, nodes), dtype=np.int8)
    cells[test[:, 0], test[:, 1]] = 1
    cells[train[:, 0], train[:, 1]] = 2
    names = style.unique(labels)
    empty = nodes * (nodes - 1) - len(train) - len(test)
    gap = int(nodes <= 60)
    unreachable, test_color = style.translucent(style.GREY, 0.08), style.translucent(style.GREY, 0.6)
    figure = go.Figure()
    figure.add_heatmap(
        z=cells, x=names, y=names, zmin=0, zmax=2, showscale=False, xgap=gap, ygap=gap,
        colorscale=[[0, unreachable], [0.5, test_color], [1, SPLIT_COLORS["train"]]],
        hovertemplate="%{y} → %{x}<extra></extra>",
    )  # fmt: skip
    for name, color, number in (
        ("training", SPLIT_COLORS["train"], len(train)),
        ("test", test_color, len(test)),
        ("unreachable", unreachable, empty),
    ):
        square = {"symbol": "square", "size": 11, "color": color}
        figure.add_scatter(x=[None], y=[None], mode="markers", marker=square, name=f"{name}: {number:,}")
    axis = {"type": "category", "nticks": 12, "showgrid": False}
    return style.finish(
        figure, "Training and test pairs",
        f"{len(train):,} pairs are for training, {len(test):,} for testing, {empty:,} are unreachable.",
        height=440,
        xaxis=axis | {"title": "Target", "tickangle": 0 if max(map(len, names), default=0) <= 4 else -45},
        yaxis=axis | {"title": "Source", "autorange": "reversed"},
    )  # fmt: skip


def path_length_histogram(train: ArrayLike, test: ArrayLike) -> go.Figure:
    """How many pairs of each split have a (shortest) path of each length, in edges."""
    lengths = {"train": np.asarray(train, dtype=int).ravel(), "test": np.asarray(test, dtype=int).ravel()}
    heading = "Length of the shortest path"
    pooled = np.concatenate([*lengths.values()])
    if not len(pooled):
        return style.empty(heading, "There are no pairs.")
    edges = np.arange(pooled.min(), min(pooled.max(), LIMIT) + 2)
    return _bars(
        lengths, edges, [str(edge) for edge in edges[:-1]], heading, "Edges",
        f"The shortest paths have {pooled.min()} to {pooled.max()} edges, {pooled.mean():.1f} on average.",
    )  # fmt: skip


def paths_per_pair_histogram(train: ArrayLike, test: ArrayLike) -> go.Figure:
    """How many pairs of each split have how many correct paths; the bars double in width, or grow faster
    where that would make more than `MAX_BARS`."""
    counts = {"train": np.asarray(train, dtype=float).ravel(), "test": np.asarray(test, dtype=float).ravel()}
    heading = "Correct paths of a pair"
    pooled = np.concatenate([*counts.values()])
    if not len(pooled):
        return style.empty(heading, "There are no pairs.")
    first, last = (int(np.log2(max(count, 1))) for count in (pooled.min(), pooled.max()))
    stride = -(-(last - first + 1) // MAX_BARS)
    edges = 2.0 ** np.arange(first, last + stride + 1, stride)
    names = [_range(int(low), int(high) - 1) for low, high in pairwise(edges)]
    return _bars(
        counts, edges, names, heading, "Correct paths",
        f"A pair has {pooled.min():,.0f} to {pooled.max():,.0f} correct paths, {np.median(pooled):,.0f} in "
        f"the median; {np.mean(pooled == 1):.0%} of the pairs have just one.",
    )  # fmt: skip


def _bars(
    values: dict[str, NDArray[np.generic]],
    edges: NDArray[np.generic],
    names: Sequence[str],
    heading: str,
    axis: str,
    alt: str,
) -> go.Figure:
    figure = go.Figure()
    for split, numbers in values.items():
        figure.add_bar(
            x=list(names), y=np.histogram(numbers, edges)[0], name=style.SPLITS[split],
            marker=style.bar_marker(SPLIT_COLORS[split], SPLIT_PATTERNS[split]),
            hovertemplate="%{y:,}",
        )  # fmt: skip
    return style.finish(
        figure, heading, alt, height=300, barmode="stack", bargap=0.15, hovermode="x unified",
        xaxis={"title": axis, "type": "category"}, yaxis={"title": "Pairs"},
    )  # fmt: skip


def _range(low: int, high: int) -> str:
    def short(number: int) -> str:
        return f"{number}" if number < 10_000 else f"{number:.0e}".replace("e+0", "e").replace("e+", "e")

    return short(low) if low == high else f"{short(low)}–{short(high)}"
