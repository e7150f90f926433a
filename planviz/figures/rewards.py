"""What a reward implies: the steps of its best policy on the graph, and what becomes of the pairs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from planviz.events import QueryPaths
from planviz.figures import style
from planviz.figures.mechanism_matrices import node_matrix
from planviz.figures.next_nodes import KINDS
from planviz.figures.paths import ARROW_AT, BEND, CURVE, WIDTHS, Positions, curve, paths_on_graph
from planviz.reward_analysis import Implied, Shares, share_in_words
from planviz.task import Bools, Ints, Task

DASHES = {"good": "solid", "useless": "dash", "missing": "dot"}
RARE = 0.005
"""Steps that a smaller share of the paths takes are left out, unless all are so rare."""

MAX_NODES = 100
"""At most so many rows and columns of Q* are drawn."""

FATES = {
    "sure": ("arrives surely", style.TEAL, "", "✓"),
    "possible": ("arrives by chance", style.AMBER, "/", "?"),
    "never": ("never arrives", style.CRIMSON, "x", "✕"),
}
"""What becomes of a pair: words, colour, pattern and mark."""


def policy_on_graph(
    task: Task, positions: Positions, found: Implied, source: int, target: int, title: str = "Reward"
) -> go.Figure:
    """Where the best policy of a reward goes from s; the wider a step, the more of its paths take it.

    Args:
        positions: (n, 2), as from `planviz.graphs.layout`.
        title: which reward it is.
    """
    figure = paths_on_graph(task.graph, positions, QueryPaths(source, target, (), (), ()))
    backdrop = len(figure.data)
    kinds = step_kinds(task, target)
    for order, (kind, dash) in enumerate(DASHES.items(), start=1):
        steps = np.argwhere((kinds == kind) & is_drawn(found))
        if len(steps):
            _add_kind(figure, task, positions, found, steps, target, kind, dash, BEND * order)
    # Source and target stay on top.
    figure.data = (
        *figure.data[: backdrop - 2],
        *figure.data[backdrop:],
        *figure.data[backdrop - 2 : backdrop],
    )
    names = [style.short(label) for label in task.labels]
    heading = f"{title}: its best policy, {names[source]} → {names[target]}"
    figure.update_layout(meta={"title": heading, "alt": f"{heading}: {found.verdict}"}, height=380)
    return figure


def is_drawn(found: Implied) -> Bools:
    """(n, n): the steps that are taken often enough to be drawn."""
    return np.asarray(found.flow >= min(RARE, found.flow.max() / 2))


def step_kinds(task: Task, target: int) -> np.ndarray[tuple[int, ...], np.dtype[np.str_]]:
    """(n, n): what each step (c, k) is on the way to t, as a key of `next_nodes.KINDS`."""
    return np.where(task.adjacency, np.where(task.reachable[:, target], "good", "useless"), "missing")


def _add_kind(
    figure: go.Figure,
    task: Task,
    positions: Positions,
    found: Implied,
    steps: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    target: int,
    kind: str,
    dash: str,
    bend: float,
) -> None:
    """The steps (K, 2) of one kind, one trace a width; a step along no edge ends with an ✕ where it leads to."""
    look, flow = KINDS[kind], found.flow[tuple(steps.T)]
    lost = found.flow[step_kinds(task, target) == kind].sum()
    ends = f": ends {share_in_words(lost)} of paths" if kind == "missing" else ""
    figure.add_scatter(
        x=[None], y=[None], mode="lines", legendgroup=kind, name=f"{look.mark} {look.label}{ends}",
        line={"color": look.color, "dash": dash, "width": 3},
    )  # fmt: skip
    lost_at = kind == "missing"
    levels = np.minimum(np.ceil(flow * len(WIDTHS)), len(WIDTHS)).astype(int) - 1
    for level, width in enumerate(WIDTHS):
        chosen = steps[levels == level]
        if not len(chosen):
            continue
        curves = np.stack([curve(positions[u], positions[v], bend) for u, v in chosen])
        x, y = np.concatenate([curves, np.full((len(chosen), 1, 2), np.nan)], axis=1).reshape(-1, 2).T
        sizes = np.zeros(len(CURVE) + 1)
        sizes[-2 if lost_at else ARROW_AT] = 11 if lost_at else 8 + 1.5 * width
        figure.add_scatter(
            x=x, y=y, mode="lines+markers", name=look.label, legendgroup=kind, showlegend=False,
            line={"color": look.color, "dash": dash, "width": 1 if lost_at else width, "backoff": 0},
            marker={"symbol": "x" if lost_at else "arrow", "angleref": "up" if lost_at else "previous", "opacity": 1,
                    "size": np.tile(sizes, len(chosen)), "color": look.color, "line": {"width": 0}},
            text=np.repeat([_words(task, found, u, v, look.label) for u, v in chosen], len(CURVE) + 1),
            hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip


def _words(task: Task, found: Implied, u: int, v: int, kind: str) -> str:
    labels = task.labels
    taken = found.flow[u, v]
    often = f"by {taken:.1%} of the paths" if taken <= 1 else f"{taken:.1f} times by a path"
    return (
        f"{style.plain(labels[u])} → {style.plain(labels[v])}: {kind}<br>worth {found.q_values[u, v]:.2f}, "
        f"chosen there with {found.policy[u, v]:.0%}<br>taken {often}"
    )


def fates(shares: Mapping[str, Shares], title: str = "Reward") -> go.Figure:
    """For how many pairs of each split the best policy surely, perhaps, or never takes a correct path.

    Args:
        shares: by split.
        title: which reward it is.
    """
    figure, heading = go.Figure(), f"{title}: pairs that its policy gets right"
    splits = [style.SPLITS[split] for split in shares]
    for name, (label, color, pattern, mark) in FATES.items():
        values = [getattr(found, name) for found in shares.values()]
        figure.add_bar(
            x=values, y=splits, orientation="h", name=f"{mark} {label}", marker=style.bar_marker(color, pattern),
            text=[f"{mark} {value:.0%}" if value >= 0.08 else "" for value in values], textposition="inside",
            insidetextanchor="middle", textangle=0, textfont={"color": "#ffffff", "weight": 600},
            hovertemplate="%{x:.1%}",
        )  # fmt: skip
    said = [f"{found.sure:.0%} of the {style.SPLITS[split]} surely" for split, found in shares.items()]
    return style.finish(
        figure, heading, f"{heading}: {', '.join(said)}.", height=150, barmode="stack", bargap=0.25,
        hovermode="y unified", margin={"r": 24}, uniformtext={"mode": "hide", "minsize": 10},
        xaxis={"tickformat": ".0%", "range": [0, 1], "dtick": 0.5},
        yaxis={"autorange": "reversed", "type": "category", "ticklabelstandoff": 6},
    )  # fmt: skip


def value_matrix(task: Task, found: Implied, source: int, target: int, title: str = "Reward") -> go.Figure:
    """Q*(t, ·, ·) as a heat map, with dots on the steps that `policy_on_graph` draws."""
    nodes = shown_nodes(task, found, source, target)
    part = "" if len(nodes) == task.nodes else f" ({len(nodes)} of {task.nodes} nodes)"
    figure = node_matrix(
        found.q_values[np.ix_(nodes, nodes)], nodes, nodes, task.labels,
        f"{title}: exact values Q*, to {style.short(task.labels[target])}{part}", found.verdict,
        scale="value", reach=max(float(np.abs(found.q_values).max()), 0.01),
    )  # fmt: skip
    names = style.unique(task.labels)
    taken = [(u, v) for u, v in np.argwhere(is_drawn(found)).tolist() if u in nodes and v in nodes]
    figure.add_scatter(
        x=[names[v] for _, v in taken], y=[names[u] for u, _ in taken], mode="markers", showlegend=False,
        marker={"size": 5, "color": "#ffffff", "line": {"width": 1, "color": "#16232b"}}, hoverinfo="skip",
    )  # fmt: skip
    return figure


def shown_nodes(task: Task, found: Implied, source: int, target: int) -> Ints:
    """The nodes whose values are drawn: all, or of a large graph those that paths visit, then the nearest to t."""
    if task.nodes <= MAX_NODES:
        return np.arange(task.nodes)
    distance = task.distance[:, target].astype(float)
    distance[distance < 0] = np.inf
    distance[found.flow.sum(axis=1) > 0] -= task.nodes
    distance[[source, target]] = -np.inf
    return np.sort(np.argsort(distance, kind="stable")[:MAX_NODES])
