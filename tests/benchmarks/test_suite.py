from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from benchmarks import suite
from benchmarks.report import markdown
from planviz.config import ExperimentConfig, with_settings
from planviz.config import preset as planviz_preset
from planviz.experiment import Runs
from planviz.rollout import sample_paths


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> ExperimentConfig:
    """The measurements at sizes of which none takes long."""
    small = {
        "graph.nodes": 12,
        "graph.density": 0.4,
        "split.train_share": 0.5,
        "model.width": 8,
        "base.steps": 2,
    }
    config = with_settings(planviz_preset("paper"), small)
    monkeypatch.setattr(suite, "preset", lambda name: config)
    for name, sizes in {"BATCHES": (4, 8), "NODES": (20,), "WIDTHS": (8,), "SEEDS": (1, 2)}.items():
        monkeypatch.setattr(suite, name, sizes)
    return config


def test_all_that_the_contract_names_is_measured_and_reported(tiny: ExperimentConfig) -> None:
    results: dict[str, Any] = json.loads(json.dumps(dict(suite.measure(repeats=1))))
    assert results["gemm_gflops"] > 0 and results["seeds8_over_1"] > 0 and results["peak_memory_mb"] > 0
    steps = {(step["method"], step["batch"]): step for step in results["steps"]}
    assert {("sft", 4), ("pg", 4), ("pg-kl", 8), ("q", 8)} <= steps.keys()
    for step in steps.values():
        assert step["ratio"] == pytest.approx(step["ms"] / step["floor_ms"])
    assert results["loop_speedup"].keys() == {"pg", "q", "evaluation"}
    assert min(results["loop_speedup"].values()) > 0
    report = markdown(results)
    assert "| q | 8 |" in report and results["machine"]["torch"] in report


@pytest.mark.parametrize("method", suite.METHODS)
def test_the_operations_of_a_step_are_those_of_its_real_tokens(tiny: ExperimentConfig, method: str) -> None:
    """Counted anew from the paths that the same step samples."""
    base = suite.trained_base(tiny, steps=0)
    runs: Runs = suite.arm_runs(tiny, base, method, batch=8)
    work: list[float] = []
    suite.count_operations(runs, work)
    state = runs.method.states()
    result = runs.method.step()
    if method == "sft":
        assert work == [3 * suite.forward_operations(runs, int(result.tokens.sum()), 8)]
        return
    runs.method.load_states(state)
    passes = {"pg": [3], "pg-kl": [1, 3], "q": [1, 3]}[method]
    assert len(work) == len(passes)
    if method != "pg":  # trained on all that was sampled
        one = suite.forward_operations(runs, int(result.tokens.sum()), 8)
        assert sorted(work) == [factor * one for factor in passes]


def test_a_forward_pass_counts_its_matrix_products() -> None:
    config = with_settings(planviz_preset("quick"), {"model.width": 4})
    runs = suite.arm_runs(config, suite.trained_base(config, steps=0), "sft", batch=4)
    tokens, width, vocabulary = 10, 4, 31
    products = 2 * tokens * (width * 3 * width + width * width + 2 * width * 4 * width + width * vocabulary)
    prompts = 3 * 2 * 2 * width * 2 * width  # of 3 paths: s and t, each with its key and value
    assert suite.forward_operations(runs, tokens, 3) == products + prompts


def test_the_plain_loop_has_the_weights_of_the_engine(tiny: ExperimentConfig) -> None:
    runs = suite.arm_runs(tiny, suite.trained_base(tiny), "pg", batch=4)
    plain = suite.plain_model(runs, runs.model)
    source, target = runs.task.train_pairs[0].tolist()
    paths = sample_paths(
        runs.model, runs.task.train_pairs[None, :1], 5, runs.method.generators, temperature=0
    )
    logits = plain(torch.tensor([[source, target, source]]))[0, -1]
    assert int(logits.argmax()) == paths.tokens[0, 0, 0]
