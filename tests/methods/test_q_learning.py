from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from planviz.config import QLearningConfig
from planviz.methods.q_learning import QLearning, calibrate_head, q_targets, step_rewards
from planviz.models import PlanningModel
from planviz.models.base import Cache
from planviz.rewards import process_reward
from planviz.rollout import Paths
from planviz.task import Task
from planviz.theory import optimal_q
from tests.engine_helpers import (
    MODELS,
    as_lists,
    as_paths,
    listed,
    next_logits,
    record_paths,
    strong_model,
    task_of,
)

kinds = pytest.mark.parametrize("kind", MODELS)


@pytest.fixture(scope="module")
def task() -> Task:
    """0 → 1 ⇄ 2 → 3, to be crossed in at most 3 steps; EOS is 4."""
    task = task_of(listed(4, [(0, 1), (1, 2), (2, 1), (2, 3)]), train_share=0.8)
    assert task.max_steps == 3
    return task


PATHS = as_paths(
    [(0, 3)] * 6,
    [
        [1, 2, 3],  # correct
        [2, 3],  # 0 → 2 is no edge, then it arrives
        [1, 4],  # stops at 1
        [1, 2, 1],  # cut off after three edges
        [1, 3],  # jumps to the target: 1 → 3 is no edge
        [1, 2, 0],  # cut off by a step that is no edge
    ],
    eos=4,
)
NEXT = torch.tensor([0.5, 0.8, 0.3])
"""The best value in the state after the first, second and third step."""

PROCESS = [
    [0 + 0.9 * 0.5, 0 + 0.9 * 0.8, 1],
    [-1 + 0.9 * 0.5, 1],
    [0 + 0.9 * 0.5, -1],
    [0 + 0.9 * 0.5, 0 + 0.9 * 0.8, 0],
    [0 + 0.9 * 0.5, 1 - 1],
    [0 + 0.9 * 0.5, 0 + 0.9 * 0.8, -1],
]
OUTCOME = [
    [0 + 0.9 * 0.5, 0 + 0.9 * 0.8, 1],
    [0 + 0.9 * 0.5, 0],
    [0 + 0.9 * 0.5, 0],
    [0 + 0.9 * 0.5, 0 + 0.9 * 0.8, 0],
    [0 + 0.9 * 0.5, 0],
    [0 + 0.9 * 0.5, 0 + 0.9 * 0.8, 0],
]


@pytest.mark.parametrize(("reward", "expected"), [("process", PROCESS), ("outcome", OUTCOME)])
def test_targets_worked_out_by_hand(reward: str, expected: list[list[float]], task: Task) -> None:
    targets = q_targets(NEXT.expand(6, 3), PATHS, step_rewards(task, PATHS, reward), discount=0.9)
    for row, length, values in zip(targets, PATHS.lengths, expected, strict=True):
        torch.testing.assert_close(row[:length], torch.tensor(values))


def method_of(task: Task, kind: str = "transformer", **config: Any) -> QLearning:
    model, base = (strong_model(kind, task.nodes, task.max_steps, seed=seed, std=0.2) for seed in (0, 1))
    settings = QLearningConfig(**{"batch_size": 32, "calibrate_head": False} | config)
    return QLearning(model, base, task, settings, Generator().manual_seed(0))


def naive_loss(
    model: PlanningModel, target: PlanningModel, task: Task, paths: Paths, config: QLearningConfig
) -> float:
    """The loss of one batch, step by step, from the equation on top of the method."""
    errors = []
    for pair, path in as_lists(paths):
        current, unbroken = pair[0], True
        for j, token in enumerate(path):
            edge = task.graph.has_edge(current, token)
            unbroken &= edge
            arrives = token == pair[1]
            value = float(arrives and unbroken) if config.reward == "outcome" else arrives - (not edge)
            if j + 1 < len(path):
                value += config.discount * next_logits(target, pair, path[: j + 1]).max().item()
            errors.append((next_logits(model, pair, path[:j])[token].item() - value) ** 2)
            current = token
    return sum(errors) / len(errors)


@kinds
@pytest.mark.parametrize("reward", ["outcome", "process"])
def test_the_loss_of_every_step_follows_the_equation(
    kind: str, reward: str, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target network is the one from before the step."""
    sampled = record_paths(monkeypatch, "planviz.methods.q_learning")
    method = method_of(task, kind, reward=reward, discount=0.7, learning_rate=0.05, exploration=0.3)
    for _ in range(3):
        model, target = copy.deepcopy(method.model), copy.deepcopy(method.target)
        result = method.step()
        expected = naive_loss(model, target, task, sampled[-1], method.config)
        assert result.values["loss"] == pytest.approx(expected, rel=1e-3)
        assert result.tokens == sampled[-1].lengths.sum()
        trained = set(map(tuple, sampled[-1].pairs.tolist()))
        assert trained <= set(map(tuple, task.train_pairs.tolist()))


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9])
def test_the_target_network_is_a_moving_average_of_the_weights(decay: float, task: Task) -> None:
    method = method_of(task, target_decay=decay, learning_rate=0.05)
    expected = [weights.detach().clone() for weights in method.model.parameters()]
    for _ in range(5):
        method.step()
        expected = [
            decay * old + (1 - decay) * weights.detach()
            for old, weights in zip(expected, method.model.parameters(), strict=True)
        ]
    torch.testing.assert_close(list(method.target.parameters()), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("off_policy", [True, False])
def test_off_policy_paths_come_from_the_base_others_from_the_model(
    off_policy: bool, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = method_of(task, off_policy=off_policy)
    asked: list[str] = []

    def watch(name: str, model: PlanningModel) -> None:
        begin = model.begin

        def watched(pairs: Tensor) -> tuple[Tensor, Cache]:
            asked.append(name)
            return begin(pairs)

        monkeypatch.setattr(model, "begin", watched)

    watch("base", method.base)
    watch("model", method.model)
    before = [weights.clone() for weights in method.base.parameters()]
    method.step()
    assert asked == ["base" if off_policy else "model"]
    torch.testing.assert_close(list(method.base.parameters()), before, rtol=0, atol=0)


@kinds
@pytest.mark.parametrize("std", [0.02, 0.5])
def test_a_calibrated_head_has_a_mean_maximum_of_one_and_a_mean_median_of_minus_one(
    kind: str, std: float, task: Task
) -> None:
    model = strong_model(kind, task.nodes, task.max_steps, std=std)
    ranking = model(PATHS.pairs, PATHS.tokens).argsort(dim=2)
    calibrate_head(model, task)
    tops, middles = [], []
    for text in task.texts:
        for j in range(len(text) - 1):
            logits = sorted(next_logits(model, (text[0], text[-1]), list(text[1 : j + 1])).tolist())
            tops.append(logits[-1])
            middles.append(logits[(len(logits) - 1) // 2])
    assert sum(tops) / len(tops) == pytest.approx(1, abs=1e-2)
    assert sum(middles) / len(middles) == pytest.approx(-1, abs=1e-2)
    assert torch.equal(model(PATHS.pairs, PATHS.tokens).argsort(dim=2), ranking)


def test_the_head_is_calibrated_only_when_asked(task: Task) -> None:
    plain, calibrated = (method_of(task, calibrate_head=choice) for choice in (False, True))
    original = strong_model("transformer", task.nodes, task.max_steps, std=0.2)
    logits: list[Tensor] = [m(PATHS.pairs, PATHS.tokens) for m in (original, plain.model, calibrated.model)]
    torch.testing.assert_close(logits[0], logits[1])
    assert not torch.allclose(logits[0], logits[2])
    torch.testing.assert_close(calibrated.target(PATHS.pairs, PATHS.tokens), logits[2])


def test_a_table_of_q_values_learns_the_optimal_ones_where_it_goes() -> None:
    """With a limit so far away that no path is cut off, every step is worth what value iteration says."""
    graph = listed(6, [(0, 1), (0, 2), (1, 3), (2, 3), (1, 4), (3, 4), (4, 5), (2, 5)])
    task = dataclasses.replace(task_of(graph, train_share=0.8), max_steps=30)
    method = method_of(task, "tabular", batch_size=64, learning_rate=0.03, exploration=0.5, target_decay=0.0)
    (table,) = method.model.parameters()
    expected = torch.from_numpy(optimal_q(task, process_reward)).float()
    sources, targets = torch.from_numpy(task.train_pairs).T

    def distance() -> float:
        return (table[targets, sources, :-1] - expected[targets, sources]).abs().max().item()

    assert distance() > 0.8
    for _ in range(250):
        method.step()
    assert distance() < 0.05
