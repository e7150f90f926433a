"""Pictures of a task: its split into training and test pairs, and how long and how many its paths are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from planviz.figures import style

SPLIT_COLORS = {"train": style.TEAL, "test": style.GREY}
SPLIT_PATTERNS = {"train": "", "test": "/"}
SPLIT_STATES = {
    "unreachable": style.translucent(style.GREY, 0.08),
    "left out": style.translucent(style.AMBER, 0.7),
    "test": style.translucent(style.GREY, 0.6),
    "training": style.TEAL,
}
"""What a pair can be in a split, with the colour of its cell."""
LIMIT = 400
"""Bars further right than this many steps are counted in the last one."""
MAX_BARS = 16


def split_matrix(
    train_pairs: ArrayLike,
    test_pairs: ArrayLike,
    labels: Sequence[str],
    reachable: ArrayLike,
    chosen: tuple[int, int] | None = None,
) -> go.Figure:
    """Which queries are trained on: one cell for every source (row) and target (column).

    Args:
        train_pairs: (P, 2) pairs (s, t).
        test_pairs: (Q, 2) pairs (s, t).
        labels: the names of the n nodes.
        reachable: (n, n) whether there is a path; pairs that have one and are in neither array are left out.
        chosen: a pair to mark.
    """
    cells = _split_cells(train_pairs, test_pairs, reachable)
    counts = dict(zip(SPLIT_STATES, np.bincount(cells.ravel(), minlength=len(SPLIT_STATES)), strict=True))
    counts["unreachable"] -= len(cells)  # a node with itself is no pair
    names = style.unique(labels)
    gap = int(len(names) <= 60)
    colors = list(SPLIT_STATES.values())
    scale = [[(state + end) / len(colors), color] for state, color in enumerate(colors) for end in (0, 1)]
    figure = go.Figure()
    figure.add_heatmap(
        z=cells, x=names, y=names, zmin=-0.5, zmax=len(colors) - 0.5, showscale=False, xgap=gap, ygap=gap,
        colorscale=scale, hovertemplate="%{y} → %{x}<extra></extra>",
    )  # fmt: skip
    for name in ("training", "test", "left out", "unreachable"):
        if counts[name] or name != "left out":
            square = {"symbol": "square", "size": 11, "color": SPLIT_STATES[name]}
            figure.add_scatter(
                x=[None], y=[None], mode="markers", marker=square, name=f"{name}: {counts[name]:,}"
            )
    left_out = f"{counts['left out']:,} are left out, " if counts["left out"] else ""
    axis = {"type": "category", "nticks": 12, "showgrid": False}
    return style.finish(
        figure, "Training and test pairs",
        f"{counts['training']:,} pairs are for training, {counts['test']:,} for testing, {left_out}"
        f"{counts['unreachable']:,} are unreachable.",
        height=440, shapes=_mark(chosen) if chosen else [],
        xaxis=axis | {"title": "Target", "tickangle": 0 if max(map(len, names), default=0) <= 4 else -45},
        yaxis=axis | {"title": "Source", "autorange": "reversed"},
    )  # fmt: skip


def _split_cells(train_pairs: ArrayLike, test_pairs: ArrayLike, reachable: ArrayLike) -> NDArray[np.int8]:
    """(n, n): the place of each pair's state in `SPLIT_STATES`."""
    train, test = (np.asarray(pairs, dtype=int).reshape(-1, 2) for pairs in (train_pairs, test_pairs))
    states = list(SPLIT_STATES)
    cells = np.where(reachable, states.index("left out"), states.index("unreachable")).astype(np.int8)
    np.fill_diagonal(cells, states.index("unreachable"))
    cells[*test.T] = states.index("test")
    cells[*train.T] = states.index("training")
    return cells


def _mark(pair: tuple[int, int]) -> list[dict[str, Any]]:
    """A frame around the cell of a pair, and its row and column; categories count from 0."""
    source, target = pair
    thin = {"type": "line", "line": {"color": style.PURPLE, "width": 1, "dash": "dot"}}
    return [
        thin | {"xref": "paper", "x0": 0, "x1": 1, "y0": source, "y1": source},
        thin | {"yref": "paper", "y0": 0, "y1": 1, "x0": target, "x1": target},
        {
            "type": "rect", "line": {"color": style.PURPLE, "width": 3},
            "x0": target - 0.5, "x1": target + 0.5, "y0": source - 0.5, "y1": source + 0.5,
        },
    ]  # fmt: skip


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
