from __future__ import annotations

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planviz.config import (
    ExperimentConfig,
    GraphConfig,
    QLearningConfig,
    SettingError,
    SftConfig,
    SplitConfig,
    with_changes,
)
from planviz.rewards import (
    CustomReward,
    Steps,
    all_steps,
    outcome_reward,
    process_reward,
    reward_of,
    steps_of,
)
from planviz.task import build_task

TASK = build_task(ExperimentConfig(graph=GraphConfig(kind="directed", nodes=7, density=0.25)))
terms = st.floats(-5, 5)


def test_the_rewards_of_every_kind_of_step() -> None:
    steps = Steps(
        arrives=np.array([True, True, True, False, False, False]),
        is_edge=np.array([True, True, False, True, True, False]),
        edges_so_far=np.array([True, False, False, True, False, False]),
        dead_end=np.array([False, False, False, True, False, True]),
        repeat=np.array([False, False, False, False, True, True]),
    )
    assert outcome_reward(steps).tolist() == [1, 0, 0, 0, 0, 0]
    assert process_reward(steps).tolist() == [1, 1, 0, 0, 0, -1]
    custom = CustomReward(arrive=2, invalid_edge=-1, step=-0.25, dead_end=-0.5, repeat=4)
    assert custom(steps).tolist() == [1.75, 1.75, 0.75, -0.75, 3.75, 2.25]


@given(st.lists(st.booleans(), min_size=1, max_size=6))
def test_over_a_path_the_process_reward_counts_the_broken_steps(edges: list[bool]) -> None:
    is_edge = np.array([edges])
    arrives = np.zeros_like(is_edge)
    arrives[0, -1] = True
    unbroken = is_edge.cumprod(axis=1).astype(bool)
    steps = Steps(arrives, is_edge, unbroken, dead_end=~is_edge, repeat=~is_edge)
    assert process_reward(steps).sum() == 1 - edges.count(False)
    assert outcome_reward(steps).sum() == all(edges)


@given(st.integers(0, 6), st.integers(0, 6), st.lists(st.integers(0, 7), min_size=1, max_size=6))
def test_the_steps_of_a_path_are_those_told_one_by_one(source: int, target: int, path: list[int]) -> None:
    steps = steps_of(TASK, np.array([[source, target]]), np.array([path]))
    nodes, graph = [source, *path], TASK.graph
    edges = [graph.has_edge(*step) for step in pairwise(nodes)]
    assert steps.arrives[0].tolist() == [node == target for node in path]
    assert steps.is_edge[0].tolist() == edges
    assert steps.edges_so_far[0].tolist() == [all(edges[: j + 1]) for j in range(len(path))]
    assert steps.dead_end[0].tolist() == [
        node != TASK.eos and not nx.has_path(graph, node, target) for node in path
    ]
    assert steps.repeat[0].tolist() == [
        node != TASK.eos and node in nodes[: j + 1] for j, node in enumerate(path)
    ]


@given(st.builds(QLearningConfig, reward=st.sampled_from(["process", "custom"]), step_reward=terms,
                 dead_end_reward=terms, repeat_reward=terms), st.integers(0, 6))  # fmt: skip
def test_every_step_is_worth_what_it_is_worth_as_the_first_of_a_path(
    arm: QLearningConfig, target: int
) -> None:
    reward, table = reward_of(arm), reward_of(arm)(all_steps(TASK, target))
    nodes = np.arange(TASK.nodes)
    for current in nodes:
        pairs = np.tile([current, target], (TASK.nodes, 1))
        np.testing.assert_array_equal(table[current], reward(steps_of(TASK, pairs, nodes[:, None]))[:, 0])


def test_a_custom_reward_is_the_process_reward_until_a_term_is_changed() -> None:
    steps = all_steps(TASK, 3)
    custom = reward_of(QLearningConfig(reward="custom"))
    np.testing.assert_array_equal(custom(steps), process_reward(steps))
    changed = reward_of(QLearningConfig(reward="custom", step_reward=-0.1))
    np.testing.assert_allclose(changed(steps), process_reward(steps) - 0.1)
    ignored = reward_of(QLearningConfig(reward="process", step_reward=-0.1))
    np.testing.assert_array_equal(ignored(steps), process_reward(steps))
    assert reward_of(QLearningConfig(reward="outcome")) is outcome_reward


CONFIG = ExperimentConfig(
    split=SplitConfig(train_share=0.4), arms={"q": QLearningConfig(), "sft": SftConfig()}
)


def test_an_arm_with_other_settings() -> None:
    changed = with_changes(CONFIG, "q", {"reward": "custom", "step_reward": -0.5, "discount": "0.9"})
    assert changed.arm("q") == QLearningConfig(reward="custom", step_reward=-0.5, discount=0.9)
    assert changed.arm("sft") == CONFIG.arm("sft")


@pytest.mark.parametrize(
    ("arm", "settings", "said"),
    [
        ("q", {"reward": "both"}, "arms.q.reward = 'both'"),
        ("q", {"step_reward": -6}, "arms.q.step_reward = -6"),
        ("q", {"repeat_reward": float("nan")}, "repeat_reward"),
        ("q", {"steps": 5}, "steps: cannot change while it trains"),
        ("q", {"x" * 500: 5}, "cannot change"),
        ("sft", {"reward": "outcome"}, "'sft' has no reward"),
        ("base", {"reward": "outcome"}, "'base' has no reward"),
        ("other", {"reward": "outcome"}, "'other' is unknown"),
    ],
)
def test_a_change_that_cannot_be_is_refused(arm: str, settings: dict[str, float | str], said: str) -> None:
    with pytest.raises(SettingError, match=said.replace("'", ".")) as refused:
        with_changes(CONFIG, arm, settings)
    assert len(str(refused.value)) < 300


def test_settings_of_an_earlier_version_have_no_terms() -> None:
    old = {"method": "q", "reward": "process", "steps": 5}
    parsed = ExperimentConfig.model_validate({"arms": {"q": old}}).arm("q")
    assert parsed == QLearningConfig(steps=5)
