from __future__ import annotations

import time
import tracemalloc
from functools import partial
from itertools import pairwise
from math import log

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planviz.config import GraphConfig, QLearningConfig
from planviz.rewards import outcome_reward, process_reward, reward_of
from planviz.theory import (
    cooccurrence_divergence,
    cooccurrence_policy,
    count_correct_paths,
    gains_without_end,
    optimal_q,
    q_error,
)
from tests.engine_helpers import graphs, listed, networkx_graph, task_of


def adjacency_of(config: GraphConfig) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return nx.to_numpy_array(networkx_graph(config)) > 0


@given(graphs(acyclic=True), st.integers(1, 6))
def test_on_an_acyclic_graph_correct_paths_are_the_simple_paths(config: GraphConfig, limit: int) -> None:
    counts, graph = count_correct_paths(adjacency_of(config), limit), networkx_graph(config)
    for source in graph:
        for target in graph:
            if source != target:
                expected = len(list(nx.all_simple_paths(graph, source, target, cutoff=limit)))
                assert counts[source, target] == expected


def walks_until_first_arrival(graph: nx.DiGraph[int], source: int, target: int, limit: int) -> int:
    if source == target:
        return 1
    if limit == 0:
        return 0
    return sum(walks_until_first_arrival(graph, node, target, limit - 1) for node in graph[source])


@given(graphs(max_nodes=4), st.integers(1, 5))
def test_with_cycles_correct_paths_are_the_walks_that_end_on_first_arrival(
    config: GraphConfig, limit: int
) -> None:
    counts, graph = count_correct_paths(adjacency_of(config), limit), networkx_graph(config)
    for source in graph:
        for target in graph:
            expected = walks_until_first_arrival(graph, source, target, limit) if source != target else 0
            assert counts[source, target] == expected


def test_counts_beyond_all_floats_stay_numbers() -> None:
    """300 nodes, all joined: there are about 300^299 paths."""
    counts = count_correct_paths(~np.eye(300, dtype=bool), 299)
    assert not np.isnan(counts).any()
    assert (counts[~np.eye(300, dtype=bool)] > 1e299).all() and (np.diagonal(counts) == 0).all()


@given(graphs(), st.integers(1, 5))
def test_the_cooccurrence_policy_is_the_table_of_counts(config: GraphConfig, paths: int) -> None:
    task = task_of(config, paths_per_pair=paths)
    policy = cooccurrence_policy(task)
    for target in range(task.nodes):
        for current in range(task.nodes):
            following = [
                text[j + 1]
                for text in task.texts
                for j in range(len(text) - 1)
                if (text[-1], text[j]) == (target, current)
            ]
            expected = [following.count(k) / max(len(following), 1) for k in range(task.nodes)]
            np.testing.assert_allclose(policy[target, current], expected)


@given(graphs(), st.integers(1, 5), st.integers(0, 99))
def test_the_divergence_is_the_excess_of_the_loss_over_the_best_possible(
    config: GraphConfig, paths: int, seed: int
) -> None:
    task = task_of(config, paths_per_pair=paths)
    rng = np.random.default_rng(seed)
    policy = rng.dirichlet(np.ones(task.nodes + 1), (task.nodes, task.nodes))
    optimum = cooccurrence_policy(task)

    steps = [(text[-1], c, k) for text in task.texts for c, k in pairwise(text)]
    loss = -np.mean([log(policy[step]) for step in steps])
    best_loss = -np.mean([log(optimum[step]) for step in steps])
    divergence = cooccurrence_divergence(task, np.log(policy))
    assert divergence == pytest.approx(loss - best_loss, abs=1e-12) and divergence > 0


@given(graphs(), st.integers(1, 5))
def test_only_the_optimum_has_no_divergence(config: GraphConfig, paths: int) -> None:
    task = task_of(config, paths_per_pair=paths)
    optimum = np.full((task.nodes, task.nodes, task.nodes + 1), 1e-300)
    optimum[:, :, :-1] += cooccurrence_policy(task)
    assert cooccurrence_divergence(task, np.log(optimum)) == pytest.approx(0, abs=1e-12)

    target, current = task.texts[0][-1], task.texts[0][0]
    optimum[target, current] = 0.9 * optimum[target, current] + 0.1 / (task.nodes + 1)
    assert cooccurrence_divergence(task, np.log(optimum)) > 1e-3


def test_a_policy_that_rules_a_text_out_is_infinitely_far() -> None:
    task = task_of(listed(3, [(0, 1), (1, 2)]))
    assert cooccurrence_divergence(task, np.full((3, 3, 4), -np.inf)) == np.inf


@pytest.mark.parametrize("seed", range(200))
def test_the_process_fixed_point_on_acyclic_graphs_is_a_plus_r_minus_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    nodes = int(rng.integers(3, 10))
    names = rng.permutation(nodes)
    drawn = np.argwhere(np.triu(rng.random((nodes, nodes)) < rng.uniform(0.2, 0.9), k=1))
    edges = {(0, 1), (0, 2), *((int(i), int(j)) for i, j in drawn)}
    config = listed(nodes, [(int(names[i]), int(names[j])) for i, j in edges])
    graph = networkx_graph(config)
    expected = [
        [[graph.has_edge(c, k) + nx.has_path(graph, k, t) - 1 for k in graph] for c in graph] for t in graph
    ]
    np.testing.assert_allclose(optimal_q(task_of(config), process_reward), expected, atol=1e-9)


HAND_WORKED = listed(4, [(0, 1), (1, 2), (0, 2)])
"""0 → 1 → 2 and 0 → 2; node 3 has no edge. The target is 2."""


def test_process_values_worked_out_by_hand_with_a_discount() -> None:
    """γ = ½. The best that can be had: 1 in 0 and in 1 (go to 2), 0 in 3 (jump to 2: 1 − 1)."""
    q = optimal_q(task_of(HAND_WORKED), process_reward, discount=0.5)[2]
    np.testing.assert_allclose(
        q[[0, 1, 3]],
        [
            [-1 + 0.5, 0 + 0.5, 1, -1 + 0],  # from 0: stay, to 1, arrive, to 3
            [-1 + 0.5, -1 + 0.5, 1, -1 + 0],  # from 1: jump to 0, stay, arrive, jump to 3
            [-1 + 0.5, -1 + 0.5, 0, -1 + 0],  # from 3: jumps only
        ],
    )


def test_outcome_values_cannot_tell_good_steps_from_bad() -> None:
    """Every step but the jump to the target itself is worth 1, as all of them can still be followed by success."""
    q = optimal_q(task_of(HAND_WORKED), outcome_reward)[2]
    np.testing.assert_allclose(q[[0, 1, 3]], [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 1]])


@given(graphs(), st.floats(0.1, 0.95))
def test_with_a_discount_a_step_along_an_edge_is_worth_its_distance(
    config: GraphConfig, discount: float
) -> None:
    q = optimal_q(task_of(config), process_reward, discount)
    graph = networkx_graph(config)
    for target in graph:
        distance = nx.single_target_shortest_path_length(graph, target)
        for current, following in graph.edges:
            if following in distance and current != target:
                assert q[target, current, following] == pytest.approx(discount ** distance[following])


@given(graphs(), st.integers(0, 2**32 - 1))
def test_rewards_that_can_be_gained_without_end_are_found(config: GraphConfig, seed: int) -> None:
    """networkx finds rounds of negative length; a round through the target is none, because paths end there."""
    random, nodes = np.random.default_rng(seed), len(networkx_graph(config))
    rewards = random.choice([-2.0, -1.0, 0.0, 0.5], size=(nodes, nodes), p=[0.5, 0.3, 0.1, 0.1])
    costs = nx.from_numpy_array(-rewards + 1e3, create_using=nx.DiGraph)  # all edges, also of cost 0
    for *_, data in costs.edges(data=True):
        data["weight"] -= 1e3
    costs.remove_node(0)
    assert gains_without_end(rewards, 0) == nx.negative_edge_cycle(costs)


def test_values_without_end_are_an_error_at_once() -> None:
    task = task_of(listed(100, [(node, node + 1) for node in range(99)]))
    for arm in (
        QLearningConfig(reward="custom", repeat_reward=1.01),  # staying where one is, for ever
        QLearningConfig(reward="custom", step_reward=0.1, invalid_edge_reward=0),
    ):
        began = time.perf_counter()
        with pytest.raises(ValueError, match="lower the discount"):
            optimal_q(task, reward_of(arm))
        assert time.perf_counter() - began < 1
        assert np.isfinite(optimal_q(task, reward_of(arm), 0.9, targets=[99])).all()


def test_values_that_do_not_settle_are_an_error() -> None:
    with pytest.raises(ValueError, match="did not settle within 1 sweeps"):
        optimal_q(task_of(HAND_WORKED), process_reward, sweeps=1)


@given(graphs(), st.data())
def test_some_targets_are_slices_of_all(config: GraphConfig, data: st.DataObject) -> None:
    task = task_of(config)
    targets = data.draw(st.lists(st.integers(0, task.nodes - 1)))
    np.testing.assert_array_equal(
        optimal_q(task, process_reward, 0.9, targets=targets), optimal_q(task, process_reward, 0.9)[targets]
    )
    np.testing.assert_array_equal(cooccurrence_policy(task, targets), cooccurrence_policy(task)[targets])


def test_the_tables_take_the_memory_of_their_result() -> None:
    nodes = 80
    task = task_of(listed(nodes, [(i, j) for i in range(nodes) for j in range(i + 1, min(i + 4, nodes))]))
    for build in (cooccurrence_policy, partial(optimal_q, reward=process_reward)):
        tracemalloc.start()
        size = build(task).nbytes
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert size == 8 * nodes**3 and peak < 1.5 * size


def test_the_q_error_is_taken_over_visited_steps_to_nodes() -> None:
    task = task_of(HAND_WORKED)
    optimal = optimal_q(task, process_reward)
    learned = np.pad(optimal, ((0, 0), (0, 0), (0, 1)), constant_values=7)  # EOS last
    learned[2, 0, :2] += [0.5, -1]
    learned[2, 1, 0] = 99
    visited = np.zeros(learned.shape, dtype=bool)
    visited[2, 0] = True
    assert q_error(task, learned, optimal, visited) == pytest.approx((1, 1.5 / 4))
    assert q_error(task, learned[..., :4], optimal, visited[..., :4]) == pytest.approx((1, 1.5 / 4))
    assert np.isnan(q_error(task, learned, optimal, np.zeros_like(visited))).all()
