"""Whole trainings that must end where theory says, and small experiments that must show what the paper found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from safetensors.torch import load

from planviz.config import (
    BASE,
    EvaluationConfig,
    ExperimentConfig,
    GraphConfig,
    ModelConfig,
    PolicyGradientConfig,
    QLearningConfig,
    SftConfig,
    SplitConfig,
)
from planviz.events import Checkpoint, Evaluation, RunEvent
from planviz.exact import policy_table
from planviz.experiment import train
from planviz.methods.q_learning import QLearning
from planviz.methods.sft import Sft
from planviz.models import build_model
from planviz.packing import pack
from planviz.rewards import process_reward
from planviz.task import Task, build_task
from planviz.theory import Floats, cooccurrence_divergence, optimal_q, q_error
from tests.engine_helpers import generators, record_paths, task_of
from tests.experiment_helpers import logits_table

GRAPH = GraphConfig(nodes=8, density=0.5)

# Methods


@pytest.mark.parametrize("kind", ["tabular", "factored"])
def test_q_learning_with_process_rewards_converges_to_the_optimal_values(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it has been. There must be room for detours: a path that is cut off teaches lower values."""
    task = replace(task_of(GRAPH), max_steps=24)
    config = QLearningConfig(
        steps=300, batch_size=128, learning_rate=0.03, schedule="linear",
        exploration=0.5, rollout_temperature=1, calibrate_head=False,
    )  # fmt: skip
    model = build_model(ModelConfig(kind=kind), task.nodes, task.max_steps, generators(0))
    method = QLearning(model, model, task, config, generators(0))
    paths = record_paths(monkeypatch, "planviz.methods.q_learning")
    for _ in range(config.steps):
        method.step()

    visited = np.zeros((task.nodes, task.nodes, task.nodes + 1), dtype=bool)
    for batch in map(pack, paths):
        visited[batch.target, batch.current] = True
    optimal = optimal_q(task, process_reward)
    a_plus_r = task.adjacency[None] + task.reachable.T[:, None].astype(float) - 1
    np.testing.assert_allclose(optimal, a_plus_r, atol=1e-9)
    largest, mean = q_error(task, logits_table(model), optimal, visited)
    assert visited[task.train_pairs[:, 1]].mean() > 0.8
    assert largest < 0.05 and mean < 0.005, f"largest |Q − Q*| {largest:.4f}, mean {mean:.4f}"


def test_sft_converges_to_the_table_of_cooccurrences() -> None:
    task = task_of(GRAPH)
    config = SftConfig(steps=1000, batch_size=256, learning_rate=0.1, schedule="linear")
    model = build_model(ModelConfig(kind="tabular"), task.nodes, task.max_steps, generators(0))
    method = Sft(model, task, config, generators(0))

    def divergence() -> float:
        return cooccurrence_divergence(task, np.log(policy_table(logits_table(model), 1)))

    before = divergence()
    for _ in range(config.steps):
        method.step()
    assert divergence() < 0.003 < before, f"{divergence():.5f} nats, from {before:.3f}"


# Experiments

Q = {"steps": 300, "learning_rate": 0.03, "exploration": 0.3}
CONFIG = ExperimentConfig(
    graph=GraphConfig(nodes=12, density=0.6),
    split=SplitConfig(train_share=0.5, paths_per_pair=5),
    model=ModelConfig(kind="factored"),
    base=SftConfig(steps=150, learning_rate=0.05),
    arms={
        "pg": PolicyGradientConfig(steps=300, learning_rate=0.1),
        "process": QLearningConfig(**Q),
        "outcome": QLearningConfig(**Q, reward="outcome"),
    },
    evaluation=EvaluationConfig(evaluations=1, samples=10),
)
Values = dict[str, float]


@pytest.fixture(scope="module")
def told() -> list[RunEvent]:
    return list(train(CONFIG))


def measured(told: Iterable[RunEvent], arm: str) -> tuple[Values, Values]:
    """The metrics of an arm on the train pairs, before and after training."""
    before, after = (
        each.event.values
        for each in told
        if each.arm == arm and isinstance(each.event, Evaluation) and each.event.split == "train"
    )
    return before, after


def test_sft_learns_to_find_paths(told: list[RunEvent]) -> None:
    before, after = measured(told, BASE)
    assert before["greedy_accuracy"] < 0.3 and after["greedy_accuracy"] >= 0.9
    assert before["kl_to_cooccurrence"] > 1 and after["kl_to_cooccurrence"] < 0.2


def test_policy_gradient_collapses_onto_few_paths_and_q_learning_keeps_them(told: list[RunEvent]) -> None:
    distinct = measured(told, BASE)[1]["distinct_paths"]
    pg, process = (measured(told, arm)[1] for arm in ("pg", "process"))
    assert distinct > 2
    assert pg["sampled_accuracy"] >= 0.98 and pg["distinct_paths"] <= 0.65 * distinct
    assert process["greedy_accuracy"] >= 0.98 and process["distinct_paths"] >= 0.9 * distinct


def test_q_learning_with_outcome_rewards_forgets_how_to_arrive(told: list[RunEvent]) -> None:
    """All steps but the last become worth the same (paper, section 5.1), and the policy a random one."""
    before, after = measured(told, "outcome")
    assert before["sampled_accuracy"] > 0.9 and after["sampled_accuracy"] < 0.1
    task = build_task(CONFIG)
    outcome, process = (differences(task, final_logits(told, arm)) for arm in ("outcome", "process"))
    assert outcome < 0.05 and process > 0.3, f"standard deviations {outcome:.3f} and {process:.3f}"


def final_logits(told: Iterable[RunEvent], arm: str) -> Floats:
    checkpoints = [e.event for e in told if e.arm == arm and isinstance(e.event, Checkpoint)]
    model = build_model(CONFIG.model, CONFIG.graph.nodes, 1, generators(0))
    model.load_states([load(checkpoints[-1].weights)])
    return logits_table(model)


def differences(task: Task, logits: Floats) -> float:
    """The mean standard deviation of Q(t, c, ·) over the nodes but t, where the SFT texts pass."""
    states = {(text[-1], current) for text in task.texts for current in text[:-1]}
    return float(np.mean([np.delete(logits[t, c, :-1], t).std() for t, c in states]))
