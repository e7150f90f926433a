from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from planviz.runs import schema
from planviz.runs.schema import Database, StoreError
from planviz.runs.store import Store
from tests.runs.conftest import experiment


def test_the_database_is_in_wal_mode_and_has_a_version(store: Store, home: Path) -> None:
    database = sqlite3.connect(home / "planviz.sqlite3")
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
    database.close()


def test_a_later_schema_is_added_to_an_old_store(
    store: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment_id = store.create_experiment(experiment())
    later = (*schema.MIGRATIONS, ("ALTER TABLE runs ADD COLUMN stars INTEGER DEFAULT 5", "SELECT 1"))
    monkeypatch.setattr(schema, "MIGRATIONS", later)

    new = Store(home)

    assert new.experiment(experiment_id) == store.experiment(experiment_id)
    database = sqlite3.connect(home / "planviz.sqlite3")
    assert database.execute("SELECT DISTINCT stars FROM runs").fetchall() == [(5,)]
    database.close()
    new.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.sqlite3"
    Database(path).close()
    later = (*schema.MIGRATIONS, ("ALTER TABLE runs ADD COLUMN stars", "ALTER TABLE nothing ADD COLUMN x"))
    monkeypatch.setattr(schema, "MIGRATIONS", later)
    with pytest.raises(StoreError, match="nothing"):
        Database(path)
    database = sqlite3.connect(path)
    assert "stars" not in [row[1] for row in database.execute("PRAGMA table_info(runs)")]
    database.close()


def test_a_store_of_a_newer_planviz_is_left_alone(home: Path) -> None:
    Store(home).close()
    database = sqlite3.connect(home / "planviz.sqlite3")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StoreError, match="newer planviz"):
        Store(home)


def test_a_file_that_is_no_database(home: Path) -> None:
    home.mkdir()
    (home / "planviz.sqlite3").write_text("not a database, but long enough to be looked at" * 10)
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(home)


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be made"):
        Store(tmp_path / "file" / "home")


def test_processes_that_open_a_new_store_at_once_do_not_disturb_each_other(home: Path) -> None:
    script = "import sys; from pathlib import Path; from planviz.runs.schema import Database; "
    script += "sys.stdin.read(); Database(Path(sys.argv[1]))"
    home.mkdir()
    command = [sys.executable, "-c", script, str(home / "planviz.sqlite3")]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait(60) for process in processes] == [0] * 4
