"""A full disk lets runs wait, loses nothing, and changes no number once there is room again."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.chaos import config as real_config
from benchmarks.store_check import look, outcome
from planviz.cli import main
from planviz.config import preset, to_toml
from planviz.runs.manager import RunManager
from planviz.runs.records import RunError
from planviz.runs.store import Store
from planviz.runs.trouble import why_unwritable
from tests.runs.conftest import (
    FOREVER,
    Managers,
    experiment,
    states,
    undisturbed,
    wait_for,
    wait_for_states,
    wait_for_step,
)

Outcome = tuple[Any, Any]

FULL: dict[str, Exception] = {
    "database": sqlite3.OperationalError("database or disk is full"),
    "checkpoints": OSError(errno.ENOSPC, "No space left on device"),
}


class Disk:
    """Lets a store's writes fail while it is full."""

    def __init__(
        self, store: Store, patch: pytest.MonkeyPatch, error: Exception, *, states_too: bool
    ) -> None:
        self.is_full = False

        def failing(function: Any) -> Any:
            def call(*arguments: Any, **named: Any) -> Any:
                if self.is_full:
                    raise error
                return function(*arguments, **named)

            return call

        names = ["record_all", "set_state", "create_experiment", "requeue"] if states_too else ["record_all"]
        for name in names:
            patch.setattr(store, name, failing(getattr(store, name)))


@pytest.mark.parametrize("what", list(FULL))
@pytest.mark.parametrize("states_too", [False, True], ids=["states can be written", "nothing can be written"])
def test_runs_wait_and_go_on_with_the_same_numbers(
    store: Store, managers: Managers, monkeypatch: pytest.MonkeyPatch, what: str, states_too: bool
) -> None:
    config = experiment(120, ("pg", "sft"), seeds=(0, 1))
    manager = managers()
    disk = Disk(store, monkeypatch, FULL[what], states_too=states_too)
    experiment_id = manager.start(config)
    wait_for_step(store, store.runs(experiment_id)[0].id, 20)

    disk.is_full = True
    trouble = wait_for(lambda: manager.trouble(experiment_id))
    assert trouble == f"The disk is full, so nothing can be written to {store.home}; free some space"
    if not states_too:
        wait_for(lambda: states(store, experiment_id)["base0"] == "paused")
        assert "free some space, then press Resume" in store.runs(experiment_id)[0].message
    if not states_too:
        manager.send_all(experiment_id, "resume")  # too early: nothing changes
    wait_for(lambda: manager.trouble(experiment_id))
    assert "failed" not in states(store, experiment_id).values()

    disk.is_full = False
    manager.send_all(experiment_id, "resume")
    wait_for_states(store, experiment_id, *["finished"] * 6)
    assert manager.trouble(experiment_id) == ""
    assert {run.message for run in store.runs(experiment_id)} == {""}
    table = store.evaluations(experiment_id).drop(columns="run")
    pd.testing.assert_frame_equal(table, undisturbed(store, managers, config))


def test_a_planviz_that_is_closed_while_the_disk_is_full_leaves_runs_to_resume(
    store: Store, managers: Managers, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, manager = experiment(200), managers()
    experiment_id = manager.start(config)
    wait_for_step(store, store.runs(experiment_id)[0].id, 60)
    with monkeypatch.context() as patch:
        disk = Disk(store, patch, FULL["database"], states_too=True)
        patch.setattr(store, "interrupt", store.set_state)
        disk.is_full = True
        wait_for(lambda: manager.trouble(experiment_id))
        with pytest.raises(RunError, match="The disk is full"):
            manager.start(config)
        manager.shutdown()
    later = managers()
    assert set(states(store, experiment_id).values()) == {"interrupted"}
    later.resume_all(experiment_id)
    wait_for_states(store, experiment_id, "finished", "finished")
    table = store.evaluations(experiment_id).drop(columns="run")
    pd.testing.assert_frame_equal(table, undisturbed(store, managers, config))


def test_a_store_that_is_busy_for_a_moment_is_tried_again(
    store: Store, manager: RunManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = [sqlite3.OperationalError("database is locked")] * 2
    record_all = store.record_all

    def record(*arguments: Any) -> None:
        if busy:
            raise busy.pop()
        record_all(*arguments)

    monkeypatch.setattr(store, "record_all", record)
    experiment_id = manager.start(experiment(8))
    wait_for_states(store, experiment_id, "finished", "finished")
    assert busy == []


def test_deleting_ends_runs_that_wait_for_room(
    store: Store, manager: RunManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(store, monkeypatch, FULL["checkpoints"], states_too=False)
    experiment_id = manager.start(experiment(FOREVER))
    disk.is_full = True
    wait_for(lambda: manager.trouble(experiment_id))
    manager.delete(experiment_id)
    assert store.experiments() == []
    assert manager.trouble(experiment_id) == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FULL["database"], "The disk is full"),
        (FULL["checkpoints"], "The disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "The disk is full"),
        (PermissionError(errno.EACCES, "Permission denied"), "cannot write to"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "readonly database"),
    ],
)
def test_the_reason_is_named(tmp_path: Path, error: Exception, said: str) -> None:
    assert said in why_unwritable(error, tmp_path)


# A disk that is really full


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB; only root may make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """How the experiment ends that nothing disturbs."""
    store = Store(tmp_path_factory.mktemp("undisturbed"))
    manager = RunManager(store, 2)
    wait_for_states(store, manager.start(real_config()), *["finished"] * 3)
    manager.shutdown()
    store.close()
    return outcome(store.home)


def fill(folder: Path) -> Path:
    """Fill a disk to its last byte."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (2**16, 2**12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return path


@pytest.mark.slow
def test_real_training_on_a_disk_that_is_really_full(small_disk: Path, expected: Outcome) -> None:
    store = Store(small_disk / "home")
    manager = RunManager(store, 2)
    experiment_id = manager.start(real_config())
    wait_for(lambda: len(store.evaluations(experiment_id)) > 8)
    filler = fill(small_disk)
    wait_for(lambda: manager.trouble(experiment_id))
    assert look(store.home).torn == 0
    assert not list(store.home.glob("checkpoints/*/*.tmp"))
    with pytest.raises(RunError, match="The disk is full"):
        manager.start(preset("quick"))
    filler.unlink()
    manager.send_all(experiment_id, "resume")
    wait_for_states(store, experiment_id, *["finished"] * 3)
    manager.shutdown()
    store.close()

    assert outcome(store.home) == expected


@pytest.mark.slow
def test_the_command_line_says_how_to_go_on(
    small_disk: Path, tmp_path: Path, expected: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = small_disk / "home"
    (tmp_path / "chaos.toml").write_text(to_toml(real_config()))
    command = [sys.executable, "-m", "planviz"]
    environment = {**os.environ, "PLANVIZ_HOME": str(home), "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen(
        [*command, "run", str(tmp_path / "chaos.toml"), "--workers", "2"],
        env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    wait_for((home / "planviz.sqlite3").exists)
    store = Store(home)
    (experiment_id,) = [each.id for each in wait_for(store.experiments)]
    wait_for(lambda: len(store.evaluations(experiment_id)) > 8)
    store.close()
    filler = fill(small_disk)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "The disk is full" in said
    assert f"planviz runs resume {experiment_id}" in " ".join(said.split())
    assert "Traceback" not in said
    filler.unlink()
    monkeypatch.setenv("PLANVIZ_HOME", str(home))
    monkeypatch.setattr(sys, "argv", ["planviz", "runs", "resume", experiment_id, "--workers", "2"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert outcome(home) == expected
