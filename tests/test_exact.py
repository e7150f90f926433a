from __future__ import annotations

from itertools import pairwise, product
from math import prod

import networkx as nx
import numpy as np
import pytest

from planviz import exact
from planviz.exact import (
    correct_path_entropy,
    exact_metrics,
    expected_distinct_paths,
    greedy_correct,
    outcome_shares,
    path_probabilities,
    policy_table,
)
from planviz.task import OUTCOMES, Bools, Ints, Task, shortest_distances
from planviz.theory import Floats, count_correct_paths

Listing = dict[tuple[int, ...], tuple[str, float]]
"""Every path of a query, with its outcome and its probability."""


def task_on(adjacency: Bools, max_steps: int) -> Task:
    nobody = np.zeros((0, 2), dtype=np.int64)
    return Task(nx.DiGraph(), adjacency, shortest_distances(adjacency), nobody, nobody, (), max_steps)


def random_task(rng: np.random.Generator, nodes: int, max_steps: int, *, acyclic: bool = False) -> Task:
    drawn = rng.random((nodes, nodes)) < rng.uniform(0.2, 0.9)
    return task_on(np.triu(drawn, k=1) if acyclic else drawn & ~np.eye(nodes, dtype=bool), max_steps)


def random_policy(rng: np.random.Generator, nodes: int, peakedness: float) -> Floats:
    """Some tokens of some rows are ruled out."""
    logits = peakedness * rng.normal(size=(nodes, nodes, nodes + 1))
    logits[rng.random(logits.shape) < 0.1] = -np.inf
    logits[..., rng.integers(nodes + 1)] = 0
    return policy_table(logits, 1)


def all_pairs(nodes: int) -> Ints:
    return np.argwhere(~np.eye(nodes, dtype=bool))


def every_path(task: Task, policy: Floats, source: int, target: int) -> Listing:
    """By trying every sequence of tokens."""
    listing: Listing = {}
    for tokens in product(range(task.nodes + 1), repeat=task.max_steps):
        ends = [j for j, token in enumerate(tokens, start=1) if token in (target, task.eos)]
        path = tokens[: ends[0]] if ends else tokens
        if path in listing:
            continue
        steps = list(pairwise((source, *path)))
        if any(k != task.eos and not task.adjacency[c, k] for c, k in steps):
            outcome = "invalid_edge"
        elif path[-1] == target:
            outcome = "correct"
        else:
            outcome = "stopped_early" if path[-1] == task.eos else "never_arrived"
        listing[path] = outcome, prod(float(policy[target, c, k]) for c, k in steps)
    return listing


def correct(listing: Listing) -> dict[tuple[int, ...], float]:
    return {path: p for path, (outcome, p) in listing.items() if outcome == "correct" and p > 0}


@pytest.mark.parametrize("seed", range(200))
def test_everything_equals_the_sum_over_every_path_there_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    task = random_task(rng, int(rng.integers(2, 5)), int(rng.integers(1, 5)))
    policy = random_policy(rng, task.nodes, rng.choice([0.3, 2, 8]))
    pairs = rng.permutation(all_pairs(task.nodes))[:3]
    samples = int(rng.choice([1, 2, 20, 100]))

    shares = outcome_shares(task, policy, pairs)
    distinct = expected_distinct_paths(task, policy, pairs, samples)
    entropy = correct_path_entropy(task, policy, pairs)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-12)
    for i, (source, target) in enumerate(pairs.tolist()):
        listing = every_path(task, policy, source, target)
        for outcome, share in zip(OUTCOMES, shares[i], strict=True):
            assert share == pytest.approx(
                sum(p for kind, p in listing.values() if kind == outcome), abs=1e-12
            )
        found = correct(listing)
        assert path_probabilities(task.adjacency, policy, source, target, task.max_steps) == pytest.approx(
            found
        )
        assert distinct[i] == pytest.approx(sum(1 - (1 - p) ** samples for p in found.values()), abs=1e-11)
        given_correct = np.array(list(found.values())) / sum(found.values())
        expected = -(given_correct * np.log(given_correct)).sum() if found else np.nan
        assert entropy[i] == pytest.approx(expected, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("seed", range(100))
def test_the_greedy_path_is_the_one_that_a_very_cold_policy_takes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    task = random_task(rng, 4, 4)
    logits = rng.normal(size=(4, 4, 5)) + 3 * np.pad(task.adjacency, ((0, 0), (0, 1)))
    pairs = all_pairs(4)
    cold = outcome_shares(task, policy_table(logits, 1e-6), pairs)[:, 0]
    np.testing.assert_array_equal(greedy_correct(task, policy_table(logits, 1), pairs), cold > 0.5)


@pytest.mark.parametrize("samples", [1, 2, 15, 20, 100, 1000, 10**6])
def test_distinct_paths_of_larger_graphs_equal_the_sum_over_listed_paths(samples: int) -> None:
    rng = np.random.default_rng(samples)
    for peakedness in (0.2, 1, 3, 10):
        task = random_task(rng, 11, 10, acyclic=True)
        policy = random_policy(rng, 11, peakedness)
        pairs = np.argwhere(task.distance > 0)
        expected = [
            sum(-np.expm1(samples * np.log1p(-p)) for p in listed.values() if p < 1)
            + sum(p == 1 for p in listed.values())
            for listed in (path_probabilities(task.adjacency, policy, s, t, 10) for s, t in pairs.tolist())
        ]
        np.testing.assert_allclose(
            expected_distinct_paths(task, policy, pairs, samples), expected, rtol=1e-11
        )


@pytest.mark.parametrize(
    ("width", "layers", "samples"), [(2, 7, 100), (4, 20, 100), (3, 3, 1000), (9, 30, 20)]
)
def test_distinct_paths_among_more_than_can_be_listed(width: int, layers: int, samples: int) -> None:
    """From s through fully connected layers to t: width^layers paths, all as probable. N (1 − (1 − 1/N)^m)."""
    layer = np.repeat(np.arange(layers + 2), [1, *[width] * layers, 1])
    adjacency = layer[:, None] + 1 == layer
    nodes = len(layer)
    policy = np.tile(
        np.pad(adjacency / np.maximum(adjacency.sum(axis=1, keepdims=True), 1), ((0, 0), (0, 1))),
        (nodes, 1, 1),
    )
    pair = np.array([[0, nodes - 1]])
    paths = float(width**layers)
    expected = -paths * np.expm1(samples * np.log1p(-1 / paths))
    task = task_on(adjacency, layers + 1)
    np.testing.assert_allclose(expected_distinct_paths(task, policy, pair, samples), expected, rtol=1e-11)
    np.testing.assert_allclose(correct_path_entropy(task, policy, pair), np.log(paths), rtol=1e-11)


def test_pairs_worked_on_in_blocks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    task, policy, pairs = random_task(rng, 9, 8), random_policy(rng, 9, 2), all_pairs(9)
    whole = expected_distinct_paths(task, policy, pairs, 50)
    monkeypatch.setattr(exact, "MAX_ENTRIES", 1)
    np.testing.assert_allclose(expected_distinct_paths(task, policy, pairs, 50), whole, rtol=1e-12)


def sample(
    rng: np.random.Generator, task: Task, policy: Floats, pair: tuple[int, int]
) -> tuple[str, tuple[int, ...]]:
    source, target = pair
    path: list[int] = []
    current, valid = source, True
    while len(path) < task.max_steps and current not in (target, task.eos):
        path.append(int(rng.choice(task.nodes + 1, p=policy[target, current])))
        valid &= path[-1] == task.eos or bool(task.adjacency[current, path[-1]])
        current = path[-1]
    ended = {target: "correct", task.eos: "stopped_early"}.get(current, "never_arrived")
    return ended if valid else "invalid_edge", tuple(path)


def test_metrics_are_what_sampling_gives_on_average() -> None:
    """300 times 10 samples of 4 queries on a graph with cycles; each mean within 4 standard errors."""
    rng = np.random.default_rng(1)
    task = random_task(rng, 6, 5)
    logits = rng.normal(size=(6, 6, 7)) + 2.5 * np.pad(task.adjacency, ((0, 0), (0, 1)))
    policy = policy_table(logits, 1)
    existing = count_correct_paths(task.adjacency, task.max_steps)
    pairs = rng.permutation(np.argwhere((task.distance > 0) & (task.distance <= 5)))[:4]
    trials = []
    for _ in range(300):
        values = dict.fromkeys(("distinct_paths", "coverage", "pass_at_1", "pass_at_10", *OUTCOMES), 0.0)
        for s, t in pairs.tolist():
            drawn = [sample(rng, task, policy, (s, t)) for _ in range(10)]
            found = [path for outcome, path in drawn if outcome == "correct"]
            values["distinct_paths"] += len(set(found)) / 4
            values["coverage"] += len(set(found)) / min(10, existing[s, t]) / 4
            values["pass_at_1"] += len(found) / 10 / 4
            values["pass_at_10"] += (len(found) > 0) / 4
            for outcome, _ in drawn:
                values[outcome] += 1 / 10 / 4
        trials.append(values)
    exactly = exact_metrics(task, policy, pairs, existing, samples=10, pass_at=(1, 10))
    exactly["correct"] = exactly.pop("sampled_accuracy")
    assert exactly.pop("greedy_accuracy") == greedy_correct(task, policy, pairs).mean()
    assert exactly.keys() == trials[0].keys()
    for name, value in exactly.items():
        sampled = [trial[name] for trial in trials]
        assert abs(value - np.mean(sampled)) < 4 * np.std(sampled) / np.sqrt(300) + 1e-12, name


def test_too_many_paths_to_list_are_an_error() -> None:
    adjacency = np.triu(np.ones((12, 12), dtype=bool), k=1)
    policy = np.full((12, 12, 13), 1 / 13)
    assert len(path_probabilities(adjacency, policy, 0, 11, 11, limit=1024)) == 1024
    with pytest.raises(ValueError, match="more than 1023 correct paths lead from 0 to 11"):
        path_probabilities(adjacency, policy, 0, 11, 11, limit=1023)


def test_a_policy_table_is_the_softmax_even_of_extreme_logits() -> None:
    logits = np.random.default_rng(0).normal(size=(3, 3, 4)).astype(np.float32)
    weights = np.exp(logits.astype(np.float64) / 0.5)
    np.testing.assert_allclose(policy_table(logits, 0.5), weights / weights.sum(axis=2, keepdims=True))
    np.testing.assert_allclose(
        policy_table(np.array([[[1e5, -1e5, 1e5 - 1]]]), 0.1), [[[1, 0, np.exp(-10)]]], rtol=1e-4
    )


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_must_be_positive(temperature: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        policy_table(np.zeros((2, 2, 3)), temperature)
