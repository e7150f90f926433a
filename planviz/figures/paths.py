"""Sampled paths of one query over the graph."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import networkx as nx
import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from planviz.events import QueryPaths
from planviz.figures import style
from planviz.figures.blocks import hover_text, label_states, step_name

LABELLED_NODES = 40
"""Above this many nodes, labels are shown on hover only."""
WIDTHS = (1.5, 2.5, 4.0, 5.5, 7.0)
"""Line widths for steps that up to 20 %, 40 %, … of the samples take."""
CURVE = np.linspace(0, 1, 12)
ARROW_AT = 7
BEND = 0.08

Step = tuple[int, int]
Positions = NDArray[np.float64]


def paths_on_graph(graph: nx.DiGraph[int], positions: Positions, query: QueryPaths) -> go.Figure:
    """The sampled paths of a query over the graph; the wider a step, the more of the samples take it.

    A path is drawn up to its first step that is no edge: that step is a dotted jump with an ✕ at its end.
    Other failures have a mark where they end.

    Args:
        graph: nodes 0 … n-1 with a ``label`` each; those of Blocksworld show their stacks on hover.
        positions: (n, 2), as from `planviz.graphs.layout`.
        query: the paths, which may hold EOS as n.
    """
    words = Words([graph.nodes[node]["label"] for node in range(len(graph))])
    total = max(sum(query.counts), 1)
    figure = go.Figure()
    _add_graph(figure, graph, positions, words, (query.source, query.target))
    outcomes, taken, ends = _tally(graph, query)
    for order, (outcome, look) in enumerate(style.OUTCOME_STYLES.items(), start=1):
        if outcomes[outcome]:
            figure.add_scatter(
                x=[None], y=[None], mode="lines+markers", legendgroup=outcome,
                line={"color": look.color, "dash": look.dash, "width": 3},
                marker={"symbol": "circle" if outcome == "correct" else look.symbol, "size": 9},
                name=f"{look.label}: {outcomes[outcome] / total:.0%}",
            )  # fmt: skip
            _add_steps(figure, positions, words, taken[outcome], total, outcome, BEND * order)
            _add_ends(figure, positions, words, ends[outcome], total, outcome)
    _add_query(figure, positions, words, query)
    source, target = (style.short(graph.nodes[node]["label"]) for node in (query.source, query.target))
    heading = f"Sampled paths from {source} to {target}"
    shares = [f"{n / total:.0%} {style.OUTCOME_STYLES[way].label}" for way, n in outcomes.most_common()]
    distinct = query.outcomes.count("correct")
    alt = f"{heading}: {', '.join(shares) or 'none yet'}; {distinct} distinct correct paths."
    hidden = {"visible": False, "range": [-0.07, 1.07]}
    return style.finish(
        figure, heading, alt, height=480, hovermode="closest", margin={"l": 0, "r": 0, "b": 0},
        xaxis=hidden, yaxis=hidden | {"range": [-0.07, 1.12]}, hoverlabel={"align": "left"},
    )  # fmt: skip


class Words:
    """What is said about the nodes and steps of a graph, in the HTML that plotly knows."""

    def __init__(self, labels: list[str]) -> None:
        self.labels = [style.plain(label) for label in labels]
        self._states = label_states(labels)

    def node(self, node: int) -> str:
        """Its label; under the stacks that it stands for, if it is a state of Blocksworld."""
        picture = "" if self._states is None else f"{hover_text(self._states[node])}<br><br>"
        return picture + self.labels[node]

    def step(self, step: Step, count: int, total: int, outcome: str) -> str:
        """From where to where, what it moves in Blocksworld, and how often it was taken."""
        (u, v), labels = step, self.labels
        if u == v:
            where = labels[u]
        elif self._states is None:
            where = f"{labels[u]} → {labels[v]}"
        else:
            where = f"{labels[u]} → {labels[v]}<br>{step_name(self._states[u], self._states[v])}"
        return f"{where}<br>{count} of {total} samples, {outcome}"


def _tally(
    graph: nx.DiGraph[int], query: QueryPaths
) -> tuple[Counter[str], dict[str, Counter[Step]], dict[str, Counter[Step]]]:
    """How many samples ended in each way, took each edge, and made which last step before they failed."""
    outcomes: Counter[str] = Counter()
    taken: dict[str, Counter[Step]] = {outcome: Counter() for outcome in style.OUTCOME_STYLES}
    ends: dict[str, Counter[Step]] = {outcome: Counter() for outcome in style.OUTCOME_STYLES}
    for path, count, outcome in zip(query.paths, query.counts, query.outcomes, strict=True):
        outcomes[outcome] += count
        nodes = [query.source, *(node for node in path if node < len(graph))]
        steps = list(pairwise(nodes))
        valid = next((i for i, step in enumerate(steps) if not graph.has_edge(*step)), len(steps))
        for step in steps[:valid]:
            taken[outcome][step] += count
        if outcome == "invalid_edge" and valid < len(steps):
            ends[outcome][steps[valid]] += count
        elif outcome != "correct":
            ends[outcome][nodes[-1], nodes[-1]] += count
    return outcomes, taken, ends


def _add_graph(
    figure: go.Figure, graph: nx.DiGraph[int], positions: Positions, words: Words, query: Step
) -> None:
    """The whole graph, faint; all edges are one trace, however many there are."""
    edges = np.array(graph.edges, dtype=int).reshape(-1, 2)
    lines = np.full((len(edges), 3, 2), np.nan)
    lines[:, :2] = positions[edges]
    x, y = lines.reshape(-1, 2).T
    color = style.translucent(style.GREY, 0.4 if len(edges) < 200 else 0.15)
    figure.add_scatter(
        x=x, y=y, mode="lines", name="edges", showlegend=False, hoverinfo="skip",
        line={"color": color, "width": 1},
    )  # fmt: skip
    labelled = len(graph) <= LABELLED_NODES
    figure.add_scatter(
        x=positions[:, 0], y=positions[:, 1], name="nodes", mode="markers+text" if labelled else "markers",
        marker={"size": 9 if labelled else 6, "color": style.GREY}, showlegend=False,
        text=["" if node in query else label for node, label in enumerate(words.labels)],
        textposition="bottom center", textfont={"size": 11},
        customdata=[words.node(node) for node in range(len(graph))],
        hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip


def _add_steps(
    figure: go.Figure,
    positions: Positions,
    words: Words,
    steps: Counter[Step],
    total: int,
    outcome: str,
    bend: float,
) -> None:
    """Curved arrows, one trace a width; each outcome bends differently, so that none hides another."""
    look = style.OUTCOME_STYLES[outcome]
    for level, width in enumerate(WIDTHS):
        chosen = [step for step, count in steps.items() if _level(count / total) == level]
        if not chosen:
            continue
        curves = np.stack([curve(positions[u], positions[v], bend) for u, v in chosen])
        x, y = np.concatenate([curves, np.full((len(chosen), 1, 2), np.nan)], axis=1).reshape(-1, 2).T
        sizes = np.zeros(len(CURVE) + 1)
        sizes[ARROW_AT] = 8 + 1.5 * width
        texts = [words.step(step, steps[step], total, look.label) for step in chosen]
        figure.add_scatter(
            x=x, y=y, mode="lines+markers", name=look.label, legendgroup=outcome, showlegend=False,
            line={"color": look.color, "dash": look.dash, "width": width, "backoff": 0}, opacity=0.85,
            marker={"symbol": "arrow", "angleref": "previous", "size": np.tile(sizes, len(chosen)),
                    "color": look.color, "opacity": 1, "line": {"width": 0}},
            text=np.repeat(texts, len(CURVE) + 1), hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip


def _add_ends(
    figure: go.Figure, positions: Positions, words: Words, ends: Counter[Step], total: int, outcome: str
) -> None:
    """A mark where paths fail; a step along a missing edge also gets a dotted line."""
    if not ends:
        return
    look, steps = style.OUTCOME_STYLES[outcome], list(ends)
    lines = np.full((len(steps), 3, 2), np.nan)
    lines[:, :2] = positions[np.array(steps)]
    x, y = lines.reshape(-1, 2).T
    sizes = [size for step in steps for size in (0, 10 + WIDTHS[_level(ends[step] / total)], 0)]
    texts = [words.step(step, ends[step], total, look.label) for step in steps]
    figure.add_scatter(
        x=x, y=y, mode="lines+markers", name=f"{look.label}: end", legendgroup=outcome, showlegend=False,
        line={"color": look.color, "dash": "dot", "width": 2},
        marker={"symbol": look.symbol, "size": sizes, "color": look.color, "opacity": 1,
                "line": {"width": 0}},
        text=np.repeat(texts, 3), hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


def _add_query(figure: go.Figure, positions: Positions, words: Words, query: QueryPaths) -> None:
    """Source and target, told apart by shape and by word."""
    for word, node, symbol, size in (("from", query.source, "square", 14), ("to", query.target, "star", 18)):
        figure.add_scatter(
            x=positions[[node], 0], y=positions[[node], 1], name=word, mode="markers+text", showlegend=False,
            marker={"symbol": symbol, "size": size, "color": style.PURPLE, "line": {"width": 0}},
            text=[f"<b>{word} {words.labels[node]}</b>"], textposition="top center",
            customdata=[f"{word}<br>{words.node(node)}"], hovertemplate="%{customdata}<extra></extra>",
        )  # fmt: skip


def _level(share: float) -> int:
    return min(int(np.ceil(share * len(WIDTHS))), len(WIDTHS)) - 1


def curve(start: Positions, end: Positions, bend: float) -> Positions:
    """Points (len(CURVE), 2) of a quadratic Bézier curve that bends to the left of its direction."""
    across = np.array([start[1] - end[1], end[0] - start[0]])
    middle = (start + end) / 2 + bend * across
    t = CURVE[:, None]
    points: Positions = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
    return points
