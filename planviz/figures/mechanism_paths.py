"""The paths of one pair over training, and the paths and steps that training has come across."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from planviz.figures import style
from planviz.figures.curves import metric_curve

TOP = 9
"""So many paths have an area of their own."""
COLORS = (
    style.TEAL, style.AMBER, style.BLUE, style.CRIMSON, style.PURPLE, style.OLIVE, "#4b7f9e", "#96604a", "#b0578d",
)  # fmt: skip
COLUMNS = 2
PANEL_HEIGHT = 230
FAR = 4
"""A limit so many times higher than the highest curve is told, not drawn."""


@dataclass(frozen=True)
class Series:
    """One arm's paths over training.

    Attributes:
        steps: (M,) the steps at which its weights are kept.
        shares: (M, paths) how probable each path is.
        others, wrong: (M,) of the other correct paths, and of what is not correct.
    """

    steps: Sequence[int]
    shares: NDArray[np.float64]
    others: NDArray[np.float64]
    wrong: NDArray[np.float64]


def effective_paths(shares: NDArray[np.float64]) -> float:
    """As many equally likely paths would have the same entropy; NaN if no path has any share.

    Args:
        shares: (paths,) in any unit.
    """
    total = shares.sum()
    if not total > 0:
        return float("nan")
    known = shares[shares > 0] / total
    return float(np.exp(-(known * np.log(known)).sum()))


def path_areas(arms: Mapping[str, Series], names: Sequence[str], heading: str) -> go.Figure:
    """How probable each correct path is over training: stacked areas, one panel an arm, all of one colour a path.

    Args:
        names: of the paths, in the order of `Series.shares`.
    """
    arms = {arm: series for arm, series in arms.items() if len(series.steps)}
    if not arms:
        return style.empty(heading, "No weights are stored yet.")
    peaks = np.max([series.shares.max(axis=0, initial=0) for series in arms.values()], axis=0)
    top = np.sort(np.argsort(-peaks, kind="stable")[:TOP])
    columns = min(COLUMNS, len(arms))
    rows = -(-len(arms) // columns)
    titles = [f"{style.plain(arm, 24)}: {_change(series)}" for arm, series in arms.items()]
    figure = make_subplots(
        rows, columns, shared_yaxes=True, horizontal_spacing=0.05, vertical_spacing=0.36 / (rows + 1),
        subplot_titles=titles,
    )  # fmt: skip
    figure.update_annotations(font={"size": 13})
    for panel, series in enumerate(arms.values()):
        rest = np.delete(series.shares, top, axis=1).sum(axis=1) + series.others
        bands = [(style.plain(names[path]), series.shares[:, path], COLORS[i]) for i, path in enumerate(top)]
        if len(names) > TOP or any(each.others.any() for each in arms.values()):
            bands.append(("other correct paths", rest, style.GREY))
        for name, values, color in bands:
            _add_band(figure, series.steps, values, name, color, panel, rows, columns)
        _add_band(figure, series.steps, series.wrong, "not correct", None, panel, rows, columns)
    figure.update_xaxes(hoverformat=",", nticks=5)
    figure.update_xaxes(title="Step", row=rows)
    figure.update_yaxes(range=[0, 1], tickvals=[0, 0.5, 1], ticktext=["0%", "50%", "100%"], showgrid=False)
    takeaway = "; ".join(f"{arm} {_change(series)}" for arm, series in arms.items())
    return style.finish(
        figure, heading, f"{heading}: {takeaway}.", height=110 + PANEL_HEIGHT * rows, above=30,
        hovermode="x", margin={"t": 70, "r": 20},
    )  # fmt: skip


def _change(series: Series) -> str:
    first, last = (effective_paths(series.shares[index]) for index in (0, -1))
    if np.isnan(last) or series.wrong[-1] > 0.5:
        return f"{series.wrong[-1]:.0%} not correct at last"
    if np.isnan(first) or series.wrong[0] > 0.5:
        return f"{last:.1f} effective paths"
    return f"{first:.1f} → {last:.1f} effective paths"


def _add_band(
    figure: go.Figure,
    steps: Sequence[int],
    values: NDArray[np.float64],
    name: str,
    color: str | None,
    panel: int,
    rows: int,
    columns: int,
) -> None:
    """One band; without a colour it is striped and pale, for what is no path at all."""
    if len(steps) == 1:  # a single point has no area
        steps, values = [steps[0], steps[0] + 1], np.repeat(values, 2)
    filling: dict[str, object] = {"fillcolor": style.translucent(color or style.GREY, 0.85 if color else 0.1)}
    if color is None:
        filling = {"fillpattern": {"shape": "/", "size": 7, "solidity": 0.12, "fgcolor": style.GREY}}
    figure.add_scatter(
        x=list(steps), y=values, name=name, legendgroup=name, showlegend=panel == 0, stackgroup=f"paths{panel}",
        mode="lines", line={"width": 0.5, "color": color or style.GREY}, **filling,
        hovertemplate="%{y:.1%}", row=panel // columns + 1, col=panel % columns + 1,
    )  # fmt: skip


def found_curve(
    evaluations: pd.DataFrame, metric: str, existing: float, arms: Sequence[str] | None = None
) -> go.Figure:
    """How many distinct paths or steps training has come across, over the samples it has seen, one line an arm.

    Args:
        metric: "paths_found" or "triples_found".
        existing: how many there are.
        arms: the arms to show; None means all.
    """
    figure = metric_curve(evaluations, metric, split="train", x="samples", arms=arms, base=False)
    heading = style.metric(metric).label
    highest = max((np.nanmax(np.asarray(line.y, float)) for line in figure.data if len(line.y)), default=0)
    amount = f"{existing:,.0f}" if existing < 1e9 else "over a billion"
    figure.update_layout(meta={"title": heading, "alt": f"{style.alt(figure)} {amount} exist."})
    figure.update_layout(uirevision=heading)
    if figure.data and existing <= FAR * highest:
        figure.add_hline(existing, line={"color": style.GREY, "dash": "dash", "width": 1.5})
        figure.update_yaxes(range=[0, existing * 1.12])
        place = {"x": 0, "xanchor": "left", "y": existing, "yanchor": "bottom"}
    else:
        place = {"x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom", "yref": "paper"}
    note = {"text": f"all that exist: {amount}", "showarrow": False, "xref": "paper", "font": {"size": 11}}
    return figure.add_annotation(note | place)
