"""Events as rows of the store's database, and back."""

from __future__ import annotations

import functools
import json
import sqlite3
import time
from typing import Any

import pandas as pd

from planviz.config import ExperimentConfig, parse
from planviz.events import (
    Changed,
    Checkpoint,
    Evaluation,
    Event,
    Failed,
    Finished,
    Paused,
    QueryPaths,
    SampledPaths,
    Started,
    StepMetrics,
)
from planviz.runs.records import State


def write_event(db: sqlite3.Connection, run_id: str, event: Event) -> None:
    """Write one event of a run, and what it says about the run's state.

    Raises:
        KeyError: there is no such run.
    """
    match event:
        case Started(step=step, total_steps=total):
            update_run(db, run_id, state="running", step=step, total_steps=total, finished=None)
            db.execute("UPDATE runs SET started = coalesce(started, ?) WHERE id = ?", (time.time(), run_id))
            # Reports come by the clock: those after the checkpoint would mix with the ones now to come.
            db.execute("DELETE FROM steps WHERE run_id = ? AND step > ?", (run_id, step))
            # So would changes that the checkpoint does not know; those of its own step are told again.
            db.execute("DELETE FROM changes WHERE run_id = ? AND step >= ?", (run_id, step))
        case StepMetrics(step=step, samples=samples, seconds=seconds):
            update_run(db, run_id, state="running", step=step, samples=samples, seconds=seconds)
            _insert(db, "steps", run_id, step, samples, event.tokens, seconds, _json(event.values))
        case Evaluation(step=step, samples=samples, seconds=seconds):
            update_run(db, run_id, state="running", step=step, samples=samples, seconds=seconds)
            _insert(db, "evaluations", run_id, step, event.split, samples, seconds, _json(event.values))
        case SampledPaths(step=step):
            queries = [[q.source, q.target, q.paths, q.counts, q.outcomes] for q in event.queries]
            update_run(db, run_id, step=step)
            _insert(db, "paths", run_id, step, event.split, json.dumps(queries, separators=(",", ":")))
        case Checkpoint(step=step):
            update_run(db, run_id, step=step)
        case Paused(step=step):
            update_run(db, run_id, state="paused", step=step)
        case Changed(step=step, settings=settings):
            update_run(db, run_id, step=step)
            _insert(db, "changes", run_id, step, json.dumps(settings), time.time())
        case Finished(step=step, stopped=stopped):
            state = "stopped" if stopped else "finished"
            update_run(db, run_id, state=state, step=step, finished=time.time())
        case Failed(step=step, message=message):
            update_run(db, run_id, state="failed", step=step, message=message, finished=time.time())


def update_run(db: sqlite3.Connection, run_id: str, **values: Any) -> None:
    """Set columns of a run.

    Raises:
        KeyError: there is no such run.
    """
    assignments = ", ".join(f"{column} = ?" for column in values)
    if db.execute(f"UPDATE runs SET {assignments} WHERE id = ?", (*values.values(), run_id)).rowcount == 0:
        raise KeyError(f"there is no run {run_id[:80]!r}")


def _insert(db: sqlite3.Connection, table: str, *row: Any) -> None:
    db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def _json(values: dict[str, float]) -> str:
    """Metrics as JSON as Python writes it: NaN and Infinity are kept."""
    return json.dumps({key: float(value) for key, value in values.items()})


def query_paths(query: list[Any]) -> QueryPaths:
    """The paths of a query from how they are stored."""
    source, target, paths, counts, outcomes = query
    return QueryPaths(source, target, tuple(map(tuple, paths)), tuple(counts), tuple(outcomes))


def frame(rows: list[tuple[Any, ...]], columns: list[str]) -> pd.DataFrame:
    """A DataFrame of rows whose last element holds metrics as JSON."""
    metrics = json.loads(f"[{','.join(row[-1] for row in rows)}]")
    table = pd.DataFrame([row[:-1] for row in rows], columns=columns)
    return pd.concat([table, pd.DataFrame(metrics)], axis=1)


@functools.lru_cache(maxsize=1024)
def stored_config(text: str) -> ExperimentConfig:
    """A stored config, which never changes, parsed once."""
    return parse(json.loads(text))


def in_sql(states: frozenset[State]) -> str:
    """States as a list in SQL."""
    return "(" + ", ".join(f"'{state}'" for state in sorted(states)) + ")"
