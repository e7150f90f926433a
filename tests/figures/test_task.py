from __future__ import annotations

import networkx as nx
import numpy as np

from planviz.figures import style, task
from tests.figures.conftest import HOSTILE

TRAIN, TEST = [(0, 1), (0, 3)], [(1, 3)]


def test_split_matrix_marks_every_pair() -> None:
    figure = task.split_matrix(TRAIN, TEST, ["a", "b", "c", "d"])
    heatmap = figure.data[0]
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[0, 3] = 2
    expected[1, 3] = 1
    np.testing.assert_array_equal(heatmap.z, expected)
    assert list(heatmap.x) == list(heatmap.y) == ["a", "b", "c", "d"]
    assert [trace.name for trace in figure.data[1:]] == ["training: 2", "test: 1", "unreachable: 9"]
    assert style.alt(figure) == "2 pairs are for training, 1 for testing, 9 are unreachable."


def test_nodes_with_the_same_or_a_hostile_label_keep_their_own_row() -> None:
    names = task.split_matrix(TRAIN, TEST, ["a", "a", *HOSTILE]).data[0].y
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
    figure = task.split_matrix(pairs[::2], pairs[1::2], [str(node) for node in graph])
    assert (figure.data[0].z > 0).sum() == 200 * 199
