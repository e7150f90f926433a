"""What policies would do next at one node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray
from plotly.subplots import make_subplots

from planviz.figures import style
from planviz.figures.blocks import hover_text, label_states, step_name

TOP = 12
"""So many next nodes have a bar of their own."""
COLUMNS = 3


@dataclass(frozen=True)
class Kind:
    """What a next token is to the query."""

    label: str
    color: str
    pattern: str
    mark: str


KINDS = {
    "good": Kind("leads to the target", style.TEAL, "", "✓"),
    "useless": Kind("leads nowhere", style.AMBER, "/", "–"),
    "missing": Kind("no edge", style.CRIMSON, "x", "✕"),
    "end": Kind("end of the path", style.PURPLE, ".", "■"),
}
OTHERS = Kind("others", style.GREY, "", "…")


def next_node_bars(
    probabilities: Mapping[str, ArrayLike],
    node: int,
    target: int,
    adjacency: ArrayLike,
    reachable: ArrayLike,
    labels: Sequence[str],
) -> go.Figure:
    """The most likely next nodes at `node` on the way to `target`, one panel an arm.

    Args:
        probabilities: for every arm (n + 1,) next-token probabilities, EOS last.
        adjacency: (n, n), whether i → j is an edge.
        reachable: (n, n), whether j can be reached from i.
        labels: the names of the n nodes; states of Blocksworld show their stacks and the move on hover.
    """
    heading = f"Next node at {style.short(labels[node])}, on the way to {style.short(labels[target])}"
    if not probabilities:
        return style.empty(heading, "Choose at least one arm.")
    table = {arm: np.asarray(values, dtype=float) for arm, values in probabilities.items()}
    is_edge, reaches = np.asarray(adjacency, dtype=bool)[node], np.asarray(reachable, dtype=bool)[:, target]
    kinds = np.append(np.where(is_edge, np.where(reaches, "good", "useless"), "missing"), "end")
    names = [*style.unique(labels), "end"]
    top = np.argsort(-np.max(list(table.values()), axis=0), kind="stable")[:TOP]
    bars = [f"{names[token]} {KINDS[kinds[token]].mark}" for token in top]
    hovers = _hovers(node, top, labels)
    rest = [f"{len(names) - TOP} others"] if len(names) > TOP else []
    columns = min(len(table), COLUMNS)
    rows = -(-len(table) // columns)
    figure = make_subplots(
        rows, columns, shared_yaxes=True, shared_xaxes=True, horizontal_spacing=0.04,
        vertical_spacing=0.12 / rows, subplot_titles=[style.plain(arm, 40) for arm in table],
    )  # fmt: skip
    figure.update_annotations(font={"size": 13})
    for panel, values in enumerate(table.values()):
        axes = {"xaxis": f"x{panel + 1}", "yaxis": f"y{panel + 1}"}
        for name, kind in KINDS.items():
            chosen = np.flatnonzero(kinds[top] == name)
            shares, above = values[top[chosen]], [hovers[i] for i in chosen]
            _add_bars(figure, [bars[i] for i in chosen], shares, kind, axes, above, showlegend=panel == 0)
        if rest:
            _add_bars(figure, rest, [np.delete(values, top).sum()], OTHERS, axes, [""], showlegend=False)
    order = [*bars, *rest]
    figure.update_xaxes(range=[0, 1.4], tickvals=[0, 0.5, 1], ticktext=["0%", "50%", "100%"])
    figure.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=order,
        range=[len(order) - 0.4, -0.6],
        ticklabelstandoff=4,
    )
    parts = [
        f"{arm} puts {values[kinds == 'good'].sum():.0%} on edges towards the target and most,"
        f" {values.max():.0%}, on {[*map(style.short, labels), 'the end'][values.argmax()]}"
        for arm, values in table.items()
    ]
    return style.finish(
        figure, heading, f"{heading}: {'; '.join(parts)}.", height=90 + rows * (40 + 24 * len(order)),
        above=28, barmode="overlay", bargap=0.25, hovermode="closest", margin={"t": 64, "r": 24},
        hoverlabel={"align": "left"},
    )  # fmt: skip


def _hovers(node: int, tokens: NDArray[np.int64], labels: Sequence[str]) -> list[str]:
    """What stands over a bar's own words on hover: in Blocksworld, the stacks there and the move that makes them."""
    states = label_states(labels)
    if states is None:
        return [""] * len(tokens)
    return [
        f"{hover_text(states[token])}<br><br>{step_name(states[node], states[token])}<br>"
        if token < len(states)
        else ""
        for token in tokens.tolist()
    ]


def _add_bars(
    figure: go.Figure,
    names: list[str],
    shares: ArrayLike,
    kind: Kind,
    axes: dict[str, str],
    hovers: list[str],
    *,
    showlegend: bool,
) -> None:
    if names:
        figure.add_bar(
            **axes, x=shares, y=names, orientation="h", name=f"{kind.mark} {kind.label}",
            legendgroup=kind.label, showlegend=showlegend, marker=style.bar_marker(kind.color, kind.pattern),
            cliponaxis=False, texttemplate="%{x:.0%}", textposition="outside",
            customdata=hovers, hovertemplate="%{customdata}%{y}: %{x:.2%}<extra></extra>",
        )  # fmt: skip
