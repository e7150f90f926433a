"""The tables and paths of an exported experiment, read as events; whoever wrote them, nothing odd passes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import BaseModel, Field, ValidationError, model_validator

from planviz.config import BASE, ExperimentConfig
from planviz.events import Evaluation, Event, QueryPaths, SampledPaths, Split, StepMetrics
from planviz.runs.store import EVALUATION_COLUMNS, STEP_COLUMNS
from planviz.task import OUTCOMES

Run = tuple[str, int]
"""An arm and a seed."""

Pair = tuple[int, int]
Row = dict[Hashable, Any]

MEASURED = ("greedy_accuracy", "sampled_accuracy", "distinct_paths")
"""Metrics that every evaluation has."""
SPLITS: tuple[Split, Split] = ("train", "test")
MAX_BYTES = 500 * 2**20
"""A larger file is not read."""
MAX_TABLE_BYTES = 64 * 2**20
"""Nor a larger table: all its rows are in memory at once."""
MAX_LINE = 16 * 2**20
METRIC = re.compile(r"[A-Za-z0-9_]{1,60}", re.ASCII)


class BundleError(ValueError):
    """A folder or file holds no experiment that can be read; the message names the file and what is wrong."""


@dataclass(frozen=True)
class Bounds:
    """What can be in an experiment: the steps of each of its runs, and the nodes of its graph."""

    steps: dict[Run, int]
    nodes: int

    @classmethod
    def of(cls, config: ExperimentConfig, nodes: int) -> Bounds:
        steps = {(arm, seed): config.arm(arm).steps for arm in (BASE, *config.arms) for seed in config.seeds}
        return cls(steps, nodes)

    def check_step(self, file: str, run: Run, step: int) -> None:
        """Refuse a run that is not there, or a step that it does not have.

        Raises:
            BundleError: it is so.
        """
        arm, seed = run
        if run not in self.steps:
            raise BundleError(f"{file}: config.toml has no run of arm {str(arm)[:40]!r} with seed {seed}")
        if step > self.steps[run]:
            raise BundleError(
                f"{file}: step {step:,} of {arm} is beyond the {self.steps[run]:,} that config.toml says"
            )


def read_events(folder: Path, bounds: Bounds) -> dict[Run, list[Event]]:
    """The events of every run, as far as the tables hold them.

    Raises:
        BundleError: a file is not as it was exported.
    """
    events: dict[Run, list[Event]] = defaultdict(list)
    for row, values in _table(folder / "metrics.csv", bounds, EVALUATION_COLUMNS[1:]):
        if missing := [metric for metric in MEASURED if metric not in values]:
            raise BundleError(f"metrics.csv: the column {missing[0]} is missing")
        split = row["split"]
        if split not in SPLITS:
            raise BundleError(f"metrics.csv: split {str(split)[:40]!r} is neither train nor test")
        event = Evaluation(int(row["step"]), int(row["samples"]), float(row["seconds"]), split, values)
        events[row["arm"], row["seed"]].append(event)
    if (folder / "steps.csv").exists():
        for row, values in _table(folder / "steps.csv", bounds, STEP_COLUMNS[1:]):
            counts = int(row["step"]), int(row["samples"]), int(row["tokens"])
            if (row["arm"], row["seed"]) in events:
                events[row["arm"], row["seed"]].append(StepMetrics(*counts, float(row["seconds"]), values))
    if (folder / "paths.jsonl").exists():
        for run, sampled in _paths(folder / "paths.jsonl", bounds):
            if run in events:
                events[run].append(sampled)
    return events


def _table(path: Path, bounds: Bounds, columns: list[str]) -> Iterator[tuple[Row, dict[str, float]]]:
    """The rows of a CSV file: what stands in `columns`, and the other columns as numbers."""
    try:
        check_size(path, MAX_TABLE_BYTES)
        # Only an empty cell is a missing number: an arm may be called NA.
        types = {"arm": str, "split": str}
        table = pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{path.name}: cannot be read as CSV ({' '.join(str(error).split())[:200]})"
        ) from None
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
    metrics = [column for column in numbers if column not in columns]
    if wrong := [column for column in metrics if not METRIC.fullmatch(column) or column == "run"]:
        raise BundleError(f"{path.name}: {wrong[0][:40]!r} is no name of a metric")
    for row in table.to_dict("records"):
        row["seed"] = int(row["seed"])
        bounds.check_step(path.name, (row["arm"], row["seed"]), int(row["step"]))
        yield row, {key: float(row[key]) for key in metrics}


Count = Annotated[int, Field(ge=0, le=2**40)]


class _PathLine(BaseModel):
    """A line of paths.jsonl."""

    arm: str
    seed: Count
    step: Count
    split: Split
    source: Count
    target: Count
    paths: tuple[tuple[Count, ...], ...]
    counts: tuple[Count, ...]
    outcomes: tuple[str, ...] = Field(max_length=100_000)

    @model_validator(mode="after")
    def _fits(self) -> _PathLine:
        if not len(self.paths) == len(self.counts) == len(self.outcomes):
            raise ValueError("paths, counts and outcomes must be of one length")
        if not set(self.outcomes) <= set(OUTCOMES):
            raise ValueError(f"outcomes must be among {', '.join(OUTCOMES)}")
        return self


def _paths(path: Path, bounds: Bounds) -> Iterator[tuple[Run, SampledPaths]]:
    """The sampled paths of all runs; the lines of one evaluation follow each other."""

    def evaluation(line: _PathLine) -> tuple[str, int, int, Split]:
        return line.arm, line.seed, line.step, line.split

    asked: dict[Split, list[Pair]] = {}
    for (arm, seed, step, split), group in groupby(_parsed_lines(path), evaluation):
        bounds.check_step(path.name, (arm, seed), step)
        queries = tuple(QueryPaths(q.source, q.target, q.paths, q.counts, q.outcomes) for q in group)
        largest = max(max(q.source + 1, q.target + 1, *map(max, filter(None, q.paths)), 0) for q in queries)
        if largest > bounds.nodes:
            raise BundleError(f"{path.name}: names a node beyond the {bounds.nodes:,} of the graph")
        pairs = [(query.source, query.target) for query in queries]
        if asked.setdefault(split, pairs) != pairs:
            raise BundleError(
                f"{path.name}: the {split} queries of {arm} at step {step} are not those of the others"
            )
        yield (arm, seed), SampledPaths(step, split, queries)


def _parsed_lines(path: Path) -> Iterator[_PathLine]:
    number = 0
    try:
        check_size(path)
        with path.open(encoding="utf-8") as file:
            while line := file.readline(MAX_LINE):
                number += 1
                yield _PathLine.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleError(f"{path.name}: line {number} is not valid ({where[:60]}: {first['msg']})") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{path.name}: cannot be read ({error})") from None


def check_size(path: Path, most: int | None = None) -> None:
    """Refuse a file that is larger than `most` bytes, by default MAX_BYTES.

    Raises:
        BundleError: it is.
    """
    most = MAX_BYTES if most is None else min(most, MAX_BYTES)
    if path.stat().st_size > most:
        raise BundleError(f"{path.name}: is larger than {most // 2**20} MiB")
