"""What weights know of edges, and where a transformer looks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from planviz.figures import style

GROUPS = {
    "all": "all edges",
    "often": "seen often",
    "seldom": "seen seldom",
    "never": "never seen",
}
"""The groups of edges in words: how often the SFT texts take them."""
CHANCE = 0.5
AUC_RANGE = (0.0, 1.04)

PLACE_STYLES = {
    "target": ("the target", style.TEAL, ""),
    "current": ("the current node", style.BLUE, "/"),
    "source": ("the source", style.AMBER, "."),
    "other": ("nodes in between", style.GREY, "x"),
}
"""Name, colour and pattern of what the current token can look at, in the order in which they are drawn."""
MAX_BARS = 24


def edge_auc_lines(found: Mapping[str, Mapping[str, float]], sizes: Mapping[str, int]) -> go.Figure:
    """How well weights tell edges from non-edges, by how often the SFT texts show the edge; one line an arm.

    Args:
        found: for every arm the AUC of each of `GROUPS`; NaN is left out.
        sizes: how many edges each group has.
    """
    heading = "How well the weights tell edges from non-edges"
    if not found:
        return style.empty(heading, "Choose at least one model.")
    groups = [group for group in ("often", "seldom", "never") if sizes.get(group)]
    names = [f"{GROUPS[group]}<br>({sizes[group]:,})" for group in groups]
    figure = go.Figure()
    for arm, values in found.items():
        look = style.arm_style(arm)
        figure.add_scatter(
            x=names, y=[values[group] for group in groups], name=style.plain(arm, 40), mode="lines+markers",
            line={"color": look.color, "dash": look.dash, "width": 2},
            marker={"symbol": look.symbol, "size": 10},
            hovertemplate="%{y:.2f}",
        )  # fmt: skip
    figure.add_hline(CHANCE, line={"color": style.GREY, "dash": "dot", "width": 1})
    figure.add_annotation(
        text="guessing", x=1, xref="paper", xanchor="right", y=CHANCE, yanchor="bottom",
        showarrow=False, font={"size": 11},
    )  # fmt: skip
    parts = [
        f"{arm} reaches " + ", ".join(f"{values[group]:.2f} for edges {GROUPS[group]}" for group in groups)
        for arm, values in found.items()
    ]
    return style.finish(
        figure, heading, f"{heading}, as the area under the ROC curve: {'; '.join(parts)}.",
        hovermode="x unified", margin={"t": 64}, yaxis={"title": "AUC", "range": AUC_RANGE},
        xaxis={"type": "category", "range": [-0.35, len(groups) - 0.65]},
    )  # fmt: skip


def roc_curves(
    curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    found: Mapping[str, float],
    group: str,
) -> go.Figure:
    """ROC curves of one group of edges against the non-edges, one an arm.

    Args:
        curves: for every arm the false and the true positive rates.
        found: for every arm its AUC.
        group: one of `GROUPS`.
    """
    heading = f"ROC curves of the edges: {GROUPS[group]}"
    if not curves:
        return style.empty(heading, "There are no such edges.")
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="guessing", hoverinfo="skip",
        line={"color": style.GREY, "dash": "dot", "width": 1},
    )  # fmt: skip
    for arm, (false_positive, true_positive) in curves.items():
        look = style.arm_style(arm)
        figure.add_scatter(
            x=false_positive, y=true_positive, mode="lines", name=f"{style.plain(arm, 40)} ({found[arm]:.2f})",
            line={"color": look.color, "dash": look.dash, "width": 2, "shape": "hv"},
            hovertemplate="%{y:.0%} of the edges at %{x:.0%} of the non-edges<extra>%{fullData.name}</extra>",
        )  # fmt: skip
    parts = ", ".join(f"{arm} {found[arm]:.2f}" for arm in curves)
    return style.finish(
        figure, heading, f"{heading}; the area under the curve is {parts}.", hovermode="closest",
        margin={"t": 64},
        xaxis={"title": "non-edges taken for edges", "range": [-0.02, 1.02], "tickformat": ".0%"},
        yaxis={"title": "edges recovered", "range": [-0.02, 1.04], "tickformat": ".0%"},
    )  # fmt: skip


def attention_bars(attention: Mapping[str, NDArray[np.float64]], places: tuple[str, ...]) -> go.Figure:
    """Where the current token looks, one bar an arm, or one a head where there are several.

    Args:
        attention: for every arm (layers, heads, places) mean weights.
        places: what the last axis stands for, each one of `PLACE_STYLES`.
    """
    heading = "Where the current token looks"
    rows: dict[str, NDArray[np.float64]] = {}
    for arm, weights in attention.items():
        for layer, head in np.ndindex(weights.shape[:2]):
            parts = [f"layer {layer + 1}"] * (weights.shape[0] > 1) + [f"head {head + 1}"] * (
                weights.shape[1] > 1
            )
            rows[", ".join([style.plain(arm, 40), *parts])] = weights[layer, head]
    rows = dict([*rows.items()][:MAX_BARS])
    if not rows:
        return style.empty(heading, "Only transformers have attention.", height=140)
    figure = go.Figure()
    for place, (name, color, pattern) in PLACE_STYLES.items():
        shares = [weights[places.index(place)] for weights in rows.values()]
        figure.add_bar(
            x=shares, y=list(rows), orientation="h", name=name, marker=style.bar_marker(color, pattern),
            text=[f"{share:.0%}" if share >= 0.07 else "" for share in shares], textposition="inside",
            insidetextanchor="middle", textangle=0, textfont={"color": "#ffffff"},
            hovertemplate=f"%{{x:.1%}} on {name}<extra>%{{y}}</extra>",
        )  # fmt: skip
    told = "; ".join(
        f"{row} looks at the target with {weights[places.index('target')]:.0%}"
        for row, weights in rows.items()
    )
    return style.finish(
        figure, heading, f"{heading}: {told}.", height=110 + 30 * len(rows), above=10,
        barmode="stack", bargap=0.25, hovermode="closest", margin={"t": 56, "r": 24},
        xaxis={"range": [0, 1], "tickformat": ".0%"},
        yaxis={"type": "category", "autorange": "reversed", "ticklabelstandoff": 4, "showgrid": False},
    )  # fmt: skip
