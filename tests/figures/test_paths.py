from __future__ import annotations

from collections import Counter
from typing import Any

import networkx as nx
import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from planviz.events import QueryPaths
from planviz.figures import style
from planviz.figures.paths import CURVE, WIDTHS, paths_on_graph
from planviz.graphs.blocksworld import blocksworld
from tests.figures.conftest import HOSTILE

EOS = 5
QUERY = QueryPaths(
    source=0,
    target=3,
    paths=((1, 3), (2, 3), (1, 4, 3), (1, EOS), (1, 3, 4)),
    counts=(10, 4, 3, 2, 1),
    outcomes=("correct", "correct", "invalid_edge", "stopped_early", "never_arrived"),
)


def traces(figure: go.Figure, name: str) -> list[Any]:
    return [trace for trace in figure.data if trace.name == name]


def steps(figure: go.Figure, outcome: str) -> Counter[str]:
    """What the curved arrows of an outcome say about each step on hover."""
    texts = Counter[str]()
    for trace in traces(figure, style.OUTCOME_STYLES[outcome].label):
        texts.update(trace.text[:: len(CURVE) + 1])
    return texts


def test_steps_are_drawn_from_node_to_node_with_their_frequency(
    graph: nx.DiGraph[int], positions: NDArray[np.float64]
) -> None:
    figure = paths_on_graph(graph, positions, QUERY)
    assert set(steps(figure, "correct")) == {
        "0 → 1<br>10 of 20 samples, correct",
        "1 → 3<br>10 of 20 samples, correct",
        "0 → 2<br>4 of 20 samples, correct",
        "2 → 3<br>4 of 20 samples, correct",
    }
    narrow, wide = traces(figure, "correct")
    assert "0 → 1" in wide.text[0]
    assert (wide.line.width, narrow.line.width) == (WIDTHS[2], WIDTHS[0])
    np.testing.assert_allclose([wide.x[0], wide.y[0]], positions[0], atol=1e-9)
    np.testing.assert_allclose([wide.x[len(CURVE) - 1], wide.y[len(CURVE) - 1]], positions[1], atol=1e-9)


def test_a_path_is_drawn_up_to_its_invalid_step(
    graph: nx.DiGraph[int], positions: NDArray[np.float64]
) -> None:
    figure = paths_on_graph(graph, positions, QUERY)
    assert set(steps(figure, "invalid_edge")) == {"0 → 1<br>3 of 20 samples, invalid edge"}
    (jump,) = traces(figure, "invalid edge: end")
    np.testing.assert_allclose(np.column_stack([jump.x, jump.y])[:2], positions[[1, 4]])
    assert (jump.line.dash, jump.line.color, jump.marker.symbol) == ("dot", style.CRIMSON, "x")
    assert [size > 0 for size in jump.marker.size] == [False, True, False]


def test_other_failures_are_marked_where_they_end(
    graph: nx.DiGraph[int], positions: NDArray[np.float64]
) -> None:
    figure = paths_on_graph(graph, positions, QUERY)
    (stopped,), (lost,) = traces(figure, "stopped early: end"), traces(figure, "never arrived: end")
    np.testing.assert_allclose([stopped.x[1], stopped.y[1]], positions[1])
    np.testing.assert_allclose([lost.x[1], lost.y[1]], positions[4])
    assert stopped.marker.symbol != lost.marker.symbol


def test_the_legend_and_the_takeaway_give_the_shares(
    graph: nx.DiGraph[int], positions: NDArray[np.float64]
) -> None:
    figure = paths_on_graph(graph, positions, QUERY)
    assert [trace.name for trace in figure.data if trace.showlegend is not False] == [
        "correct: 70%", "invalid edge: 15%", "stopped early: 10%", "never arrived: 5%",
    ]  # fmt: skip
    assert style.alt(figure) == (
        "Sampled paths from 0 to 3: 70% correct, 15% invalid edge, 10% stopped early, 5% never arrived; "
        "2 distinct correct paths."
    )


def test_source_and_target_differ_by_shape_and_word(
    graph: nx.DiGraph[int], positions: NDArray[np.float64]
) -> None:
    figure = paths_on_graph(graph, positions, QUERY)
    (start,), (end,) = traces(figure, "from"), traces(figure, "to")
    assert start.marker.symbol != end.marker.symbol
    assert (start.text[0], end.text[0]) == ("<b>from 0</b>", "<b>to 3</b>")


def test_labels_are_escaped_in_the_picture_and_plain_in_the_words(
    hostile_graph: nx.DiGraph[int], positions: NDArray[np.float64]
) -> None:
    figure = paths_on_graph(hostile_graph, positions, QUERY)
    texts = [text for trace in figure.data if trace.text is not None for text in trace.text]
    assert not any(tag in text for text in texts for tag in ("<script", "<img", "<b>bold"))
    assert style.title(figure) == f"Sampled paths from {style.short(HOSTILE[0])} to {HOSTILE[3]}"


def test_without_samples_only_the_graph_is_drawn(
    graph: nx.DiGraph[int], positions: NDArray[np.float64]
) -> None:
    figure = paths_on_graph(graph, positions, QueryPaths(0, 3, (), (), ()))
    assert [trace.name for trace in figure.data] == ["edges", "nodes", "from", "to"]
    assert "none yet" in style.alt(figure)


def test_a_big_graph_has_few_traces_and_its_labels_on_hover_only() -> None:
    graph = nx.gnm_random_graph(100, 1500, seed=0, directed=True)
    nx.set_node_attributes(graph, {node: f"node {node}" for node in graph}, "label")
    positions = np.random.default_rng(0).random((100, 2))
    walk = tuple(int(node) for node in np.random.default_rng(1).integers(0, 100, 12))
    query = QueryPaths(0, 99, (walk,) * 50, (1,) * 50, ("invalid_edge",) * 50)
    figure = paths_on_graph(graph, positions, query)
    edges, nodes = figure.data[:2]
    assert np.isnan(edges.x).sum() == 1500
    assert nodes.mode == "markers"
    assert nodes.text[1] == "node 1"
    assert len(figure.data) < 30


def test_in_blocksworld_nodes_show_their_stacks_and_steps_name_their_move() -> None:
    graph = blocksworld(3)
    node = {graph.nodes[number]["label"]: number for number in graph}
    path = (node["A CB"], node["ABC"])
    query = QueryPaths(node["AB C"], node["ABC"], (path,), (4,), ("invalid_edge",))
    figure = paths_on_graph(graph, np.random.default_rng(0).random((13, 2)), query)
    (nodes,) = traces(figure, "nodes")
    assert nodes.customdata[node["A CB"]].endswith("\u00a0\u00a0B<br>A\u00a0C</span><br><br>A CB")
    assert nodes.text[node["A CB"]] == "A CB"
    assert set(steps(figure, "invalid_edge")) == {"AB C → A CB<br>put B on C<br>4 of 4 samples, invalid edge"}
    (jump,) = traces(figure, "invalid edge: end")
    assert jump.text[0] == "A CB → ABC<br>no legal move<br>4 of 4 samples, invalid edge"
