"""What is read out of a table of logits, against brute force, closed forms and plain least squares."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from planviz.config import GraphConfig, preset
from planviz.mechanism import (
    EDGE_GROUPS,
    auc,
    edge_auc,
    edge_counts,
    edge_groups,
    edge_scores,
    factored_fit,
    interaction,
    roc,
    states,
)
from planviz.rewards import process_reward
from planviz.task import build_task
from planviz.theory import optimal_q
from tests.engine_helpers import graphs, networkx_graph, task_of


@given(graphs())
def test_states_are_the_nodes_on_the_way_to_a_target(config: GraphConfig) -> None:
    valid, graph = states(task_of(config)), networkx_graph(config)
    for target in graph:
        for current in graph:
            assert valid[target, current] == (current != target and nx.has_path(graph, current, target))


@given(st.integers(1, 4), st.integers(2, 5), st.integers(0, 1), st.data())
def test_the_fit_is_what_plain_least_squares_finds(
    targets: int, nodes: int, eos: int, data: st.DataObject
) -> None:
    valid = data.draw(arrays(bool, (targets, nodes)))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    table = rng.normal(size=(targets, nodes, nodes + eos)).astype(np.float32)
    by_current, by_target = factored_fit(table, valid)
    design, wanted = [], []
    for target, current in np.argwhere(valid):
        row = np.zeros(nodes + targets)
        row[current] = row[nodes + target] = 1
        design.append(row)
        wanted.append(table[target, current, :nodes] - table[target, current, :nodes].mean())
    assert np.isnan(by_current).all(axis=1).tolist() == (~valid.any(axis=0)).tolist()
    assert np.isnan(by_target).all(axis=1).tolist() == (~valid.any(axis=1)).tolist()
    if design:
        solution = np.linalg.lstsq(np.array(design), np.array(wanted), rcond=None)[0]
        expected = (np.array(design) @ solution).reshape(len(design), nodes)
        found = [by_current[current] + by_target[target] for target, current in np.argwhere(valid)]
        np.testing.assert_allclose(found, expected, atol=1e-6)
        np.testing.assert_allclose(np.nansum(by_target, axis=0), 0, atol=1e-8)


def test_a_factored_table_is_recovered_up_to_its_gauge() -> None:
    task = build_task(preset("quick"))
    rng = np.random.default_rng(0)
    by_current, by_target = rng.normal(size=(2, task.nodes, task.nodes))
    shifts = rng.normal(size=(task.nodes, task.nodes, 1))
    targets = np.flatnonzero(states(task).any(axis=1))
    table = (by_current + by_target[:, None] + shifts)[targets]
    found, found_target = factored_fit(table, states(task)[targets])
    known = ~np.isnan(found).any(axis=1)
    np.testing.assert_allclose(interaction(found)[known], interaction(by_current[known]), atol=1e-8)
    np.testing.assert_allclose(interaction(found_target), interaction(by_target[targets]), atol=1e-8)


@pytest.mark.parametrize("name", ["quick", "paper"])
def test_optimal_q_knows_adjacency_and_reachability(name: str) -> None:
    """Q* = A + R − 1, so W_M is A, W_V is R, and every edge is recovered, how seldom it was ever seen."""
    task = build_task(preset(name))
    targets = np.flatnonzero(states(task).any(axis=1))
    q = optimal_q(task, process_reward, targets=targets)
    by_current, by_target = factored_fit(q, states(task)[targets])
    known = ~np.isnan(by_current).any(axis=1)
    np.testing.assert_allclose(
        interaction(by_current)[known], interaction(task.adjacency[known].astype(float)), atol=1e-8
    )
    reaches = task.reachable.T[targets].astype(float)
    np.testing.assert_allclose(interaction(by_target), interaction(reaches), atol=1e-8)
    assert edge_auc(task, q, targets) == pytest.approx({"all": 1, **dict.fromkeys(EDGE_GROUPS, 1)}, abs=1e-9)


def test_a_table_that_says_nothing_recovers_nothing() -> None:
    task = build_task(preset("quick"))
    table = np.zeros((task.nodes, task.nodes, task.nodes + 1), dtype=np.float32)
    assert edge_auc(task, table, range(task.nodes))["all"] == 0.5
    no_targets = edge_auc(task, table[:0], [])
    assert np.isnan(list(no_targets.values())).all()


def test_some_targets_are_enough() -> None:
    task = build_task(preset("quick"))
    targets = [5, 20, 29]
    scores = edge_scores(task, optimal_q(task, process_reward, targets=targets), targets)
    assert (~np.isnan(scores[:, 0])).tolist() == states(task)[targets].any(axis=0).tolist()


@given(graphs(), st.integers(1, 4))
def test_edges_are_counted_and_grouped(config: GraphConfig, paths: int) -> None:
    task = task_of(config, paths_per_pair=paths)
    counts, groups = edge_counts(task), edge_groups(task)
    steps = [step for text in task.texts for step in pairwise(text)]
    for current, following in np.ndindex(counts.shape):
        assert counts[current, following] == steps.count((current, following))
    assert (np.sum([*groups.values()], axis=0) == task.adjacency).all()
    assert (counts[groups["never"]] == 0).all() and (counts[groups["seldom"]] > 0).all()
    assert counts[groups["seldom"]].max(initial=0) < counts[groups["often"]].min(initial=10**9)


scored = st.lists(st.tuples(st.integers(-3, 3), st.sampled_from(["good", "bad", "other"])), max_size=30)


@given(scored)
def test_auc_is_the_share_of_pairs_in_the_right_order(values: list[tuple[int, str]]) -> None:
    scores = np.array([float(score) for score, _ in values])
    positives, negatives = (np.array([kind == name for _, kind in values], bool) for name in ("good", "bad"))
    pairs = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high in scores[positives] for low in scores[negatives]
    ]  # fmt: skip
    found = auc(scores, positives, negatives)
    if not pairs:
        assert np.isnan(found)
        return
    assert found == pytest.approx(np.mean(pairs))
    x, y = roc(scores, positives, negatives)
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert (np.diff(x) >= 0).all() and (np.diff(y) >= 0).all()
    assert np.trapezoid(y, x) == pytest.approx(found)


def test_scores_that_are_not_known_do_not_count() -> None:
    scores = np.array([2.0, np.nan, 1.0, np.nan])
    assert auc(scores, np.array([1, 1, 0, 0], bool), np.array([0, 0, 1, 1], bool)) == 1
