"""The graph on the Build page: to be edited, or a still picture where that would be slow."""

from __future__ import annotations

import networkx as nx
import numpy as np
import plotly.graph_objects as go
import streamlit as st

from planviz.figures import style
from planviz.ui.build.graph_editor import graph_editor
from planviz.ui.build.pair import chosen_pair
from planviz.ui.lab import GraphView

HEIGHT = 520
MAX_EDITED_EDGES = 6000
"""vis-network takes about 15 ms to redraw 1,000 edges; from here on drawing would stutter."""


def draw_graph(view: GraphView) -> None:
    """Draw a graph, and the shortest path of the pair that is being looked at."""
    pair, edges = chosen_pair(len(view.graph)), view.graph.number_of_edges()
    if edges <= MAX_EDITED_EDGES:
        graph_editor(view, shortest_path(view, pair))
        return
    figure = still_network(view)
    st.plotly_chart(figure, config=style.CONFIG, alt=style.alt(figure), key="build:network")
    st.caption(f"Zoom and hover; graphs of up to {MAX_EDITED_EDGES:,} edges can also be edited.")


def shortest_path(view: GraphView, pair: tuple[int, int] | None) -> list[int]:
    """The nodes of one shortest path of a pair; none if there is no pair or no path."""
    if pair is None or not nx.has_path(view.graph, pair[0], pair[1]):
        return []
    path: list[int] = nx.shortest_path(view.graph, pair[0], pair[1])
    return path


def still_network(view: GraphView) -> go.Figure:
    """The graph drawn by WebGL: quick for thousands of edges, but nodes cannot be dragged."""
    graph, positions = view.graph, view.positions
    lines = np.full((graph.number_of_edges(), 3, 2), np.nan)
    lines[:, :2] = positions[np.array(graph.edges, dtype=int)]
    x, y = lines.reshape(-1, 2).T
    opacity = float(np.clip(600 / len(lines), 0.06, 0.4))  # so that a dense graph is no solid block
    figure = go.Figure()
    figure.add_scattergl(
        x=x, y=y, mode="lines", hoverinfo="skip",
        line={"width": 1, "color": style.translucent(style.GREY, opacity)},
    )  # fmt: skip
    figure.add_scattergl(
        x=positions[:, 0], y=positions[:, 1], mode="markers", marker={"size": 7, "color": style.TEAL},
        text=[
            f"{style.plain(label)}<br>{graph.in_degree(node)} edges in, {graph.out_degree(node)} out"
            for node, label in graph.nodes(data="label")
        ],
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
    axis = {"visible": False, "range": [-0.04, 1.04]}
    return style.finish(
        figure, "Graph", f"Network of {len(graph)} nodes and {len(lines):,} edges, too dense to be dragged.",
        height=HEIGHT, showlegend=False, hovermode="closest", xaxis=axis, yaxis=axis,
    )  # fmt: skip
