from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from planviz.figures import style
from planviz.figures.next_nodes import KINDS, TOP, next_node_bars
from planviz.graphs.blocksworld import blocksworld
from tests.figures.conftest import HOSTILE

# 0 → 1 → 3, 0 → 2; from 0 to 3, node 1 is a good step, 2 leads nowhere, 3 is no edge.
ADJACENCY = np.zeros((4, 4), dtype=bool)
ADJACENCY[0, 1] = ADJACENCY[0, 2] = ADJACENCY[1, 3] = True
REACHABLE = np.eye(4, dtype=bool) | ADJACENCY
REACHABLE[0, 3] = True
LABELS = ["a", "b", "c", "d"]
PROBABILITIES = [0.0, 0.5, 0.25, 0.15, 0.1]


def test_every_next_node_has_a_bar_of_its_kind() -> None:
    figure = next_node_bars({"pg": PROBABILITIES}, 0, 3, ADJACENCY, REACHABLE, LABELS)
    bars = {name: share for bar in figure.data for name, share in zip(bar.y, bar.x, strict=True)}
    assert bars == pytest.approx({"b ✓": 0.5, "c –": 0.25, "d ✕": 0.15, "end ■": 0.1, "a ✕": 0.0})
    assert [bar.name for bar in figure.data] == [f"{kind.mark} {kind.label}" for kind in KINDS.values()]
    assert len({(bar.marker.color, bar.marker.pattern.shape) for bar in figure.data}) == 4
    assert list(figure.layout.yaxis.categoryarray) == ["b ✓", "c –", "d ✕", "end ■", "a ✕"]


def test_every_arm_has_a_panel_with_the_same_rows() -> None:
    arms = dict.fromkeys(["base", "sft", "pg", "q-process"], PROBABILITIES)
    figure = next_node_bars(arms, 0, 3, ADJACENCY, REACHABLE, LABELS)
    assert [note.text for note in figure.layout.annotations] == list(arms)
    assert {bar.xaxis for bar in figure.data} == {"x", "x2", "x3", "x4"}
    rows = [axis.categoryarray for axis in figure.select_yaxes()]
    assert all(row == rows[0] for row in rows)
    assert sum(bar.showlegend for bar in figure.data) == len(KINDS)


def test_unlikely_nodes_are_added_up() -> None:
    nodes = 30
    graph = nx.complete_graph(nodes, create_using=nx.DiGraph)
    adjacency = nx.to_numpy_array(graph) > 0
    probabilities = np.arange(nodes + 1) / np.arange(nodes + 1).sum()
    figure = next_node_bars({"pg": probabilities}, 0, 1, adjacency, adjacency, [str(n) for n in range(nodes)])
    others = figure.data[-1]
    assert others.y == (f"{nodes + 1 - TOP} others",)
    assert others.x[0] == pytest.approx(probabilities[: nodes + 1 - TOP].sum())
    assert sum(sum(bar.x) for bar in figure.data) == pytest.approx(1.0)


def test_the_takeaway_says_how_much_goes_the_right_way() -> None:
    figure = next_node_bars({"pg": PROBABILITIES}, 0, 3, ADJACENCY, REACHABLE, LABELS)
    assert style.alt(figure) == (
        "Next node at a, on the way to d: pg puts 50% on edges towards the target and most, 50%, on b."
    )


def test_hostile_labels_stay_text() -> None:
    figure = next_node_bars({"pg": PROBABILITIES}, 0, 3, ADJACENCY, REACHABLE, HOSTILE)
    assert not any("<" in name for bar in figure.data for name in bar.y)


def test_without_arms_the_figure_asks_for_one() -> None:
    figure = next_node_bars({}, 0, 3, ADJACENCY, REACHABLE, LABELS)
    assert figure.layout.annotations[0].text == "Choose at least one arm."


def test_in_blocksworld_a_bar_shows_the_stacks_and_the_move_on_hover() -> None:
    graph = blocksworld(2)
    adjacency = nx.to_numpy_array(graph, nodelist=range(3)) > 0
    labels = [graph.nodes[node]["label"] for node in range(3)]
    at, to = labels.index("AB"), labels.index("BA")
    figure = next_node_bars({"pg": [0.1, 0.3, 0.4, 0.2]}, at, to, adjacency, adjacency | True, labels)
    hovers = {
        name.rsplit(" ", 1)[0]: hover
        for bar in figure.data
        for name, hover in zip(bar.y, bar.customdata, strict=True)
    }
    assert hovers["A B"].endswith(">A\u00a0B</span><br><br>put B on the table<br>")
    assert hovers["BA"].endswith(">A<br>B</span><br><br>no legal move<br>")
    assert hovers["end"] == ""
