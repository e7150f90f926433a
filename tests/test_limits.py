from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from planviz.config import ExperimentConfig, ModelConfig, preset, with_settings
from planviz.limits import PUBLIC, LimitError, Limits, is_public, limits
from planviz.models import build_model
from planviz.sizes import parameters
from planviz.task import build_task


@pytest.mark.parametrize("config", [
    ModelConfig(), ModelConfig(width=24, layers=3, heads=4), ModelConfig(kind="factored"),
    ModelConfig(kind="tabular"),
], ids=lambda config: f"{config.kind}-{config.layers}")  # fmt: skip
def test_weights_are_counted_as_torch_counts_them(config: ModelConfig) -> None:
    model = build_model(config, 13, 9, [torch.Generator()])
    assert parameters(config, 13, 9) == sum(weights.numel() for weights in model.parameters())


@pytest.mark.parametrize("name", ["quick", "paper", "blocksworld"])
def test_the_presets_are_allowed_on_a_public_server(name: str) -> None:
    config = preset(name)
    task = build_task(config)
    allowed = Limits()
    allowed.check_graph(task.nodes, task.graph.number_of_edges())
    allowed.check(config, task.nodes, task.max_steps, sum(map(len, task.texts)))


@pytest.mark.parametrize(("changes", "message"), [
    ({"model.width": 512, "model.layers": 6}, "weights of the model are too many"),
    ({"base.steps": 3001}, "3,001 steps of base are too many for this public server; at most 3,000"),
    ({"arms.pg.batch_size": 4096}, "4,096 texts or paths a step of pg"),
    ({"evaluation.samples": 1000, "evaluation.pairs": 100}, "200,000 sampled paths an evaluation"),
    ({"evaluation.evaluations": 500}, "500 evaluations of a run"),
    ({"seeds": "0,1,2,3,4,5,6"}, "49 runs are too many"),
])  # fmt: skip
def test_too_much_is_refused_with_what_is_allowed(changes: dict[str, Any], message: str) -> None:
    config: ExperimentConfig = with_settings(preset("quick"), changes)
    with pytest.raises(LimitError, match=message):
        Limits().check(config, 30, 12, 1000)


def test_graphs_texts_and_rooms_have_limits() -> None:
    allowed = Limits(nodes=50, edges=100, tokens=500, visitors_runs=10, all_runs=20, stored_bytes=10**9)
    refused: list[tuple[Callable[[], None], str]] = [
        (lambda: allowed.check_graph(51, 10), "51 nodes are too many"),
        (lambda: allowed.check_graph(50, 101), "101 edges are too many"),
        (lambda: allowed.check(preset("quick"), 30, 12, 501), "501 nodes in all texts"),
        (lambda: allowed.check_room(7, 4, 4, 0), "you have 4 runs that wait or train, and 7 more"),
        (lambda: allowed.check_room(7, 0, 14, 0), "14 runs wait or train on this server"),
        (lambda: allowed.check_room(1, 0, 0, 10**9), "keeps 1.0 GB of runs already"),
    ]
    for call, message in refused:
        with pytest.raises(LimitError, match=message):
            call()
    allowed.check_room(7, 3, 13, 10**9 - 1)


def test_only_a_public_server_has_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PUBLIC, raising=False)
    assert not is_public() and limits() is None
    monkeypatch.setenv(PUBLIC, "1")
    assert is_public() and limits() == Limits()
