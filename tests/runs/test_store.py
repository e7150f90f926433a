from __future__ import annotations

import math
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planviz.events import (
    Checkpoint,
    Evaluation,
    Event,
    Finished,
    Paused,
    QueryPaths,
    SampledPaths,
    Split,
    Started,
    StepMetrics,
)
from planviz.runs.records import LabelError
from planviz.runs.store import Store, default_home
from tests.runs.conftest import experiment

SPLITS: tuple[Split, Split] = ("train", "test")


def evaluation(step: int, split: Split = "train", **values: float) -> Evaluation:
    return Evaluation(step, step * 8, step / 10, split, values)


def steps(count: int) -> list[Event]:
    return [
        StepMetrics(step, step * 8, step * 40, step / 10, {"loss": 1 / step}) for step in range(1, count + 1)
    ]


def first_run(store: Store) -> tuple[str, str]:
    experiment_id = store.create_experiment(experiment())
    return experiment_id, store.runs(experiment_id)[0].id


def test_default_home_is_planviz_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_home() == home
    monkeypatch.delenv("PLANVIZ_HOME")
    assert default_home().name == "planviz"


def test_an_experiment_is_kept_with_its_config_and_queued_runs(store: Store, home: Path) -> None:
    config = experiment(7, ("pg", "sft-2"), seeds=(3, 1), name="two seeds")
    first = store.create_experiment(experiment())
    second = store.create_experiment(config, "quick")

    newest, oldest = Store(home).experiments()

    assert (newest.id, oldest.id) == (second, first)
    assert (newest.name, newest.preset, newest.config) == ("two seeds", "quick", config)
    assert newest.created == pytest.approx(time.time(), abs=60)
    assert newest.states == {"queued": 6}
    runs = store.runs(second)
    arms = [("base", 3), ("base", 1), ("pg", 3), ("sft-2", 3), ("pg", 1), ("sft-2", 1)]
    assert [(run.arm, run.seed) for run in runs] == arms
    assert {(run.state, run.step, run.total_steps) for run in runs} == {("queued", 0, 7)}
    assert [run.method for run in runs[:3]] == ["sft", "sft", "pg"]


def test_ids_are_unguessable_and_never_look_like_an_option(store: Store) -> None:
    ids = [store.create_experiment(experiment()) for _ in range(30)]
    ids += [run.id for name in ids for run in store.runs(name)]
    assert len(set(ids)) == 90
    assert all(name[0] in "er" and len(name) == 17 for name in ids)


@pytest.mark.parametrize("name", ["", "e1", "../planviz.sqlite3", "' OR 1=1 --", "\x00", "x" * 10_000])
def test_unknown_ids(store: Store, name: str) -> None:
    store.create_experiment(experiment())
    with pytest.raises(KeyError):
        store.experiment(name)
    with pytest.raises(KeyError):
        store.run(name)
    with pytest.raises(KeyError):
        store.record(name, Paused(3))
    with pytest.raises(KeyError):
        store.weights(name, 0)
    assert store.runs(name) == []
    assert store.evaluations(name).empty
    store.delete_experiment(name)
    assert len(store.experiments()) == 1


def test_hostile_names_are_only_text(store: Store) -> None:
    name = "'; DROP TABLE runs; -- <script>alert(1)</script> ../../etc/passwd\n\U0001f600"
    experiment_id = store.create_experiment(experiment(name=name), preset=name)
    record = store.experiment(experiment_id)
    assert record.name == record.preset == record.config.name == name
    assert len(store.runs(experiment_id)) == 2


def test_an_experiment_is_renamed_tagged_starred_and_archived(store: Store, home: Path) -> None:
    other = store.create_experiment(experiment())
    key = store.create_experiment(experiment(name="before"), session="visitor")
    before = store.experiment(key)
    assert (before.session, before.starred, before.archived, before.tags) == ("visitor", False, False, ())

    store.update_experiment(key, name="  after ☃ <b> ")
    store.update_experiment(key, tags=["b", " a", "b"], starred=True)
    store.update_experiment(key, archived=True)
    store.update_experiment(key)

    reopened = Store(home)
    expected = replace(before, name="after ☃ <b>", tags=("b", "a"), starred=True, archived=True)
    assert reopened.experiment(key) == expected
    assert expected.config.name == "before"
    store.update_experiment(key, tags=[], starred=False, archived=False)
    assert reopened.experiment(key) == replace(before, name="after ☃ <b>")
    assert reopened.experiment(other).name == experiment().name
    with pytest.raises(KeyError, match="'nothing'"):
        store.update_experiment("nothing", starred=True)
    reopened.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": " "}, "the name '' has 0 characters; 1 to 80 are allowed"),
        ({"name": "x" * 81}, "has 81 characters"),
        ({"name": "a\nb"}, "characters that cannot be shown"),
        ({"name": "a\u202eb"}, "characters that cannot be shown"),
        ({"tags": ["a", "x" * 31]}, "the tag 'x+' has 31 characters; 1 to 30 are allowed"),
        ({"tags": [""]}, "the tag ''"),
        ({"tags": map(str, range(13))}, "at most 12 tags, and these are 13"),
    ],
)
def test_a_name_or_tag_that_is_not_allowed_changes_nothing(
    store: Store, change: dict[str, Any], message: str
) -> None:
    key = store.create_experiment(experiment())
    before = store.experiment(key)
    with pytest.raises(LabelError, match=message):
        store.update_experiment(key, starred=True, **change)
    assert store.experiment(key) == before


def test_the_size_of_an_experiment_is_that_of_its_files_and_rows(store: Store) -> None:
    key, run = first_run(store)
    other, _ = first_run(store)
    assert store.size(key) == store.size("nothing") == 0
    store.record(run, Checkpoint(4, b"w" * 1000, b"r" * 500))
    assert store.size(key) == 1500
    store.record_all(run, [*steps(5), evaluation(4, greedy_accuracy=0.5), SampledPaths(4, "test", ())])
    assert 1500 < store.size(key) < 2000
    assert store.size(other) == 0


def test_five_hundred_experiments_are_read_quickly(store: Store) -> None:
    arms = tuple(f"arm{i}" for i in range(6))
    for i in range(500):
        store.create_experiment(experiment(arms=arms, name=f"number {i}"))
    begin = time.process_time()
    assert len(store.experiments()) == 500
    store.experiments()
    assert time.process_time() - begin < 0.5


def test_events_lead_a_run_through_its_states(store: Store) -> None:
    experiment_id, run_id = first_run(store)

    def after(event: Event) -> tuple[str, int]:
        store.record(run_id, event)
        run = store.run(run_id)
        return run.state, run.step

    assert after(Started("sft", 0, 8)) == ("running", 0)
    assert after(StepMetrics(2, 16, 80, 0.5, {"loss": 1.0})) == ("running", 2)
    assert after(Paused(3)) == ("paused", 3)
    assert after(StepMetrics(4, 32, 160, 0.7, {"loss": 1.0})) == ("running", 4)
    assert after(evaluation(8)) == ("running", 8)
    assert after(Finished(8)) == ("finished", 8)
    run = store.run(run_id)
    assert (run.samples, run.seconds) == (64, 0.8)
    assert run.started is not None
    assert run.finished is not None
    assert run.started <= run.finished
    assert after(Finished(8, stopped=True)) == ("stopped", 8)
    assert store.experiment(experiment_id).states == {"stopped": 1, "queued": 1}


def test_evaluations_are_a_table_in_order_of_runs_and_steps(store: Store) -> None:
    experiment_id = store.create_experiment(experiment())
    base, arm = store.runs(experiment_id)
    store.record(arm.id, evaluation(0, "test", greedy_accuracy=0.25, pass_at_1=0.1))
    store.record(base.id, evaluation(4, "test", greedy_accuracy=0.5))
    store.record(base.id, evaluation(4, "train", greedy_accuracy=math.nan, kl_to_base=math.inf))
    store.record(base.id, evaluation(0, "train", greedy_accuracy=0.75))

    table = store.evaluations(experiment_id)

    expected = pd.DataFrame(
        {
            "run": [base.id, base.id, base.id, arm.id],
            "arm": ["base", "base", "base", "pg"],
            "method": ["sft", "sft", "sft", "pg"],
            "seed": 0,
            "step": [0, 4, 4, 0],
            "samples": [0, 32, 32, 0],
            "seconds": [0.0, 0.4, 0.4, 0.0],
            "split": ["train", "train", "test", "test"],
            "greedy_accuracy": [0.75, math.nan, 0.5, 0.25],
            "kl_to_base": [math.nan, math.inf, math.nan, math.nan],
            "pass_at_1": [math.nan, math.nan, math.nan, 0.1],
        }
    )
    pd.testing.assert_frame_equal(table, expected)


def test_an_evaluation_made_again_replaces_the_first(store: Store) -> None:
    experiment_id, run_id = first_run(store)
    store.record_all(run_id, [evaluation(4, greedy_accuracy=0.1), evaluation(4, greedy_accuracy=0.2)])
    assert list(store.evaluations(experiment_id)["greedy_accuracy"]) == [0.2]


def test_long_runs_are_thinned_and_keep_their_last_step(store: Store) -> None:
    experiment_id = store.create_experiment(experiment())
    base, arm = store.runs(experiment_id)
    store.record_all(base.id, steps(1234))
    store.record_all(arm.id, steps(5))

    for points in (1, 7, 100, 617, 1233):
        table = store.steps(experiment_id, max_points=points)
        base_steps = list(table["step"][table["arm"] == "base"])
        assert base_steps[-1] == 1234
        assert points / 2 <= len(base_steps) <= points
        assert len(set(np.diff(base_steps))) <= 1
        assert len(table) - len(base_steps) == min(5, points)
    assert len(store.steps(experiment_id, max_points=None)) == 1239
    whole = store.steps(experiment_id)
    assert list(whole["step"]) == [*range(1, 1235), *range(1, 6)]
    assert list(whole.columns[:8]) == ["run", "arm", "method", "seed", "step", "samples", "tokens", "seconds"]
    assert whole["loss"].iloc[3] == 1 / 4


def test_going_on_from_a_checkpoint_drops_the_reports_after_it(store: Store) -> None:
    experiment_id, run_id = first_run(store)
    store.record_all(run_id, steps(6))
    store.record(run_id, Started("sft", 4, 8))
    assert list(store.steps(experiment_id)["step"]) == [1, 2, 3, 4]


nodes = st.integers(0, 400)
queries = st.builds(
    QueryPaths, nodes, nodes,
    st.lists(st.lists(nodes, max_size=4).map(tuple), max_size=3).map(tuple),
    st.lists(nodes, max_size=3).map(tuple),
    st.lists(st.sampled_from(["correct", "invalid_edge"]), max_size=3).map(tuple),
)  # fmt: skip


@given(st.lists(queries, max_size=4).map(tuple))
def test_sampled_paths_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, sampled: tuple[QueryPaths, ...]
) -> None:
    store = Store(tmp_path_factory.mktemp("home"))
    _, run_id = first_run(store)
    paths = SampledPaths(4, "test", sampled)
    store.record(run_id, paths)
    assert store.latest_paths(run_id, "test") == paths
    store.close()


def test_sampled_paths_are_found_by_split_and_step(store: Store) -> None:
    _, run_id = first_run(store)
    events = [SampledPaths(step, split, ()) for step in (0, 4, 12) for split in SPLITS]
    store.record_all(run_id, reversed(events))
    assert list(store.all_paths(run_id)) == events
    assert store.latest_paths(run_id, "train") == events[4]
    assert store.paths(run_id, "test", 4) == events[3]
    assert store.paths(run_id, "test", 5) is None
    assert store.latest_paths("r-none", "test") is None


def test_checkpoints_keep_all_weights_and_the_latest_state(store: Store) -> None:
    _, run_id = first_run(store)
    assert store.resume_point(run_id) is None
    for step in (0, 4, 10):
        store.record(run_id, Checkpoint(step, b"weights %d" % step, b"state %d" % step))
    assert store.weight_steps(run_id) == [0, 4, 10]
    assert store.weights(run_id, 4) == b"weights 4"
    assert store.resume_point(run_id) == Checkpoint(10, b"weights 10", b"state 10")
    with pytest.raises(KeyError, match="no weights at step 5"):
        store.weights(run_id, 5)


def test_deleting_leaves_no_row_and_no_file(store: Store, home: Path) -> None:
    kept, _ = first_run(store)
    experiment_id, run_id = first_run(store)
    for event in [evaluation(4), *steps(3), SampledPaths(4, "test", ()), Checkpoint(4, b"w", b"r")]:
        store.record(run_id, event)

    store.delete_experiment(experiment_id)

    assert [record.id for record in store.experiments()] == [kept]
    assert store.evaluations(experiment_id).empty
    assert list(store.all_paths(run_id)) == []
    assert list((home / "checkpoints").iterdir()) == []
    with pytest.raises(KeyError):
        store.record(run_id, Checkpoint(8, b"w", b"r"))
    assert list((home / "checkpoints").iterdir()) == []


def test_events_of_one_call_are_written_all_or_none(store: Store) -> None:
    experiment_id, run_id = first_run(store)
    broken = Evaluation(4, 1, 1.0, "test", {"greedy_accuracy": "no number"})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="no number"):
        store.record_all(run_id, [evaluation(4), broken])
    assert store.evaluations(experiment_id).empty


def test_two_stores_and_many_threads_write_at_once(store: Store, home: Path) -> None:
    experiment_id = store.create_experiment(experiment(seeds=tuple(range(4))))
    runs = store.runs(experiment_id)
    errors = []

    def write(store: Store, run_id: str) -> None:
        try:
            for step in range(40):
                store.record(run_id, evaluation(step, greedy_accuracy=step / 40))
                store.evaluations(experiment_id)
        except Exception as error:
            errors.append(error)

    stores = (store, Store(home))
    threads = [threading.Thread(target=write, args=(stores[i % 2], run.id)) for i, run in enumerate(runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stores[1].close()

    assert errors == []
    counts = store.evaluations(experiment_id).groupby("run")["step"].count()
    assert list(counts) == [40] * 8


def test_reading_the_evaluations_of_a_whole_experiment_is_quick(store: Store) -> None:
    arms = tuple(f"arm{i}" for i in range(6))
    experiment_id = store.create_experiment(experiment(arms=arms))
    values = {f"metric {i}": i / 7 for i in range(18)}
    for run in store.runs(experiment_id):
        events = [Evaluation(step, step, step, split, values) for step in range(21) for split in SPLITS]
        store.record_all(run.id, events)

    def seconds() -> float:
        begin = time.process_time()
        assert store.evaluations(experiment_id).shape == (7 * 21 * 2, 26)
        return time.process_time() - begin

    assert min(seconds() for _ in range(10)) < 0.05
