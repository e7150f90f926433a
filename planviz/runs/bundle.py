"""An experiment as a folder of plain files, and back.

config.toml, metrics.csv (a row a run, evaluation and split), steps.csv, paths.jsonl (a line a run,
evaluation, split and query) and checkpoints/<arm>-seed<seed>/<step>.safetensors.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Hashable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock
from pydantic import BaseModel, Field, NonNegativeInt, ValidationError, model_validator
from safetensors.numpy import load, save

from planviz.config import BASE, ExperimentConfig, read_toml, to_toml
from planviz.events import (
    Checkpoint,
    Evaluation,
    Event,
    Finished,
    QueryPaths,
    SampledPaths,
    Split,
    StepMetrics,
)
from planviz.runs.records import ExperimentRecord, RunRecord
from planviz.runs.store import EVALUATION_COLUMNS, STEP_COLUMNS, Store

Run = tuple[str, int]
"""An arm and a seed."""

Row = dict[Hashable, Any]

SPLITS: tuple[Split, Split] = ("train", "test")
FIRST_COLUMNS = [*EVALUATION_COLUMNS[1:], "greedy_accuracy", "sampled_accuracy", "distinct_paths"]
COMPACT_WEIGHTS = 6
MAX_BYTES = 500 * 2**20
"""A larger file is not read."""


class BundleError(ValueError):
    """A folder holds no experiment that can be read; the message names the file and what is wrong."""


def metrics_csv(evaluations: pd.DataFrame) -> str:
    """Evaluations, as the store returns them, as CSV: a row a run, step and split."""
    others = [column for column in evaluations.columns if column not in {"run", *FIRST_COLUMNS}]
    return evaluations.reindex(columns=[*FIRST_COLUMNS, *others]).to_csv(index=False, lineterminator="\n")


def export_experiment(store: Store, experiment_id: str, folder: Path, *, compact: bool = False) -> None:
    """Write an experiment as a folder; files of the same names are replaced.

    Args:
        compact: keep only the last sampled paths and `COMPACT_WEIGHTS` weights of every run, these in half
            precision: enough to look at, small enough to ship.

    Raises:
        KeyError: there is no such experiment.
        OSError: the folder cannot be written.
    """
    config = store.experiment(experiment_id).config
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "config.toml", to_toml(config))
    _write(folder / "metrics.csv", metrics_csv(store.evaluations(experiment_id)))
    steps = store.steps(experiment_id, max_points=None).drop(columns="run")
    _write(folder / "steps.csv", steps.to_csv(index=False, lineterminator="\n"))
    runs = store.runs(experiment_id)
    with (folder / "paths.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for run in runs:
            for sampled in store.all_paths(run.id):
                if not compact or sampled.step == run.step:
                    file.writelines(_path_lines(run, sampled))
    for run in runs:
        target = folder / "checkpoints" / f"{run.arm}-seed{run.seed}"
        steps_kept = store.weight_steps(run.id)
        for step in _spread(steps_kept, COMPACT_WEIGHTS) if compact else steps_kept:
            target.mkdir(parents=True, exist_ok=True)
            weights = store.weights(run.id, step)
            (target / f"{step}.safetensors").write_bytes(_half(weights) if compact else weights)


def _spread(steps: list[int], count: int) -> list[int]:
    """At most `count` of the steps, evenly spread, the first and the last included."""
    if len(steps) <= count:
        return steps
    return [steps[round(index * (len(steps) - 1) / (count - 1))] for index in range(count)]


def _half(weights: bytes) -> bytes:
    """A safetensors file with its numbers in half precision."""
    return save({name: array.astype(np.float16) for name, array in load(weights).items()})


def import_experiment(
    store: Store, folder: Path, experiment_id: str | None = None, preset: str | None = None
) -> str:
    """Bring an exported experiment into a store, with its runs finished; the experiment's id.

    Args:
        experiment_id: the id it gets. If the store has it already, nothing happens.

    Raises:
        SettingError: its config.toml is missing or not valid.
        BundleError: another file of it is.
    """
    with FileLock(store.home / "import.lock"):  # of two processes that import the same, one does it
        if experiment_id is not None and _is_complete(store, experiment_id):
            return experiment_id
        config = read_toml(folder / "config.toml")
        events = _read_events(folder, config)
        experiment_id = store.create_experiment(config, preset, experiment_id=experiment_id)
        try:
            for run in store.runs(experiment_id):
                _import_run(store, run, events.get((run.arm, run.seed), []), folder)
        except BaseException:
            store.delete_experiment(experiment_id)
            raise
    return experiment_id


def _is_complete(store: Store, experiment_id: str) -> bool:
    """Whether an import of this id was done before; what is left of one that was cut off is removed."""
    try:
        record: ExperimentRecord = store.experiment(experiment_id)
    except KeyError:
        return False
    if "queued" not in record.states:
        return True
    store.delete_experiment(experiment_id)
    return False


def _import_run(store: Store, run: RunRecord, events: list[Event], folder: Path) -> None:
    if not events:
        store.set_state(run.id, "stopped", "The imported folder holds no evaluation of this run.")
        return
    # Checkpoints go first: the run is marked as done once everything else is there.
    for path in sorted((folder / "checkpoints" / f"{run.arm}-seed{run.seed}").glob("*.safetensors")):
        if path.stem.isdecimal() and not path.is_symlink():
            store.record(run.id, Checkpoint(int(path.stem), _read(path), resume=b""))
    last = max((event for event in events if isinstance(event, Evaluation)), key=lambda event: event.step)
    store.record_all(run.id, [*events, last, Finished(last.step)])


def _read_events(folder: Path, config: ExperimentConfig) -> dict[Run, list[Event]]:
    """The events of every run, as far as the tables hold them."""
    events: dict[Run, list[Event]] = defaultdict(list)
    for row, values in _table(folder / "metrics.csv", config, EVALUATION_COLUMNS[1:]):
        split = row["split"]
        if split not in SPLITS:
            raise BundleError(f"metrics.csv: split {str(split)[:40]!r} is neither train nor test")
        event = Evaluation(int(row["step"]), int(row["samples"]), float(row["seconds"]), split, values)
        events[row["arm"], row["seed"]].append(event)
    if (folder / "steps.csv").exists():
        for row, values in _table(folder / "steps.csv", config, STEP_COLUMNS[1:]):
            counts = int(row["step"]), int(row["samples"]), int(row["tokens"])
            if (row["arm"], row["seed"]) in events:
                events[row["arm"], row["seed"]].append(StepMetrics(*counts, float(row["seconds"]), values))
    if (folder / "paths.jsonl").exists():
        for run, sampled in _paths(folder / "paths.jsonl"):
            if run in events:
                events[run].append(sampled)
    return events


def _table(
    path: Path, config: ExperimentConfig, columns: list[str]
) -> Iterator[tuple[Row, dict[str, float]]]:
    """The rows of a CSV file: what stands in `columns`, and the other columns as numbers."""
    try:
        _check_size(path)
        # Only an empty cell is a missing number: an arm may be called NA.
        types = {"arm": str, "split": str}
        table = pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise BundleError(f"{path.name}: cannot be read as CSV ({error})") from None
    if missing := [column for column in columns if column not in table.columns]:
        raise BundleError(f"{path.name}: the column {missing[0]} is missing")
    numbers = [column for column in table.columns if column not in {"arm", "method", "split"}]
    if table.empty:
        return
    if wrong := [column for column in numbers if not pd.api.types.is_numeric_dtype(table[column])]:
        raise BundleError(f"{path.name}: the column {wrong[0][:40]} holds something that is no number")
    counted = [column for column in columns if column in {"seed", "step", "samples", "tokens"}]
    counts = table[counted]
    if not (counts.ge(0) & counts.lt(2**62) & counts.mod(1).eq(0)).all(axis=None):
        raise BundleError(f"{path.name}: {', '.join(counted)} must be whole numbers, 0 or more, in every row")
    if not table["seconds"].between(0, 1e12).all():
        raise BundleError(f"{path.name}: seconds must be a number, 0 or more, in every row")
    known = {(arm, seed) for arm in (BASE, *config.arms) for seed in config.seeds}
    for row in table.to_dict("records"):
        row["seed"] = int(row["seed"])
        if (row["arm"], row["seed"]) not in known:
            raise BundleError(
                f"{path.name}: config.toml has no run of arm {str(row['arm'])[:40]!r} with seed {row['seed']}"
            )
        yield row, {str(key): float(row[key]) for key in numbers if key not in columns}


class _PathLine(BaseModel):
    """A line of paths.jsonl."""

    arm: str
    seed: NonNegativeInt
    step: NonNegativeInt
    split: Split
    source: NonNegativeInt
    target: NonNegativeInt
    paths: tuple[tuple[NonNegativeInt, ...], ...]
    counts: tuple[NonNegativeInt, ...]
    outcomes: tuple[str, ...] = Field(max_length=100_000)

    @model_validator(mode="after")
    def _same_length(self) -> _PathLine:
        if not len(self.paths) == len(self.counts) == len(self.outcomes):
            raise ValueError("paths, counts and outcomes must be of one length")
        return self


def _path_lines(run: RunRecord, sampled: SampledPaths) -> Iterator[str]:
    for query in sampled.queries:
        line = {
            "arm": run.arm, "seed": run.seed, "step": sampled.step, "split": sampled.split,
            "source": query.source, "target": query.target,
            "paths": query.paths, "counts": query.counts, "outcomes": query.outcomes,
        }  # fmt: skip
        yield json.dumps(line, separators=(",", ":")) + "\n"


def _paths(path: Path) -> Iterator[tuple[Run, SampledPaths]]:
    """The sampled paths of all runs; the lines of one evaluation follow each other."""

    def evaluation(line: _PathLine) -> tuple[str, int, int, Split]:
        return line.arm, line.seed, line.step, line.split

    for (arm, seed, step, split), group in groupby(_parsed_lines(path), evaluation):
        queries = tuple(QueryPaths(q.source, q.target, q.paths, q.counts, q.outcomes) for q in group)
        yield (arm, seed), SampledPaths(step, split, queries)


def _parsed_lines(path: Path) -> Iterator[_PathLine]:
    number = 0
    try:
        _check_size(path)
        with path.open(encoding="utf-8") as file:
            for line in file:
                number += 1
                yield _PathLine.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleError(f"{path.name}: line {number} is not valid ({where[:60]}: {first['msg']})") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{path.name}: cannot be read ({error})") from None


def _read(path: Path) -> bytes:
    _check_size(path)
    return path.read_bytes()


def _check_size(path: Path) -> None:
    if path.stat().st_size > MAX_BYTES:
        raise BundleError(f"{path.name}: is larger than {MAX_BYTES // 2**20} MiB")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
