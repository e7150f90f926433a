from __future__ import annotations

import dataclasses
from typing import Any, Literal

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.plain_loop import path_logits, q_learning_loss
from planviz.config import QLearningConfig
from planviz.methods.q_learning import QLearning, calibrate_head, q_targets, step_rewards
from planviz.models import PlanningModel
from planviz.models.base import Cache
from planviz.models.tabular import TabularModel
from planviz.packing import Paths, pack
from planviz.rewards import process_reward, reward_of
from planviz.rollout import sample_paths
from planviz.task import Ints, Task
from planviz.theory import optimal_q
from tests.engine_helpers import (
    MODELS,
    Text,
    as_lists,
    as_paths,
    assert_gradients,
    generators,
    listed,
    plain,
    record_paths,
    strong_model,
    task_of,
)

SEEDS = 3
kinds = pytest.mark.parametrize("kind", MODELS)


@pytest.fixture(scope="module")
def task() -> Task:
    """0 → 1 ⇄ 2 → 3, to be crossed in at most 3 steps; EOS is 4."""
    task = task_of(listed(4, [(0, 1), (1, 2), (2, 1), (2, 3)]), train_share=0.8)
    assert task.max_steps == 3
    return task


TEXTS: list[Text] = [
    (0, 3, [1, 2, 3]),  # correct
    (0, 3, [2, 3]),  # 0 → 2 is no edge, then it arrives
    (0, 3, [1, 4]),  # stops at 1
    (0, 3, [1, 2, 1]),  # cut off after three edges
    (0, 3, [1, 3]),  # jumps to the target: 1 → 3 is no edge
    (0, 3, [1, 2, 0]),  # cut off by a step that is no edge
]
BATCH = pack(as_paths(TEXTS, TEXTS[::-1], [*TEXTS[1:], (0, 3, [4])]))  # the last seed has fewer steps

VALUES = np.array([0.1, 0.5, 0.8])
"""The best value in the state that the first, second and third step goes from."""

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


@pytest.mark.parametrize(
    ("reward", "expected", "at_once"), [("process", PROCESS, -1.0), ("outcome", OUTCOME, 0.0)]
)
def test_targets_worked_out_by_hand(
    reward: Literal["outcome", "process"], expected: list[list[float]], at_once: float, task: Task
) -> None:
    """`at_once` is what stopping at s is worth."""
    values = torch.from_numpy(VALUES[BATCH.cell % 3]).float()
    targets = q_targets(
        values, BATCH, step_rewards(task, BATCH, reward_of(QLearningConfig(reward=reward))), discount=0.9
    )
    for seed, rows in enumerate((expected, expected[::-1], [*expected[1:], [at_once]])):
        by_hand = torch.tensor([value for row in rows for value in row])
        torch.testing.assert_close(targets[seed, BATCH.inside[seed]], by_hand)


def method_of(task: Task, kind: str = "transformer", seeds: int = SEEDS, **config: Any) -> QLearning:
    model, base = (
        strong_model(kind, task.nodes, task.max_steps, seed=seed, std=0.2, seeds=seeds) for seed in (0, 10)
    )
    settings = QLearningConfig(**{"batch_size": 16, "calibrate_head": False} | config)
    return QLearning(model, base, task, settings, generators(*range(seeds)))


def custom_value(task: Task, config: QLearningConfig, path: list[int], target: int) -> float:
    """What the last step of a path is worth under a custom reward."""
    *before, current, token = path
    return (
        config.step_reward
        + config.arrive_reward * (token == target)
        + config.invalid_edge_reward * (not task.graph.has_edge(current, token))
        + config.dead_end_reward * (token != task.eos and not nx.has_path(task.graph, token, target))
        + config.repeat_reward * (token != task.eos and token in [*before, current])
    )


def naive_loss(
    model: nn.Module, target_model: nn.Module, task: Task, texts: list[Text], config: QLearningConfig
) -> Tensor:
    """The loss of one batch, step by step, from the equation on top of the method."""
    errors = []
    for source, target, path in texts:
        current, unbroken = source, True
        logits, next_values = (path_logits(m, source, target, path) for m in (model, target_model))
        for j, token in enumerate(path):
            edge = task.graph.has_edge(current, token)
            unbroken &= edge
            arrives = token == target
            value = {
                "outcome": float(arrives and unbroken),
                "process": arrives - (not edge),
                "custom": custom_value(task, config, [source, *path[: j + 1]], target),
            }[config.reward]
            if j + 1 < len(path):
                value += config.discount * next_values[j + 1].max().item()
            errors.append(logits[j, token] - value)
            current = token
    sizes = torch.stack(errors).abs()
    linear = 2 * sizes - 1 if config.loss == "huber" else sizes**2
    return torch.where(sizes > 1, linear, sizes**2).mean()


TERMS = {"arrive_reward": 2.0, "step_reward": -0.25, "dead_end_reward": -0.5, "repeat_reward": 0.75}


@kinds
@pytest.mark.parametrize("reward", ["outcome", "process", "custom"])
@pytest.mark.parametrize("off_policy", [True, False])
def test_a_step_follows_the_gradient_of_the_equation(
    kind: str, reward: str, off_policy: bool, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target network is the one from before the step."""
    recorded = record_paths(monkeypatch, "planviz.methods.q_learning")
    config: dict[str, Any] = {
        "reward": reward,
        "off_policy": off_policy,
        "discount": 0.7,
        "exploration": 0.3,
    } | TERMS
    method = method_of(task, kind, learning_rate=0.05, **config)
    for _ in range(2):
        models, targets = ([plain(m, seed) for seed in range(SEEDS)] for m in (method.model, method.target))
        result = method.step()
        for seed, (model, target) in enumerate(zip(models, targets, strict=True)):
            texts = as_lists(recorded[-1], seed)
            loss = naive_loss(model, target, task, texts, method.config)
            assert result.values["loss"][seed] == pytest.approx(loss.item(), rel=1e-3)
            assert_gradients(method.model, seed, loss, model)
            assert result.tokens[seed] == sum(len(path) for *_, path in texts)
            assert {text[:2] for text in texts} <= set(map(tuple, task.train_pairs.tolist()))


def test_errors_above_one_count_only_linearly_with_hubers_loss(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = record_paths(monkeypatch, "planviz.methods.q_learning")
    losses = {}
    for name in ("huber", "squared"):
        method = method_of(task, "tabular", loss=name, exploration=0.5)
        models = [plain(method.model, seed) for seed in range(SEEDS)]
        losses[name] = method.step().values["loss"]
        for seed, model in enumerate(models):
            loss = naive_loss(model, model, task, as_lists(recorded[-1], seed), method.config)
            assert losses[name][seed] == pytest.approx(loss.item(), rel=1e-3)
            assert_gradients(method.model, seed, loss, model)
    assert (losses["huber"] < losses["squared"]).all()


def test_replay_trains_on_paths_of_the_last_batches_each_seed_on_its_own(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = record_paths(monkeypatch, "planviz.methods.q_learning")
    sampled: list[Paths] = []

    def recording(*args: Any, **kwargs: Any) -> Paths:
        sampled.append(sample_paths(*args, **kwargs))
        return sampled[-1]

    monkeypatch.setattr("planviz.methods.q_learning.sample_paths", recording)
    method = method_of(task, exploration=1.0, replay=2)
    older = 0
    for step in range(6):
        method.step()
        for seed in range(SEEDS):
            texts, new = as_lists(trained[-1], seed), as_lists(sampled[-1], seed)
            before = as_lists(sampled[-2], seed) if step else []
            assert len(texts) == 16
            assert all(text in new + before for text in texts)
            older += sum(text not in new for text in texts)
    assert older > 0


@kinds
def test_without_discount_and_with_process_rewards_the_loss_is_the_plain_one(
    kind: str, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = record_paths(monkeypatch, "planviz.methods.q_learning")
    method = method_of(task, kind, discount=1.0)
    models = [plain(method.model, seed) for seed in range(SEEDS)]
    losses = method.step().values["loss"]
    for seed, model in enumerate(models):
        loss = q_learning_loss(model, model, task.adjacency, as_lists(recorded[-1], seed))
        assert losses[seed] == pytest.approx(loss.item(), rel=1e-3)
        assert_gradients(method.model, seed, loss, model)


@pytest.mark.parametrize("reward", ["outcome", "process"])
def test_the_reward_that_is_reported_is_that_of_a_whole_path(
    reward: str, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = record_paths(monkeypatch, "planviz.methods.q_learning")
    reported = method_of(task, reward=reward, exploration=0.3).step().values["reward"]
    for seed in range(SEEDS):
        total = 0
        for source, target, path in as_lists(recorded[-1], seed):
            edges = [task.graph.has_edge(*step) for step in zip([source, *path], path, strict=False)]
            arrived = path[-1] == target
            total += (arrived and all(edges)) if reward == "outcome" else arrived - edges.count(False)
        assert reported[seed] == pytest.approx(total / 16)


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

        def watched(pairs: Ints) -> tuple[Tensor, Cache]:
            asked.append(name)
            return begin(pairs)

        monkeypatch.setattr(model, "begin", watched)

    watch("base", method.base)
    watch("model", method.model)
    method.step()
    assert asked == ["base" if off_policy else "model"]


# The calibrated head


def calibrated(kind: str, task: Task, seed: int = 0, seeds: int = 2) -> PlanningModel:
    """Models of which each has much greater logits than the one before."""
    model = strong_model(kind, task.nodes, task.max_steps, seed=seed, seeds=seeds, std=0.1)
    model.rescale_logits(10.0 ** torch.arange(seed, seed + seeds), torch.arange(seed, seed + seeds))
    calibrate_head(model, task)
    return model


@kinds
def test_a_calibrated_head_has_a_mean_maximum_of_one_and_a_mean_median_of_minus_one(
    kind: str, task: Task
) -> None:
    model = calibrated(kind, task)
    for seed in (0, 1):
        tops, middles, same = [], [], plain(model, seed)
        for text in task.texts:
            for logits in path_logits(same, text[0], text[-1], text[1:]).sort(dim=1).values.tolist():
                tops.append(logits[-1])
                middles.append(logits[(len(logits) - 1) // 2])
        assert np.mean(tops) == pytest.approx(1, abs=1e-2)
        assert np.mean(middles) == pytest.approx(-1, abs=1e-2)


@kinds
def test_calibrating_changes_no_ranking(kind: str, task: Task) -> None:
    original = strong_model(kind, task.nodes, task.max_steps, seeds=2, std=0.1)
    batch = pack(as_paths(TEXTS, TEXTS[::-1]))
    rankings = [model(batch).argsort(dim=2) for model in (original, calibrated(kind, task))]
    assert torch.equal(*rankings)


@kinds
def test_every_seed_is_calibrated_as_if_it_were_alone(kind: str, task: Task) -> None:
    for seed, weights in enumerate(calibrated(kind, task).states()):
        (alone,) = calibrated(kind, task, seed=seed, seeds=1).states()
        torch.testing.assert_close(weights, alone, rtol=1e-3, atol=1e-4)


def test_the_head_is_calibrated_only_when_asked(task: Task) -> None:
    as_it_is, scaled = (method_of(task, calibrate_head=choice) for choice in (False, True))
    original = strong_model("transformer", task.nodes, task.max_steps, std=0.2, seeds=SEEDS)
    logits: list[Tensor] = [model(BATCH) for model in (original, as_it_is.model, scaled.model)]
    torch.testing.assert_close(logits[0], logits[1])
    assert not torch.allclose(logits[0], logits[2])
    torch.testing.assert_close(scaled.target(BATCH), logits[2])


# Training


def test_a_table_of_q_values_learns_the_optimal_ones_where_it_goes() -> None:
    """With a limit so far away that no path is cut off, every step is worth what value iteration says."""
    graph = listed(6, [(0, 1), (0, 2), (1, 3), (2, 3), (1, 4), (3, 4), (4, 5), (2, 5)])
    task = dataclasses.replace(task_of(graph, train_share=0.8), max_steps=30)
    method = method_of(
        task, "tabular", seeds=1, batch_size=64, learning_rate=0.03, exploration=0.5, target_decay=0.0
    )
    assert isinstance(method.model, TabularModel)
    table = method.model.table
    expected = torch.from_numpy(optimal_q(task, process_reward)).float()
    sources, targets = torch.from_numpy(task.train_pairs).T

    def distances() -> list[float]:
        errors = (table[:, targets, sources, :-1] - expected[targets, sources]).abs()
        return errors.amax(dim=(1, 2)).tolist()

    assert min(distances()) > 0.8
    for _ in range(250):
        method.step()
    assert max(distances()) < 0.05


def test_another_reward_changes_the_targets_from_the_next_step_on(task: Task) -> None:
    """The same weights and the same draws, so the same paths; only what their steps are worth differs."""
    one, other = (method_of(task, "tabular", exploration=0.5) for _ in range(2))
    for method in (one, other):
        method.step()
    other.change(other.config.model_copy(update={"reward": "custom", "step_reward": -1.0}))
    steps = [method.step() for method in (one, other)]
    np.testing.assert_array_equal(steps[0].paths.tokens, steps[1].paths.tokens)
    lengths = steps[0].paths.lengths.mean(axis=1)
    np.testing.assert_allclose(steps[0].values["reward"] - steps[1].values["reward"], lengths, rtol=1e-6)
    assert (steps[0].values["loss"] != steps[1].values["loss"]).all()


def test_after_a_change_the_values_go_to_the_new_optimum() -> None:
    """A table learns Q* of the process reward and then, without a new start, that of another one."""
    graph = listed(6, [(0, 1), (0, 2), (1, 3), (2, 3), (1, 4), (3, 4), (4, 5), (2, 5)])
    task = dataclasses.replace(task_of(graph, train_share=0.8), max_steps=30)
    config = {"batch_size": 64, "learning_rate": 0.03, "exploration": 0.5, "target_decay": 0.0}
    method = method_of(task, "tabular", seeds=1, **config)
    assert isinstance(method.model, TabularModel)
    table = method.model.table
    sources, targets = torch.from_numpy(task.train_pairs).T
    changed = QLearningConfig(**config, reward="custom", step_reward=-0.5, arrive_reward=3.0)
    for settings, steps in ((method.config, 250), (changed, 250)):
        expected = torch.from_numpy(optimal_q(task, reward_of(settings))).float()[targets, sources]
        assert (table[0, targets, sources, :-1] - expected).abs().max() > 0.8
        method.change(settings)
        for _ in range(steps):
            method.step()
        assert (table[0, targets, sources, :-1] - expected).abs().max() < 0.05
