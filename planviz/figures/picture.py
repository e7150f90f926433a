"""Pictures of graphs as files: SVG and PNG drawn by matplotlib, and the draggable network as a page.

The same graph gives the same bytes: no date, no random ids. Labels come from strangers: they are drawn as plain text,
never as formulas, and matplotlib escapes them.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from planviz.figures import style
from planviz.figures.blocks import block_color, graph_states, places
from planviz.figures.network import MAX_PICTURES, network_html
from planviz.graphs.blocksworld import State
from planviz.graphs.layout import layout
from planviz.graphs.limits import GraphError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Positions = NDArray[np.float64]

WIDTH, HEIGHT, MARGIN = 10.0, 7.0, 0.55
"""In inches, which are also the units of the drawing."""
DPI = 150
MAX_LABELLED = 200
TOGETHER = 500
"""So many edges are one path; many more would exceed what the PNG renderer can fill at once."""
FAINT = "#9aa5ac"
FONT = 8.0
"""Size of labels in points; a letter is at most `LETTER` of it wide."""
LETTER = 0.68
POINT = 1 / 72
LABEL_PLACES: dict[tuple[int, int], tuple[Literal["left", "right", "center"], Literal["top", "bottom"]]] = {
    (1, -1): ("left", "top"), (-1, -1): ("right", "top"), (1, 1): ("left", "bottom"), (-1, 1): ("right", "bottom"),
    (0, -1): ("center", "top"), (0, 1): ("center", "bottom"),
}  # fmt: skip
"""Where a label may stand, to the right and above of its node, and which of its own edges is there."""


class Picture(NamedTuple):
    """A kind of picture file."""

    title: str
    mime: str
    draw: Callable[[nx.DiGraph[int], Positions], bytes]


def picture(graph: nx.DiGraph[int], positions: Positions, format: Literal["svg", "png"]) -> bytes:
    """The graph on a light background: edges as arrows, labels where they fit, states of Blocksworld as stacks.

    Args:
        graph: nodes 0 … n-1 with a ``label`` each.
        positions: (n, 2) in [0, 1], y upwards, as from `planviz.graphs.layout`.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Read while an SVG is written; the same for every thread, so there is nothing to set back.
    matplotlib.rcParams["svg.hashsalt"] = "planviz"
    matplotlib.rcParams["svg.fonttype"] = "none"
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor=style.BACKGROUND["light"])
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    spots = MARGIN + np.asarray(positions) * (WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN)
    states = graph_states(graph) if len(graph) <= MAX_PICTURES else None
    if states is None:
        radius = float(np.clip(0.9 / len(graph) ** 0.5, 0.03, 0.1))
        _draw_edges(axes, graph, spots, np.full((len(graph), 2), radius))
        axes.scatter(
            spots[:, 0], spots[:, 1], s=(2 * radius / POINT) ** 2, color=style.TEAL, linewidths=0, zorder=3
        )
        _draw_labels(axes, graph, spots, radius)
    else:
        block = float(np.clip(4.6 / (len(graph) ** 0.5 * len("".join(states[0]))), 0.09, 0.3))
        sizes = np.array([(len(state), max(map(len, state))) for state in states]) * block / 2 + 0.04
        _draw_edges(axes, graph, spots, sizes)
        _draw_stacks(axes, spots, states, block)
    file = io.BytesIO()
    if format == "svg":
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": "planviz"})
    else:
        options = {"compress_level": 4}  # a tenth larger than the default, and three times as quick
        figure.savefig(file, format="png", metadata={"Software": "planviz"}, pil_kwargs=options)
    return file.getvalue()


PICTURES = {
    ".svg": Picture("SVG picture", "image/svg+xml", lambda graph, spots: picture(graph, spots, "svg")),
    ".png": Picture("PNG picture", "image/png", lambda graph, spots: picture(graph, spots, "png")),
    ".html": Picture(
        "Draggable network (HTML)", "text/html", lambda graph, spots: network_html(graph, spots, dark=False).encode()
    ),
}  # fmt: skip
"""The kinds of picture files by the endings of their names."""


def is_picture(name: str) -> bool:
    """Whether the ending of a file's name is that of a picture."""
    return PurePath(name).suffix.lower() in PICTURES


def write_picture(name: str, graph: nx.DiGraph[int], positions: Positions | None = None) -> bytes:
    """The graph as the kind of picture that the ending of the file's name says, laid out if no positions are given.

    Raises:
        GraphError: the ending is none of a picture.
    """
    if not is_picture(name):
        raise GraphError(
            f"the ending of {style.short(name)!r} names no picture; {', '.join(PICTURES)} are known"
        )
    draw = PICTURES[PurePath(name).suffix.lower()].draw
    return draw(graph, layout(graph) if positions is None else positions)


def _draw_edges(axes: Axes, graph: nx.DiGraph[int], spots: Positions, sizes: Positions) -> None:
    """Lines with a triangle at their end.

    Args:
        sizes: (n, 2) half the width and half the height of every node; edges end there.
    """
    edges = np.array(graph.edges, dtype=int).reshape(-1, 2)
    start, end = spots[edges[:, 0]], spots[edges[:, 1]]
    length = np.linalg.norm(end - start, axis=1, keepdims=True)
    along = np.divide(end - start, length, out=np.zeros_like(start), where=length > 0)
    across = along[:, ::-1] * (-1, 1)
    both_ways = np.array([graph.has_edge(v, u) for u, v in edges.tolist()], dtype=bool).reshape(-1, 1)
    many = len(edges) > 400
    aside = across * np.where(both_ways, 0.02 if many else 0.035, 0.0)  # the two ways side by side
    # From the middle of both nodes to their borders; 0 where they lie on each other.
    reach = np.divide(sizes[edges], np.abs(along)[:, None], out=np.full((len(edges), 2, 2), np.inf),
                      where=np.abs(along)[:, None] > 1e-9)  # fmt: skip
    free = np.where(length > 0, reach.min(axis=2), 0.0)
    begin, tip = start + along * free[:, :1] + aside, end - along * (free[:, 1:] + 0.01) + aside
    size = 0.06 if many else 0.11
    base = tip - along * size
    heads = np.stack([tip, base + across * size * 0.35, base - across * size * 0.35], axis=1)
    shown = (length > free.sum(axis=1, keepdims=True) + size)[:, 0]  # nodes may lie on each other
    look = {"alpha": float(np.clip(900 / max(len(edges), 1), 0.25, 0.9)), "zorder": 1}
    _draw_shapes(axes, np.stack([begin, base], axis=1)[shown], edgecolor=FAINT, fill=False,
                 linewidth=0.5 if many else 0.9, **look)  # fmt: skip
    _draw_shapes(axes, heads[shown], facecolor=FAINT, linewidth=0, **look)


def _draw_shapes(axes: Axes, shapes: Positions, **look: Any) -> None:
    """Many lines or polygons, (shapes, corners, 2), in few paths: quicker by far than one path each.

    As artists, not patches: for those matplotlib would look for the extent of every line.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    corners = shapes.shape[1]
    codes = np.full(corners, Path.LINETO)
    codes[0] = Path.MOVETO
    for first in range(0, len(shapes), TOGETHER):
        some = shapes[first : first + TOGETHER]
        axes.add_artist(PathPatch(Path(some.reshape(-1, 2), np.tile(codes, len(some))), snap=False, **look))


def _draw_labels(axes: Axes, graph: nx.DiGraph[int], spots: Positions, radius: float) -> None:
    """The labels that hide no node and no other label, each at the first free place around its node."""
    if len(graph) > MAX_LABELLED:
        return
    taken = np.concatenate([spots - radius, spots + radius], axis=1)  # left, bottom, right, top
    known = _known_letters()
    for node, (x, y) in enumerate(spots.tolist()):
        text = style.short(graph.nodes[node]["label"], 24)
        wide, high = len(text) * LETTER * FONT * POINT, 1.1 * FONT * POINT
        others = np.delete(taken, node, axis=0)
        for (right, up), (across, upright) in LABEL_PLACES.items():
            away = radius * (0.8 if right else 1.1)  # a corner is nearer than a side
            at = x + right * away, y + up * away
            left, bottom = at[0] - wide * (1 - right) / 2, at[1] - high * (1 - up) / 2
            box = np.array([left, bottom, left + wide, bottom + high])
            apart = (box[:2] > others[:, 2:]).any(axis=1) | (box[2:] < others[:, :2]).any(axis=1)
            if apart.all() and box[0] >= 0 and box[2] <= WIDTH:
                taken = np.vstack([taken, box])
                drawn = "".join(c if ord(c) in known else "\u25af" for c in text)
                axes.text(at[0], at[1], drawn, fontsize=FONT, color=style.TEXT["light"],
                          ha=across, va=upright, zorder=4,
                          bbox={"facecolor": style.BACKGROUND["light"], "alpha": 0.7, "pad": 0.2, "linewidth": 0},
                          parse_math=False)  # fmt: skip
                break


def _known_letters() -> frozenset[int]:
    """The characters that matplotlib's own font can draw; it would warn of all others."""
    from matplotlib import font_manager

    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    return frozenset(font.get_charmap())


def _draw_stacks(axes: Axes, spots: Positions, states: list[State], block: float) -> None:
    """Every state as its stacks around its place, on a table."""
    from matplotlib.collections import LineCollection, PatchCollection
    from matplotlib.patches import FancyBboxPatch, Rectangle

    cards, boxes, colors, tables = [], [], [], []
    for (x, y), state in zip(spots.tolist(), states, strict=True):
        wide, high = len(state) * block, max(map(len, state)) * block
        left, bottom = x - wide / 2, y - high / 2
        cards.append(Rectangle((left - 0.03, bottom - 0.03), wide + 0.06, high + 0.06))
        tables.append([(left - 0.02, bottom - 0.015), (left + wide + 0.02, bottom - 0.015)])
        for letter, column, height in places(state, tight=True):
            color, text = block_color(letter)
            at = left + (column + 0.06) * block, bottom + (height + 0.04) * block
            style_ = f"round,pad=0,rounding_size={0.12 * block:g}"
            boxes.append(FancyBboxPatch(at, 0.88 * block, 0.92 * block, boxstyle=style_))
            colors.append(color)
            axes.text(at[0] + 0.44 * block, at[1] + 0.44 * block, letter, color=text, fontsize=0.62 * block / POINT,
                      fontweight="bold", ha="center", va="center_baseline", parse_math=False, zorder=5)  # fmt: skip
    axes.add_collection(PatchCollection(cards, facecolors=style.BACKGROUND["light"], linewidths=0, zorder=2))
    axes.add_collection(LineCollection(tables, colors=style.TEXT["light"], linewidths=1, zorder=3))
    axes.add_collection(PatchCollection(boxes, facecolors=colors, linewidths=0, zorder=4))
