from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from planviz.config import ArmConfig, EvaluationConfig, PolicyGradientConfig, QLearningConfig, SftConfig
from planviz.evaluation import KL_SAMPLES, Evaluator, kl_to_base, policy_temperature
from planviz.events import QueryPaths, Split
from planviz.exact import exact_metrics, outcome_shares, policy_table
from planviz.metrics import sampled_metrics
from planviz.models import PlanningModel
from planviz.models.tabular import TabularModel
from planviz.packing import Paths
from planviz.rewards import process_reward, reward_of
from planviz.rollout import sample_paths
from planviz.task import OUTCOMES, Task
from planviz.theory import (
    Floats,
    cooccurrence_divergence,
    cooccurrence_policy,
    count_correct_paths,
    optimal_q,
    q_error,
)
from tests.engine_helpers import MODELS, generators, listed, next_logits, strong_model, task_of
from tests.experiment_helpers import logits_table

kinds = pytest.mark.parametrize("kind", MODELS)
markov_kinds = pytest.mark.parametrize("kind", ["factored", "tabular"])
SAMPLES = 8
SPLITS: tuple[Split, Split] = ("train", "test")
Found = dict[Split, tuple[dict[str, float], tuple[QueryPaths, ...]]]


@pytest.fixture(scope="module")
def task() -> Task:
    return task_of(listed(6, [(0, 1), (0, 2), (1, 3), (2, 3), (1, 4), (3, 4), (4, 5), (2, 5)]))


def measure(
    model: PlanningModel,
    base: PlanningModel | None,
    task: Task,
    arm: ArmConfig | None = None,
    *,
    seed: int = 0,
    samples: int = SAMPLES,
    pairs: int = 100,
) -> Found:
    settings = EvaluationConfig(samples=samples, pairs=pairs)
    return Evaluator(task, arm or SftConfig(), settings).evaluate(model, base, *generators(seed))


def model_of(kind: str, task: Task, seed: int = 0) -> PlanningModel:
    return strong_model(kind, task.nodes, task.max_steps, seed=seed, std=0.3)


def table(logits: Floats, elsewhere: float) -> TabularModel:
    """The model with these logits (n, n, n) for nodes, and one value for EOS."""
    model = TabularModel(len(logits), generators(0))
    with torch.no_grad():
        model.table[:] = elsewhere
        model.table[0, :, :-1, :-1] = torch.from_numpy(logits).float()
    return model


def knowing(task: Task) -> TabularModel:
    """A table that steps as the texts do, and nearly never otherwise."""
    return table(np.log(cooccurrence_policy(task) + 1e-13), elsewhere=-30)


# Accuracy and paths


def test_a_model_that_knows_the_texts_is_always_right_on_the_training_pairs(task: Task) -> None:
    values, _ = measure(knowing(task), knowing(task), task)["train"]
    assert values["greedy_accuracy"] == values["pass_at_5"] == 1
    assert values["sampled_accuracy"] == pytest.approx(1)
    assert values["distinct_paths"] > 1 and values["path_entropy"] > 0 and values["path_stretch"] >= 1


@kinds
def test_greedy_accuracy_is_the_share_of_correct_best_paths(kind: str, task: Task) -> None:
    model = model_of(kind, task)
    found = measure(model, model, task)
    for split in SPLITS:
        correct = []
        for source, target in task.pairs(split).tolist():
            path: list[int] = []
            while len(path) < task.max_steps and (not path or path[-1] not in (target, task.eos)):
                path.append(int(next_logits(model, (source, target), path).argmax()))
            edges = (task.graph.has_edge(*step) for step in pairwise([source, *path]))
            correct.append(path[-1] == target and all(edges))
        assert found[split][0]["greedy_accuracy"] == pytest.approx(np.mean(correct))


def test_both_splits_are_measured_each_on_its_first_pairs(task: Task) -> None:
    model = model_of("transformer", task)
    for split, (values, queries) in measure(model, model, task, pairs=3).items():
        assert [(q.source, q.target) for q in queries] == list(map(tuple, task.pairs(split)[:3].tolist()))
        assert {sum(query.counts) for query in queries} == {SAMPLES}
        expected = sampled_metrics(task, queries, count_correct_paths(task.adjacency, task.max_steps))
        assert {name: values[name] for name in expected} == pytest.approx(expected, nan_ok=True)
        assert values["sampled_accuracy"] + sum(values[kind] for kind in OUTCOMES[1:]) == pytest.approx(
            1, abs=1e-12
        )


def test_a_large_evaluation_is_done_in_parts(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = model_of("transformer", task), []

    def watched(*arguments: Any, **options: Any) -> Paths:
        paths = sample_paths(*arguments, **options)
        rows.append(paths.lengths.size)
        return paths

    monkeypatch.setattr("planviz.evaluation.sample_paths", watched)
    monkeypatch.setattr("planviz.evaluation.MAX_ROWS", 3 * SAMPLES)
    for split, (values, queries) in measure(model, model, task).items():
        assert [(q.source, q.target) for q in queries] == list(map(tuple, task.pairs(split).tolist()))
        assert values["kl_to_base"] == pytest.approx(0, abs=1e-6)
    assert len(rows) > 2
    assert max(rows[1:]) <= 3 * SAMPLES


@kinds
def test_the_same_seed_gives_the_same_metrics(kind: str, task: Task) -> None:
    model, base = model_of(kind, task), model_of(kind, task, seed=1)
    first, again, other = (measure(model, base, task, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_equal(first, again)
    assert first["train"][1] != other["train"][1]


def test_a_small_temperature_samples_the_best_path(task: Task) -> None:
    model = model_of("transformer", task)
    arm = QLearningConfig(policy_temperature=1e-5)
    for values, queries in measure(model, model, task, arm).values():
        assert {len(query.paths) for query in queries} == {1}
        assert values["sampled_accuracy"] == pytest.approx(values["greedy_accuracy"])


def test_only_q_values_have_a_temperature_of_their_own() -> None:
    assert policy_temperature(SftConfig()) == policy_temperature(PolicyGradientConfig()) == 1
    assert math.isclose(policy_temperature(QLearningConfig(policy_temperature=0.2)), 0.2)


@markov_kinds
@pytest.mark.parametrize("arm", [SftConfig(), QLearningConfig(policy_temperature=0.5)])
def test_sampled_metrics_are_the_exact_ones_within_their_standard_errors(
    kind: str, arm: ArmConfig, task: Task
) -> None:
    """The means of 100 evaluations, for both splits, are within 4 standard errors."""
    model = model_of(kind, task)
    with torch.no_grad():
        edges = torch.from_numpy(np.pad(task.adjacency, ((0, 1), (0, 1)))).float()
        next(model.parameters()).add_(1.5 * edges)  # so that a good part of the paths is correct
    policy = policy_table(logits_table(model), policy_temperature(arm))
    existing = count_correct_paths(task.adjacency, task.max_steps)
    trials = [measure(model, model, task, arm, seed=seed, samples=10) for seed in range(100)]
    for split in SPLITS:
        pairs = task.pairs(split)
        exactly = exact_metrics(task, policy, pairs, existing, samples=10, pass_at=(1, 5))
        assert 0.1 < exactly["sampled_accuracy"] < 0.9
        np.testing.assert_allclose(outcome_shares(task, policy, pairs).sum(axis=1), 1, rtol=1e-12)
        for name, value in exactly.items():
            sampled = [trial[split][0][name] for trial in trials]
            assert abs(np.mean(sampled) - value) <= 4 * np.std(sampled) / 10 + 1e-9, (split, name)


# Distance to the base


def sampled(model: PlanningModel, task: Task) -> Paths:
    return sample_paths(model, task.train_pairs[None], task.max_steps, generators(0), samples=SAMPLES)


def kl_along(
    model: PlanningModel, base: PlanningModel, query: tuple[int, int], path: list[int], temperature: float
) -> float:
    total = 0.0
    for j in range(len(path)):
        ours = (next_logits(model, query, path[:j]) / temperature).log_softmax(0)
        theirs = next_logits(base, query, path[:j]).log_softmax(0)
        total += (ours.exp() * (ours - theirs)).sum().item()
    return total


@kinds
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_kl_to_base_adds_up_along_the_sampled_paths(kind: str, temperature: float, task: Task) -> None:
    model, base = model_of(kind, task), model_of(kind, task, seed=1)
    paths = sampled(model, task)
    computed = kl_to_base(model, base, paths, temperature)
    pairs, tokens, lengths = (array.tolist() for array in paths.flat())
    for (source, target), path, length, divergence in zip(
        pairs, tokens, lengths, computed.tolist(), strict=True
    ):
        expected = kl_along(model, base, (source, target), path[:length], temperature)
        assert divergence == pytest.approx(expected, rel=1e-3, abs=1e-6)


@kinds
def test_kl_to_base_is_the_mean_over_the_sampled_paths_of_a_split(kind: str, task: Task) -> None:
    model, base = model_of(kind, task), model_of(kind, task, seed=1)
    arm = QLearningConfig(policy_temperature=0.5)
    for values, queries in measure(model, base, task, arm, samples=KL_SAMPLES).values():
        divergences = [
            count * kl_along(model, base, (query.source, query.target), list(path), 0.5)
            for query in queries
            for path, count in zip(query.paths, query.counts, strict=True)
        ]
        assert values["kl_to_base"] == pytest.approx(sum(divergences) / (KL_SAMPLES * len(queries)), rel=1e-3)


@kinds
def test_a_model_is_no_distance_from_itself(kind: str, task: Task) -> None:
    model = model_of(kind, task)
    found, without_base = measure(model, model_of(kind, task), task), measure(model, None, task)
    for split in SPLITS:
        assert found[split][0]["kl_to_base"] == pytest.approx(0, abs=1e-6)
        assert without_base[split][0]["kl_to_base"] == 0
        assert without_base[split][1] == found[split][1]
    assert kl_to_base(model, model, sampled(model, task), 0.5).mean() > 0.01


# Distance to theory

TO_THEORY = {"q_error", "q_error_max", "kl_to_cooccurrence"}


def to_theory(found: Found) -> dict[str, float]:
    """The metrics that compare with theory, which only the train split has."""
    assert not TO_THEORY & found["test"][0].keys()
    return {name: value for name, value in found["train"][0].items() if name in TO_THEORY}


@pytest.mark.parametrize("reward", ["process", "outcome"])
@pytest.mark.parametrize("discount", [1.0, 0.5])
def test_the_optimal_q_values_have_no_error(reward: Any, discount: float, task: Task) -> None:
    arm = QLearningConfig(reward=reward, discount=discount)
    perfect = table(optimal_q(task, reward_of(arm), discount), elsewhere=99)
    assert to_theory(measure(perfect, perfect, task, arm)) == {"q_error": 0, "q_error_max": 0}


@pytest.mark.parametrize("arm", [SftConfig(), PolicyGradientConfig()])
def test_the_table_of_cooccurrences_has_no_divergence(arm: ArmConfig, task: Task) -> None:
    found = to_theory(measure(knowing(task), knowing(task), task, arm))
    assert found == {"kl_to_cooccurrence": pytest.approx(0, abs=1e-6)}


@markov_kinds
def test_q_errors_are_those_at_the_steps_of_the_texts(kind: str, task: Task) -> None:
    model, optimal = model_of(kind, task), optimal_q(task, process_reward)
    found = to_theory(measure(model, model, task, QLearningConfig()))
    visited = np.zeros_like(optimal, dtype=bool)
    means = []
    for text in task.texts:
        for current in text[:-1]:
            visited[text[-1], current] = True
            means.append(
                np.abs(logits_table(model)[text[-1], current, :-1] - optimal[text[-1], current]).mean()
            )
    largest, _ = q_error(task, logits_table(model), optimal, visited)
    assert found == pytest.approx({"q_error": np.mean(means), "q_error_max": largest})


@markov_kinds
def test_the_spread_of_q_is_that_over_the_next_nodes(kind: str, task: Task) -> None:
    model = model_of(kind, task)
    spreads = [
        np.std(logits_table(model)[text[-1], current, :-1], ddof=1)
        for text in task.texts
        for current in text[:-1]
    ]
    found = measure(model, model, task, QLearningConfig())
    assert found["train"][0]["q_spread"] == pytest.approx(np.mean(spreads), rel=1e-5)


@markov_kinds
def test_the_divergence_from_the_cooccurrences_is_that_of_theory(kind: str, task: Task) -> None:
    model = model_of(kind, task)
    expected = cooccurrence_divergence(task, np.log(policy_table(logits_table(model), 1)))
    assert to_theory(measure(model, model, task)) == {"kl_to_cooccurrence": pytest.approx(expected)}


def test_of_many_texts_some_are_compared(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planviz.evaluation.THEORY_TEXTS", 5)
    model = model_of("tabular", task)
    optimal = optimal_q(task, process_reward)
    chosen = [task.texts[round(i * (len(task.texts) - 1) / 4)] for i in range(5)]
    errors = [
        np.abs(logits_table(model)[text[-1], current, :-1] - optimal[text[-1], current])
        for text in chosen
        for current in text[:-1]
    ]
    found = to_theory(measure(model, model, task, QLearningConfig()))
    assert found == pytest.approx({"q_error": np.mean(errors), "q_error_max": np.max(errors)})
