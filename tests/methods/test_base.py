"""What every method promises: seeds that train together without touching each other, and to go on from their
saved states bit for bit."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cache
from math import cos, pi
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from planviz.config import PolicyGradientConfig, QLearningConfig, SftConfig
from planviz.methods.base import Method
from planviz.methods.policy_gradient import PolicyGradient
from planviz.methods.q_learning import QLearning
from planviz.methods.sft import Sft
from planviz.models import PlanningModel
from tests.engine_helpers import MODELS, generators, listed, strong_model, task_of

SIZE: dict[str, Any] = {"batch_size": 16, "learning_rate": 0.01}
CONFIGS: dict[str, SftConfig | PolicyGradientConfig | QLearningConfig] = {
    "sft": SftConfig(**SIZE),
    "sft with a schedule": SftConfig(**SIZE, schedule="cosine", steps=8),
    "pg": PolicyGradientConfig(**SIZE),
    "pg with KL": PolicyGradientConfig(**SIZE, kl=0.1),
    "pg with moving average": PolicyGradientConfig(**SIZE, baseline="moving average"),
    "pg with KL and moving average": PolicyGradientConfig(**SIZE, kl=0.1, baseline="moving average"),
    "pg with group mean": PolicyGradientConfig(**SIZE, baseline="group mean", group_size=4),
    "pg with KL and group mean": PolicyGradientConfig(**SIZE, kl=0.1, baseline="group mean", group_size=4),
    "q": QLearningConfig(**SIZE),
    "q off-policy": QLearningConfig(**SIZE, off_policy=True, reward="outcome", target_decay=0),
    "q with replay and Huber's loss": QLearningConfig(**SIZE, replay=3, loss="huber"),
}
methods = pytest.mark.parametrize("name", CONFIGS)
kinds = pytest.mark.parametrize("kind", MODELS)
two_kinds = pytest.mark.parametrize("kind", ["deep transformer", "tabular"])

TASK = task_of(listed(6, [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (1, 4), (4, 5)]), train_share=0.8)
NOWHERE = 0
"""No edge leads to this node."""

TRAINED, UNTRAINED, HOPELESS = SEEDS = (0, 1, 2)
"""Seeds that start with many correct paths, with a few, and with none."""


@cache
def first_weights(kind: str) -> list[dict[str, Tensor]]:
    """The weights that each seed starts with."""
    model = strong_model(kind, TASK.nodes, TASK.max_steps, std=0.1, seeds=len(SEEDS))
    states = copy.deepcopy(model.states())
    for name in states[HOPELESS].keys() & {"table", "adjacency_logits", "head_bias"}:
        states[HOPELESS][name][..., NOWHERE] += 8
    method = Sft(model, TASK, SftConfig(batch_size=32, learning_rate=0.03), generators(*SEEDS))
    for _ in range(100):
        method.step()
    states[TRAINED] = copy.deepcopy(model.states()[TRAINED])
    return states


def method_of(name: str, kind: str, seeds: Sequence[int] = SEEDS, draws: int = 0) -> Method:
    def model_with(states: list[dict[str, Tensor]]) -> PlanningModel:
        model = strong_model(kind, TASK.nodes, TASK.max_steps, seeds=len(seeds))
        model.load_states([states[seed] for seed in seeds])
        return model

    model = model_with(first_weights(kind))
    base = model_with(strong_model(kind, TASK.nodes, TASK.max_steps, seed=7, std=0.2, seeds=3).states())
    draws_of = generators(*(draws + seed for seed in seeds))
    match CONFIGS[name]:
        case PolicyGradientConfig() as config:
            return PolicyGradient(model, base, TASK, config, draws_of)
        case QLearningConfig() as config:
            return QLearning(model, base, TASK, config, draws_of)
        case SftConfig() as config:
            return Sft(model, TASK, config, draws_of)


def saved(method: Method) -> list[bytes]:
    return [save({key: value.contiguous() for key, value in state.items()}) for state in method.states()]


def assert_close(state: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """All weights, moments and random states of a seed, up to rounding."""
    torch.testing.assert_close(state, expected, rtol=1e-4, atol=5e-5)


def spoil(model: PlanningModel, seed: int) -> None:
    with torch.no_grad():
        for weights in model.parameters():
            weights[seed] = float("nan")


# Seeds together


@kinds
@methods
def test_seeds_that_train_together_become_what_each_becomes_alone(name: str, kind: str) -> None:
    """Up to rounding, with very different numbers of correct paths, and with none at all."""
    together, steps = method_of(name, kind), 5
    results = [together.step() for _ in range(steps)]
    for seed in SEEDS:
        alone = method_of(name, kind, [seed])
        for result in results:
            expected = alone.step()
            assert result.samples == expected.samples
            assert result.tokens[seed] == expected.tokens[0]
            for key, values in expected.values.items():
                assert result.values[key][seed] == pytest.approx(values[0], rel=1e-3, abs=1e-6)
        assert_close(together.states()[seed], alone.states()[0])
    if name.startswith("pg"):
        rewards = np.mean([result.values["reward"] for result in results], axis=0)
        assert rewards[TRAINED] > 0.5 and rewards[UNTRAINED] < 0.3 and rewards[HOPELESS] == 0


@two_kinds
@methods
def test_a_seed_that_is_no_number_any_more_does_not_touch_the_others(name: str, kind: str) -> None:
    method, undisturbed = method_of(name, kind), method_of(name, kind)
    spoil(method.model, UNTRAINED)
    for _ in range(3):
        result, expected = method.step(), undisturbed.step()
        for seed in (TRAINED, HOPELESS):
            for key, values in expected.values.items():
                assert result.values[key][seed] == pytest.approx(values[seed], rel=1e-3, abs=1e-6)
    for seed in (TRAINED, HOPELESS):
        assert_close(method.states()[seed], undisturbed.states()[seed])


@two_kinds
@pytest.mark.parametrize("name", [name for name in CONFIGS if "pg" not in name or "KL" in name])
def test_the_loss_of_a_seed_that_is_no_number_any_more_is_none_either(name: str, kind: str) -> None:
    """Policy gradient without KL has no loss where no path is correct, and so does not notice."""
    method = method_of(name, kind)
    spoil(method.model, UNTRAINED)
    losses = method.step().values["loss"]
    assert np.isfinite(losses).tolist() == [True, False, True]


# Going on


@methods
@kinds
def test_a_method_goes_on_from_its_saved_states_bit_for_bit(name: str, kind: str) -> None:
    first = method_of(name, kind)
    for _ in range(3):
        first.step()
    kept = saved(first)
    expected = [first.step() for _ in range(3)]
    second = method_of(name, kind, draws=100)
    second.step()
    second.load_states([load(state) for state in kept])
    np.testing.assert_equal([second.step() for _ in range(3)], expected)
    assert saved(second) == saved(first)


@methods
def test_some_of_the_seeds_go_on_without_the_others(name: str) -> None:
    first = method_of(name, "factored")
    for _ in range(3):
        first.step()
    kept = saved(first)
    second = method_of(name, "factored", [HOPELESS, TRAINED], draws=100)
    second.load_states([load(kept[seed]) for seed in (HOPELESS, TRAINED)])
    for _ in range(3):
        first.step()
        second.step()
    for state, seed in zip(second.states(), (HOPELESS, TRAINED), strict=True):
        assert_close(state, first.states()[seed])


@methods
def test_loading_a_state_of_before_the_first_step_starts_again(name: str) -> None:
    first, second = method_of(name, "factored"), method_of(name, "factored", draws=100)
    kept = saved(first)
    second.step()
    second.load_states([load(state) for state in kept])
    np.testing.assert_equal([second.step() for _ in range(3)], [first.step() for _ in range(3)])


# The schedule


@pytest.mark.parametrize(
    ("schedule", "shares"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ("linear", [1, 3 / 4, 2 / 4, 1 / 4, 0]),
        ("cosine", [(1 + cos(pi * done / 4)) / 2 for done in range(5)]),
    ],
)
def test_the_learning_rate_follows_its_schedule(schedule: Any, shares: list[float]) -> None:
    """From the first of 4 steps on, and not beyond the last; a first step of AdamW is as long as the rate says."""
    config = SftConfig(batch_size=16, learning_rate=0.01, schedule=schedule, steps=4)
    model = strong_model("tabular", TASK.nodes, TASK.max_steps)
    method = Sft(model, TASK, config, generators(0))
    for share in [*shares, shares[-1]]:
        before = torch.cat([weights.detach().flatten() for weights in model.parameters()])
        method.optimizer.state.clear()
        method.step()
        moved = torch.cat([weights.detach().flatten() for weights in model.parameters()]) - before
        assert moved.abs().max().item() == pytest.approx(0.01 * share, rel=1e-3, abs=1e-7)


# Results


@methods
def test_every_step_reports_the_same_values_of_every_seed(name: str) -> None:
    """A mean over several steps needs all of them, also when no path, or every path, was correct."""
    method = method_of(name, "tabular")
    reported = [method.step() for _ in range(20)]
    assert {frozenset(result.values) for result in reported} == {frozenset(reported[0].values)}
    for result in reported:
        assert result.samples == 16
        assert result.tokens.shape == (3,) and (result.tokens >= 16).all()
        assert {values.shape for values in result.values.values()} == {(3,)}


@methods
def test_the_base_is_left_as_it_is(name: str) -> None:
    method = method_of(name, "transformer")
    if not isinstance(method, PolicyGradient | QLearning):
        return
    before = [weights.clone() for weights in method.base.parameters()]
    for _ in range(3):
        method.step()
    torch.testing.assert_close(list(method.base.parameters()), before, rtol=0, atol=0)
