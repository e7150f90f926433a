from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator

from planviz.config import PolicyGradientConfig, QLearningConfig, SftConfig
from planviz.evaluation import evaluate, kl_to_base, policy_temperature
from planviz.events import QueryPaths
from planviz.models import PlanningModel
from planviz.models.tabular import TabularModel
from planviz.rollout import Paths, sample_paths
from planviz.task import Task
from planviz.theory import cooccurrence_policy, count_correct_paths
from tests.engine_helpers import MODELS, listed, next_logits, strong_model, task_of

kinds = pytest.mark.parametrize("kind", MODELS)
SAMPLES = 8


@pytest.fixture(scope="module")
def task() -> Task:
    return task_of(listed(6, [(0, 1), (0, 2), (1, 3), (2, 3), (1, 4), (3, 4), (4, 5), (2, 5)]))


def measure(
    model: PlanningModel, base: PlanningModel, task: Task, temperature: float = 1.0, seed: int = 0
) -> tuple[dict[str, float], tuple[QueryPaths, ...]]:
    return evaluate(
        model,
        base,
        task,
        task.train_pairs,
        count_correct_paths(task.adjacency, task.max_steps),
        temperature=temperature,
        samples=SAMPLES,
        generator=Generator().manual_seed(seed),
    )


def model_of(kind: str, task: Task, seed: int = 0) -> PlanningModel:
    return strong_model(kind, task.nodes, task.max_steps, seed=seed, std=0.3)


def knowing(task: Task) -> TabularModel:
    """A table that steps as the texts do, and nearly never otherwise."""
    model = TabularModel(task.nodes, Generator())
    with torch.no_grad():
        model.table[:] = -30
        model.table[:, :-1, :-1] = torch.from_numpy(np.log(cooccurrence_policy(task) + 1e-13)).float()
    return model


def test_a_model_that_knows_the_texts_is_always_right_on_the_training_pairs(task: Task) -> None:
    values, _ = measure(knowing(task), knowing(task), task)
    assert values["greedy_accuracy"] == values["pass_at_5"] == 1
    assert values["sampled_accuracy"] == pytest.approx(1)
    assert values["distinct_paths"] > 1 and values["path_entropy"] > 0 and values["path_stretch"] >= 1


@kinds
def test_greedy_accuracy_is_the_share_of_correct_best_paths(kind: str, task: Task) -> None:
    model = model_of(kind, task)
    correct = []
    for source, target in task.train_pairs.tolist():
        path: list[int] = []
        while len(path) < task.max_steps and (not path or path[-1] not in (target, task.eos)):
            path.append(int(next_logits(model, (source, target), path).argmax()))
        correct.append(path[-1] == target and all(task.graph.has_edge(*e) for e in pairwise([source, *path])))
    assert measure(model, model, task)[0]["greedy_accuracy"] == pytest.approx(np.mean(correct))


def sampled(model: PlanningModel, task: Task) -> Paths:
    pairs = torch.from_numpy(task.train_pairs)
    return sample_paths(model, pairs, task.max_steps, Generator().manual_seed(0), samples=SAMPLES)


@kinds
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_kl_to_base_adds_up_along_the_sampled_paths(kind: str, temperature: float, task: Task) -> None:
    model, base = model_of(kind, task), model_of(kind, task, seed=1)
    paths = sampled(model, task)
    computed = kl_to_base(model, base, paths, temperature)
    for (source, target), tokens, length, divergence in zip(
        *(tensor.tolist() for tensor in paths), computed.tolist(), strict=True
    ):
        total = 0.0
        for j in range(length):
            prefix = (source, target), tokens[:j]
            ours = (next_logits(model, *prefix) / temperature).log_softmax(0)
            theirs = next_logits(base, *prefix).log_softmax(0)
            total += (ours.exp() * (ours - theirs)).sum().item()
        assert divergence == pytest.approx(total, rel=1e-3, abs=1e-6)


@kinds
def test_a_model_is_no_distance_from_itself(kind: str, task: Task) -> None:
    model = model_of(kind, task)
    assert measure(model, model_of(kind, task), task)[0]["kl_to_base"] == pytest.approx(0, abs=1e-6)
    assert kl_to_base(model, model, sampled(model, task), 0.5).mean() > 0.01


def test_a_large_evaluation_is_done_in_parts(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = model_of("transformer", task), []

    def watched(*arguments: Any, **options: Any) -> Paths:
        paths = sample_paths(*arguments, **options)
        rows.append(len(paths.lengths))
        return paths

    monkeypatch.setattr("planviz.evaluation.sample_paths", watched)
    monkeypatch.setattr("planviz.evaluation.MAX_ROWS", 3 * SAMPLES)
    _, queries = measure(model, model, task)
    assert [(q.source, q.target) for q in queries] == list(map(tuple, task.train_pairs.tolist()))
    assert len(rows) > 2
    assert max(rows[1:]) <= 3 * SAMPLES


def test_every_query_is_sampled_equally_often(task: Task) -> None:
    model = model_of("transformer", task)
    queries = measure(model, model, task)[1]
    assert [(q.source, q.target) for q in queries] == list(map(tuple, task.train_pairs.tolist()))
    assert {sum(query.counts) for query in queries} == {SAMPLES}


@kinds
def test_the_same_seed_gives_the_same_metrics(kind: str, task: Task) -> None:
    model, base = model_of(kind, task), model_of(kind, task, seed=1)
    first, again, other = (measure(model, base, task, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_equal(first, again)
    assert first[1] != other[1]


def test_a_small_temperature_samples_the_best_path(task: Task) -> None:
    model = model_of("transformer", task)
    values, queries = measure(model, model, task, temperature=1e-3)
    assert {len(query.paths) for query in queries} == {1}
    assert values["sampled_accuracy"] == values["greedy_accuracy"]


def test_only_q_values_have_a_temperature_of_their_own() -> None:
    assert policy_temperature(SftConfig()) == policy_temperature(PolicyGradientConfig()) == 1
    assert math.isclose(policy_temperature(QLearningConfig(policy_temperature=0.2)), 0.2)
