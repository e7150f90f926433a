"""States of Blocksworld as pictures: stacks of labelled blocks on a table, and plans as rows of them.

Every stack stands in the column of its lowest block, so from one picture of a row to the next only the moved block
changes its place.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import networkx as nx

from planviz.figures import style
from planviz.graphs.blocksworld import State, move_between, move_name, stacks
from planviz.graphs.limits import GraphError

MAX_DRAWN = 10
"""More blocks would be too small to read."""
SIZE, STEP, EDGE = 20, 23, 3
"""In units of the viewBox: a block, from one block to the next, and the margin."""
NO_MOVE = "no legal move"
COLORS = (style.BLUE, style.AMBER, style.TEAL, style.PURPLE, style.CRIMSON, style.OLIVE, style.GREY)

PLAN = '<div style="display: flex; flex-wrap: wrap; gap: 1rem 0.75rem; align-items: flex-start">{}</div>'
STOP = (
    '<figure style="margin: 0; width: {width}px; text-align: center">'
    '<img src="{image}" alt="{alt}" width="{width}" style="display: block; padding: 4px; box-sizing: border-box;'
    ' border: {border}; border-radius: 6px">'
    '<figcaption style="font-size: 0.85rem; line-height: 1.3; margin-top: 4px{color}">{caption}</figcaption></figure>'
)


def graph_states(graph: nx.DiGraph[int]) -> list[State] | None:
    """The state of every node of a Blocksworld graph; None for any other graph."""
    return label_states([graph.nodes[node].get("label", "") for node in range(len(graph))])


def label_states(labels: Sequence[str]) -> list[State] | None:
    """The states that the labels show; None unless all of them are stacks of the same 2 to `MAX_DRAWN` blocks."""
    states: list[State] = []
    blocks = set(labels[0].replace(" ", "")) if labels else set()
    if not 2 <= len(blocks) <= MAX_DRAWN:
        return None
    for label in labels:
        try:
            states.append(stacks(label))
        except GraphError:
            return None
        if set(label) - {" "} != blocks:
            return None
    return states


def block_color(block: str) -> tuple[str, str]:
    """The colour of a block, the same in every picture, and one for its letter that can be read on it."""
    color = COLORS[(ord(block) - ord("A")) % len(COLORS)]
    return color, max(("#ffffff", "#000000"), key=lambda text: _contrast(text, color))


def places(state: State, tight: bool = False) -> list[tuple[str, int, int]]:
    """Every block with its column and its height, both from 0.

    A stack stands in the column of its lowest block; or, if `tight`, beside the one before it.
    """
    columns = [stack[0] for stack in state] if tight else sorted("".join(state))
    return [(block, columns.index(stack[0]), height) for stack in state for height, block in enumerate(stack)]


def stacks_svg(state: State, *, dark: bool, width: int | None = None, tight: bool = False) -> str:
    """A state as an SVG picture; the same number of blocks gives the same viewBox, unless it is `tight`.

    Args:
        dark: whether it is shown on a dark page.
        width: in pixels; that of the viewBox if it is not given.
        tight: leave no room beside and over the stacks.
    """
    wide, high = picture_size(state, tight)
    parts = []
    for block, column, height in places(state, tight):
        color, text = block_color(block)
        x, y = EDGE + column * STEP, high - 2 * EDGE - SIZE - height * (SIZE + 1)
        parts.append(
            f'<rect x="{x}" y="{y}" width="{SIZE}" height="{SIZE}" rx="3" fill="{color}"/>'
            f'<text x="{x + SIZE / 2:g}" y="{y + 15.2:g}" fill="{text}">{block}</text>'
        )
    table = style.TEXT["dark" if dark else "light"]
    pixels = width or wide
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{pixels}"'
        f' height="{pixels * high / wide:.4g}" font-family="system-ui, sans-serif" font-size="15" font-weight="700"'
        f' text-anchor="middle">{"".join(parts)}'
        f'<path d="M1 {high - 4.5}H{wide - 1}" stroke="{table}" stroke-width="2" stroke-linecap="round"/></svg>'
    )


def picture_size(state: State, tight: bool = False) -> tuple[int, int]:
    """Width and height of the viewBox."""
    count = sum(map(len, state))
    columns, rows = (len(state), max(map(len, state))) if tight else (count, count)
    return 2 * EDGE + columns * STEP - (STEP - SIZE), 3 * EDGE + rows * (SIZE + 1)


def stacks_text(state: State) -> str:
    """A state drawn in letters, for a font whose letters are all as wide: ``AB C`` is B over A, and C beside them."""
    rows = [
        " ".join(stack[height] if height < len(stack) else " " for stack in state).rstrip()
        for height in range(max(map(len, state)))
    ]
    return "\n".join(reversed(rows))


def hover_text(state: State) -> str:
    """`stacks_text` for plotly, which knows some HTML."""
    art = stacks_text(state).replace(" ", "\u00a0").replace("\n", "<br>")
    return f'<span style="font-family: monospace">{art}</span>'


def step_name(before: State, after: State) -> str:
    """What a step does: "put B on C", or that no legal move leads there."""
    move = move_between(before, after)
    return NO_MOVE if move is None else move_name(move)


def node_pictures(graph: nx.DiGraph[int], dark: bool) -> list[str] | None:
    """A tight picture of every node as a data URI; None if this is no Blocksworld graph."""
    states = graph_states(graph)
    return None if states is None else [data_uri(state, dark, tight=True) for state in states]


@lru_cache(maxsize=2048)
def data_uri(state: State, dark: bool, tight: bool = False) -> str:
    """The picture of a state as the address of an image."""
    picture = stacks_svg(state, dark=dark, tight=tight)
    return f"data:image/svg+xml;base64,{base64.b64encode(picture.encode()).decode()}"


def plan_html(states: Sequence[State], *, dark: bool, goal: State | None = None, width: int = 112) -> str:
    """A row of pictures, each over the move that led there; it wraps where the screen ends.

    Args:
        states: the first one is where the plan starts.
        goal: where it should end; the last picture says whether it does.
        width: of a picture, in pixels.
    """
    captions = ["start", *(f"{at}. {step_name(*step)}" for at, step in enumerate(pairwise(states), start=1))]
    stops = []
    for at, (state, caption) in enumerate(zip(states, captions, strict=True)):
        wrong, done = caption.endswith(NO_MOVE), at == len(states) - 1 and state == goal
        mark = " ✕" if wrong else " ✓" if done else ""
        line = style.CRIMSON if wrong else style.TEAL if done else style.translucent(style.GREY, 0.45)
        stops.append(
            STOP.format(
                width=width, image=data_uri(state, dark), alt=html.escape(" ".join(state)),
                border=f"{'2px' if wrong or done else '1px'} {'dashed' if wrong else 'solid'} {line}",
                color=f"; color: {style.CRIMSON}; font-weight: 600" if wrong else "",
                caption=html.escape(caption + mark),
            )
        )  # fmt: skip
    return PLAN.format("".join(stops))


def _contrast(one: str, other: str) -> float:
    """The contrast of two #rrggbb colours, 1 to 21, as WCAG 2 defines it."""
    dark, light = sorted(_luminance(color) for color in (one, other))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
