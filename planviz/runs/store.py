"""The store: every experiment, run, metric, sampled path and checkpoint, below one data folder.

Metrics are rows of an SQLite database in WAL mode, checkpoints are safetensors files. Threads and processes
may share a store: the app and the command line do.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import platformdirs

from planviz.config import BASE, ExperimentConfig
from planviz.events import Checkpoint, Event, SampledPaths, Split
from planviz.runs.checkpoints import CheckpointFiles, bytes_in
from planviz.runs.demo import must_not_be_demo
from planviz.runs.event_rows import frame, in_sql, query_paths, stored_config, update_run, write_event
from planviz.runs.ownership import is_alive
from planviz.runs.records import (
    ACTIVE,
    RESUMABLE,
    ExperimentRecord,
    RunRecord,
    State,
    checked_name,
    checked_tags,
)
from planviz.runs.schema import Database, StoreError

RUN_COLUMNS = ", ".join(RunRecord.__dataclass_fields__)
EVALUATION_COLUMNS = ["run", "arm", "method", "seed", "step", "samples", "seconds", "split"]
STEP_COLUMNS = ["run", "arm", "method", "seed", "step", "samples", "tokens", "seconds"]

_EVERY_SO_MANY = """AND step IN (
    SELECT step FROM (
        SELECT step, row_number() OVER (ORDER BY step DESC) - 1 AS place FROM steps WHERE run_id = :run)
    WHERE place % :stride = 0)"""


def default_home() -> Path:
    """The data folder: $PLANVIZ_HOME, or else the platform's place for the data of a user."""
    return Path(os.environ.get("PLANVIZ_HOME") or platformdirs.user_data_dir("planviz", appauthor=False))


class Store:
    """All experiments below one data folder.

    Raises:
        StoreError: the folder cannot be used.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{home}: the data folder cannot be made ({error.strerror}); PLANVIZ_HOME names another"
            ) from error
        self.database = Database(home / "planviz.sqlite3")
        self._checkpoints = CheckpointFiles(home / "checkpoints")

    def close(self) -> None:
        """Close the database; the store can still be used, and opens it again."""
        self.database.close()

    # Experiments

    def create_experiment(
        self,
        config: ExperimentConfig,
        preset: str | None = None,
        *,
        owner: str | None = None,
        experiment_id: str | None = None,
        session: str | None = None,
    ) -> str:
        """Insert an experiment and its runs, all queued: the base of every seed, then seed by seed the arms.

        Args:
            owner: the manager that will work on the runs.
            experiment_id: an id of one's own instead of a random one.
            session: who starts it.

        Returns:
            The experiment's id.
        """
        experiment_id = experiment_id or "e" + secrets.token_urlsafe(12)
        runs = [(BASE, seed) for seed in config.seeds]
        runs += [(arm, seed) for seed in config.seeds for arm in config.arms]
        with self.database.transaction() as db:
            db.execute(
                "INSERT INTO experiments (id, name, preset, created, config, session) VALUES (?, ?, ?, ?, ?, ?)",
                (experiment_id, config.name, preset, time.time(), config.model_dump_json(), session),
            )
            for position, (arm, seed) in enumerate(runs):
                db.execute(
                    "INSERT INTO runs"
                    " (id, experiment_id, position, arm, method, seed, state, total_steps, owner)"
                    " VALUES (?, ?, ?, ?, ?, ?, 'queued', ?, ?)",
                    (
                        "r" + secrets.token_urlsafe(12), experiment_id, position,
                        arm, config.arm(arm).method, seed, config.arm(arm).steps, owner,
                    ),
                )  # fmt: skip
        return experiment_id

    def experiments(self) -> list[ExperimentRecord]:
        """All experiments, newest first."""
        return self._experiments()

    def experiment(self, experiment_id: str) -> ExperimentRecord:
        """One experiment.

        Raises:
            KeyError: there is none with this id.
        """
        records = self._experiments(experiment_id)
        if not records:
            raise KeyError(f"there is no experiment {experiment_id[:80]!r}")
        return records[0]

    def _experiments(self, only: str | None = None) -> list[ExperimentRecord]:
        values = () if only is None else (only,)
        with self.database.transaction() as db:
            rows = db.execute(
                "SELECT id, name, preset, created, config, session, starred, archived, tags "
                f"FROM experiments {'WHERE id = ?' if values else ''} ORDER BY created DESC, rowid DESC",
                values,
            ).fetchall()
            counts = db.execute(
                "SELECT experiment_id, state, count(*) FROM runs "
                f"{'WHERE experiment_id = ?' if values else ''} GROUP BY 1, 2",
                values,
            ).fetchall()
        states: dict[str, dict[State, int]] = defaultdict(dict)
        for experiment_id, state, count in counts:
            states[experiment_id][state] = count
        return [
            ExperimentRecord(
                key, name, preset, created, stored_config(config), states[key],
                session, bool(starred), bool(archived), tuple(json.loads(tags)),
            )
            for key, name, preset, created, config, session, starred, archived, tags in rows
        ]  # fmt: skip

    def update_experiment(
        self,
        experiment_id: str,
        *,
        name: str | None = None,
        tags: Iterable[str] | None = None,
        starred: bool | None = None,
        archived: bool | None = None,
    ) -> None:
        """Change how an experiment is found again; what is not given stays as it is.

        Raises:
            KeyError: there is no such experiment.
            LabelError: the name or a tag is not allowed.
            DemoError: it is the demo.
        """
        must_not_be_demo(experiment_id)
        given = {
            "name": None if name is None else checked_name(name),
            "tags": None if tags is None else json.dumps(checked_tags(tags)),
            "starred": starred,
            "archived": archived,
        }
        values = {column: value for column, value in given.items() if value is not None}
        assignments = ", ".join(f"{column} = ?" for column in ("id", *values))
        with self.database.transaction() as db:
            cursor = db.execute(
                f"UPDATE experiments SET {assignments} WHERE id = ?",
                (experiment_id, *values.values(), experiment_id),
            )
        if cursor.rowcount == 0:
            raise KeyError(f"there is no experiment {experiment_id[:80]!r}")

    def size(self, experiment_id: str) -> int:
        """About how many bytes an experiment takes: its checkpoints, and the text of its rows."""
        runs = self.runs(experiment_id)
        total = sum(bytes_in(self._checkpoints.folder / run.id) for run in runs)
        with self.database.transaction() as db:
            for table, column in (("evaluations", "metrics"), ("steps", "metrics"), ("paths", "queries")):
                (length,) = db.execute(
                    f"SELECT total(length({column})) FROM {table} "
                    "WHERE run_id IN (SELECT id FROM runs WHERE experiment_id = ?)",
                    (experiment_id,),
                ).fetchone()
                total += int(length)
        return total

    def total_size(self) -> int:
        """How many bytes all experiments take on disk."""
        folders = [self.home, *(entry for entry in self._checkpoints.folder.glob("*") if entry.is_dir())]
        return sum(bytes_in(folder) for folder in folders)

    def delete_experiment(self, experiment_id: str) -> None:
        """Remove an experiment with all its runs and checkpoints. Nothing happens if there is none."""
        runs = self.runs(experiment_id)
        with self.database.transaction() as db:
            db.execute("DELETE FROM experiments WHERE id = ?", (experiment_id,))
        for run in runs:
            self._checkpoints.delete(run.id)

    # Runs

    def runs(self, experiment_id: str) -> list[RunRecord]:
        """The runs of an experiment: the bases first, then the arms."""
        return self._runs("WHERE experiment_id = ? ORDER BY position", experiment_id)

    def run(self, run_id: str) -> RunRecord:
        """One run.

        Raises:
            KeyError: there is none with this id.
        """
        runs = self._runs("WHERE id = ?", run_id)
        if not runs:
            raise KeyError(f"there is no run {run_id[:80]!r}")
        return runs[0]

    def queued(self, owner: str) -> list[RunRecord]:
        """The runs that wait for this owner, those of the oldest experiment first."""
        created = "(SELECT created FROM experiments WHERE id = experiment_id)"
        return self._runs(
            f"WHERE state = 'queued' AND owner = ? ORDER BY {created}, experiment_id, position", owner
        )

    def sessions(self) -> dict[str, str]:
        """Who started the experiments that still have runs to work on, by experiment id; unknown ones are not in it."""
        with self.database.transaction() as db:
            rows = db.execute(
                "SELECT DISTINCT experiments.id, session FROM experiments JOIN runs ON experiment_id = experiments.id"
                f" WHERE session IS NOT NULL AND state IN {in_sql(ACTIVE)}"
            )
            return dict(rows.fetchall())

    def active_runs(self, session: str | None = None) -> int:
        """How many runs are queued, running or paused: of all, or of the experiments that a session started."""
        mine = (
            "" if session is None else "AND experiment_id IN (SELECT id FROM experiments WHERE session = ?)"
        )
        with self.database.transaction() as db:
            values = () if session is None else (session,)
            (count,) = db.execute(
                f"SELECT count(*) FROM runs WHERE state IN {in_sql(ACTIVE)} {mine}", values
            ).fetchone()
        return int(count)

    def _runs(self, where: str, *values: str) -> list[RunRecord]:
        with self.database.transaction() as db:
            return [RunRecord(*row) for row in db.execute(f"SELECT {RUN_COLUMNS} FROM runs {where}", values)]

    def set_state(self, run_id: str, state: State, message: str = "", details: str = "") -> None:
        """Set the state of a run, and why.

        Raises:
            KeyError: there is no such run.
        """
        with self.database.transaction() as db:
            finished = None if state in ACTIVE else time.time()
            update_run(db, run_id, state=state, message=message, details=details, finished=finished)

    def requeue(self, run_id: str, owner: str) -> bool:
        """Queue a run that ended early once more; whether it was in a state to do so."""
        with self.database.transaction() as db:
            cursor = db.execute(
                "UPDATE runs SET state = 'queued', owner = ?, message = '', details = '', finished = NULL "
                f"WHERE id = ? AND state IN {in_sql(RESUMABLE)}",
                (owner, run_id),
            )
            return cursor.rowcount == 1

    def interrupt(self, owner: str) -> None:
        """Mark what this owner still has in work as interrupted."""
        with self.database.transaction() as db:
            db.execute(
                "UPDATE runs SET state = 'interrupted', finished = ?, message = ? "
                f"WHERE owner = ? AND state IN {in_sql(ACTIVE)}",
                (time.time(), "planviz was closed before this run was done; it can be resumed.", owner),
            )

    def interrupt_orphans(self) -> None:
        """Mark the runs of owners that no longer live as interrupted."""
        with self.database.transaction() as db:
            owners = db.execute(
                f"SELECT DISTINCT owner FROM runs WHERE owner IS NOT NULL AND state IN {in_sql(ACTIVE)}"
            ).fetchall()
        for (owner,) in owners:
            if not is_alive(self.home, owner):
                self.interrupt(owner)

    # What happens in a run

    def record(self, run_id: str, event: Event) -> None:
        """Write one event of a run."""
        self.record_all(run_id, [event])

    def record_all(self, run_id: str, events: Iterable[Event]) -> None:
        """Write events of a run, in their order and in one transaction.

        Raises:
            KeyError: there is no such run.
            OSError, sqlite3.Error: they could not be written.
        """
        events = list(events)
        with self.database.transaction() as db:
            for event in events:
                write_event(db, run_id, event)
        # After the rows: a run that goes on from a checkpoint never lacks the evaluation that came with it.
        for event in events:
            if isinstance(event, Checkpoint):
                self._checkpoints.save(run_id, event)

    def evaluations(self, experiment_id: str) -> pd.DataFrame:
        """All evaluations of an experiment: one row a run, step and split, one column a metric."""
        with self.database.transaction() as db:
            rows = db.execute(
                "SELECT runs.id, arm, method, seed, e.step, e.samples, e.seconds, e.split, e.metrics "
                "FROM runs JOIN evaluations AS e ON e.run_id = runs.id WHERE experiment_id = ? "
                "ORDER BY position, e.step, e.split DESC",
                (experiment_id,),
            ).fetchall()
        return frame(rows, EVALUATION_COLUMNS)

    def steps(self, experiment_id: str, max_points: int | None = 1500) -> pd.DataFrame:
        """The step metrics of an experiment; of long runs only every so many, the last one included.

        Args:
            max_points: at most so many rows a run, or None for all.
        """
        rows: list[tuple[Any, ...]] = []
        for run in self.runs(experiment_id):
            with self.database.transaction() as db:
                (count,) = db.execute("SELECT count(*) FROM steps WHERE run_id = ?", (run.id,)).fetchone()
                stride = 1 if max_points is None else max(1, math.ceil(count / max_points))
                found = db.execute(
                    "SELECT step, samples, tokens, seconds, metrics FROM steps WHERE run_id = :run"
                    f" {_EVERY_SO_MANY if stride > 1 else ''} ORDER BY step",
                    {"run": run.id, "stride": stride},
                )
                rows += [(run.id, run.arm, run.method, run.seed, *row) for row in found]
        return frame(rows, STEP_COLUMNS)

    def latest_paths(self, run_id: str, split: Split) -> SampledPaths | None:
        """The paths sampled at the latest evaluation of a run, if there was one."""
        return next(self._paths("AND split = ? ORDER BY step DESC LIMIT 1", run_id, split), None)

    def paths(self, run_id: str, split: Split, step: int) -> SampledPaths | None:
        """The paths sampled at one evaluation of a run, if there was one at this step."""
        return next(self._paths("AND split = ? AND step = ?", run_id, split, step), None)

    def all_paths(self, run_id: str) -> Iterator[SampledPaths]:
        """The paths sampled at every evaluation of a run, in order of steps, train before test."""
        return self._paths("ORDER BY step, split DESC", run_id)

    def _paths(self, where: str, run_id: str, *values: str | int) -> Iterator[SampledPaths]:
        with self.database.transaction() as db:
            rows = db.execute(
                f"SELECT step, split, queries FROM paths WHERE run_id = ? {where}", (run_id, *values)
            ).fetchall()
        for step, split, queries in rows:
            yield SampledPaths(step, split, tuple(query_paths(query) for query in json.loads(queries)))

    def weight_steps(self, run_id: str) -> list[int]:
        """The steps of a run whose weights are kept."""
        return self._checkpoints.steps(run_id)

    def weights(self, run_id: str, step: int) -> bytes:
        """The weights of a run at a step, as a safetensors file.

        Raises:
            KeyError: none are kept.
        """
        return self._checkpoints.weights(run_id, step)

    def resume_step(self, run_id: str) -> int | None:
        """The step of the latest checkpoint that a run can go on from."""
        return self._checkpoints.resume_step(run_id)

    def resume_point(self, run_id: str) -> Checkpoint | None:
        """The latest checkpoint that a run can go on from."""
        return self._checkpoints.resume_point(run_id)
