"""What a reward implies, against all walks of small graphs listed one by one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planviz.config import GraphConfig, QLearningConfig
from planviz.exact import outcome_shares, policy_table
from planviz.reward_analysis import (
    NEVER,
    SURE,
    Implied,
    arrivals,
    expected_steps,
    greedy_policy,
    implied,
    reward_shares,
    share_in_words,
)
from planviz.rewards import reward_of
from planviz.task import Task
from planviz.theory import Floats, count_correct_paths, optimal_q
from tests.engine_helpers import graphs, listed, task_of

Walk = tuple[tuple[int, ...], float]
DIAMOND = listed(6, [(0, 1), (0, 2), (1, 3), (2, 3), (0, 3), (3, 4), (0, 5)])  # 5 is a dead end
CYCLE = listed(4, [(0, 1), (1, 0), (1, 2), (2, 1), (2, 3)])


def arm(reward: str = "custom", **settings: Any) -> QLearningConfig:
    return QLearningConfig(**{"reward": reward, **settings})


def walks(task: Task, policy: Floats, source: int, target: int) -> Iterator[Walk]:
    """Every path (s, u1, …) that the policy can take, up to t, its first step along no edge, or the length limit."""
    stack: list[Walk] = [((source,), 1.0)]
    while stack:
        path, probability = stack.pop()
        *before, last = path
        broken = bool(before) and not task.adjacency[before[-1], last]
        if broken or (before and last == target) or len(before) == task.max_steps:
            yield path, probability
            continue
        stack += [((*path, int(k)), probability * policy[last, k]) for k in np.flatnonzero(policy[last])]


def is_correct(task: Task, path: tuple[int, ...], target: int) -> bool:
    return bool(path[-1] == target and task.adjacency[path[-2], path[-1]])


@given(graphs(), st.integers(0, 2**32 - 1))
def test_where_a_policy_leads_is_what_its_walks_add_up_to(config: GraphConfig, seed: int) -> None:
    task = task_of(config)
    random = np.random.default_rng(seed)
    policy = greedy_policy(random.integers(3, size=(task.nodes, task.nodes)).astype(float))
    source, target = random.choice(np.argwhere(task.distance > 0)).tolist()
    object.__setattr__(task, "max_steps", min(task.max_steps, 5))
    found = list(walks(task, policy, source, target))
    correct = [(path, p) for path, p in found if is_correct(task, path, target)]
    arrival = sum(p for _, p in correct)
    there = arrivals(task, policy, target)
    assert sum(p for _, p in found) == pytest.approx(1)
    assert there.probability[source] == pytest.approx(arrival)
    assert there.paths[source] == len(correct)
    if correct:
        mean = sum(p * (len(path) - 1) for path, p in correct) / arrival
        assert there.steps[source] == pytest.approx(mean)
    else:
        assert np.isnan(there.steps[source])
    flow = np.zeros_like(policy)
    for path, p in found:
        for step in pairwise(path):
            flow[step] += p
    np.testing.assert_allclose(expected_steps(task, policy, source, target), flow, atol=1e-12)


@pytest.mark.parametrize("graph", [DIAMOND, CYCLE])
@pytest.mark.parametrize("settings", [arm("process"), arm("outcome"), arm(step_reward=-0.1, discount=0.9)])
def test_shares_of_pairs_are_those_of_the_exact_metrics(
    graph: GraphConfig, settings: QLearningConfig
) -> None:
    task = task_of(graph)
    q_values = optimal_q(task, reward_of(settings), settings.discount)
    shares = reward_shares(task, reward_of(settings), settings.discount, task.test_pairs, 0.1)
    no_eos = np.zeros((task.nodes, task.nodes, 1))
    table = np.concatenate([greedy_policy(q_values), no_eos], axis=2)
    exact = outcome_shares(task, table, task.test_pairs)[:, 0]
    assert shares.arrival == pytest.approx(exact.mean())
    assert shares.sure == pytest.approx((exact >= SURE).mean())
    assert shares.never == pytest.approx((exact <= NEVER).mean())
    assert shares.sure + shares.possible + shares.never == pytest.approx(1)
    assert (shares.pairs, shares.of) == (len(task.test_pairs),) * 2
    soft = np.concatenate([policy_table(q_values, 0.1), no_eos], axis=2)
    weights = np.exp(q_values / 0.1)
    np.testing.assert_allclose(weights / weights.sum(axis=2, keepdims=True), soft[:, :, :-1])
    assert shares.sampled == pytest.approx(outcome_shares(task, soft, task.test_pairs)[:, 0].mean())


def test_on_large_graphs_the_shares_are_those_of_some_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(DIAMOND)
    monkeypatch.setattr("planviz.reward_analysis.MAX_ENTRIES", 2 * task.nodes**2)
    pairs = np.argwhere(task.distance > 0)
    shares = reward_shares(task, reward_of(arm("process")), 1.0, pairs, 0.1)
    wanted = pairs[np.isin(pairs[:, 1], [1, 5])]  # the first and the last target
    assert (shares.pairs, shares.of, shares.sure) == (len(wanted), len(pairs), 1.0)


def what_is_implied(graph: GraphConfig, source: int, target: int, settings: QLearningConfig) -> Implied:
    task = task_of(graph)
    paths = count_correct_paths(task.adjacency, task.max_steps)[source, target]
    return implied(task, reward_of(settings), settings.discount, source, target, float(paths))


@pytest.mark.parametrize(
    ("graph", "query", "settings", "said"),
    [
        (DIAMOND, (0, 4), arm("process"), "All correct next nodes tie at 1.00: it arrives always, by any of 3 paths."),
        (DIAMOND, (1, 4), arm("process"), "The one correct path is worth most (1.00): it arrives always."),
        (DIAMOND, (0, 4), arm(step_reward=-0.1), "Shorter paths are worth more: it arrives always, by one path of 2 "
         "steps, the fewest, and leaves out the other 2."),
        (DIAMOND, (0, 4), arm("outcome"), "5 of 6 next nodes are worth the same, 1.00, but only 3 edges there lead to "
         "the target: this policy wanders, and arrives with probability 5%."),
        (DIAMOND, (0, 4), arm(invalid_edge_reward=0), "Every next node is worth the same, 1.00, but only 3 edges"),
        (DIAMOND, (0, 4), arm(dead_end_reward=1, discount=0.5), "Dead ends are worth most"),
        (DIAMOND, (0, 4), arm(invalid_edge_reward=0.5, discount=0.5), "along no edge is worth most"),
        (DIAMOND, (0, 4), arm(invalid_edge_reward=0, step_reward=-1), "Jumping to the target along no edge"),
        (CYCLE, (0, 3), arm("process"), "Going on is worth as much as arriving (1.00): it wanders among good edges"),
        (CYCLE, (0, 3), arm(step_reward=0.5, invalid_edge_reward=-5, discount=0.9), "Going on is worth more"),
    ],
)  # fmt: skip
def test_the_verdict_says_where_the_policy_leads_and_why(
    graph: GraphConfig, query: tuple[int, int], settings: QLearningConfig, said: str
) -> None:
    assert said in what_is_implied(graph, *query, settings).verdict


def test_a_verdict_agrees_with_its_numbers() -> None:
    process, short = (what_is_implied(DIAMOND, 0, 4, each) for each in (arm("process"), arm(discount=0.9)))
    assert (process.arrival, process.paths) == (1, 3)
    assert process.steps == pytest.approx(8 / 3)
    assert (short.arrival, short.paths, short.steps) == (1, 1, 2)
    assert process.flow[0].sum() == pytest.approx(1) and process.flow[3, 4] == pytest.approx(1)
    outcome = what_is_implied(DIAMOND, 0, 4, arm("outcome"))
    assert outcome.arrival == pytest.approx(
        (1 / 5 + 2 / 5 * 1 / 5) * 1 / 6
    )  # five tie at 0, 1 and 2, six at 3


def test_values_without_end_are_an_error() -> None:
    with pytest.raises(ValueError, match="lower the discount"):
        what_is_implied(CYCLE, 0, 3, arm(step_reward=0.5))


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (0, "0%"),
        (0.004, "<0.5%"),
        (0.25, "25%"),
        (0.997, ">99.5%"),
        (1 - 1e-15, "100%"),
        (1, "100%"),
    ],
)
def test_a_share_in_words_is_none_or_all_only_if_it_is(probability: float, words: str) -> None:
    assert share_in_words(probability) == words


def test_a_share_in_words_with_a_decimal() -> None:
    told = [share_in_words(share, 1) for share in (0, 0.0004, 0.0123, 0.9998, 1)]
    assert told == ["0.0%", "<0.05%", "1.2%", ">99.95%", "100.0%"]
