"""Matrices over nodes: what was learned, what is exact, and the difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from planviz.figures import style

HEIGHT = 340
TICKS = 16
"""About so many rows and columns are named at the axes; all of them on hover."""
TICK_LENGTH = 9
FAINT = style.translucent(style.GREY, 0.12)
"""The colour of 0; what is not known stays empty."""

Scale = Literal["share", "value", "difference", "weight"]
SCALES: dict[Scale, list[tuple[float, str]]] = {
    "share": [(0, FAINT), (0.02, style.translucent(style.TEAL, 0.25)), (1, style.TEAL)],
    "value": [(0, style.CRIMSON), (0.5, FAINT), (1, style.TEAL)],
    "difference": [(0, style.AMBER), (0.5, FAINT), (1, style.BLUE)],
    "weight": [(0, style.CRIMSON), (0.5, FAINT), (1, style.TEAL)],
}
"""Shares run from 0 to 1, the others from −reach to reach."""


def node_matrix(
    values: NDArray[np.floating],
    rows: Sequence[int] | NDArray[np.int64],
    columns: Sequence[int] | NDArray[np.int64],
    labels: Sequence[str],
    heading: str,
    takeaway: str,
    *,
    scale: Scale,
    reach: float = 1.0,
    row_title: str = "current node",
    column_title: str = "next node",
) -> go.Figure:
    """A matrix as a heat map, rows from top to bottom.

    Args:
        values: (R, C) of the given rows and columns; NaN stays empty.
        rows, columns: the nodes that they stand for.
        labels: the names of all nodes.
        takeaway: what there is to see, for the alternative text.
        scale: the colours, which mean the same wherever they are used.
        reach: the value of the strongest colour; what is beyond has that colour too.
    """
    if not len(rows) or not len(columns) or np.isnan(values).all():
        return style.empty(heading, "There is nothing to show here.", height=HEIGHT)
    names = style.unique(labels)
    low = 0.0 if scale == "share" else -reach
    figure = go.Figure(
        go.Heatmap(
            z=np.asarray(values, dtype=np.float32),
            x=[names[node] for node in columns], y=[names[node] for node in rows],
            xgap=_gap(len(columns)), ygap=_gap(len(rows)),
            zmin=low, zmax=reach, colorscale=SCALES[scale], hoverongaps=False,
            hovertemplate=f"{row_title} %{{y}}<br>{column_title} %{{x}}<br><b>%{{z:.3f}}</b><extra></extra>",
            colorbar={"thickness": 9, "len": 1, "outlinewidth": 0, "nticks": 5, "xpad": 6, "tickfont": {"size": 11}},
        )
    )  # fmt: skip
    return style.finish(
        figure, heading, f"{heading}: {takeaway}", height=HEIGHT,
        margin={"t": 8, "r": 4}, hovermode="closest",
        xaxis=_axis(columns, names, labels, column_title),
        yaxis={**_axis(rows, names, labels, row_title), "autorange": "reversed", "showgrid": False},
    )  # fmt: skip


def _gap(cells: int) -> int:
    """Pixels between cells: none where there are many."""
    return 1 if cells <= 40 else 0


def _axis(
    nodes: Sequence[int] | NDArray[np.int64], names: Sequence[str], labels: Sequence[str], heading: str
) -> dict[str, object]:
    named = nodes[:: -(-len(nodes) // TICKS)]
    return {
        "type": "category",
        "title": {"text": heading, "font": {"size": 12}, "standoff": 6},
        "tickvals": [names[node] for node in named],
        "ticktext": [style.plain(labels[node], TICK_LENGTH) for node in named],
        "tickfont": {"size": 10},
        "ticks": "",
    }


def reach_of(values: NDArray[np.floating], share: float = 0.99) -> float:
    """A reach under which nearly all values keep colours of their own; 1 if all are 0 or unknown."""
    known = np.abs(values[~np.isnan(values)])
    found = float(np.quantile(known, share)) if known.size else 0.0
    return found if found > 0 else 1.0
