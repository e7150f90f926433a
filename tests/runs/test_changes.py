"""Settings that change while runs train: through the real manager and real training, the store, and bundles."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from planviz.config import ExperimentConfig, SettingError, parse
from planviz.events import Change, Changed, Checkpoint, Command, Evaluation, Finished, Started
from planviz.experiment import train
from planviz.runs.bundle import BundleError, export_experiment, import_experiment
from planviz.runs.bundle_zip import export_zip, import_zip
from planviz.runs.changes import CHANGE_COLUMNS, FILE, changes
from planviz.runs.records import RunError, RunRecord
from planviz.runs.store import Store
from tests.runs.conftest import FOREVER, Managers, is_paused_at, wait_for, wait_for_step, wait_until_done

OUTCOME = Change((("reward", "outcome"),))
CUSTOM = Change((("reward", "custom"), ("step_reward", -0.5)))


def experiment(steps: int, seeds: tuple[int, ...] = (0,)) -> ExperimentConfig:
    size = {"steps": steps, "batch_size": 8}
    return parse(
        {
            "graph": {"nodes": 9, "density": 0.4},
            "split": {"train_share": 0.4, "paths_per_pair": 3},
            "model": {"kind": "tabular"},
            "base": {"steps": 2},
            "arms": {"q": {"method": "q", **size}, "pg": {"method": "pg", "steps": 2}},
            "evaluation": {"evaluations": 4, "pairs": 5, "samples": 2},
            "seeds": seeds,
        }
    )


def run_of(store: Store, experiment_id: str, arm: str) -> RunRecord:
    return next(run for run in store.runs(experiment_id) if run.arm == arm)


def numbers(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=["run", "seconds"]).sort_values(["arm", "step", "split"], ignore_index=True)


def test_a_run_changes_while_it_trains_and_goes_on_so_after_it_was_interrupted(
    store: Store, managers: Managers
) -> None:
    """Paused at a step that is known, changed, stepped over an evaluation, killed, resumed: as `train` does it."""
    real = {"train_seeds": "planviz.experiment:train_seeds"}
    config = experiment(400)
    manager = managers(1, **real)
    experiment_id = manager.start(config)
    run = run_of(store, experiment_id, "q")
    wait_for(lambda: store.run(run.id).state == "running")
    manager.send([run.id], "pause")
    wait_for(lambda: store.run(run.id).state in ("paused", "finished"))
    paused_at = store.run(run.id).step
    assert paused_at < 300
    manager.send([run.id], CUSTOM)
    wait_for(lambda: len(changes(store, experiment_id)) == 1)
    assert is_paused_at(store, run.id, paused_at)
    manager.send([run.id], "resume")
    wait_for(lambda: (store.resume_step(run.id) or 0) > paused_at)
    manager.shutdown()
    again = managers(1, **real)
    again.resume_all(experiment_id)
    wait_until_done(store, experiment_id)

    table = changes(store, experiment_id)
    assert table[["arm", "seed", "step"]].values.tolist() == [["q", 0, paused_at]]
    assert table["settings"].tolist() == [dict(CUSTOM.settings)]

    expected = store.create_experiment(config)
    ids = {run.arm: run.id for run in store.runs(expected)}
    asked = -3  # polls of the base and the first of the arm

    def control(wait: bool) -> Command | None:
        nonlocal asked
        asked += 1
        return CUSTOM if asked == paused_at else None

    for told in train(config, control):
        store.record(ids[told.arm], told.event)
    assert changes(store, expected)["step"].tolist() == [paused_at]
    pd.testing.assert_frame_equal(
        numbers(store.evaluations(experiment_id)), numbers(store.evaluations(expected)), rtol=1e-6
    )


def test_only_what_trains_can_change_and_only_to_what_is_allowed(store: Store, managers: Managers) -> None:
    manager = managers(1)  # with the fake experiment
    experiment_id = manager.start(experiment(FOREVER))
    run, queued = (run_of(store, experiment_id, arm) for arm in ("q", "pg"))
    wait_for_step(store, run.id, 3)
    manager.send([run.id], OUTCOME)
    with pytest.raises(SettingError, match="reward = 'best'"):
        manager.send([run.id], Change((("reward", "best"),)))
    with pytest.raises(RunError, match="the run pg with seed 0 is queued; only a run that trains"):
        manager.send([queued.id], OUTCOME)
    with pytest.raises(RunError, match="base with seed 0 is finished"):
        manager.send_all(experiment_id, OUTCOME)
    manager.send_all(experiment_id, "stop")
    wait_until_done(store, experiment_id)
    with pytest.raises(RunError, match="is stopped"):
        manager.send([run.id], OUTCOME)
    with pytest.raises(KeyError):
        manager.send(["rubbish"], OUTCOME)


def test_changes_after_the_checkpoint_that_a_run_goes_on_from_never_happened(store: Store) -> None:
    experiment_id = store.create_experiment(experiment(40))
    run = run_of(store, experiment_id, "q")
    store.record(run.id, Started("q", 0, 40))
    for step, change in ((3, OUTCOME), (10, CUSTOM), (12, OUTCOME)):
        store.record(run.id, Changed(step, dict(change.settings)))
    store.record(run.id, Started("q", 10, 40))
    assert changes(store, experiment_id)["step"].tolist() == [3]
    store.record(run.id, Changed(10, dict(CUSTOM.settings)))
    store.record(run.id, Changed(10, dict(OUTCOME.settings)))
    table = changes(store, experiment_id)
    assert list(table.columns) == CHANGE_COLUMNS
    assert table[["step", "settings"]].values.tolist() == [
        [3, {"reward": "outcome"}],
        [10, {"reward": "outcome"}],
    ]


def test_only_runs_with_the_same_changes_go_on_together(store: Store, managers: Managers) -> None:
    config = experiment(FOREVER, seeds=(0, 1, 2))
    manager = managers(1)
    experiment_id = store.create_experiment(config, owner=manager.owner)
    for run in store.runs(experiment_id):
        if run.arm == "base":
            store.record(run.id, Checkpoint(2, b"weights", b""))
            store.record(run.id, Finished(2))
        if run.arm == "q":
            store.record(run.id, Started("q", 0, FOREVER))
            if run.seed != 1:
                store.record(run.id, Changed(2, {"reward": "outcome"}))
            store.record(run.id, Checkpoint(4, b"weights", (0.25).hex().encode()))
            store.set_state(run.id, "interrupted")
    for run in store.runs(experiment_id):
        if run.arm == "q":
            store.requeue(run.id, manager.owner)
    free = [run for run in store.queued(manager.owner) if run.arm == "q"]
    assert [run.seed for run in manager._together(free, 1)] == [0, 2]


@pytest.fixture
def changed(store: Store) -> str:
    """An experiment with an arm that changed twice, and was measured."""
    experiment_id = store.create_experiment(experiment(40))
    run = run_of(store, experiment_id, "q")
    for step, change in ((3, OUTCOME), (10, CUSTOM)):
        store.record(run.id, Changed(step, dict(change.settings)))
    values = {"greedy_accuracy": 1.0, "sampled_accuracy": 1.0, "distinct_paths": 2.0}
    store.record(run.id, Evaluation(20, 160, 1.0, "test", values))
    store.record(run.id, Finished(40))
    return experiment_id


def test_changes_travel_with_an_experiment(store: Store, changed: str, tmp_path: Path) -> None:
    export_experiment(store, changed, tmp_path / "folder")
    export_zip(store, changed, tmp_path / "file.zip")
    before = changes(store, changed)
    for copy in (import_experiment(store, tmp_path / "folder"), import_zip(store, tmp_path / "file.zip")):
        after = changes(store, copy)
        pd.testing.assert_frame_equal(
            after.drop(columns=["run", "time"]), before.drop(columns=["run", "time"])
        )
        assert run_of(store, copy, "q").step == 20


def test_an_experiment_without_changes_has_no_file_of_them(
    store: Store, changed: str, tmp_path: Path
) -> None:
    export_experiment(store, changed, tmp_path)
    assert (tmp_path / FILE).exists()
    other = store.create_experiment(experiment(40))
    export_experiment(store, other, tmp_path)
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"settings": {"reward": "best"}}, "reward = 'best'"),
        ({"settings": {"steps": 1}}, "steps: cannot change"),
        ({"settings": {}}, "settings"),
        ({"settings": {"step_reward": 99}}, "step_reward"),
        ({"arm": "pg", "step": 1}, "no reward"),
        ({"arm": "<b>"}, "no run of arm"),
        ({"seed": 7}, "no run"),
        ({"step": 41}, "beyond"),
        ({"step": -1}, "step"),
        ({"step": "x" * 20_000}, "not valid"),
    ],
)
def test_changes_that_cannot_have_been_are_refused(
    line: dict[str, object], said: str, store: Store, changed: str, tmp_path: Path
) -> None:
    export_experiment(store, changed, tmp_path)
    good = json.loads((tmp_path / FILE).read_text().splitlines()[0])
    (tmp_path / FILE).write_text(json.dumps(good | line) + "\n")
    with pytest.raises(BundleError, match=said) as refused:
        import_experiment(store, tmp_path)
    assert FILE in str(refused.value) and len(str(refused.value)) < 400
    assert len(store.experiments()) == 1
