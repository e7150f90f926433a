"""The stored experiments as a library: their main numbers at a glance, finding one, and what tells some apart."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from planviz.config import BASE, ExperimentConfig, flatten
from planviz.graphs.kinds import graph_in_words, settings_that_matter
from planviz.runs.records import ExperimentRecord
from planviz.runs.store import Store

LONG = 60
"""Characters of a value, above which its length is named instead."""


@dataclass(frozen=True)
class Headline:
    """The main numbers of an experiment, means over its seeds; None where nothing was measured yet.

    Attributes:
        arm: the leading one, by its sampled accuracy on test pairs at the end.
        accuracy: that accuracy; the base's, if there is no other arm.
        best: the best such accuracy that any arm ever had.
        distinct: distinct correct paths a training pair of the leading arm at the end.
        seconds: time spent training and evaluating, all runs together.
        size: about how many bytes it takes.
    """

    arm: str | None
    accuracy: float | None
    best: float | None
    distinct: float | None
    seconds: float
    size: int


def headlines(store: Store) -> dict[str, Headline]:
    """The main numbers of every experiment, by id.

    They are kept in the store with the progress at which they were taken, and taken again when that has changed.
    """
    with store.database.transaction() as db:
        now = dict(
            db.execute(
                "SELECT experiment_id, "
                "printf('%d %d %.3f %.3f', sum(step), sum(samples), total(seconds), total(finished)) "
                "FROM runs GROUP BY 1"
            ).fetchall()
        )
        kept = {
            key: numbers
            for key, progress, numbers in db.execute("SELECT * FROM headlines")
            if now.get(key) == progress
        }
    found = {key: Headline(**json.loads(numbers)) for key, numbers in kept.items()}
    new = {key: _headline(store, key) for key in now.keys() - found.keys()}
    if not new:
        return found
    with store.database.transaction() as db:
        # One that was deleted meanwhile is left out: nothing may refer to it.
        db.executemany(
            "INSERT OR REPLACE INTO headlines SELECT id, ?, ? FROM experiments WHERE id = ?",
            [(now[key], json.dumps(asdict(headline)), key) for key, headline in new.items()],
        )
    return found | new


def _headline(store: Store, experiment_id: str) -> Headline:
    with store.database.transaction() as db:
        (seconds,) = db.execute(
            "SELECT total(seconds) FROM runs WHERE experiment_id = ?", (experiment_id,)
        ).fetchone()
        rows = db.execute(
            "SELECT arm, seed, split, metrics FROM runs JOIN evaluations AS e ON e.run_id = runs.id "
            "WHERE experiment_id = ? ORDER BY e.step",
            (experiment_id,),
        ).fetchall()
    accuracies: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    distinct: dict[str, dict[int, float]] = defaultdict(dict)
    for arm, seed, split, metrics in rows:
        values = json.loads(metrics)
        if split == "test":
            accuracies[arm][seed].append(values.get("sampled_accuracy", math.nan))
        else:
            distinct[arm][seed] = values.get("distinct_paths", math.nan)
    arms = [arm for arm in accuracies if arm != BASE] or list(accuracies)
    final = {arm: _mean(values[-1] for values in accuracies[arm].values()) for arm in arms}
    bests = [_mean(map(_most, accuracies[arm].values())) for arm in arms]
    known = {arm: value for arm, value in final.items() if value is not None}
    leading = max(known, key=lambda arm: known[arm], default=None)
    return Headline(
        leading,
        None if leading is None else known[leading],
        max((best for best in bests if best is not None), default=None),
        None if leading is None else _mean(distinct[leading].values()),
        seconds,
        store.size(experiment_id),
    )


def _most(values: Iterable[float]) -> float:
    return max(filter(math.isfinite, values), default=math.nan)


def _mean(values: Iterable[float]) -> float | None:
    known = [value for value in values if math.isfinite(value)]
    return fmean(known) if known else None


def found(records: Iterable[ExperimentRecord], text: str) -> list[ExperimentRecord]:
    """The experiments that hold every word of the text in their name, tags, preset, graph, arms or id.

    Capitals do not matter, and no text finds all.
    """
    words = text.casefold().split()
    return [record for record in records if all(word in _searched(record) for word in words)]


def _searched(record: ExperimentRecord) -> str:
    config = record.config
    kind = (config.graph.kind, graph_in_words(config.graph))
    parts = (record.name, *record.tags, record.preset or "", *kind, *config.arms, record.id)
    return "\n".join(parts).casefold()


def differing(configs: Sequence[ExperimentConfig]) -> dict[str, list[str]]:
    """The settings in which some configs differ, by dotted key: the value in each of them, or "–" where it has none.

    Of an arm that only some of them have, its method is named, and what differs among these. Settings on which a
    graph does not depend are left out.
    """
    flat = [_that_matter(config) for config in configs]
    arms = dict.fromkeys(arm for config in configs for arm in config.arms)
    lacking = [arm for arm in arms if not all(arm in config.arms for config in configs)]
    rows = {f"arms.{arm}": [values.get(f"arms.{arm}.method") for values in flat] for arm in lacking}
    for key in dict.fromkeys(key for values in flat for key in values):
        row = [values.get(key) for values in flat]
        of_some = any(key.startswith(f"arms.{arm}.") for arm in lacking)
        compared = [value for value in row if value is not None] if of_some else row
        if any(value != compared[0] for value in compared):
            rows[key] = row
    return {key: [in_words(value) for value in row] for key, row in rows.items()}


def _that_matter(config: ExperimentConfig) -> dict[str, Any]:
    """The flattened settings, without the name and what does not matter for this kind of graph."""
    graph = config.graph
    own = {"labels", "edges"} if graph.kind == "file" else set()
    kept = {"kind", "positions", *settings_that_matter(graph), *own}
    idle = set(type(graph).model_fields) - kept
    return flatten(config.model_dump(mode="json", exclude={"name": True, "graph": idle}))


def in_words(value: Any) -> str:
    """A setting's value as a table shows it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        text = ", ".join(
            "-".join(map(str, item)) if isinstance(item, list) else str(item) for item in value[:LONG]
        )
        return text if len(text) <= LONG else f"{len(value):,} entries"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONG else f"{len(text):,} characters"


def in_bytes(size: float) -> str:
    """A size in short, such as "3.4 MB"."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
