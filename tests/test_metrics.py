from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planviz.events import QueryPaths
from planviz.metrics import PASS_AT, group_paths, pass_at_k, sampled_metrics
from planviz.task import OUTCOMES, Task, judge
from planviz.theory import count_correct_paths
from tests.engine_helpers import listed, task_of

TASK = task_of(listed(5, [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (3, 4), (2, 4)]))
COUNTS = count_correct_paths(TASK.adjacency, TASK.max_steps)
QUERIES = [(int(s), int(t)) for s, t in np.argwhere(TASK.distance > 0)]


@given(st.integers(1, 8), st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_correct_sample(samples: int, data: st.DataObject) -> None:
    correct, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    subsets = list(combinations([True] * correct + [False] * (samples - correct), k))
    assert pass_at_k(samples, correct, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


def test_pass_at_more_than_the_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="pass@5 needs at least 5 samples; there are 4"):
        pass_at_k(4, 2, 5)


@st.composite
def sampled(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]], list[list[int]]]:
    """A number of samples, and for each of some queries that many paths."""
    samples = draw(st.integers(1, 12))
    queries = draw(st.lists(st.sampled_from(QUERIES), min_size=1, max_size=4, unique=True))
    correct = st.sampled_from([[1, 2, 3, 4], [1, 3, 4], [2, 3, 4], [2, 4], [3, 4], [2, 3], [3], [4]])
    paths = []
    for _, target in queries:
        for _ in range(samples):
            tokens = draw(correct | st.lists(st.integers(0, 5), min_size=1, max_size=4))
            ends = [j for j, token in enumerate(tokens) if token in (target, TASK.eos)]
            paths.append(tokens[: ends[0] + 1] if ends else tokens)
    return samples, queries, paths


def grouped(samples: int, queries: list[tuple[int, int]], paths: list[list[int]]) -> tuple[QueryPaths, ...]:
    return group_paths(TASK, *as_arrays(samples, queries, paths), samples)


def as_arrays(
    samples: int, queries: list[tuple[int, int]], paths: list[list[int]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    tokens = np.array([path + [TASK.eos] * (5 - len(path)) for path in paths])
    return np.repeat(np.array(queries), samples, axis=0), tokens, np.array([len(path) for path in paths])


def outcomes_of(case: tuple[int, list[tuple[int, int]], list[list[int]]]) -> list[str]:
    return [OUTCOMES[outcome] for outcome in judge(TASK, *as_arrays(*case))]


@given(sampled())
def test_grouped_paths_are_the_distinct_ones_with_their_frequencies(
    case: tuple[int, list[tuple[int, int]], list[list[int]]],
) -> None:
    samples, queries, paths = case
    outcomes = outcomes_of(case)
    for index, (query, (source, target)) in enumerate(zip(grouped(*case), queries, strict=True)):
        rows = slice(index * samples, (index + 1) * samples)
        own = [tuple(path) for path in paths[rows]]
        assert (query.source, query.target) == (source, target)
        assert dict(zip(query.paths, query.counts, strict=True)) == Counter(own)
        assert list(query.counts) == sorted(query.counts, reverse=True)
        assert set(zip(query.paths, query.outcomes, strict=True)) == set(
            zip(own, outcomes[rows], strict=True)
        )


@given(sampled())
def test_all_metrics_agree_with_counting_sample_by_sample(
    case: tuple[int, list[tuple[int, int]], list[list[int]]],
) -> None:
    samples, queries, paths = case
    outcomes = outcomes_of(case)
    values = sampled_metrics(TASK, grouped(*case), COUNTS)
    distinct, coverage, entropy, stretch = [], [], [], []
    for index, (source, target) in enumerate(queries):
        rows = range(index * samples, (index + 1) * samples)
        correct = [tuple(paths[row]) for row in rows if outcomes[row] == "correct"]
        distinct.append(len(set(correct)))
        coverage.append(len(set(correct)) / min(samples, COUNTS[source, target]))
        if correct:
            shares = [correct.count(path) / len(correct) for path in set(correct)]
            entropy.append(sum(-share * math.log(share) for share in shares))
            stretch.append(sum(map(len, correct)) / len(correct) / TASK.distance[source, target])
    assert values["distinct_paths"] == pytest.approx(np.mean(distinct))
    assert values["coverage"] == pytest.approx(np.mean(coverage)) and 0 <= values["coverage"] <= 1
    for name, expected in (("path_entropy", entropy), ("path_stretch", stretch)):
        assert values[name] == pytest.approx(np.mean(expected) if expected else math.nan, nan_ok=True)
    for kind in OUTCOMES[1:]:
        assert values[kind] == pytest.approx(outcomes.count(kind) / len(outcomes))


@given(sampled())
def test_shares_add_up_and_pass_at_k_grows_from_the_sampled_accuracy(
    case: tuple[int, list[tuple[int, int]], list[list[int]]],
) -> None:
    values = sampled_metrics(TASK, grouped(*case), COUNTS)
    assert values["sampled_accuracy"] + sum(values[kind] for kind in OUTCOMES[1:]) == pytest.approx(1)
    passes = [values[f"pass_at_{k}"] for k in PASS_AT if k <= case[0]]
    assert passes[0] == pytest.approx(values["sampled_accuracy"])
    assert passes == sorted(passes)
    assert [name for name in values if name.startswith("pass_at_")] == [
        f"pass_at_{k}" for k in PASS_AT if k <= case[0]
    ]


def query(paths: dict[tuple[int, ...], int]) -> QueryPaths:
    """A query from 0 to 4: paths that end in 4 are correct here, others stop early."""
    outcomes = tuple("correct" if path[-1] == 4 else "stopped_early" for path in paths)
    return QueryPaths(0, 4, tuple(paths), tuple(paths.values()), outcomes)


def test_metrics_worked_out_by_hand() -> None:
    """Five correct paths lead from 0 to 4, the shortest with two steps."""
    assert COUNTS[0, 4] == 5
    queries = [query({(2, 4): 2, (1, 2, 4): 2, (1, 5): 1}), query({(1, 5): 5})]
    values = sampled_metrics(TASK, queries, COUNTS)
    assert values == pytest.approx(
        {
            "sampled_accuracy": 0.4,
            "distinct_paths": 1.0,
            "coverage": 0.2,
            "path_entropy": math.log(2),
            "path_stretch": 1.25,
            "invalid_edge": 0,
            "stopped_early": 0.6,
            "never_arrived": 0,
            "pass_at_1": 0.4,
            "pass_at_2": 0.5,
            "pass_at_5": 0.5,
        }
    )


def test_coverage_counts_up_to_the_number_of_samples() -> None:
    assert sampled_metrics(TASK, [query({(2, 4): 1, (1, 2, 4): 1})], COUNTS)["coverage"] == 1


@pytest.mark.parametrize("name", ["path_entropy", "path_stretch"])
def test_without_a_correct_sample_there_is_no_entropy_and_no_stretch(name: str) -> None:
    assert math.isnan(sampled_metrics(TASK, [query({(1, 5): 3})], COUNTS)[name])


def test_on_a_ring_every_measured_query_has_a_coverage() -> None:
    """Test pairs may lie farther apart than any training text is long."""
    ring = listed(8, [(node, (node + 1) % 8) for node in range(8)])
    task: Task = task_of(ring, train_share=0.02)
    counts = count_correct_paths(task.adjacency, task.max_steps)
    queries = [QueryPaths(int(s), int(t), ((int(t),),), (1,), ("invalid_edge",)) for s, t in task.test_pairs]
    assert sampled_metrics(task, queries, counts)["coverage"] == 0
