from __future__ import annotations

import networkx as nx
import numpy as np

from planviz.figures import style, task
from tests.figures.conftest import HOSTILE

TRAIN, TEST = [(0, 1), (0, 3)], [(1, 3)]


def test_split_matrix_tells_four_states_apart() -> None:
    reachable = np.eye(4, dtype=bool)
    reachable[[0, 0, 1, 2], [1, 3, 3, 0]] = True
    figure = task.split_matrix(TRAIN, TEST, ["a", "b", "c", "d"], reachable)
    heatmap = figure.data[0]
    states = [list(task.SPLIT_STATES)[state] for state in heatmap.z.ravel()]
    expected = ["unreachable"] * 16
    expected[1] = expected[3] = "training"
    expected[7], expected[8] = "test", "left out"
    assert states == expected
    assert list(heatmap.x) == list(heatmap.y) == ["a", "b", "c", "d"]
    assert [trace.name for trace in figure.data[1:]] == [
        "training: 2", "test: 1", "left out: 1", "unreachable: 8",
    ]  # fmt: skip
    assert style.alt(figure) == "2 pairs are for training, 1 for testing, 1 are left out, 8 are unreachable."
    assert not figure.layout.shapes


def test_each_state_has_a_colour_of_its_own() -> None:
    """plotly takes a state's colour from the scale at its place between zmin and zmax."""
    figure = task.split_matrix(TRAIN, TEST, ["a", "b", "c", "d"], np.ones((4, 4)))
    heatmap = figure.data[0]
    for state, color in enumerate(task.SPLIT_STATES.values()):
        place = (state - heatmap.zmin) / (heatmap.zmax - heatmap.zmin)
        below = [found for low, found in heatmap.colorscale if low < place]
        above = [found for low, found in heatmap.colorscale if low > place]
        assert below[-1] == above[0] == color


def test_without_pairs_left_out_nothing_is_said_of_them() -> None:
    reachable = np.zeros((4, 4), dtype=bool)
    reachable[[0, 0, 1], [1, 3, 3]] = True
    figure = task.split_matrix(TRAIN, TEST, ["a", "b", "c", "d"], reachable)
    assert [trace.name for trace in figure.data[1:]] == ["training: 2", "test: 1", "unreachable: 9"]
    assert style.alt(figure) == "2 pairs are for training, 1 for testing, 9 are unreachable."


def test_the_chosen_pair_is_framed() -> None:
    figure = task.split_matrix(TRAIN, TEST, ["a", "b", "c", "d"], np.ones((4, 4)), (0, 3))
    (frame,) = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert (frame.x0, frame.x1, frame.y0, frame.y1) == (2.5, 3.5, -0.5, 0.5)


def test_nodes_with_the_same_or_a_hostile_label_keep_their_own_row() -> None:
    labels = ["a", "a", *HOSTILE]
    names = task.split_matrix(TRAIN, TEST, labels, np.ones((len(labels), len(labels)))).data[0].y
    assert len(set(names)) == 2 + len(HOSTILE)
    assert not any("<" in name for name in names)


def test_path_lengths_are_counted_for_each_split() -> None:
    figure = task.path_length_histogram([1, 1, 2, 4], [2, 2])
    train, test = figure.data
    assert list(train.x) == list(test.x) == ["1", "2", "3", "4"]
    assert train.y.tolist() == [2, 1, 0, 1]
    assert test.y.tolist() == [0, 2, 0, 0]
    assert "1 to 4 edges, 2.0 on average" in style.alt(figure)


def test_path_counts_fall_into_doubling_bins() -> None:
    figure = task.paths_per_pair_histogram([1, 2, 3, 4, 7, 8], [1, 15])
    train, test = figure.data
    assert list(train.x) == ["1", "2–3", "4–7", "8–15"]
    assert train.y.tolist() == [1, 2, 2, 1]
    assert test.y.tolist() == [1, 0, 0, 1]
    assert "1 to 15 correct paths" in style.alt(figure)
    assert "25% of the pairs have just one" in style.alt(figure)


def test_astronomic_path_counts_still_fit() -> None:
    figure = task.paths_per_pair_histogram([1e15, 3e15], [1])
    assert sum(figure.data[0].y) == 2
    assert max(len(name) for name in figure.data[0].x) <= 12


def test_no_pairs_is_said_in_words() -> None:
    for draw in (task.path_length_histogram, task.paths_per_pair_histogram):
        assert draw([], []).layout.annotations[0].text == "There are no pairs."


def test_a_big_graph_has_one_cell_a_pair() -> None:
    graph = nx.complete_graph(200, create_using=nx.DiGraph)
    pairs = np.array(graph.edges)
    figure = task.split_matrix(pairs[::2], pairs[1::2], [str(node) for node in graph], np.ones((200, 200)))
    assert (figure.data[0].z > 0).sum() == 200 * 199
