from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest
from safetensors.torch import save

from planviz.config import ExperimentConfig, QLearningConfig, SftConfig
from planviz.events import QueryInspection
from planviz.inspection import inspect_query
from planviz.task import build_task
from tests.engine_helpers import MODELS, listed, next_logits, strong_model

CONFIG = ExperimentConfig(
    graph=listed(5, [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (3, 4), (2, 4)]),
    arms={"sft": SftConfig(), "q-process": QLearningConfig(policy_temperature=0.5)},
)
TASK = build_task(CONFIG)
SAMPLES = 30
kinds = pytest.mark.parametrize("kind", MODELS)


def weights(kind: str, seed: int = 0) -> bytes:
    model = strong_model(kind, TASK.nodes, TASK.max_steps, seed=seed, std=0.3)
    return save(model.states()[0])


def inspect(kind: str, *models: tuple[str, bytes], **how: Any) -> list[QueryInspection]:
    config = CONFIG.model_copy(update={"model": MODELS[kind]})
    return inspect_query(config, models, **{"source": 0, "target": 4, "samples": SAMPLES} | how)


@kinds
@pytest.mark.parametrize(("arm", "temperature"), [("base", 1), ("sft", 1), ("q-process", 0.5)])
def test_the_distributions_are_the_policy_after_every_beginning(
    kind: str, arm: str, temperature: float
) -> None:
    (answer,) = inspect(kind, (arm, weights(kind)))
    assert set(answer.prefixes) == {path[:j] for path in answer.paths.paths for j in range(len(path))}
    assert answer.prefixes[0] == ()
    assert answer.probabilities.shape == (len(answer.prefixes), TASK.nodes + 1)
    model = strong_model(kind, TASK.nodes, TASK.max_steps, std=0.3)
    for prefix, probabilities in zip(answer.prefixes, answer.probabilities, strict=True):
        expected = (next_logits(model, (0, 4), list(prefix)) / temperature).softmax(0).detach()
        np.testing.assert_allclose(probabilities, expected, atol=1e-5)


@kinds
def test_the_paths_are_judged_and_counted(kind: str) -> None:
    paths = inspect(kind, ("sft", weights(kind)))[0].paths
    assert (paths.source, paths.target, sum(paths.counts)) == (0, 4, SAMPLES)
    for path, outcome in zip(paths.paths, paths.outcomes, strict=True):
        assert (outcome == "correct") == (path[-1] == 4 and nx.is_path(TASK.graph, [0, *path]))


def test_every_model_draws_with_the_same_random_numbers() -> None:
    one, two = weights("factored"), weights("factored", seed=1)
    answers = inspect("factored", ("base", one), ("sft", one), ("sft", two))
    assert answers[0].paths == answers[1].paths != answers[2].paths
    assert inspect("factored", ("sft", two))[0].paths == answers[2].paths
    assert inspect("factored", ("sft", one), seed=1)[0].paths != answers[0].paths


def test_an_answer_travels_between_processes() -> None:
    (answer,) = inspect("factored", ("base", weights("factored")))
    again = pickle.loads(pickle.dumps(answer))
    np.testing.assert_array_equal(again.probabilities, answer.probabilities)
    assert replace(again, probabilities=answer.probabilities) == answer


@pytest.mark.parametrize("query", [{"source": 5}, {"target": -1}])
def test_a_node_outside_the_graph_is_refused(query: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="is not in the graph; its nodes are 0 to 4"):
        inspect("factored", ("base", weights("factored")), **query)


def test_a_query_without_any_answer_can_be_asked_too() -> None:
    (answer,) = inspect("factored", ("base", weights("factored")), source=4, target=0)
    assert "correct" not in answer.paths.outcomes
