"""What the commands print: on the screen, as messages, while they wait, and their results."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from planviz.config import ExperimentConfig, SettingError

if TYPE_CHECKING:
    from planviz.runs.manager import RunManager
    from planviz.runs.records import RunRecord

output = Console(width=None if sys.stdout.isatty() else 110)
messages = Console(stderr=True)


def must_be_free(out: Path) -> None:
    """Refuse to write over anything."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingError(f"{out}: exists and is not an empty folder; name another one")


def must_be_finished(runs: Iterable[RunRecord]) -> None:
    """Name the runs that ended early, and why.

    Raises:
        RuntimeError: there are some.
    """
    failed = [run for run in runs if run.state != "finished"]
    if failed:
        raise RuntimeError("; ".join(f"{r.arm} (seed {r.seed}) {r.state}: {r.message}" for r in failed))


def wait(manager: RunManager, experiment_id: str, *, quiet: bool) -> None:
    """Wait until all runs have ended, with a progress bar a run.

    Raises:
        RuntimeError: the store cannot be written, so that the runs wait.
    """
    from planviz.runs.records import ACTIVE

    columns = (
        TextColumn("{task.description:<32}"),
        BarColumn(),
        TextColumn("{task.completed:>6.0f} / {task.total:.0f} steps"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=messages, disable=quiet) as progress:
        total = progress.add_task("all runs", total=None)
        bars: dict[str, Any] = {}
        while True:
            runs = manager.store.runs(experiment_id)
            progress.update(
                total, total=sum(r.total_steps for r in runs), completed=sum(r.step for r in runs)
            )
            for record in runs:
                if record.state == "running" and record.id not in bars:
                    name = f"{record.arm} (seed {record.seed})"
                    bars[record.id] = progress.add_task(name, total=record.total_steps)
                if record.id in bars:
                    done = record.state not in ACTIVE
                    progress.update(bars[record.id], completed=record.step, visible=not done)
            if not any(record.state in ACTIVE for record in runs):
                return
            if trouble := manager.trouble(experiment_id):
                raise RuntimeError(f"{trouble}, then go on with: planviz runs resume {experiment_id}")
            time.sleep(0.2)


def print_summary(experiment: ExperimentConfig, table: Any) -> None:
    """Final values: a row a run, and the mean of every arm that has several seeds."""
    from planviz.summary import KEPT, SUMMARY, over_seeds

    shown = Table(title=f"{experiment.name}: final values (distinct correct paths a train pair)")
    for name in ("arm", "seed", *SUMMARY, KEPT, "seconds"):
        shown.add_column(name, justify="left" if name == "arm" else "right")

    def add(row: Any, seed: str, style: str | None = None) -> None:
        cells = [f"{row[name]:.2f}" for name in SUMMARY]
        kept = f"{row[KEPT]:.0%}"
        shown.add_row(row["arm"], seed, *cells, kept, f"{row['seconds']:.1f}", style=style)

    means = over_seeds(table) if len(table) else table
    for _, mean in means.iterrows():
        for _, row in table[table["arm"] == mean["arm"]].iterrows():
            add(row, str(row["seed"]))
        if len(experiment.seeds) > 1:
            add(mean, "mean", "bold")
        shown.add_section()
    output.print(shown)
