from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pytest
from numpy.typing import NDArray

from planviz.figures import style
from planviz.figures.blocks import NO_MOVE, node_pictures, step_name
from planviz.figures.network import network_html
from planviz.graphs.blocksworld import blocksworld, stacks
from planviz.graphs.layout import layout
from tests.figures.conftest import HOSTILE, Visit

if TYPE_CHECKING:
    from playwright.sync_api import Page


def embedded(page: str) -> Any:
    """What the page hands to vis-network."""
    return json.loads(html.unescape(re.findall(r'data-network="([^"]*)"', page)[0]))


@pytest.fixture
def opened(visit: Visit, hostile_graph: nx.DiGraph[int], positions: NDArray[np.float64]) -> Visit:
    """A visit to the network of a graph with hostile labels."""
    visit.open(network_html(hostile_graph, positions, dark=False))
    return visit


def place(page: Page, node: int) -> tuple[float, float]:
    """Where a node is on the screen."""
    x, y = page.evaluate(f"(p => [p.x, p.y])(network.canvasToDOM(network.getPosition({node})))")
    return x, y


def test_the_page_holds_the_graph_where_the_layout_put_it(
    graph: nx.DiGraph[int], positions: NDArray[np.float64]
) -> None:
    data = embedded(network_html(graph, positions, dark=False, source=0, target=3, path=[0, 1, 3]))
    assert [node["label"] for node in data["nodes"]] == ["from 0", "1", "2", "to 3", "4"]
    assert [(edge["from"], edge["to"]) for edge in data["edges"]] == list(graph.edges)
    wide = [(edge["from"], edge["to"]) for edge in data["edges"] if edge["width"] > 1]
    assert wide == [(0, 1), (1, 3)]
    x, y = np.array([(node["x"], node["y"]) for node in data["nodes"]]).T
    assert np.corrcoef(x, positions[:, 0])[0, 1] == pytest.approx(1)
    assert np.corrcoef(y, positions[:, 1])[0, 1] == pytest.approx(-1)  # vis counts y downwards
    assert data["options"]["physics"] is False


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_has_the_colors_of_the_theme(
    graph: nx.DiGraph[int], positions: NDArray[np.float64], dark: bool
) -> None:
    page, mode = network_html(graph, positions, dark=dark), "dark" if dark else "light"
    assert f"background: {style.BACKGROUND[mode]}" in page
    assert embedded(page)["nodes"][0]["font"]["color"] == style.TEXT[mode]


def test_nothing_is_loaded_and_only_two_known_scripts_may_run(
    hostile_graph: nx.DiGraph[int], positions: NDArray[np.float64]
) -> None:
    page = network_html(hostile_graph, positions, dark=False)
    assert page.count("</script") == 2
    assert not re.search(r"(src|href)\s*=\s*[\"']?https?:|url\(|@import", page)
    policy = re.findall(r'content="(default-src[^"]*)"', page)[0]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_view_runs_under_its_own_policy_and_asks_for_nothing(opened: Visit) -> None:
    assert opened.page.locator("canvas").count() == 1
    assert opened.page.evaluate("network.body.nodeIndices.length") == 5
    assert opened.complaints == opened.requests == []


def test_hostile_labels_stay_text_in_the_browser(opened: Visit) -> None:
    page = opened.page
    for node, label in enumerate(HOSTILE):
        page.mouse.move(*place(page, node))
        page.wait_for_function(
            "text => document.querySelector('.vis-tooltip')?.innerText.includes(text)", arg=style.short(label)
        )
    assert page.locator("img, b, [onmouseover], [onerror]").count() == 0
    assert page.locator("script").count() == 2
    assert opened.complaints == []


def test_an_injected_script_would_not_run(opened: Visit) -> None:
    page = opened.page
    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.broken = 1';"
        " document.body.append(s) }"
    )
    assert page.evaluate("window.broken") is None
    assert any("Content Security Policy" in complaint for complaint in opened.complaints)


def test_a_node_stays_where_it_is_dropped(opened: Visit) -> None:
    page = opened.page
    x, y = place(page, 0)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120, y + 60, steps=5)
    page.mouse.up()
    assert place(page, 0) == pytest.approx((x + 120, y + 60), abs=3)


def test_a_big_graph_hides_its_edges_while_it_moves() -> None:
    graph = nx.gnm_random_graph(100, 1500, seed=0, directed=True)
    nx.set_node_attributes(graph, {node: str(node) for node in graph}, "label")
    data = embedded(network_html(graph, np.random.default_rng(0).random((100, 2)), dark=True))
    assert len(data["edges"]) == 1500
    assert data["options"]["interaction"]["hideEdgesOnDrag"]
    assert data["options"]["edges"]["smooth"] is False


def blocks_page(blocks: int, **marks: Any) -> tuple[str, nx.DiGraph[int]]:
    graph = blocksworld(blocks)
    return network_html(graph, layout(graph), dark=False, **marks), graph


def test_nodes_of_blocksworld_are_pictures_and_edges_name_their_moves() -> None:
    page, graph = blocks_page(3, source=0, target=2)
    data = embedded(page)
    pictures = node_pictures(graph, dark=False)
    assert pictures is not None and data["pictures"] == pictures
    assert [(node["shape"], node["image"]) for node in data["nodes"]] == [("image", p) for p in pictures]
    assert [node["label"] for node in data["nodes"][:4]] == ["from", "", "to", ""]
    for edge in data["edges"]:
        states = (stacks(graph.nodes[node]["label"]) for node in (edge["from"], edge["to"]))
        assert edge["title"] == step_name(*states) != NO_MOVE
    assert 'img-src data:"' in page


def test_many_states_are_dots_with_a_picture_on_hover_only() -> None:
    data = embedded(blocks_page(5)[0])
    assert {node["shape"] for node in data["nodes"]} == {"dot"}
    assert len(data["pictures"]) == 501
    assert not any("title" in edge for edge in data["edges"])


def test_the_tooltip_of_a_state_shows_its_picture(visit: Visit) -> None:
    page_text, graph = blocks_page(3)
    visit.open(page_text)
    visit.page.mouse.move(*place(visit.page, 4))
    visit.page.wait_for_function("() => document.querySelector('.vis-tooltip img')?.naturalWidth > 0")
    assert graph.nodes[4]["label"] in visit.page.locator(".vis-tooltip").inner_text()
    assert visit.complaints == []
    assert all(address.startswith("data:image/svg+xml;base64,") for address in visit.requests)
