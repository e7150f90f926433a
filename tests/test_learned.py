"""Learned values beside exact ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from planviz.config import GraphConfig, PolicyGradientConfig, QLearningConfig, SftConfig, preset
from planviz.learned import errors, exact_table, learned_table, nearest
from planviz.mechanism import Probe, states
from planviz.task import build_task
from planviz.theory import cooccurrence_policy
from tests.engine_helpers import graphs, task_of

TASK = build_task(preset("quick"))


def test_q_learning_is_compared_with_the_values_of_its_reward() -> None:
    """Acyclic, γ = 1, process reward: A + R − 1 at the states that count."""
    targets = [29, 10]
    exact = exact_table(TASK, QLearningConfig(), targets)
    expected = 1.0 * TASK.adjacency + TASK.reachable.T[targets][:, None] - 1
    valid = states(TASK)[targets]
    np.testing.assert_allclose(exact[valid], np.broadcast_to(expected, exact.shape)[valid])
    assert np.isnan(exact[~valid]).all()
    logits = np.random.default_rng(0).normal(size=(2, TASK.nodes, TASK.nodes + 1)).astype(np.float32)
    np.testing.assert_array_equal(
        learned_table(QLearningConfig(), Probe(logits, 0.1, None)), logits[..., :-1]
    )


@pytest.mark.parametrize("arm", [SftConfig(), PolicyGradientConfig()])
def test_others_are_compared_with_the_text(arm: SftConfig | PolicyGradientConfig) -> None:
    targets = [25, 29]
    exact, counted = exact_table(TASK, arm, targets), cooccurrence_policy(TASK, targets)
    visited = counted.any(axis=2)
    np.testing.assert_allclose(exact[visited], counted[visited], atol=1e-7)
    assert np.isnan(exact[~visited]).all() and visited.any()
    logits = np.log(np.pad(counted, ((0, 0), (0, 0), (0, 1))) + 1e-9).astype(np.float32)
    learned = learned_table(arm, Probe(logits, 1.0, None))
    found = errors(learned, exact)
    assert found.largest < 1e-5 and found.mean < 1e-6


def test_a_model_that_was_wrong_once_is_told_where() -> None:
    exact = np.array([[0.0, 1.0], [np.nan, 0.5]])
    found = errors(np.array([[0.25, 1.0], [7.0, -0.25]]), exact)
    assert (found.largest, found.at) == (0.75, (1, 1))
    assert found.mean == pytest.approx(1 / 3)
    nothing = errors(exact, np.full((2, 2), np.nan))
    assert np.isnan(nothing.largest) and np.isnan(nothing.mean)


@given(graphs())
def test_small_graphs_are_shown_whole(config: GraphConfig) -> None:
    task = task_of(config)
    for target in range(task.nodes):
        rows, columns = nearest(task, target, 100)
        assert rows.tolist() == np.flatnonzero(states(task)[target]).tolist()
        assert columns.tolist() == list(range(task.nodes))


def test_of_large_graphs_the_nodes_nearest_to_the_target_are_shown() -> None:
    rows, columns = nearest(TASK, 29, 8)
    distance = TASK.distance[:, 29]
    others = [node for node in np.flatnonzero(distance > 0) if node not in rows]
    assert len(rows) == len(columns) == 8 and 29 in columns and 29 not in rows
    assert distance[rows].max() <= distance[others].min()
    assert rows.tolist() == sorted(rows) and columns.tolist() == sorted(columns)
