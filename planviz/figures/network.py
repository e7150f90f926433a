"""The draggable network view: pyvis' vis-network in a page of its own that works offline.

pyvis' own page is not used: it asks a CDN for Bootstrap and leaves labels unescaped. This one allows
its two inline scripts by their hashes and forbids everything else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from planviz.figures import style
from planviz.figures.blocks import NO_MOVE, graph_states, node_pictures, step_name
from planviz.folders import vis_network
from planviz.graphs.blocksworld import State

SPACING = np.array([150.0, 95.0])
"""Room for a node; the view then zooms to fit all of them."""
FRAMES = {"light": "#aebbc2", "dark": "#4a5c67"}
MANY_EDGES = 400
MAX_PICTURES, MAX_NAMED_MOVES = 100, 1000
"""Up to so many nodes of a Blocksworld graph are drawn as pictures, and so many of its edges name their moves."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:">
<title>{alt}</title>
<style>{css}</style>
</head>
<body>
<div id="network" role="img" aria-label="{alt}" data-network="{data}"></div>
<script>{library}</script>
<script>{start}</script>
</body>
</html>
"""
CSS = """
html, body, #network {{ margin: 0; height: 100%; background: {background}; color: {text}; overflow: hidden }}
div.vis-tooltip {{ position: absolute; visibility: hidden; pointer-events: none; z-index: 5; padding: 4px 8px;
 border-radius: 4px; border: 1px solid {border}; background: {background}; color: {text};
 font: 13px system-ui, sans-serif; white-space: pre }}
div.vis-tooltip img {{ display: block; margin: 8px auto 4px; zoom: 1.3 }}
"""
START = """
"use strict";
const element = document.getElementById("network");
const { nodes, edges, options, pictures } = JSON.parse(element.dataset.network);
pictures.forEach((picture, node) => {
  const [box, image] = [document.createElement("div"), new Image()];
  box.textContent = nodes[node].title;
  image.src = picture;
  box.append(image);
  nodes[node].title = box;
});
const data = { nodes: new vis.DataSet(nodes), edges: new vis.DataSet(edges) };
const network = new vis.Network(element, data, options);
window.addEventListener("resize", () => network.fit());
"""


def network_html(
    graph: nx.DiGraph[int],
    positions: NDArray[np.float64],
    *,
    dark: bool,
    source: int | None = None,
    target: int | None = None,
    path: Sequence[int] = (),
) -> str:
    """A page with the graph, whose nodes can be dragged and which can be zoomed and moved.

    Args:
        graph: nodes 0 … n-1 with a ``label`` each; those of Blocksworld are drawn as stacks of blocks.
        positions: (n, 2) in [0, 1], y upwards, as from `planviz.graphs.layout`.
        dark: whether the page around it is dark.
        source, target: nodes to mark as the start and the end of a query.
        path: nodes of a path to highlight, from its first node on.
    """
    mode = "dark" if dark else "light"
    alt = f"Draggable network of {len(graph)} nodes and {graph.number_of_edges()} edges"
    states = graph_states(graph) or []
    pictures = node_pictures(graph, dark) or []
    data = {
        "nodes": _nodes(graph, positions, mode, source, target, pictures),
        "edges": _edges(graph, dark, set(pairwise(path)), states),
        "options": _options(graph.number_of_edges()),
        "pictures": pictures,
    }
    css = CSS.format(background=style.BACKGROUND[mode], text=style.TEXT[mode], border=style.GREY)
    return PAGE.format(
        scripts=f"{_hash(_library())} {_hash(START)}", styles=_hash(css), alt=html.escape(alt), css=css,
        data=html.escape(json.dumps(data)), library=_library(), start=START,
    )  # fmt: skip


def _nodes(
    graph: nx.DiGraph[int],
    positions: NDArray[np.float64],
    mode: str,
    source: int | None,
    target: int | None,
    pictures: list[str],
) -> list[dict[str, Any]]:
    places = (positions - 0.5) * SPACING * (1, -1) * len(graph) ** 0.5  # vis counts y downwards
    marks = {source: ("square", "from "), target: ("star", "to ")}
    nodes = []
    for node, (x, y) in enumerate(places.round(1).tolist()):
        shape, word = marks.get(node, ("dot", ""))
        label = word + style.short(graph.nodes[node]["label"])
        edges = f"edges in: {graph.in_degree(node)}, edges out: {graph.out_degree(node)}"
        look = {"shape": shape, "size": 16 if word else 9, "color": style.PURPLE if word else style.TEAL}
        if len(pictures) in range(1, MAX_PICTURES + 1):
            look, shown = _picture(pictures[node], word, mode), word.strip()
        else:
            shown = label
        nodes.append(
            {
                "id": node,
                "label": shown,
                "title": f"{label}\n{edges}",
                "x": x,
                "y": y,
                "font": {"color": style.TEXT[mode], "size": 22 if word else 16},
                **look,
            }
        )
    return nodes


def _picture(picture: str, word: str, mode: str) -> dict[str, Any]:
    """How a node of Blocksworld looks: its stacks, in a frame; vis asks for the picture at the given address."""
    frame = style.PURPLE if word else FRAMES[mode]
    colors = {"background": style.BACKGROUND[mode], "border": frame}
    return {
        "shape": "image",
        "image": picture,
        "borderWidth": 4 if word else 1,
        "color": colors | {"highlight": colors, "hover": colors},
        "shapeProperties": {"useBorderWithImage": True, "useImageSize": True},
        "imagePadding": 3,
    }


def _edges(
    graph: nx.DiGraph[int], dark: bool, highlighted: set[tuple[int, int]], states: list[State]
) -> list[dict[str, Any]]:
    """The edges; those of Blocksworld say on hover which block they move, unless there are too many."""
    faint = FRAMES["dark" if dark else "light"]
    named = states and graph.number_of_edges() <= MAX_NAMED_MOVES
    edges = []
    for u, v in graph.edges:
        edge = {"from": u, "to": v, "color": faint, "width": 1}
        if (u, v) in highlighted:
            edge |= {"color": style.BLUE, "width": 4}
        if named and (name := step_name(states[u], states[v])) != NO_MOVE:
            edge["title"] = name
        edges.append(edge)
    return edges


def _options(edges: int) -> dict[str, Any]:
    """No physics: nodes start where the layout put them and stay where they are dropped."""
    many = edges > MANY_EDGES
    return {
        "physics": False,
        "layout": {"improvedLayout": False},
        "edges": {
            "arrows": {"to": {"enabled": True, "scaleFactor": 0.4 if many else 0.6}},
            "smooth": False if many else {"type": "curvedCW", "roundness": 0.08},
            "selectionWidth": 2,
        },
        "interaction": {"tooltipDelay": 100, "hideEdgesOnDrag": many, "hideEdgesOnZoom": many},
    }


@cache
def _library() -> str:
    return vis_network().read_text("utf-8")


def _hash(code: str) -> str:
    """How a Content-Security-Policy names an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
