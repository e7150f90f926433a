from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.plain_loop import path_logits, sft_loss
from benchmarks.plain_loop import policy_gradient_loss as plain_loss
from planviz.config import PolicyGradientConfig
from planviz.methods.base import StepResult, per_seed
from planviz.methods.policy_gradient import PolicyGradient, policy_gradient_loss, step_kl
from planviz.models.tabular import TabularModel
from planviz.packing import pack
from planviz.task import Task
from tests.engine_helpers import (
    MODELS,
    Text,
    as_lists,
    as_paths,
    assert_gradients,
    generators,
    listed,
    log_likelihood,
    plain,
    record_paths,
    strong_model,
    task_of,
)

SEEDS = 3
kinds = pytest.mark.parametrize("kind", MODELS)


@pytest.fixture(scope="module")
def task() -> Task:
    edges = [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (3, 4), (2, 4)]
    return task_of(listed(5, edges), train_share=0.8)


class Step(NamedTuple):
    """One step: each seed's plain model as it was before, its base and its samples, and the result."""

    models: list[nn.Module]
    bases: list[nn.Module]
    samples: list[list[Text]]
    result: StepResult


class StepOf(Protocol):
    def __call__(self, method: PolicyGradient) -> Step: ...


@pytest.fixture
def step_of(monkeypatch: pytest.MonkeyPatch) -> StepOf:
    """Make one step, and keep what it was made of."""
    recorded = record_paths(monkeypatch, "planviz.methods.policy_gradient")

    def step(method: PolicyGradient) -> Step:
        seeds = range(method.model.seeds)
        models, bases = ([plain(model, seed) for seed in seeds] for model in (method.model, method.base))
        result = method.step()
        return Step(models, bases, [as_lists(recorded[-1], seed) for seed in seeds], result)

    return step


def method_of(task: Task, kind: str, seeds: int = SEEDS, **config: Any) -> PolicyGradient:
    model, base = (
        strong_model(kind, task.nodes, task.max_steps, seed=seed, std=0.1, seeds=seeds) for seed in (0, 10)
    )
    settings = PolicyGradientConfig(**{"batch_size": 48} | config)
    return PolicyGradient(model, base, task, settings, generators(*range(seeds)))


def is_correct(task: Task, source: int, target: int, path: list[int]) -> bool:
    return path[-1] == target and all(
        task.graph.has_edge(i, j) for i, j in zip([source, *path], path, strict=False)
    )


def divergence(model: nn.Module, base: nn.Module, text: Text) -> Tensor:
    """Σ_j KL(π(·|u_<j) ‖ π_base(·|u_<j)) of one path."""
    ours, theirs = (path_logits(each, *text).softmax(dim=1) for each in (model, base))
    return (ours * (ours / theirs).log()).sum()


# The gradient of a step


@kinds
def test_without_kl_and_baseline_a_step_is_an_sft_step_on_the_correct_samples(
    kind: str, task: Task, step_of: StepOf
) -> None:
    """Its gradient is the share of correct samples times the SFT gradient on them."""
    method = method_of(task, kind)
    models, _, samples, result = step_of(method)
    for seed, texts in enumerate(samples):
        correct = [text for text in texts if is_correct(task, *text)]
        assert 0 < len(correct) < len(texts) == 48
        share = len(correct) / len(texts)
        assert result.values["reward"][seed] == pytest.approx(share)
        assert_gradients(method.model, seed, share * sft_loss(models[seed], correct), models[seed])


@kinds
@pytest.mark.parametrize("kl", [0.0, 0.7])
def test_a_step_follows_the_gradient_of_the_plain_loss(
    kind: str, kl: float, task: Task, step_of: StepOf
) -> None:
    method = method_of(task, kind, kl=kl)
    models, bases, samples, result = step_of(method)
    for seed, (model, base, texts) in enumerate(zip(models, bases, samples, strict=True)):
        loss = plain_loss(model, base, task.adjacency, texts, kl)
        assert result.values["loss"][seed] == pytest.approx(loss.item(), rel=1e-3)
        assert_gradients(method.model, seed, loss, model)
        if kl > 0:
            divergences = [divergence(model, base, text).item() for text in texts]
            assert result.values["kl"][seed] == pytest.approx(np.mean(divergences), rel=1e-3)
        assert result.tokens[seed] == sum(len(path) for *_, path in texts)


@pytest.mark.parametrize("baseline", ["none", "moving average", "group mean"])
@pytest.mark.parametrize("kl", [0.0, 0.7])
def test_the_gradient_of_every_baseline_with_and_without_kl(
    baseline: str, kl: float, task: Task, step_of: StepOf
) -> None:
    """Over several steps, against the formula taken path by path."""
    settings: dict[str, Any] = {"batch_size": 40, "learning_rate": 0.02}
    method = method_of(task, "tabular", seeds=2, baseline=baseline, kl=kl, group_size=4, **settings)
    averages = [0.0, 0.0]
    for _ in range(3):
        models, bases, samples, _ = step_of(method)
        for seed, (model, base, texts) in enumerate(zip(models, bases, samples, strict=True)):
            rewards = [float(is_correct(task, *text)) for text in texts]
            terms = []
            for index, (text, reward) in enumerate(zip(texts, rewards, strict=True)):
                group = rewards[index // 4 * 4 : index // 4 * 4 + 4]
                expected = {"none": 0.0, "moving average": averages[seed], "group mean": sum(group) / 4}
                term = -(reward - expected[baseline]) * log_likelihood(model, *text)
                terms.append(term + kl * divergence(model, base, text) if kl else term)
            assert_gradients(method.model, seed, torch.stack(terms).mean(), model)
            averages[seed] = 0.95 * averages[seed] + 0.05 * sum(rewards) / len(rewards)


# What is sampled


def test_samples_of_one_query_share_a_group(task: Task, step_of: StepOf) -> None:
    for texts in step_of(method_of(task, "tabular", baseline="group mean", group_size=8)).samples:
        groups = [texts[first : first + 8] for first in range(0, 48, 8)]
        assert all(len({text[:2] for text in group}) == 1 for group in groups)


def test_queries_are_training_pairs_only(task: Task, step_of: StepOf) -> None:
    for texts in step_of(method_of(task, "tabular", batch_size=200)).samples:
        assert {text[:2] for text in texts} == set(map(tuple, task.train_pairs.tolist()))


def test_broken_paths_are_followed_to_their_end_where_that_counts(task: Task, step_of: StepOf) -> None:
    """It does with a baseline or KL; without, they have no gradient."""

    def broken_early(**config: Any) -> list[bool]:
        """For each path, whether it ends with a step that is no edge, short of any other end."""
        return [
            path[-1] not in (target, task.eos) and len(path) < task.max_steps
            for texts in step_of(method_of(task, "tabular", **config)).samples
            for _, target, path in texts
        ]

    assert any(broken_early())
    for config in ({"kl": 0.1}, {"baseline": "moving average"}, {"baseline": "group mean"}):
        assert not any(broken_early(**config))


# Its parts


@kinds
def test_step_kl_is_the_divergence_at_every_step(kind: str) -> None:
    model, base = (strong_model(kind, 5, 4, seed=seed, std=0.4, seeds=2) for seed in (0, 10))
    texts: list[Text] = [(0, 4, [1, 2, 4, 5]), (1, 2, [2]), (3, 0, [4, 1, 5])]
    batch = pack(as_paths(texts, texts[1:] + texts[:1]))
    at_steps = step_kl(model(batch), base(batch))
    assert (at_steps > 0).all()
    sums = per_seed(at_steps, batch)
    for seed in (0, 1):
        expected = [
            divergence(plain(model, seed), plain(base, seed), text) for text in as_lists(batch.paths, seed)
        ]
        torch.testing.assert_close(sums[seed], torch.stack(expected).sum(), rtol=1e-3, atol=1e-4)
    assert (step_kl(model(batch), model(batch)) == 0).all()


def finished_paths(table: Tensor, source: int, target: int, limit: int) -> list[tuple[Text, Tensor]]:
    """Every path that a tabular model can take, with its probability."""
    policy, eos = table[target].softmax(dim=1), table.shape[0]
    finished: list[tuple[Text, Tensor]] = []
    beginnings = [([source], torch.ones((), dtype=table.dtype))]
    for path, probability in beginnings:  # grows while it is walked
        for token in range(eos + 1):
            longer, its_probability = [*path, token], probability * policy[path[-1], token]
            if token in (target, eos) or len(path) == limit:
                finished.append(((source, target, longer[1:]), its_probability))
            else:
                beginnings.append((longer, its_probability))
    return finished


def test_the_expected_gradient_is_that_of_the_probability_of_being_correct(task: Task) -> None:
    """Against finite differences of Σ π(u) R(u) over all paths u, in double precision."""
    model = strong_model("tabular", task.nodes, task.max_steps).double()
    assert isinstance(model, TabularModel)
    query, limit = (0, 3), 3

    def probability_correct(table: Tensor) -> Tensor:
        everything = finished_paths(table, *query, limit)
        return torch.stack([p for text, p in everything if is_correct(task, *text)]).sum()

    everything = finished_paths(model.table[0].detach(), *query, limit)
    weights = np.array([[p.item() * is_correct(task, *text) for text, p in everything]]) * len(everything)
    batch = pack(as_paths([text for text, _ in everything]), used=weights != 0)
    (gradient,) = torch.autograd.grad(policy_gradient_loss(model(batch), batch, weights).sum(), [model.table])

    table = model.table[0].detach().clone()
    for index in torch.cartesian_prod(torch.tensor([3]), torch.arange(3), torch.arange(6)).tolist():
        values = []
        for step in (1e-5, -1e-5):
            moved = table.clone()
            moved[tuple(index)] += step
            values.append(probability_correct(moved))
        slope = (values[0] - values[1]) / 2e-5
        assert -gradient[0][tuple(index)] == pytest.approx(slope.item(), rel=1e-6, abs=1e-8)


def test_paths_that_are_left_out_of_the_batch_count_in_the_mean() -> None:
    """−Σ_u A(u) · log π(u) / B, where B counts the paths with A(u) = 0 too."""
    model = strong_model("tabular", 5, 4, seeds=2)
    texts: list[Text] = [(0, 4, [1, 2, 4]), (1, 2, [2]), (3, 0, [4, 1, 5])]
    paths, advantages = as_paths(texts, texts), np.array([[0.0, 2.0, 0.0], [-1.0, 0.0, 0.5]])
    for batch in (pack(paths), pack(paths, used=advantages != 0)):
        losses = policy_gradient_loss(model(batch), batch, advantages)
        for seed in (0, 1):
            terms = [
                -advantage * log_likelihood(plain(model, seed), *text).item()
                for text, advantage in zip(texts, advantages[seed], strict=True)
            ]
            assert losses[seed].item() == pytest.approx(sum(terms) / 3, rel=1e-4)


# Training


def hopeless(method: PolicyGradient, seed: int, eos: int) -> None:
    """Make a seed stop at once, whatever the query: no sample is correct."""
    assert isinstance(method.model, TabularModel)
    with torch.no_grad():
        method.model.table[seed] = 0
        method.model.table[seed, :, :, eos] = 50


@pytest.mark.parametrize("baseline", ["none", "moving average", "group mean"])
def test_a_seed_whose_samples_are_all_wrong_learns_nothing_while_others_do(baseline: str, task: Task) -> None:
    method = method_of(task, "tabular", baseline=baseline, group_size=4)
    hopeless(method, 1, task.eos)
    (before,) = (weights.detach().clone() for weights in method.model.parameters())
    for _ in range(3):
        result = method.step()
        assert (result.values["reward"] > 0).tolist() == [True, False, True]
        assert result.values["loss"][1] == 0
    (after,) = method.model.parameters()
    assert [torch.equal(*tables) for tables in zip(before, after, strict=True)] == [False, True, False]


def test_where_no_seed_has_a_correct_sample_nothing_is_learned(task: Task) -> None:
    method = method_of(task, "tabular")
    for seed in range(SEEDS):
        hopeless(method, seed, task.eos)
    (before,) = (weights.detach().clone() for weights in method.model.parameters())
    result = method.step()
    assert (result.values["reward"] == 0).all() and (result.values["loss"] == 0).all()
    assert torch.equal(before, next(method.model.parameters()))


def test_the_kl_penalty_pulls_the_model_towards_the_base(task: Task) -> None:
    method = method_of(task, "tabular", kl=100.0, learning_rate=0.02)
    divergences = np.array([method.step().values["kl"] for _ in range(60)])
    assert (divergences[-1] < 0.3 * divergences[0]).all()
    assert all(parameter.grad is None for parameter in method.base.parameters())
