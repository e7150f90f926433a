"""What is trained for the claims, and small real runs from training to verdict."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import Generator

from planviz.claims import report
from planviz.claims.evidence import EXPLAINED, GROUPS, Evidence
from planviz.claims.judge import Judged, judge
from planviz.claims.recovery import explained_variance, weights_known
from planviz.claims.study import MIN_PAIRS, gather, stored, study, take_up
from planviz.cli_claims import publish
from planviz.config import ExperimentConfig, ModelConfig, parse, preset, read_toml, with_settings
from planviz.models import build_model
from planviz.rewards import process_reward
from planviz.runs.manager import RunManager
from planviz.runs.store import Store
from planviz.task import build_task
from planviz.theory import optimal_q
from tests.claims.made_up import evidence
from tests.runs.conftest import wait_until_done


def test_a_study_adds_seeds_pairs_and_the_arms_of_the_figures() -> None:
    config = preset("quick")
    made = study(config, range(5))
    assert made.seeds == (0, 1, 2, 3, 4) and made.evaluation.pairs == MIN_PAIRS
    assert set(made.arms) - set(config.arms) == {"pg-kl-weak", "pg-kl-strong", "q-outcome-offpolicy"}
    assert {name: made.arms[name] for name in config.arms} == config.arms
    assert study(parse(config.model_dump() | {"arms": {}}), [0]).arms == {}


def tabular(config: ExperimentConfig, table: np.ndarray) -> bytes:
    """The weights of a tabular model with these logits (n, n, n), 0 elsewhere."""
    nodes = len(table)
    weights = torch.zeros(nodes, nodes + 1, nodes + 1)
    weights[:, :nodes, :nodes] = torch.from_numpy(table.copy())
    return save({"table": weights})


def test_weights_that_know_the_graph_recover_its_edges_and_untrained_ones_do_not() -> None:
    config = preset("quick").model_copy(update={"model": ModelConfig(kind="tabular")})
    task = build_task(config)
    knowing = np.broadcast_to(task.adjacency.astype(float), (task.nodes,) * 3)
    untrained = build_model(config.model, task.nodes, task.max_steps, [Generator().manual_seed(0)])
    models = [("sft", tabular(config, knowing)), ("pg", save(untrained.states()[0]))]
    found = weights_known(config, models)
    assert found[0] == dict.fromkeys(GROUPS, 1.0)
    assert all(abs(found[1][group] - 0.5) < 0.12 for group in GROUPS)


def test_the_exact_values_are_explained_in_full_and_a_constant_not_at_all() -> None:
    config = preset("quick").model_copy(update={"model": ModelConfig(kind="tabular")})
    task = build_task(config)
    exact = optimal_q(task, process_reward)
    tables = (exact, np.zeros_like(exact), 0.5 * exact)
    found = weights_known(config, [("q-process", tabular(config, table)) for table in tables])
    assert found[0][EXPLAINED] == pytest.approx(1)
    assert found[1][EXPLAINED] < 0 < found[2][EXPLAINED] < 1
    passed = np.array(
        [exact[t, c] for t, c in {(text[-1], current) for text in task.texts for current in text[:-1]}]
    )
    expected = 1 - (0.25 * passed**2).sum() / ((passed - passed.mean()) ** 2).sum()
    assert found[2][EXPLAINED] == pytest.approx(expected)
    assert explained_variance(task, tables[2], exact, np.arange(task.nodes)) == pytest.approx(expected)


SMALL = {
    "graph.nodes": 12, "graph.density": 0.4, "graph.seed": 1, "split.paths_per_pair": 2, "model.width": 24,
    "base.steps": 60, "base.batch_size": 48, "evaluation.evaluations": 2, "evaluation.samples": 5,
}  # fmt: skip


@pytest.fixture(scope="module")
def lazy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Evidence, dict[str, Judged], Path]:
    """A real study in which no arm learns anything: every learning rate is 0, after a base that was trained."""
    config = with_settings(preset("quick"), SMALL)
    arms = {
        name: arm.model_copy(update={"learning_rate": 0.0, "steps": 8, "batch_size": 32})
        for name, arm in config.arms.items()
    }
    lazy_config = study(config.model_copy(update={"arms": arms}), range(2))
    home = tmp_path_factory.mktemp("lazy")
    store = Store(home)
    manager = RunManager(store, 2)
    try:
        experiment_id = take_up(store, manager, lazy_config, None)
        wait_until_done(store, experiment_id)
        assert take_up(store, manager, lazy_config, None) == experiment_id, "nothing is trained twice"
        record = stored(store, lazy_config.model_copy(update={"name": "another name"}))
        assert record is not None and record.id == experiment_id
        found = gather(store, manager, experiment_id)
    finally:
        manager.shutdown()
        store.close()
    judged = {each.claim.id: each for each in judge(found)}
    publish(home / "out", found, list(judged.values()), report.as_json(list(judged.values()), experiment_id))
    return found, judged, home / "out"


def test_arms_that_do_not_learn_show_nothing(lazy: tuple[Evidence, dict[str, Judged], Path]) -> None:
    verdicts = {name: judged.verdict for name, judged in lazy[1].items()}
    for claim in ("C3", "C4", "C5", "C6", "C8"):
        assert verdicts[claim] != "shown", claim
    tests = {test.name: test for judged in lazy[1].values() for test in judged.tests}
    assert tests["AUC of rare edges, PG minus SFT"].interval.mean == pytest.approx(0, abs=1e-6)
    assert tests["AUC of rare edges, PG minus SFT"].verdict == "not shown"
    assert tests["Spread of Q over the next nodes, end over start"].verdict == "not shown"
    assert tests["Train accuracy (greedy), on-policy minus off-policy"].verdict == "shown"


def test_a_study_is_written_as_plain_files(lazy: tuple[Evidence, dict[str, Judged], Path]) -> None:
    found, judged, out = lazy
    told = json.loads((out / "claims.json").read_text("utf-8"))
    assert [claim["id"] for claim in told["claims"]] == [f"C{number}" for number in range(1, 9)]
    for claim in told["claims"]:
        assert claim["verdict"] == judged[claim["id"]].verdict
        assert {"statistic", "interval", "threshold", "tests"} <= claim.keys()
    assert read_toml(out / "config.toml") == found.config
    page = (out / "claims.html").read_text("utf-8")
    assert "Edges recovered" in page and "default-src 'none'" in page


def test_verdicts_are_told_in_words() -> None:
    judged = {each.claim.id: each for each in judge(evidence())}
    table = report.markdown_tests([report.test_as_json(test) for test in judged["C3"].tests])
    assert "| Diversity left, beyond one path a pair | " in table and "| below 50.0 % | ✓ shown |" in table
    assert "told only" in table
