"""What probes answer, against whole paths, plain models, and exact distributions."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from planviz import probing
from planviz.config import ExperimentConfig, ModelConfig, QLearningConfig, SftConfig
from planviz.exact import path_probabilities, policy_table
from planviz.mechanism import PathShares, factored_fit, interaction, states
from planviz.models import PlanningModel
from planviz.models.transformer import Transformer
from planviz.packing import pack
from planviz.probing import mean_attention, path_shares, probe
from planviz.task import build_task
from tests.engine_helpers import MODELS, as_paths, listed, next_logits, strong_model

EDGES = [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (3, 4), (2, 4), (0, 4)]
CONFIG = ExperimentConfig(
    graph=listed(5, EDGES),
    arms={"sft": SftConfig(), "q-process": QLearningConfig(policy_temperature=0.5)},
)
CYCLIC = CONFIG.model_copy(update={"graph": listed(5, [*EDGES, (4, 1), (3, 0)])})
TASK = build_task(CONFIG)
kinds = pytest.mark.parametrize("kind", MODELS)


def of_kind(kind: str | ModelConfig, config: ExperimentConfig = CONFIG) -> ExperimentConfig:
    return config.model_copy(update={"model": MODELS[kind] if isinstance(kind, str) else kind})


def model(kind: str | ModelConfig, seed: int = 0, config: ExperimentConfig = CONFIG) -> PlanningModel:
    task = build_task(config)
    return strong_model(kind, task.nodes, task.max_steps, seed=seed, std=0.3)


def weights(kind: str, seed: int = 0, config: ExperimentConfig = CONFIG) -> bytes:
    return save(model(kind, seed, config).states()[0])


@kinds
def test_logits_are_those_of_the_first_step_of_a_path(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "MAX_QUERIES", 3)  # asked in several parts
    targets = [4, 2]
    (answer,) = probe(of_kind(kind), [("q-process", weights(kind))], targets)
    assert answer.logits.shape == (2, 5, 6)
    assert answer.logits.dtype == np.float32
    assert answer.temperature == 0.5
    for row, target in zip(answer.logits, targets, strict=True):
        for current in range(5):
            expected = next_logits(model(kind), (current, target), []).detach()
            np.testing.assert_allclose(row[current], expected, atol=1e-5)


def test_a_factored_models_own_weights_are_found_again() -> None:
    config = of_kind("factored")
    (answer,) = probe(config, [("sft", weights("factored"))], range(5))
    valid = states(TASK)
    by_current, by_target = factored_fit(answer.logits, valid)
    own = model("factored").states()[0]
    for found, name in ((by_current, "adjacency_logits"), (by_target, "reachability_logits")):
        known = ~np.isnan(found).any(axis=1)
        expected = own[name][:5, :5].double().numpy()[known]
        assert known.sum() == 4  # the sink starts nothing, and the source is no target
        np.testing.assert_allclose(interaction(found)[known], interaction(expected), atol=1e-6)


def plain_attention(transformer: Transformer, tokens: list[int]) -> list[torch.Tensor]:
    """(heads, T) weights of each block at the last of some tokens, one sequence at a time."""
    hidden = transformer.token_embedding[:, tokens] + transformer.position_embedding[:, : len(tokens)]
    found = []
    for block in transformer.blocks:
        projected = block.project(hidden)
        queries, keys, _ = projected[0].view(len(tokens), 3, block.heads, -1).permute(1, 2, 0, 3)
        scores = queries[:, -1:] @ keys.transpose(1, 2) / keys.shape[2] ** 0.5
        found.append(scores.softmax(dim=2)[:, 0])
        mask = torch.zeros(1, len(tokens), len(tokens)).masked_fill_(
            torch.ones(len(tokens), len(tokens)).triu(1).bool(), float("-inf")
        )
        hidden = block.finish(hidden, block.attend_in_rows(projected, mask))
    return found


@torch.no_grad()
def test_attention_is_averaged_over_the_steps() -> None:
    transformer = model(ModelConfig(kind="transformer", width=8, layers=2, heads=2))
    assert isinstance(transformer, Transformer)
    texts = [(0, 4, [1, 3, 4]), (1, 3, [2, 3]), (0, 1, [1])]
    expected = []
    for source, target, path in texts:
        for taken in range(len(path)):
            tokens = [source, target, source, *path[:taken]]
            for block in range(2):
                last = plain_attention(transformer, tokens)[block]
                between = last[:, 2:-1].sum(dim=1)
                expected.append((block, torch.stack([last[:, 0], last[:, 1], last[:, -1], between], dim=1)))
    found = mean_attention(transformer, pack(as_paths(texts)))
    for block in range(2):
        mean = torch.stack([weights for of, weights in expected if of == block]).mean(dim=0)
        np.testing.assert_allclose(found[block], mean, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-6)


def test_only_a_transformer_has_attention() -> None:
    for kind, expected in (("factored", None), ("tabular", None), ("transformer", (1, 1, 4))):
        (answer,) = probe(of_kind(kind), [("base", weights(kind))], [4])
        assert (None if answer.attention is None else answer.attention.shape) == expected


@pytest.mark.parametrize("kind", ["factored", "tabular"])
@pytest.mark.parametrize("config", [CONFIG, CYCLIC], ids=["acyclic", "cyclic"])
@pytest.mark.parametrize(("arm", "temperature"), [("sft", 1), ("q-process", 0.5)])
def test_probabilities_are_exact(kind: str, config: ExperimentConfig, arm: str, temperature: float) -> None:
    task = build_task(config)
    contents = [weights(kind, seed, config) for seed in (0, 1)]
    answer = path_shares(of_kind(kind, config), [(arm, each) for each in contents], 0, 4, limit=1000)
    assert answer.exact and not answer.others.any()
    for index in (0, 1):
        (asked,) = probe(of_kind(kind, config), [(arm, contents[index])], range(task.nodes))
        policy = policy_table(asked.logits, temperature)
        expected = path_probabilities(task.adjacency, policy, 0, 4, task.max_steps)
        found = dict(zip(answer.paths, answer.shares[index].tolist(), strict=True))
        assert found == pytest.approx(expected, rel=1e-4)
        assert answer.wrong[index] == pytest.approx(1 - sum(expected.values()), abs=1e-6)
    assert (np.diff(answer.shares.sum(axis=0)) <= 0).all()


def test_a_transformers_probabilities_are_those_of_its_steps() -> None:
    answer = path_shares(of_kind("transformer"), [("q-process", weights("transformer"))], 0, 4, limit=1000)
    for path, share in zip(answer.paths, answer.shares[0], strict=True):
        steps = [
            (next_logits(model("transformer"), (0, 4), list(path[:taken])) / 0.5).softmax(0)[token]
            for taken, token in enumerate(path)
        ]
        assert share == pytest.approx(torch.stack(steps).prod().item(), rel=1e-4)


@kinds
def test_where_there_are_too_many_paths_the_rest_is_estimated(kind: str) -> None:
    models = [("q-process", weights(kind, seed)) for seed in range(3)]
    every, some = (path_shares(of_kind(kind), models, 0, 4, limit=limit) for limit in (1000, 2))
    assert every.exact and not some.exact
    assert len(some.paths) <= 2
    shares = {path: every.shares[:, index] for index, path in enumerate(every.paths)}
    for index, path in enumerate(some.paths):
        np.testing.assert_allclose(some.shares[:, index], shares[path], atol=1e-7)
    for answer in (every, some):
        total = answer.shares.sum(axis=1) + answer.others + answer.wrong
        np.testing.assert_allclose(total, 1, atol=1e-9)
        assert (answer.others >= 0).all() and (answer.wrong >= 0).all()
    np.testing.assert_allclose(some.wrong, every.wrong, atol=0.2)


def test_no_models_and_no_path_are_answers_too() -> None:
    assert path_shares(CONFIG, [], 0, 4, limit=10).shares.shape == (0, 6)
    none = path_shares(of_kind("factored"), [("base", weights("factored"))], 4, 0, limit=10)
    assert (none.paths, none.wrong.tolist()) == ((), [1.0])
    again: PathShares = pickle.loads(pickle.dumps(none))
    assert again.paths == none.paths


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: probe(CONFIG, [], [5]), "node 5 is not in the graph; its nodes are 0 to 4"),
        (lambda: path_shares(CONFIG, [], 0, -1, 5), "node -1 is not in the graph"),
        (lambda: path_shares(CONFIG, [], 2, 2, 5), "not from 2 to itself"),
        (lambda: probe(CONFIG, [], [0] * 140_000), "at most 4,000,000 can be probed"),
    ],
)
def test_what_cannot_be_asked_is_refused(ask: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ask()
