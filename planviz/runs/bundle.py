"""An experiment as a folder of plain files, and back.

config.toml, experiment.json (name, tags and star), metrics.csv (a row a run, evaluation and split), steps.csv,
paths.jsonl (a line a run, evaluation, split and query), changes.jsonl (what changed while a run trained, if anything)
and checkpoints/<arm>-seed<seed>/<step>.safetensors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock
from pydantic import BaseModel, Field, ValidationError
from safetensors.numpy import load, save

from planviz.config import PRESETS, ExperimentConfig, read_toml, to_toml
from planviz.events import Checkpoint, Evaluation, Event, Finished, SampledPaths
from planviz.runs.bundle_events import MEASURED, Bounds, BundleError, check_size, read_events
from planviz.runs.changes import read_changes, write_changes
from planviz.runs.records import MAX_NAME, MAX_TAGS, ExperimentRecord, LabelError, RunRecord
from planviz.runs.store import EVALUATION_COLUMNS, Store
from planviz.runs.weights import WeightsError, check_weights
from planviz.sizes import Shapes, weight_shapes
from planviz.task import build_task

__all__ = ["BundleError", "export_experiment", "import_experiment", "metrics_csv"]

FIRST_COLUMNS = [*EVALUATION_COLUMNS[1:], *MEASURED]
COMPACT_WEIGHTS = 6
ABOUT = "experiment.json"
MAX_ABOUT = 100_000
"""Bytes of experiment.json."""


class _About(BaseModel):
    """experiment.json: how the experiment is found in a list."""

    name: str = Field(min_length=1, max_length=MAX_NAME)
    preset: str | None = None
    starred: bool = False
    tags: tuple[str, ...] = Field((), max_length=MAX_TAGS)


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
    record = store.experiment(experiment_id)
    about = _About(name=record.name, preset=record.preset, starred=record.starred, tags=record.tags)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "config.toml", to_toml(record.config))
    _write(folder / ABOUT, about.model_dump_json(indent=1) + "\n")
    _write(folder / "metrics.csv", metrics_csv(store.evaluations(experiment_id)))
    steps = store.steps(experiment_id, max_points=None).drop(columns="run")
    _write(folder / "steps.csv", steps.to_csv(index=False, lineterminator="\n"))
    write_changes(store, experiment_id, folder)
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
        about = _read_about(folder)
        bounds, shapes = _model(config)
        events = read_events(folder, bounds)
        for run, changed in read_changes(folder, config, bounds):
            if run in events:
                events[run].append(changed)
        if about is not None and preset is None and about.preset in PRESETS:
            preset = about.preset
        experiment_id = store.create_experiment(config, preset, experiment_id=experiment_id)
        try:
            for record in store.runs(experiment_id):
                _import_run(store, record, events.get((record.arm, record.seed), []), folder, shapes)
            if about is not None:
                name = None if about.name == config.name else about.name
                # the demo has nothing of its own, and may not be changed
                if name or about.tags or about.starred:
                    store.update_experiment(experiment_id, name=name, tags=about.tags, starred=about.starred)
        except LabelError as error:
            store.delete_experiment(experiment_id)
            raise BundleError(f"{ABOUT}: {error}") from None
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


def _read_about(folder: Path) -> _About | None:
    """What experiment.json says; nothing, if it is not there: the first exports had none."""
    path = folder / ABOUT
    if not path.exists():
        return None
    check_size(path, MAX_ABOUT)
    try:
        return _About.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleError(f"{ABOUT}: is not valid ({where[:60]}: {first['msg']})") from None


def _model(config: ExperimentConfig) -> tuple[Bounds, Shapes]:
    """What can be in the files of an experiment, and the shapes of its weights."""
    try:
        task = build_task(config)
    except ValueError as error:
        raise BundleError(f"config.toml: makes no task ({error})") from None
    return Bounds.of(config, task.nodes), weight_shapes(config.model, task.nodes, task.max_steps)


def _import_run(store: Store, run: RunRecord, events: list[Event], folder: Path, shapes: Shapes) -> None:
    if not events:
        store.set_state(run.id, "stopped", "The imported folder holds no evaluation of this run.")
        return
    # Checkpoints go first: the run is marked as done once everything else is there.
    for path in sorted((folder / "checkpoints" / f"{run.arm}-seed{run.seed}").glob("*.safetensors")):
        if path.stem.isdecimal() and not path.is_symlink():
            if int(path.stem) > run.total_steps:
                raise BundleError(
                    f"{path.parent.name}/{path.name}: the run has only {run.total_steps:,} steps"
                )
            store.record(run.id, Checkpoint(int(path.stem), _weights(path, shapes), resume=b""))
    last = max((event for event in events if isinstance(event, Evaluation)), key=lambda event: event.step)
    store.record_all(run.id, [*events, last, Finished(last.step, stopped=last.step < run.total_steps)])


def _weights(path: Path, shapes: Shapes) -> bytes:
    check_size(path)
    content = path.read_bytes()
    try:
        check_weights(content, shapes)
    except WeightsError as error:
        raise BundleError(f"{path.parent.name}/{path.name}: {error}") from None
    return content


def _path_lines(run: RunRecord, sampled: SampledPaths) -> Iterator[str]:
    for query in sampled.queries:
        line = {
            "arm": run.arm, "seed": run.seed, "step": sampled.step, "split": sampled.split,
            "source": query.source, "target": query.target,
            "paths": query.paths, "counts": query.counts, "outcomes": query.outcomes,
        }  # fmt: skip
        yield json.dumps(line, separators=(",", ":")) + "\n"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
