from __future__ import annotations

import math
from dataclasses import replace

import pytest

from planviz.config import GraphConfig, preset, with_settings
from planviz.events import Evaluation, Finished, Split
from planviz.graphs.generate import build_graph
from planviz.graphs.kinds import KINDS, graph_in_words, node_count
from planviz.runs.library import Headline, differing, found, headlines, in_bytes, in_words
from planviz.runs.store import Store
from tests.runs.conftest import experiment


def measure(store: Store, key: str, arm: str, seed: int, *accuracies: float, distinct: float = 1.0) -> None:
    (run,) = (run for run in store.runs(key) if (run.arm, run.seed) == (arm, seed))
    for step, accuracy in enumerate(accuracies, start=8 - len(accuracies) + 1):
        values: dict[Split, dict[str, float]] = {
            "train": {"sampled_accuracy": 1.0, "distinct_paths": distinct},
            "test": {"sampled_accuracy": accuracy, "distinct_paths": 99.0},
        }
        for split, told in values.items():
            store.record(run.id, Evaluation(step, step, step / 4, split, told))
    store.record(run.id, Finished(8))


def test_a_headline_tells_of_the_leading_arm_and_the_best_ever(store: Store) -> None:
    key = store.create_experiment(experiment(arms=("low", "lead", "early"), seeds=(0, 1)))
    measure(store, key, "base", 0, 1.0)
    for seed in (0, 1):
        measure(store, key, "low", seed, 0.1, 0.2)
        measure(store, key, "lead", seed, 0.3, 0.6 + seed / 10, distinct=2.0 + seed)
        measure(store, key, "early", seed, 0.9, 0.5 - seed / 10, math.nan if seed else 0.5)

    headline = headlines(store)[key]

    assert (headline.arm, headline.distinct) == ("lead", 2.5)
    assert headline.accuracy == pytest.approx(0.65)
    assert headline.best == pytest.approx(0.9)
    assert headline.seconds == pytest.approx(2.0 * 7)
    assert headline.size == store.size(key)


def test_a_headline_of_what_was_not_measured_and_of_a_base_alone(store: Store) -> None:
    waiting = store.create_experiment(experiment())
    alone = store.create_experiment(experiment(arms=()))
    measure(store, alone, "base", 0, 0.25)
    told = headlines(store)
    assert told.keys() == {waiting, alone}
    assert told[waiting] == Headline(None, None, None, None, 0.0, 0)
    assert (told[alone].arm, told[alone].accuracy) == ("base", 0.25)


def test_a_headline_is_kept_until_the_experiment_has_changed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, other = (store.create_experiment(experiment(arms=())) for _ in range(2))
    measure(store, key, "base", 0, 0.25)
    before = headlines(store)

    asked: list[str] = []
    size = store.size

    def asked_size(key: str) -> int:
        asked.append(key)
        return size(key)

    monkeypatch.setattr(store, "size", asked_size)
    assert headlines(store) == before
    assert asked == []
    measure(store, key, "base", 0, 0.5)
    assert headlines(store) == before | {key: replace(before[key], accuracy=0.5, best=0.5, size=size(key))}
    assert asked == [key]
    store.delete_experiment(key)
    assert headlines(store).keys() == {other}


def test_experiments_are_found_by_what_they_are_called_and_made_of(store: Store) -> None:
    first = store.create_experiment(
        experiment(arms=("pg", "q-process"), name="Über maze", graph={"kind": "maze"}), "quick"
    )
    second = store.create_experiment(
        experiment(arms=("sft",), name="plain <b>", graph={"kind": "hanoi"}), "paper"
    )
    store.update_experiment(second, tags=["Thesis", "figure 3"])

    def ids(text: str) -> set[str]:
        return {record.id for record in found(store.experiments(), text)}

    assert ids("") == ids("  ") == {first, second}
    for text in (
        "über",
        "MAZE",
        "Q-PROCESS",
        "quick",
        first,
        "pg maze",
        "25 nodes",
    ):
        assert ids(text) == {first}, text
    for text in ("thesis", "figure sft", "hanoi", "<B>", "27 nodes", "paper plain"):
        assert ids(text) == {second}, text
    assert ids("thesis quick") == ids("%") == ids(".*") == set()


def test_only_what_differs_is_told() -> None:
    quick = preset("quick")
    wide = with_settings(quick, {"model.width": 32, "arms.pg.kl": 0.5, "seeds": "0,1", "name": "other"})
    assert differing([quick, quick]) == {}
    assert differing([quick, wide]) == {
        "model.width": ["64", "32"], "arms.pg.kl": ["0", "0.5"], "seeds": ["0", "0, 1"],
    }  # fmt: skip
    without = wide.model_copy(update={"arms": {"pg": wide.arms["pg"]}})
    told = differing([wide, without, quick])
    assert told["arms.sft"] == ["sft", "–", "sft"]
    assert told["arms.pg.kl"] == ["0.5", "0.5", "0"]
    assert not any(key.startswith("arms.sft.") for key in told)
    grid = with_settings(quick, {"graph.kind": "grid", "graph.openings": 0.5})
    assert differing([grid, quick]) == {
        "graph.kind": ["grid", "acyclic"], "graph.rows": ["5", "–"], "graph.columns": ["5", "–"],
        "graph.nodes": ["–", "30"], "graph.density": ["–", "0.25"], "graph.seed": ["–", str(quick.graph.seed)],
    }  # fmt: skip


def test_values_in_words() -> None:
    assert [in_words(value) for value in (None, True, 0.00012, "x" * 99, [[1, 2], [2, 3]], list(range(1000)))] == [
        "–", "on", "0.00012", "99 characters", "1-2, 2-3", "1,000 entries",
    ]  # fmt: skip
    assert [in_bytes(size) for size in (0, 999, 1000, 25_600_000, 3.2e9)] == [
        "0 B", "999 B", "1.0 kB", "25.6 MB", "3.2 GB",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_number_of_nodes_is_that_of_the_graph(kind: str) -> None:
    config = GraphConfig.model_validate(
        {"kind": kind, "nodes": 17, "rows": 3, "columns": 4, "labels": ("a", "b"), "edges": ((0, 1),)}
    )
    nodes = len(build_graph(config))
    assert node_count(config) == nodes
    assert graph_in_words(config).endswith(f", {nodes} nodes")
