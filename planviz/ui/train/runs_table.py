"""The runs of an experiment as a live table: state, progress, time left, and the numbers so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from planviz.figures import style
from planviz.runs.records import RunRecord

STATE_MARKS = {
    "queued": "◌ waiting",
    "running": "▶ running",
    "paused": "⏸ paused",
    "finished": "✓ finished",
    "stopped": "■ stopped",
    "failed": "✕ failed",
    "interrupted": "⚡ interrupted",
}

Latest = Mapping[tuple[str, str], Mapping[str, float]]

NUMBERS = {
    "train accuracy": ("train", "sampled_accuracy"),
    "test accuracy": ("test", "sampled_accuracy"),
    "distinct paths": ("train", "distinct_paths"),
}


def runs_table(runs: list[RunRecord], latest: Latest, key: str, queue: Sequence[str] = ()) -> list[RunRecord]:
    """Draw the table; the runs whose rows are selected, or all if none is.

    Args:
        latest: the metrics of the latest evaluations, as from `planviz.summary.latest`.
        queue: the ids of the runs that wait on this server, whoever started them, in their order.
    """
    event = st.dataframe(
        runs_frame(runs, latest, queue),
        key=key,
        hide_index=True,
        placeholder="–",
        on_select="rerun",
        selection_mode="multi-row",
        alt=f"{sum(run.state == 'finished' for run in runs)} of {len(runs)} runs are finished.",
        column_config={
            "progress": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
            "train accuracy": st.column_config.NumberColumn(format="percent", help="Sampled, training pairs"),
            "test accuracy": st.column_config.NumberColumn(
                format="percent", help="Sampled, pairs never trained on"
            ),
            "distinct paths": st.column_config.NumberColumn(
                format="%.2f", help="Distinct correct paths a training pair"
            ),
        },
    )
    chosen = [runs[row] for row in event.selection.rows if row < len(runs)]
    return chosen or runs


def runs_frame(runs: list[RunRecord], latest: Latest, queue: Sequence[str] = ()) -> pd.DataFrame:
    """One row a run, with the latest value of the main metrics."""
    several_seeds = len({run.seed for run in runs}) > 1
    rows = []
    for run in runs:
        row = {
            "run": run.arm + (f", seed {run.seed}" if several_seeds else ""),
            "what": style.arm_label(run.arm),
            "state": STATE_MARKS[run.state],
            "progress": run.step / run.total_steps,
            "step": f"{run.step:,} / {run.total_steps:,}",
            "time left": time_left(run) or place_in(queue, run.id),
        }
        for name, (split, metric) in NUMBERS.items():
            row[name] = latest.get((run.id, split), {}).get(metric)
        rows.append(row | {"note": run.message})
    return pd.DataFrame(rows)


def place_in(queue: Sequence[str], run_id: str) -> str:
    """How many runs will have their turn before this one; nothing if it does not wait."""
    if run_id not in queue:
        return ""
    before = queue.index(run_id)
    return f"after {before} {'other' if before == 1 else 'others'}" if before else "next"


def time_left(run: RunRecord) -> str:
    """How long a run will still train, from its pace so far; nothing where that is not known."""
    if run.state not in ("running", "paused") or run.step == 0:
        return ""
    seconds = run.seconds / run.step * (run.total_steps - run.step)
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
