"""What every method promises: to go on from its saved state bit for bit, and to say when it cannot go on."""

from __future__ import annotations

import copy

import pytest
import torch
from safetensors.torch import load, save
from torch import Generator

from planviz.config import PolicyGradientConfig, QLearningConfig, SftConfig
from planviz.methods.base import Method, TrainingError
from planviz.methods.policy_gradient import PolicyGradient
from planviz.methods.q_learning import QLearning
from planviz.methods.sft import Sft
from planviz.models import build_model
from planviz.task import Task
from tests.engine_helpers import MODELS, listed, task_of

SIZE = {"batch_size": 16, "learning_rate": 0.01}
CONFIGS: dict[str, SftConfig | PolicyGradientConfig | QLearningConfig] = {
    "sft": SftConfig(**SIZE),
    "pg": PolicyGradientConfig(**SIZE),
    "pg with KL and moving average": PolicyGradientConfig(**SIZE, kl=0.1, baseline="moving average"),
    "pg with group mean": PolicyGradientConfig(**SIZE, baseline="group mean", group_size=4),
    "q": QLearningConfig(**SIZE),
    "q off-policy": QLearningConfig(**SIZE, off_policy=True, reward="outcome", target_decay=0),
}
methods = pytest.mark.parametrize("name", CONFIGS)


@pytest.fixture(scope="module")
def task() -> Task:
    return task_of(listed(6, [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (1, 4), (4, 5)]))


def method_of(name: str, task: Task, kind: str, seed: int = 0) -> Method:
    model = build_model(MODELS[kind], task.nodes, task.max_steps, Generator().manual_seed(0))
    base, generator = copy.deepcopy(model), Generator().manual_seed(seed)
    match CONFIGS[name]:
        case PolicyGradientConfig() as config:
            return PolicyGradient(model, base, task, config, generator)
        case QLearningConfig() as config:
            return QLearning(model, base, task, config, generator)
        case SftConfig() as config:
            return Sft(model, task, config, generator)


@methods
@pytest.mark.parametrize("kind", MODELS)
def test_a_method_goes_on_from_its_saved_state_bit_for_bit(name: str, kind: str, task: Task) -> None:
    first = method_of(name, task, kind)
    for _ in range(3):
        first.step()
    saved = save({key: value.contiguous() for key, value in first.state().items()})
    expected = [first.step() for _ in range(3)]
    second = method_of(name, task, kind, seed=1)
    second.step()
    second.load_state(load(saved))
    assert [second.step() for _ in range(3)] == expected
    state, again = first.state(), second.state()
    assert state.keys() == again.keys()
    for key in state:
        assert torch.equal(state[key], again[key]), key


@methods
def test_every_step_reports_the_same_values(name: str, task: Task) -> None:
    """A mean over several steps needs all of them, also when no path, or every path, was correct."""
    method = method_of(name, task, "tabular")
    reported = [method.step() for _ in range(100)]
    assert {frozenset(result.values) for result in reported} == {frozenset(reported[0].values)}
    assert all(result.samples == 16 and result.tokens >= 16 for result in reported)


@methods
def test_a_loss_that_is_no_number_ends_the_training_with_a_sentence(name: str, task: Task) -> None:
    method = method_of(name, task, "factored")
    with torch.no_grad():
        for parameter in method.model.parameters():
            parameter.fill_(float("nan"))
    before = [parameter.clone() for parameter in method.model.parameters()]
    if isinstance(method, PolicyGradient) and method.config.kl == 0:
        # NaN paths are never correct, so that there is nothing to learn from, and no loss either.
        method.step()
    else:
        with pytest.raises(TrainingError, match="the loss became nan; try a smaller learning rate"):
            method.step()
    for parameter, old in zip(method.model.parameters(), before, strict=True):
        torch.testing.assert_close(parameter, old, equal_nan=True)
