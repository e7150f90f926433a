"""One row a run: where every metric ended and how good it ever was."""

from __future__ import annotations

import pandas as pd

from planviz.config import BASE

SUMMARY = {
    "train greedy": ("train", "greedy_accuracy"),
    "train sampled": ("train", "sampled_accuracy"),
    "test greedy": ("test", "greedy_accuracy"),
    "test sampled": ("test", "sampled_accuracy"),
    "distinct paths": ("train", "distinct_paths"),
}
"""Columns of the summary: split and metric of each."""

KEPT = "of base's paths"
"""Column of the share of the base's distinct paths that a run still has."""


def summarize(evaluations: pd.DataFrame) -> pd.DataFrame:
    """The final and the best value of the main metrics, a row a run, in the order of the runs.

    Columns: arm, method, seed, steps, seconds; each of `SUMMARY` (final) and "best …"; `KEPT`: the final
    distinct correct paths a train pair, divided by what the base of the same seed had.
    """
    rows = []
    for (arm, method, seed), run in evaluations.groupby(["arm", "method", "seed"], sort=False):
        last = run.sort_values("step").iloc[-1]
        row = {"arm": arm, "method": method, "seed": seed, "steps": last["step"], "seconds": last["seconds"]}
        for name, (split, metric) in SUMMARY.items():
            values = run.loc[run["split"] == split].sort_values("step")[metric]
            row |= {name: values.iloc[-1] if len(values) else float("nan"), f"best {name}": values.max()}
        rows.append(row)
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    base = table.loc[table["arm"] == BASE].set_index("seed")["distinct paths"]
    table[KEPT] = table["distinct paths"] / table["seed"].map(base)
    return table


def over_seeds(summary: pd.DataFrame) -> pd.DataFrame:
    """The mean over the seeds of every arm, with the number of seeds."""
    numbers = [c for c in summary.columns if c not in ("arm", "method", "seed")]
    means = summary.groupby(["arm", "method"], sort=False)[numbers].mean()
    means.insert(0, "seeds", summary.groupby(["arm", "method"], sort=False).size())
    return means.reset_index()


def latest(evaluations: pd.DataFrame) -> dict[tuple[str, str], dict[str, float]]:
    """The metrics of the latest evaluation of every run and split, by the run's id and the split."""
    if evaluations.empty:
        return {}
    last = evaluations.drop_duplicates(["run", "split"], keep="last")
    keys = zip(last["run"], last["split"], strict=True)
    return dict(zip(keys, last.to_dict("records"), strict=True))  # type: ignore[arg-type]
