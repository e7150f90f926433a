"""Splits against brute force on networkx' distances, and what every split keeps to."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import pairwise
from typing import Any

import networkx as nx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from planviz.config import ExperimentConfig, GraphConfig, SplitConfig, SplitKind
from planviz.graphs.files import read_alpine, write_alpine
from planviz.splits import SPLITS, TaskError, imported_settings, split_pairs, without_nodes
from planviz.task import Task, build_task
from tests.engine_helpers import graphs, listed, networkx_graph, task_of

Pair = tuple[int, int]
DRAWN: list[SplitKind] = ["random", "edges", "distance", "target"]
CHAIN = listed(5, pairwise(range(5)))
STAGED = GraphConfig(kind="staged", nodes=12, stages=4, density=0.8)


def parts(task: Task) -> tuple[list[Pair], list[Pair]]:
    train, test = ([(s, t) for s, t in pairs.tolist()] for pairs in (task.train_pairs, task.test_pairs))
    return train, test


def far(config: GraphConfig) -> dict[Pair, int]:
    """The steps between all pairs with a path, as networkx finds them."""
    lengths = nx.all_pairs_shortest_path_length(networkx_graph(config))
    return {(s, t): steps for s, reached in lengths for t, steps in reached.items() if s != t}


def attempt(graph: GraphConfig, **split: Any) -> Task:
    try:
        return task_of(graph, **split)
    except TaskError:
        assume(False)
        raise


@given(graphs(), some.sampled_from(DRAWN), some.floats(0.1, 0.9), some.integers(1, 3), some.integers(0, 99))
def test_a_split_is_disjoint_complete_and_the_same_again(
    graph: GraphConfig, kind: SplitKind, share: float, distance: int, seed: int
) -> None:
    settings: dict[str, Any] = {
        "kind": kind, "train_share": share, "tested_targets": share, "trained_distance": distance, "seed": seed,
    }  # fmt: skip
    task = attempt(graph, **settings)
    train, test = parts(task)
    assert train and test and len({*train, *test}) == len(train) + len(test)
    assert {*train, *test} == far(graph).keys()
    again = task_of(graph, **settings)
    assert (parts(again), again.texts) == ((train, test), task.texts)
    assert all(nx.is_simple_path(task.graph, text) for text in task.texts)


@given(graphs(), some.floats(0.1, 0.9), some.integers(0, 99))
def test_every_edge_is_trained_on_and_a_share_of_the_others(
    graph: GraphConfig, share: float, seed: int
) -> None:
    train, test = parts(attempt(graph, kind="edges", train_share=share, seed=seed))
    edges = {tuple(edge) for edge in graph.edges}
    assert edges <= set(train) and edges.isdisjoint(test)
    others = [pair for pair, steps in far(graph).items() if steps > 1]
    assert len(train) - len(edges) == round(share * len(others))


@given(graphs(), some.integers(1, 4))
def test_near_pairs_are_trained_on_and_farther_ones_tested(graph: GraphConfig, most: int) -> None:
    train, test = parts(attempt(graph, kind="distance", trained_distance=most))
    steps = far(graph)
    assert set(train) == {pair for pair in steps if steps[pair] <= most}
    assert set(test) == {pair for pair in steps if steps[pair] > most}


@given(graphs(), some.floats(0.1, 0.9), some.integers(0, 99))
def test_a_share_of_the_targets_is_only_tested(graph: GraphConfig, share: float, seed: int) -> None:
    train, test = parts(attempt(graph, kind="target", tested_targets=share, seed=seed))
    targets = {target for _, target in far(graph)}
    kept_back = {target for _, target in test}
    assert kept_back.isdisjoint(target for _, target in train)
    assert len(kept_back) == round(share * len(targets))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tested", [(), ((1, 3),), ((1, 2), (2, 4), (4, 4))])
def test_pairs_of_test_stages_are_only_tested(tested: tuple[Pair, ...], seed: int) -> None:
    config = STAGED.model_copy(update={"seed": seed})
    task = task_of(config, kind="stages", tested_stages=tested)
    stage = {node: node * 4 // 12 + 1 for node in range(12)}

    def is_tested(pair: Pair) -> bool:
        start, end = stage[pair[0]], stage[pair[1]]
        return (start, end) in tested if tested else end - start >= 2

    train, test = parts(task)
    assert all(map(is_tested, test)) and not any(map(is_tested, train))
    assert {*train, *test} == {(s, t) for s in task.graph for t in nx.descendants(task.graph, s)}


def test_the_first_pairs_of_a_part_stand_for_all_of_it() -> None:
    """Models are measured on the first pairs: these must not all start at the first nodes."""
    graph = GraphConfig(nodes=40, density=0.2)
    for kind in DRAWN:
        for pairs in parts(build_task(ExperimentConfig(graph=graph, split=SplitConfig(kind=kind)))):
            assert len({source for source, _ in pairs[:20]}) > 5


@given(graphs(), some.data())
def test_chosen_pairs_are_those_with_a_path_in_their_order(graph: GraphConfig, data: some.DataObject) -> None:
    node = some.integers(0, len(graph.labels) - 1)
    chosen = data.draw(some.lists(some.tuples(node, node), unique=True, min_size=2))
    cut = data.draw(some.integers(1, len(chosen) - 1))
    task = attempt(graph, kind="pairs", train_pairs=chosen[:cut], test_pairs=chosen[cut:])
    reachable = far(graph).keys()
    assert parts(task) == (
        [pair for pair in chosen[:cut] if pair in reachable],
        [pair for pair in chosen[cut:] if pair in reachable],
    )
    assert {(text[0], text[-1]) for text in task.texts} == set(chosen[:cut]) & reachable


@pytest.mark.parametrize(
    ("graph", "split", "message"),
    [
        (CHAIN, {"kind": "edges", "train_share": 0.99}, "leaves no test pairs among the 6 that are no edges"),
        (listed(3, [(0, 1), (0, 2)]), {"kind": "edges"}, "all 2 pairs with a path are edges"),
        (CHAIN, {"kind": "distance", "trained_distance": 4}, "more than 4 steps apart; choose at most 3"),
        (listed(3, [(0, 1), (0, 2)]), {"kind": "distance"}, "more than 1 step apart; add longer paths"),
        (
            CHAIN,
            {"kind": "target", "tested_targets": 0.01},
            "no test pairs.* 4 targets.*between 0.25 and 0.75",
        ),
        (CHAIN, {"kind": "target", "tested_targets": 0.99}, "no training pairs.* between 0.25 and 0.75"),
        (listed(3, [(0, 2), (1, 2)]), {"kind": "target"}, "all 2 pairs have the same target"),
        (CHAIN, {"kind": "stages"}, "kind 'file' have no stages; choose a staged graph"),
        (
            STAGED,
            {"kind": "stages", "tested_stages": [(1, 5)]},
            "stage 5 .* has 4 stages; 1 to 4 are allowed",
        ),
        (
            STAGED,
            {"kind": "stages", "tested_stages": [(3, 1)]},
            "stages 3-1 leaves no test pairs; .* 1-1, 1-2, ",
        ),
        (
            STAGED,
            {"kind": "stages", "tested_stages": [(i, j) for i in range(1, 5) for j in range(i, 5)]},
            "leaves no training pairs",
        ),
        (
            STAGED.model_copy(update={"stages": 2}),
            {"kind": "stages"},
            "all pairs two stages or more apart leaves no test",
        ),
        (CHAIN, {"kind": "pairs"}, "no training pairs are chosen"),
        (CHAIN, {"kind": "pairs", "train_pairs": [(0, 1)]}, "no test pairs are chosen"),
        (CHAIN, {"kind": "pairs", "train_pairs": [(1, 0)]}, "none of the 1 chosen training pairs has a path"),
        (
            CHAIN,
            {"kind": "pairs", "train_pairs": [(0, 1), (0, 2)], "test_pairs": [(0, 2)]},
            r"\(0, 2\) is chosen to train on and to test on",
        ),
        (CHAIN, {"kind": "pairs", "train_pairs": [(0, 1), (0, 1)]}, "name a pair twice"),
        (CHAIN, {"kind": "pairs", "train_pairs": [(0, 5)]}, r"pair \(0, 5\) leaves the graph: .* 0 to 4"),
        (CHAIN, {"kind": "pairs", "train_pairs": [(-1, 2)]}, r"pair \(-1, 2\) leaves the graph"),
        (CHAIN, {"kind": "pairs", "train_pairs": [(0, 10**30)]}, r"leaves the graph"),
        (CHAIN, {"kind": "texts"}, "no texts to train on"),
        (CHAIN, {"kind": "texts", "texts": "0 1 0 1"}, "no texts to test on"),
        (
            CHAIN,
            {"kind": "texts", "texts": "0 2 0 2", "test_texts": "0 1 0 1"},
            "'split.texts', line 1 goes from '0' to '2'",
        ),
        (
            CHAIN,
            {"kind": "texts", "texts": "0 1 0 1", "test_texts": "0 1 0 1"},
            "is in both 'split.texts' and 'split.test_texts'",
        ),
        (
            CHAIN,
            {"kind": "texts", "texts": "0 9 0 9", "test_texts": "0 1 0 1"},
            "names '9', which is no node",
        ),
        (CHAIN, {"kind": "texts", "texts": "\0", "test_texts": "0 1 0 1"}, "NUL"),
        *(
            (listed(3, [(0, 2)]), {"kind": kind}, "^1 pairs of nodes have a path")
            for kind in (*DRAWN, "stages")
        ),
    ],
)
def test_what_is_impossible_is_said_in_one_sentence(
    graph: GraphConfig, split: dict[str, Any], message: str
) -> None:
    with pytest.raises(TaskError, match=message) as refusal:
        task_of(graph, **split)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 250


@given(graphs(), some.sampled_from(["edges", "target"]), some.sampled_from([1e-6, 0.999999]))
def test_shares_that_leave_a_part_empty_name_shares_that_do_not(
    graph: GraphConfig, kind: SplitKind, share: float
) -> None:
    name = "train_share" if kind == "edges" else "tested_targets"
    try:
        task_of(graph, kind=kind, **{name: share})
    except TaskError as error:
        for allowed in re.findall(r"between (\S+) and (\S+)$|share of at most (\S+)$", str(error)):
            for value in filter(None, allowed):
                task_of(graph, kind=kind, **{name: float(value)})


def test_settings_that_matter_exist_and_every_kind_has_its_words() -> None:
    kinds = SplitConfig.model_fields["kind"].annotation
    assert set(SPLITS) == set(getattr(kinds, "__args__", ()))
    for split in SPLITS.values():
        assert set(split.settings) <= set(SplitConfig.model_fields)
        assert split.question.endswith(".")


@pytest.mark.parametrize("kind", ["acyclic", "directed", "grid"])
def test_alpines_files_make_the_task_that_they_were_written_from(kind: Any) -> None:
    config = ExperimentConfig(
        graph=GraphConfig(kind=kind, nodes=14, rows=3, columns=3),
        split=SplitConfig(kind="edges", paths_per_pair=3),
    )
    task = build_task(config)
    graph, split = imported_settings(read_alpine(write_alpine(task.graph, task.texts, task.test_pairs)))
    back = build_task(ExperimentConfig(graph=graph, split=split))
    assert (parts(back), back.texts) == (parts(task), task.texts)
    assert set(back.graph.edges) == set(task.graph.edges)


def test_texts_are_those_of_the_files_however_many_a_pair_has() -> None:
    split = {
        "kind": "texts",
        "texts": "0 2 0 1 2\n0 1 0 1\n\n0 2 0 1 2\n",
        "test_texts": "1 4 1 2 3 4\n0 3 0 1 2 3",
    }
    task = task_of(CHAIN, **split)
    assert task.texts == ((0, 1, 2), (0, 1), (0, 1, 2))
    assert parts(task) == ([(0, 2), (0, 1)], [(1, 4), (0, 3)])
    again = split_pairs(task.graph, task.distance, SplitConfig(**split))
    assert [pairs.tolist() for pairs in again] == [task.train_pairs.tolist(), task.test_pairs.tolist()]
    assert "train.txt" in write_alpine(task.graph, task.texts, task.test_pairs)


def renumbered(nodes: int, removed: Collection[int]) -> dict[int, int]:
    return {old: new for new, old in enumerate(node for node in range(nodes) if node not in removed)}


@given(graphs(), some.data())
def test_nodes_taken_out_take_their_pairs_and_texts_with_them(
    graph: GraphConfig, data: some.DataObject
) -> None:
    nodes = len(graph.labels)
    task = attempt(graph, paths_per_pair=2)
    train, test = parts(task)
    removed = data.draw(some.sets(some.integers(0, nodes - 1), max_size=2))
    texts = "".join(f"{text[0]} {text[-1]} {' '.join(map(str, text))}\n" for text in task.texts)
    before = SplitConfig(kind="pairs", train_pairs=tuple(train), test_pairs=tuple(test), texts=texts)
    after = without_nodes(before, removed, nodes)
    new = renumbered(nodes, removed)
    assert list(after.train_pairs) == [(new[s], new[t]) for s, t in train if {s, t}.isdisjoint(removed)]
    assert list(after.test_pairs) == [(new[s], new[t]) for s, t in test if {s, t}.isdisjoint(removed)]
    kept = [tuple(new[node] for node in text) for text in task.texts if removed.isdisjoint(text)]
    assert [tuple(map(int, line.split()))[2:] for line in after.texts.splitlines()] == kept
    if not removed:
        assert after == before


def test_texts_still_fit_the_graph_after_a_node_was_taken_out() -> None:
    split = SplitConfig(kind="texts", texts="2 4 2 3 4\n0 1 0 1\n", test_texts="3 4 3 4\n0 2 0 1 2")
    after = without_nodes(split, {0}, 5)
    task = task_of(listed(4, pairwise(range(4))), **after.model_dump(include={"kind", "texts", "test_texts"}))
    assert parts(task) == ([(1, 3)], [(2, 3)])
