"""Pictures of Blocksworld: every block where it stands, in its colour, with its letter."""

from __future__ import annotations

import base64
import re
from itertools import pairwise
from string import ascii_uppercase
from xml.etree.ElementTree import Element

import networkx as nx
import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from planviz.figures import style
from planviz.figures.blocks import (
    block_color,
    graph_states,
    hover_text,
    label_states,
    node_pictures,
    plan_html,
    stacks_svg,
    stacks_text,
    step_name,
)  # fmt: skip
from planviz.graphs.blocksworld import State, blocksworld, stacks
from tests.figures.conftest import HOSTILE, Visit

SVG = "{http://www.w3.org/2000/svg}"
ALL_STATES = [stacks(label) for label in nx.get_node_attributes(blocksworld(4), "label").values()]


def drawn(svg: str) -> dict[str, tuple[float, float]]:
    """Where the left lower corner of every block is, y upwards; checks that its letter is on it."""
    root: Element = fromstring(svg)
    blocks, letters = root.findall(f"{SVG}rect"), root.findall(f"{SVG}text")
    found = {}
    for block, letter in zip(blocks, letters, strict=True):
        x, y, side = (float(block.attrib[name]) for name in ("x", "y", "width"))
        assert x < float(letter.attrib["x"]) < x + side
        assert y < float(letter.attrib["y"]) < y + side
        found[str(letter.text)] = (x, -y - side)
    return found


def read(places: dict[str, tuple[float, float]]) -> State:
    """The stacks that someone sees who sees blocks at these places."""
    columns: dict[float, list[tuple[float, str]]] = {}
    for block, (x, y) in places.items():
        columns.setdefault(x, []).append((y, block))
    return tuple(sorted("".join(block for _, block in sorted(column)) for column in columns.values()))


@pytest.mark.parametrize("tight", [False, True])
def test_every_state_can_be_read_off_its_picture(tight: bool) -> None:
    for state in ALL_STATES:
        assert read(drawn(stacks_svg(state, dark=False, tight=tight))) == state


def test_pictures_of_the_same_blocks_have_the_same_size_and_hold_all_blocks() -> None:
    boxes = set()
    for state in ALL_STATES:
        root = fromstring(stacks_svg(state, dark=True, width=40))
        boxes.add((root.attrib["viewBox"], root.attrib["width"], root.attrib["height"]))
        _, _, wide, high = map(float, root.attrib["viewBox"].split())
        for block in root.findall(f"{SVG}rect"):
            x, y, side = (float(block.attrib[name]) for name in ("x", "y", "width"))
            assert 0 <= x <= wide - side and 0 <= y <= high - side
    assert len(boxes) == 1


def test_only_the_moved_block_changes_its_place() -> None:
    graph = blocksworld(4)
    for u, v in graph.edges:
        before, after = (drawn(stacks_svg(ALL_STATES[node], dark=False)) for node in (u, v))
        assert sum(before[block] != after[block] for block in before) == 1


def test_a_block_has_one_colour_and_a_letter_that_can_be_read_on_it() -> None:
    colors = {block: block_color(block) for block in ascii_uppercase}
    assert len({color for color, _ in list(colors.values())[:5]}) == 5
    for color, text in colors.values():
        assert contrast(color, text) >= 4.5
        assert min(contrast(color, page) for page in style.BACKGROUND.values()) >= 3
    svg = stacks_svg(("AB", "C"), dark=False)
    assert all(f'fill="{colors[block][0]}"' in svg for block in "ABC")


def contrast(one: str, other: str) -> float:
    """WCAG 2."""

    def luminance(color: str) -> float:
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("AB C", "B\nA C"),
        ("A B C", "A B C"),
        ("ABC", "C\nB\nA"),
        ("A BC", "  C\nA B"),
        ("AB C DE", "B   E\nA C D"),
    ],
)
def test_states_in_letters(label: str, text: str) -> None:
    assert stacks_text(stacks(label)) == text


def test_letters_and_hovers_show_every_state() -> None:
    for state in ALL_STATES:
        rows = stacks_text(state).split("\n")
        places = {
            c: (float(x), float(len(rows) - y))
            for y, row in enumerate(rows)
            for x, c in enumerate(row)
            if c != " "
        }
        assert read(places) == state
        assert re.fullmatch(
            r'<span style="font-family: monospace">(?:[A-D\u00a0]|<br>)+</span>', hover_text(state)
        )


def test_a_graph_is_blocksworld_if_all_its_labels_are_stacks_of_the_same_blocks() -> None:
    graph = blocksworld(3)
    assert graph_states(graph) == [stacks(graph.nodes[node]["label"]) for node in range(13)]
    graph.graph["kind"] = "file"
    assert graph_states(graph) is not None
    assert label_states(["A B", "AB"]) == [("A", "B"), ("AB",)]
    assert label_states(["A B C D E F G H I J", "ABCDEFGHIJ"]) is not None


@pytest.mark.parametrize(
    "labels", [[], [""], ["A", "A"], ["A", "B"], ["A B", "AC"], ["A B", "AB C"], ["A B", "a b"], ["A B", "BA", "x"],
               ["A B", ""], ["0", "1"], list(HOSTILE), ["ABCDEFGHIJK"]],
)  # fmt: skip
def test_other_labels_are_none(labels: list[str]) -> None:
    assert label_states(labels) is None


@given(st.lists(st.text("AB <&\"'", max_size=4), max_size=4))
def test_whatever_the_labels_nothing_but_stacks_is_drawn(labels: list[str]) -> None:
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from((node, {"label": label}) for node, label in enumerate(labels))
    pictures = node_pictures(graph, dark=False)
    if pictures is not None:
        for label, picture in zip(labels, pictures, strict=True):
            svg = base64.b64decode(picture.removeprefix("data:image/svg+xml;base64,")).decode()
            assert set(read(drawn(svg))) == set(label.split())


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        ("AB C", "A CB", "put B on C"),
        ("AB C", "A B C", "put B on the table"),
        ("A B C", "ABC", "no legal move"),
    ],
)
def test_steps_have_names(before: str, after: str, name: str) -> None:
    assert step_name(stacks(before), stacks(after)) == name


def test_a_plan_names_every_move_and_marks_the_goal_and_what_is_no_move() -> None:
    states = [stacks(label) for label in ("AB C", "A B C", "CBA", "CB A")]
    page = plan_html(states, dark=False, goal=states[-1])
    captions = re.findall(r"<figcaption[^>]*>(.*?)</figcaption>", page)
    assert captions == ["start", "1. put B on the table", "2. no legal move ✕", "3. put A on the table ✓"]
    images = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    for (before, after), state in zip(pairwise([None, *images]), states, strict=True):
        assert after is not None and after != before
        assert read(drawn(base64.b64decode(after).decode())) == state
    assert "✓" not in plan_html(states, dark=False, goal=states[0])


def test_a_plan_fits_a_narrow_screen(visit: Visit) -> None:
    page = visit.page
    page.set_viewport_size({"width": 320, "height": 600})
    visit.open(plan_html(ALL_STATES[:8], dark=True))
    assert page.locator("img").count() == 8
    assert all(image.evaluate("i => i.complete && i.naturalWidth > 0") for image in page.locator("img").all())
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert visit.complaints == []
