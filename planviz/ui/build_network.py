"""The graph as a picture: a draggable network, or a still one where that would be slow."""

from __future__ import annotations

import html

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from planviz.config import GraphConfig
from planviz.figures import style
from planviz.figures.network import network_html
from planviz.ui.lab import GraphView, graph_view

MAX_DRAGGABLE_EDGES = 3000
"""vis-network takes about 15 ms to redraw 1,000 edges; from here on dragging would stutter."""
HEIGHT = 460
FRAME = """<!doctype html><title>{title}</title>
<style>
html, body, iframe {{ display: block; margin: 0; border: 0; width: 100%; height: 100%; overflow: hidden }}
</style>
<iframe sandbox="allow-scripts" title="{title}" srcdoc="{page}"></iframe>"""


def draw_network(config: GraphConfig) -> None:
    """Draw a graph, which `graph_view` can build."""
    view = graph_view(config)
    edges = view.graph.number_of_edges()
    alt = f"Network of {len(view.graph)} nodes and {edges:,} edges"
    if edges > MAX_DRAGGABLE_EDGES:
        figure = still_network(view)
        st.plotly_chart(figure, config=style.CONFIG, alt=style.alt(figure), key="build:network")
        st.caption(f"Zoom and hover; graphs of up to {MAX_DRAGGABLE_EDGES:,} edges can also be dragged.")
    else:
        st.iframe(_page(config.model_dump_json(), st.context.theme.type == "dark"), height=HEIGHT, alt=alt)
        st.caption("Drag nodes, zoom with the wheel, hover over a node for its name and edges.")


@st.cache_data(max_entries=16, show_spinner=False)
def _page(config: str, dark: bool) -> str:
    view = graph_view(GraphConfig.model_validate_json(config))
    return isolated(network_html(view.graph, view.positions, dark=dark), "Draggable network")


def isolated(page: str, title: str) -> str:
    """A page for `st.iframe` that runs in a frame of its own inside it, without the app's origin.

    `st.iframe` alone gives scripts the origin of the app, and with it its cookies and the page around it.
    """
    return FRAME.format(title=html.escape(title), page=html.escape(page))


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
