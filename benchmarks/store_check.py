"""What a store holds, read anew each time: whether anything was lost or torn between two moments."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.numpy import load_file

from planviz.runs.store import Store

Row = tuple[str, int, int, str]
"""What names an evaluation: arm, seed, step, split."""


@dataclass(frozen=True)
class Content:
    """All that counts of an experiment at one moment.

    Attributes:
        evaluations: the metrics and number of samples of every evaluation, as JSON; the clock is no part of it.
        checkpoints: the names of all weights.
        torn: files and pages that cannot be read.
        states: the states of the runs.
    """

    evaluations: dict[Row, str]
    checkpoints: frozenset[str]
    torn: int
    states: tuple[str, ...]


def look(home: Path) -> Content:
    """Open the store anew, read everything in it, and close it: nothing of it stays open during a kill."""
    store = Store(home)
    try:
        (experiment,) = store.experiments()
        table = store.evaluations(experiment.id)
        metrics = table.drop(columns=["run", "method", "seconds", "arm", "seed", "step", "split"])
        keys = zip(table["arm"], table["seed"], table["step"], table["split"], strict=True)
        values = (_as_text(row) for row in metrics.to_dict("records"))
        states = tuple(run.state for run in store.runs(experiment.id))
        evaluations = dict(zip(keys, values, strict=True))
    finally:
        store.close()
    files = sorted((home / "checkpoints").glob("*/*.safetensors"))
    named = frozenset(str(path.relative_to(home)) for path in files if ".resume." not in path.name)
    torn = sum(_is_torn(path) for path in files) + (not _is_sound(home / "planviz.sqlite3"))
    return Content(evaluations, named, torn, states)


def _as_text(metrics: Mapping[Hashable, float]) -> str:
    """Metrics in full precision; those that other arms have, and this one not, are NaN and left out."""
    return json.dumps({str(key): value for key, value in metrics.items() if value == value}, sort_keys=True)


def _is_torn(path: Path) -> bool:
    try:
        load_file(path)
    except FileNotFoundError:
        return False  # a resume state that was replaced meanwhile
    except Exception:
        return True
    return False


def _is_sound(database: Path) -> bool:
    connection = sqlite3.connect(database)
    try:
        (answer,) = connection.execute("PRAGMA integrity_check").fetchone()
    finally:
        connection.close()
    return bool(answer == "ok")


def lost(before: Content, after: Content) -> int:
    """How many evaluations and weights that could be read before are gone, or have other numbers."""
    evaluations = sum(after.evaluations.get(row) != values for row, values in before.evaluations.items())
    return evaluations + len(before.checkpoints - after.checkpoints)


def outcome(home: Path) -> tuple[dict[Row, str], dict[tuple[str, int], bytes]]:
    """The curves and the final weights of every run."""
    store = Store(home)
    try:
        (experiment,) = store.experiments()
        runs = store.runs(experiment.id)
        weights = {(run.arm, run.seed): store.weights(run.id, run.total_steps) for run in runs}
    finally:
        store.close()
    return look(home).evaluations, weights


def states(home: Path) -> set[str]:
    """The states of all runs; none while the store is not there yet."""
    if not (home / "planviz.sqlite3").exists():
        return set()
    store = Store(home)
    try:
        return {state for experiment in store.experiments() for state in experiment.states}
    finally:
        store.close()


def only_experiment(home: Path) -> str | None:
    """The experiment in this data folder, if there is one yet."""
    if not (home / "planviz.sqlite3").exists():
        return None
    store = Store(home)
    try:
        return next((experiment.id for experiment in store.experiments()), None)
    finally:
        store.close()
