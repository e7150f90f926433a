from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from planviz.rewards import REWARDS, Steps, outcome_reward, process_reward


def test_the_rewards_of_every_kind_of_step() -> None:
    arrives = np.array([True, True, True, False, False, False])
    is_edge = np.array([True, True, False, True, True, False])
    edges_so_far = np.array([True, False, False, True, False, False])
    steps = Steps(arrives=arrives, is_edge=is_edge, edges_so_far=edges_so_far)
    assert outcome_reward(steps).tolist() == [1, 0, 0, 0, 0, 0]
    assert process_reward(steps).tolist() == [1, 1, 0, 0, 0, -1]


@given(st.lists(st.booleans(), min_size=1, max_size=6))
def test_over_a_path_the_process_reward_counts_the_broken_steps(edges: list[bool]) -> None:
    is_edge = np.array([edges])
    arrives = np.zeros_like(is_edge)
    arrives[0, -1] = True
    steps = Steps(arrives=arrives, is_edge=is_edge, edges_so_far=is_edge.cumprod(axis=1).astype(bool))
    assert REWARDS["process"](steps).sum() == 1 - edges.count(False)
    assert REWARDS["outcome"](steps).sum() == all(edges)
