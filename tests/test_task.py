from __future__ import annotations

import random
import re
from collections import Counter

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planviz.config import ExperimentConfig, GraphConfig, SplitConfig
from planviz.task import OUTCOMES, Task, TaskError, build_task, judge, random_walk, text_arrays
from tests.engine_helpers import graphs, listed, networkx_graph, task_of

KINDS = [
    GraphConfig(nodes=12),
    GraphConfig(kind="directed", nodes=10),
    GraphConfig(kind="staged", nodes=12, density=0.5),
    GraphConfig(kind="grid", rows=4, columns=3),
    GraphConfig(kind="blocksworld", blocks=3),
]


def naive_outcome(graph: nx.DiGraph[int], source: int, target: int, path: list[int], eos: int) -> str:
    current = source
    for token in path:
        if token == eos:
            return "stopped_early"
        if not graph.has_edge(current, token):
            return "invalid_edge"
        current = token
    return "correct" if current == target else "never_arrived"


@st.composite
def judged_paths(draw: st.DrawFn) -> tuple[GraphConfig, list[tuple[int, int]], list[list[int]]]:
    """A graph, queries, and for each the tokens of a path: it ends at t, at EOS, or anywhere."""
    graph = draw(graphs())
    nodes = len(graph.labels)
    node = st.integers(0, nodes - 1)
    queries = draw(st.lists(st.tuples(node, node).filter(lambda q: q[0] != q[1]), min_size=1, max_size=8))
    paths = []
    for _, target in queries:
        tokens = draw(st.lists(st.integers(0, nodes), min_size=1, max_size=6))
        ends = [j for j, token in enumerate(tokens) if token in (target, nodes)]
        paths.append(tokens[: ends[0] + 1] if ends else tokens)
    return graph, queries, paths


@given(judged_paths())
def test_judge_agrees_with_following_the_path(
    case: tuple[GraphConfig, list[tuple[int, int]], list[list[int]]],
) -> None:
    config, queries, paths = case
    task, graph = task_of(config), networkx_graph(config)
    tokens = np.full((len(paths), 9), task.eos)
    for row, path in zip(tokens, paths, strict=True):
        row[: len(path)] = path
    lengths = np.array([len(path) for path in paths])
    outcomes = [OUTCOMES[outcome] for outcome in judge(task, np.array(queries), tokens, lengths)]
    for (source, target), path, outcome in zip(queries, paths, outcomes, strict=True):
        assert outcome == naive_outcome(graph, source, target, path, task.eos)
        arrives = path[-1] == target and nx.is_path(graph, [source, *path])
        assert (outcome == "correct") == arrives


def test_an_invalid_edge_is_named_before_any_other_failure() -> None:
    task = task_of(listed(4, [(0, 1), (1, 2), (2, 3)]))
    eos = task.eos
    paths = np.array([[2, 3, eos], [2, eos, eos], [2, 1, 0], [1, eos, eos], [1, 2, 1], [1, 2, 3]])
    lengths = np.array([2, 2, 3, 2, 3, 3])
    outcomes = judge(task, np.tile([0, 3], (6, 1)), paths, lengths)
    assert [OUTCOMES[o] for o in outcomes] == [
        *["invalid_edge"] * 3,
        "stopped_early",
        "invalid_edge",
        "correct",
    ]


@given(graphs())
def test_distances_and_reachability_are_those_of_networkx(config: GraphConfig) -> None:
    task, graph = task_of(config), networkx_graph(config)
    expected = np.full((task.nodes, task.nodes), -1)
    for source, lengths in nx.all_pairs_shortest_path_length(graph):
        for target, length in lengths.items():
            expected[source, target] = length
    np.testing.assert_array_equal(task.distance, expected)
    np.testing.assert_array_equal(task.reachable, expected >= 0)
    np.testing.assert_array_equal(task.adjacency, expected == 1)


@given(graphs(), st.floats(0.2, 0.8), st.integers(0, 1000))
def test_the_split_is_disjoint_and_complete_and_keeps_its_share(
    config: GraphConfig, share: float, seed: int
) -> None:
    reachable = {(s, t) for s, ts in nx.all_pairs_shortest_path_length(networkx_graph(config)) for t in ts}
    reachable -= {(node, node) for node in range(len(config.labels))}
    wanted = round(share * len(reachable))
    if wanted in (0, len(reachable)):
        return
    task = task_of(config, train_share=share, seed=seed)
    train, test = ({tuple(pair) for pair in task.pairs(split).tolist()} for split in ("train", "test"))
    assert train.isdisjoint(test) and train | test == reachable
    assert len(train) == len(task.train_pairs) == wanted and len(test) == len(task.test_pairs)


@given(graphs(), st.integers(1, 4), st.integers(0, 1000))
def test_texts_are_simple_paths_of_the_training_pairs(config: GraphConfig, count: int, seed: int) -> None:
    task, graph = task_of(config, paths_per_pair=count, seed=seed), networkx_graph(config)
    assert all(nx.is_simple_path(graph, text) and len(text) >= 2 for text in task.texts)
    texts = Counter((text[0], text[-1]) for text in task.texts)
    assert texts == dict.fromkeys(map(tuple, task.train_pairs.tolist()), count)


def test_each_step_of_a_text_is_uniform_among_the_useful_neighbours() -> None:
    """0 leads to 1, 2 and 3, all of which lead on to 4, and to the dead end 5; 3 offers a detour over 2."""
    useful = [[1, 2, 3], [4], [4], [2, 4], [], []]
    rng = random.Random(0)
    walks = Counter(random_walk(useful, 0, 4, rng) for _ in range(6000))
    expected = {(0, 1, 4): 1 / 3, (0, 2, 4): 1 / 3, (0, 3, 4): 1 / 6, (0, 3, 2, 4): 1 / 6}
    assert walks.keys() == expected.keys()
    for walk, share in expected.items():
        assert abs(walks[walk] / 6000 - share) < 5 * (share * (1 - share) / 6000) ** 0.5


def test_a_step_is_uniform_among_those_from_which_the_target_can_still_be_reached() -> None:
    """From 0, node 1 leads to the target only through 2, node 3 only back to 0, and 2 also back to 1."""
    useful = [[1, 2, 3], [0, 2], [1, 4], [0], []]
    rng = random.Random(0)
    walks = Counter(random_walk(useful, 0, 4, rng) for _ in range(6000))
    assert walks.keys() == {(0, 1, 2, 4), (0, 2, 4)}
    assert abs(walks[0, 2, 4] / 6000 - 0.5) < 5 * (0.25 / 6000) ** 0.5


def test_walks_arrive_in_few_steps_on_any_graph() -> None:
    """Every node leads one step on or all the way back: a walk that may come back would need about 2^30 steps."""
    task = task_of(
        listed(31, [(node, node + 1) for node in range(30)] + [(node, 0) for node in range(1, 30)])
    )
    assert {text for text in task.texts if text[0] < text[-1]} == {
        tuple(range(source, target + 1)) for source, target in task.train_pairs.tolist() if source < target
    }


def assert_same(first: Task, second: Task) -> None:
    assert nx.utils.graphs_equal(first.graph, second.graph)
    np.testing.assert_array_equal(first.train_pairs, second.train_pairs)
    np.testing.assert_array_equal(first.test_pairs, second.test_pairs)
    assert (first.texts, first.max_steps) == (second.texts, second.max_steps)


@pytest.mark.parametrize("graph", KINDS, ids=lambda graph: graph.kind)
def test_the_same_settings_give_the_same_task(graph: GraphConfig) -> None:
    config = ExperimentConfig(graph=graph)
    assert_same(build_task(config), build_task(config))


@pytest.mark.parametrize("graph", KINDS, ids=lambda graph: graph.kind)
def test_another_split_seed_changes_the_split_but_not_the_graph(graph: GraphConfig) -> None:
    first, second = (
        build_task(ExperimentConfig(graph=graph, split=SplitConfig(seed=seed))) for seed in (0, 1)
    )
    assert nx.utils.graphs_equal(first.graph, second.graph)
    assert first.train_pairs.tolist() != second.train_pairs.tolist()


def test_the_blocksworld_of_four_blocks_is_a_task() -> None:
    split = SplitConfig(train_share=0.05, paths_per_pair=2)
    task = build_task(ExperimentConfig(graph=GraphConfig(kind="blocksworld", blocks=4), split=split))
    assert task.nodes == 73
    assert len(task.train_pairs) + len(task.test_pairs) == 73 * 72
    assert all(nx.is_simple_path(task.graph, text) for text in task.texts)


@given(graphs(acyclic=True))
def test_on_an_acyclic_graph_the_length_limit_admits_every_path_and_no_more(config: GraphConfig) -> None:
    assert task_of(config).max_steps == nx.dag_longest_path_length(networkx_graph(config))


@given(graphs(), st.integers(0, 1000))
def test_the_length_limit_admits_every_text_and_an_answer_to_every_query(
    config: GraphConfig, seed: int
) -> None:
    task = task_of(config, seed=seed)
    assert task.max_steps >= max(len(text) - 1 for text in task.texts)
    assert task.max_steps >= task.distance.max()


@pytest.mark.parametrize("seed", range(4))
def test_the_length_limit_admits_queries_farther_apart_than_any_text(seed: int) -> None:
    ring = listed(8, [(node, (node + 1) % 8) for node in range(8)])
    assert task_of(ring, train_share=0.02, seed=seed).max_steps >= 7


@pytest.mark.parametrize(
    ("graph", "pairs"), [(listed(3, [(0, 2)]), 1), (GraphConfig(kind="directed", nodes=3, density=1e-6), 0)]
)
def test_a_graph_with_too_few_reachable_pairs_is_refused(graph: GraphConfig, pairs: int) -> None:
    with pytest.raises(TaskError, match=f"^{pairs} pairs of nodes have a path .* at least 2"):
        task_of(graph)


@given(graphs(), st.one_of(st.floats(1e-9, 0.01), st.floats(0.99, 0.999999)))
def test_an_empty_part_of_the_split_is_refused_with_shares_that_work(
    config: GraphConfig, share: float
) -> None:
    with pytest.raises(TaskError) as error:
        task_of(config, train_share=share)
    assert ("no training pairs" if share < 0.5 else "no test pairs") in str(error.value)
    low, high = map(float, re.findall(r"between (\S+) and (\S+)$", str(error.value))[0])
    for allowed in (low, high):
        task_of(config, train_share=allowed)


@given(graphs(), st.integers(1, 3))
def test_text_arrays_hold_the_texts(config: GraphConfig, count: int) -> None:
    task = task_of(config, paths_per_pair=count)
    pairs, paths, lengths = text_arrays(task)
    assert paths.shape == (len(task.texts), lengths.max())
    for text, pair, path, length in zip(task.texts, pairs, paths.tolist(), lengths, strict=True):
        assert tuple(pair) == (text[0], text[-1])
        assert path[:length] == [*text[1:], task.eos]
        assert all(token == task.eos for token in path[length:])


def test_more_texts_than_fit_are_refused_early() -> None:
    config = ExperimentConfig(
        graph=GraphConfig(nodes=400, density=0.2), split=SplitConfig(train_share=0.2, paths_per_pair=100)
    )
    with pytest.raises(
        TaskError, match=r"about \d+ nodes each are too much text; [\d,]+ such paths are allowed"
    ):
        build_task(config)
