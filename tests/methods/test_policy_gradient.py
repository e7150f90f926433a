from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from planviz.config import PolicyGradientConfig
from planviz.methods.policy_gradient import PolicyGradient, path_kl, policy_gradient_loss
from planviz.methods.sft import negative_log_likelihood
from planviz.models import PlanningModel
from planviz.models.tabular import TabularModel
from planviz.rollout import Paths
from planviz.task import Task
from tests.engine_helpers import (
    MODELS,
    as_lists,
    as_paths,
    listed,
    log_likelihood,
    next_logits,
    record_paths,
    strong_model,
    task_of,
)

kinds = pytest.mark.parametrize("kind", MODELS)
Step = tuple[PlanningModel, Paths, list[Tensor]]


@pytest.fixture(scope="module")
def task() -> Task:
    edges = [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (3, 4), (2, 4)]
    return task_of(listed(5, edges), train_share=0.8)


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Callable[[PolicyGradient], Step]:
    """Make one step, and give the model as it was before, the sampled paths, and the gradient of the step."""
    sampled = record_paths(monkeypatch, "planviz.methods.policy_gradient")

    def step(method: PolicyGradient) -> Step:
        before = copy.deepcopy(method.model)
        method.step()
        return before, sampled[-1], [w.grad for w in method.model.parameters() if w.grad is not None]

    return step


def method_of(task: Task, kind: str, **config: Any) -> PolicyGradient:
    model, base = (strong_model(kind, task.nodes, task.max_steps, seed=seed, std=0.1) for seed in (0, 1))
    settings = PolicyGradientConfig(**{"batch_size": 48} | config)
    return PolicyGradient(model, base, task, settings, Generator().manual_seed(0))


def is_correct(task: Task, pair: tuple[int, int], path: list[int]) -> bool:
    return path[-1] == pair[1] and all(
        task.graph.has_edge(i, j) for i, j in zip([pair[0], *path], path, strict=False)
    )


def assert_gradient(loss: Tensor, model: PlanningModel, gradient: list[Tensor]) -> None:
    expected = torch.autograd.grad(loss, list(model.parameters()))
    assert any(bool(part.abs().max() > 1e-4) for part in expected)
    torch.testing.assert_close(gradient, list(expected), rtol=1e-4, atol=1e-6)


@kinds
def test_without_kl_and_baseline_a_step_is_an_sft_step_on_the_correct_samples(
    kind: str, task: Task, record: Callable[[PolicyGradient], Step]
) -> None:
    """Its gradient is the share of correct samples times the SFT gradient on them."""
    model, paths, gradient = record(method_of(task, kind))
    samples = as_lists(paths)
    correct = [sample for sample in samples if is_correct(task, *sample)]
    assert 0 < len(correct) < len(samples) == 48
    chosen = as_paths([pair for pair, _ in correct], [path for _, path in correct], task.eos)
    sft_loss = negative_log_likelihood(model(chosen.pairs, chosen.tokens[:, :-1]), chosen).mean()
    assert_gradient(len(correct) / len(samples) * sft_loss, model, gradient)


@pytest.mark.parametrize("baseline", ["none", "moving average", "group mean"])
@pytest.mark.parametrize("kl", [0.0, 0.7])
def test_the_gradient_of_every_baseline_with_and_without_kl(
    baseline: str, kl: float, task: Task, record: Callable[[PolicyGradient], Step]
) -> None:
    """Over several steps, against the formula taken path by path."""
    method = method_of(task, "tabular", baseline=baseline, kl=kl, group_size=4, learning_rate=0.05)
    average = 0.0
    for _ in range(4):
        model, paths, gradient = record(method)
        samples = as_lists(paths)
        rewards = [float(is_correct(task, *sample)) for sample in samples]
        mean = sum(rewards) / len(rewards)
        loss = torch.zeros(())
        for index, ((pair, path), reward) in enumerate(zip(samples, rewards, strict=True)):
            group = rewards[index // 4 * 4 : index // 4 * 4 + 4]
            expected = {"none": 0.0, "moving average": average, "group mean": sum(group) / 4}[baseline]
            loss = loss - (reward - expected) * log_likelihood(model, pair, path) / len(samples)
            loss = loss + kl * naive_kl(model, method.base, pair, path) / len(samples)
        assert_gradient(loss, model, gradient)
        average = 0.95 * average + 0.05 * mean


def test_samples_of_one_query_share_a_group(task: Task, record: Callable[[PolicyGradient], Step]) -> None:
    _, paths, _ = record(method_of(task, "tabular", baseline="group mean", group_size=8))
    groups = paths.pairs.view(6, 8, 2)
    assert (groups == groups[:, :1]).all()


def test_queries_are_training_pairs_only(task: Task, record: Callable[[PolicyGradient], Step]) -> None:
    method = method_of(task, "tabular", batch_size=200)
    queries = {tuple(pair) for pair in record(method)[1].pairs.tolist()}
    assert queries == set(map(tuple, task.train_pairs.tolist()))


def naive_kl(model: PlanningModel, base: PlanningModel, pair: tuple[int, int], path: list[int]) -> Tensor:
    total = torch.zeros(())
    for j in range(len(path)):
        ours, theirs = (next_logits(m, pair, path[:j]).softmax(0) for m in (model, base))
        total = total + sum(p * torch.log(p / q) for p, q in zip(ours, theirs, strict=True))
    return total


@kinds
def test_path_kl_adds_the_divergences_along_the_path(kind: str) -> None:
    model, base = strong_model(kind, 5, 4, seed=0, std=0.4), strong_model(kind, 5, 4, seed=1, std=0.4)
    paths = as_paths([(0, 4), (1, 2), (3, 0)], [[1, 2, 4, 5], [2], [4, 1, 5]], eos=5)
    inputs = paths.pairs, paths.tokens[:, :-1]
    expected = torch.stack([naive_kl(model, base, pair, path) for pair, path in as_lists(paths)])
    divergence = path_kl(model(*inputs), base(*inputs), paths.lengths)
    torch.testing.assert_close(divergence, expected, rtol=1e-3, atol=1e-4)
    assert (divergence > 0).all()
    assert (path_kl(model(*inputs), model(*inputs), paths.lengths) == 0).all()


def all_paths(table: Tensor, pair: tuple[int, int], limit: int) -> list[tuple[list[int], Tensor]]:
    """Every path that a tabular model can take, with its probability."""
    policy, eos = table[pair[1]].softmax(dim=1), table.shape[0]
    finished: list[tuple[list[int], Tensor]] = []
    beginnings = [([pair[0]], torch.ones((), dtype=table.dtype))]
    for path, probability in beginnings:  # grows while it is walked
        for token in range(eos + 1):
            longer = [*path, token], probability * policy[path[-1], token]
            ended = token in (pair[1], eos) or len(path) == limit
            (finished if ended else beginnings).append(longer)
    return [(path[1:], probability) for path, probability in finished]


def test_the_expected_gradient_is_that_of_the_probability_of_being_correct(task: Task) -> None:
    """Against finite differences of Σ π(u) R(u) over all paths u, in double precision."""
    model = strong_model("tabular", task.nodes, task.max_steps).double()
    assert isinstance(model, TabularModel)
    pair, limit = (0, 3), 3

    def probability_correct(table: Tensor) -> Tensor:
        everything = all_paths(table, pair, limit)
        return torch.stack([p for path, p in everything if is_correct(task, pair, path)]).sum()

    everything = all_paths(model.table.detach(), pair, limit)
    weights = torch.stack([p * is_correct(task, pair, path) for path, p in everything]) * len(everything)
    paths = as_paths([pair] * len(everything), [path for path, _ in everything], task.eos)
    loss = policy_gradient_loss(model(paths.pairs, paths.tokens[:, :-1]), paths, weights)
    (gradient,) = torch.autograd.grad(loss, [model.table])

    table = model.table.detach().clone()
    for index in torch.cartesian_prod(torch.tensor([3]), torch.arange(3), torch.arange(6)).tolist():
        values = []
        for step in (1e-5, -1e-5):
            moved = table.clone()
            moved[tuple(index)] += step
            values.append(probability_correct(moved))
        slope = (values[0] - values[1]) / 2e-5
        assert -gradient[tuple(index)] == pytest.approx(slope.item(), abs=1e-8)


def test_where_all_samples_agree_a_group_mean_changes_nothing(task: Task) -> None:
    method = method_of(task, "tabular", baseline="group mean", group_size=4)
    assert isinstance(method.model, TabularModel)
    with torch.no_grad():
        method.model.table[:] = 0
        method.model.table[:, :, task.eos] = 50  # always stops at once: no sample is correct
    before = method.model.table.detach().clone()
    result = method.step()
    assert result.values["reward"] == 0
    assert torch.equal(method.model.table, before)


def test_the_kl_penalty_pulls_the_model_towards_the_base(task: Task) -> None:
    method = method_of(task, "tabular", kl=100.0, learning_rate=0.02)
    divergences = [method.step().values["kl"] for _ in range(60)]
    assert divergences[-1] < 0.3 * divergences[0]
    assert all(parameter.grad is None for parameter in method.base.parameters())
