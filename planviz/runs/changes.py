"""Settings that changed while runs trained: which may, and what the store and an exported experiment know of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, Field, ValidationError

from planviz.config import ExperimentConfig, SettingError, with_changes
from planviz.events import Change, Changed
from planviz.runs.bundle_events import Bounds, BundleError, Count, Run, check_size
from planviz.runs.records import RunError, RunRecord
from planviz.runs.store import Store

FILE = "changes.jsonl"
"""Where an exported experiment holds them, a line a run and step; it is left out if nothing changed."""

CHANGE_COLUMNS = ["run", "arm", "method", "seed", "step", "settings", "time"]
MAX_LINE = 10_000
MAX_FILE = 16 * 2**20


def changes(store: Store, experiment_id: str) -> pd.DataFrame:
    """What changed while the runs of an experiment trained, a row a run and step.

    The steps after `step` are made with `settings`, a dict of those that changed; `time` is when, in seconds.
    """
    with store.database.transaction() as db:
        rows = db.execute(
            "SELECT runs.id, arm, method, seed, c.step, c.settings, c.time "
            "FROM runs JOIN changes AS c ON c.run_id = runs.id WHERE experiment_id = ? ORDER BY position, c.step",
            (experiment_id,),
        ).fetchall()
    frame = pd.DataFrame(rows, columns=CHANGE_COLUMNS)
    frame["settings"] = frame["settings"].map(json.loads)
    return frame


def changed_until(store: Store, run_id: str, step: int | None) -> tuple[tuple[int, str], ...]:
    """What changed in a run up to a step, as steps and JSON."""
    with store.database.transaction() as db:
        rows = db.execute(
            "SELECT step, settings FROM changes WHERE run_id = ? AND step <= ? ORDER BY step",
            (run_id, step or 0),
        ).fetchall()
    return tuple(rows)


def check_change(store: Store, runs: Sequence[RunRecord], change: Change) -> None:
    """Whether some runs can go on with other settings.

    Raises:
        RunError: one of them does not train.
        SettingError: a setting may not change, or not to this.
    """
    for run in runs:
        if run.state not in ("running", "paused"):
            raise RunError(
                f"the run {run.arm} with seed {run.seed} is {run.state}; only a run that trains can be changed"
            )
        with_changes(store.experiment(run.experiment_id).config, run.arm, dict(change.settings))


def write_changes(store: Store, experiment_id: str, folder: Path) -> None:
    """Write the changes of an experiment into the folder that it is exported to, if there are any."""
    path = folder / FILE
    path.unlink(missing_ok=True)
    rows = changes(store, experiment_id).to_dict("records")
    if rows:
        lines = [
            json.dumps({key: row[key] for key in ("arm", "seed", "step", "settings")}) + "\n" for row in rows
        ]
        path.write_text("".join(lines), encoding="utf-8", newline="\n")


class _Line(BaseModel):
    """A line of the file."""

    arm: str = Field(max_length=40)
    seed: Count
    step: Count
    settings: dict[str, float | str] = Field(min_length=1, max_length=20)


def read_changes(folder: Path, config: ExperimentConfig, bounds: Bounds) -> Iterator[tuple[Run, Changed]]:
    """What an exported experiment says changed; nothing, if it has no such file.

    Raises:
        BundleError: the file is not as it was exported.
    """
    path = folder / FILE
    if not path.exists():
        return
    try:
        check_size(path, MAX_FILE)
        with path.open(encoding="utf-8") as file:
            while text := file.readline(MAX_LINE):
                line = _Line.model_validate_json(text)
                bounds.check_step(FILE, (line.arm, line.seed), line.step)
                with_changes(config, line.arm, line.settings)
                yield (line.arm, line.seed), Changed(line.step, line.settings)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleError(f"{FILE}: a line is not valid ({where[:60]}: {first['msg']})") from None
    except SettingError as error:
        raise BundleError(f"{FILE}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{FILE}: cannot be read ({error})") from None
