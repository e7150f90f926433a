from __future__ import annotations

import json
import math
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from planviz.events import Changed, QueryPaths, SampledPaths
from planviz.runs import schema
from planviz.runs.changes import changes
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


@pytest.fixture
def old_home(home: Path) -> Path:
    """A data folder as the first planviz left it: one experiment with all that there can be of it."""
    home.mkdir()
    config = {"name": "old", "graph": {"nodes": 12}, "base": {"method": "sft", "steps": 8}, "seeds": [3]}
    config["arms"] = {"pg": {"method": "pg", "steps": 8, "kl": 0.5}}
    run = (
        "INSERT INTO runs (id, experiment_id, position, arm, method, seed, state, step, total_steps) VALUES "
    )
    run += "(?, 'e1', ?, ?, ?, 3, ?, ?, 8)"
    database = sqlite3.connect(home / "planviz.sqlite3")
    with database:
        for statement in schema.MIGRATIONS[0]:
            database.execute(statement)
        database.execute(
            "INSERT INTO experiments VALUES ('e1', 'old', 'quick', 1.5, ?)", (json.dumps(config),)
        )
        database.execute(run, ("r1", 0, "base", "sft", "finished", 8))
        database.execute(run, ("r2", 1, "pg", "pg", "interrupted", 4))
        database.execute(
            "INSERT INTO evaluations VALUES ('r1', 8, 'test', 64, 1.0, '{\"kl_to_base\": Infinity}')"
        )
        database.execute("INSERT INTO steps VALUES ('r2', 4, 32, 160, 0.5, '{\"loss\": 0.25}')")
        database.execute(
            "INSERT INTO paths VALUES ('r1', 8, 'test', '[[0, 2, [[1, 2]], [5], [\"correct\"]]]')"
        )
        database.execute("PRAGMA user_version = 1")
    database.close()
    return home


def test_everything_in_a_store_of_the_first_schema_is_found_again(old_home: Path) -> None:
    store = Store(old_home)

    (record,) = store.experiments()
    assert record == store.experiment("e1")
    assert (record.name, record.preset, record.created) == ("old", "quick", 1.5)
    assert (record.config.graph.nodes, record.config.seeds, record.config.arm("pg").steps) == (12, (3,), 8)
    assert record.states == {"finished": 1, "interrupted": 1}
    assert (record.session, record.starred, record.archived, record.tags) == (None, False, False, ())
    assert [(run.id, run.state, run.step) for run in store.runs("e1")] == [
        ("r1", "finished", 8),
        ("r2", "interrupted", 4),
    ]
    assert list(store.evaluations("e1")["kl_to_base"]) == [math.inf]
    assert list(store.steps("e1")["loss"]) == [0.25]
    assert store.latest_paths("r1", "test") == SampledPaths(
        8, "test", (QueryPaths(0, 2, ((1, 2),), (5,), ("correct",)),)
    )
    assert changes(store, "e1").empty
    store.record("r2", Changed(4, {"reward": "outcome"}))
    assert changes(store, "e1")["step"].tolist() == [4]
    store.update_experiment("e1", name="new", tags=["a"], starred=True, archived=True)
    record = store.experiment("e1")
    assert (record.name, record.tags, record.starred, record.archived) == ("new", ("a",), True, True)
    store.close()


def test_a_process_that_is_killed_while_it_migrates_leaves_the_old_schema(old_home: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from planviz.runs import schema\n"
        "def cut_off(statements):\n"
        "    yield from statements[:-1]\n"
        "    os._exit(9)\n"
        "schema.MIGRATIONS = (schema.MIGRATIONS[0], cut_off(schema.MIGRATIONS[1]))\n"
        "schema.Database(Path(sys.argv[1]))\n"
    )
    path = old_home / "planviz.sqlite3"
    ended = subprocess.run([sys.executable, "-c", script, str(path)], timeout=60)
    assert ended.returncode == 9

    database = sqlite3.connect(path)
    assert database.execute("PRAGMA user_version").fetchone() == (1,)
    columns = [row[1] for row in database.execute("PRAGMA table_info(experiments)")]
    assert columns == ["id", "name", "preset", "created", "config"]
    assert database.execute("SELECT count(*) FROM runs").fetchone() == (2,)
    database.close()

    store = Store(old_home)
    assert store.experiment("e1").tags == ()
    store.close()


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
