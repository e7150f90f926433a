"""What curves are drawn from: smoothing, and the seeds of an arm brought together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

MAX_POINTS = 1500
"""More points a curve only make the page slow."""


def smooth(values: ArrayLike, weight: float) -> NDArray[np.float64]:
    """Exponential moving average of a (n,) series, without the pull towards 0 at its start.

    Raises:
        ValueError: the weight is not in [0, 1).
    """
    if not 0 <= weight < 1:
        raise ValueError(f"smoothing weight {weight:g} must be at least 0 and below 1")
    series = pd.Series(np.asarray(values, dtype=float))
    return series.ewm(alpha=1 - weight, adjust=True).mean().to_numpy()


def measured(frame: pd.DataFrame, column: str, splits: Sequence[str] | None = None) -> pd.DataFrame:
    """The rows of these splits that have a value in the column, which need not exist yet."""
    keys = ["arm", "method", "seed", "step", *(["split"] if splits else [])]
    rows = frame.reindex(columns=frame.columns.union([*keys, column])).dropna(subset=[column])
    return rows[rows["split"].isin(splits)] if splits else rows


def final_values(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """The last value of every run, over its seeds: columns arm (and split), mean, low, high, seeds."""
    keys = ["arm", "split"] if "split" in frame else ["arm"]
    last = frame.sort_values("step").groupby([*keys, "seed"])[column].last()
    return last.groupby(level=keys).agg(mean="mean", low="min", high="max", seeds="size").reset_index()


def over_seeds(rows: pd.DataFrame, column: str, x: str, smoothing: float = 0.0) -> pd.DataFrame:
    """One arm's curve at the steps of all its seeds, with columns x, raw, mean, low, high, seeds.

    At most MAX_POINTS rows. `raw` is the mean before smoothing, `seeds` how many seeds have come this far.
    Between the steps at which a seed was recorded, its values are interpolated.
    """
    runs = [run.drop_duplicates("step", keep="last").sort_values("step") for _, run in rows.groupby("seed")]
    grid = np.unique(np.concatenate([run["step"].to_numpy(dtype=float) for run in runs]))
    if len(grid) > MAX_POINTS:
        grid = grid[np.linspace(0, len(grid) - 1, MAX_POINTS).round().astype(int)]

    def on_grid(values: Sequence[ArrayLike]) -> pd.DataFrame:
        return pd.DataFrame(
            [
                np.interp(grid, run["step"].to_numpy(dtype=float), np.asarray(v, dtype=float), np.nan, np.nan)
                for run, v in zip(runs, values, strict=True)
            ]
        )

    smoothed = on_grid([smooth(run[column], smoothing) for run in runs])
    return pd.DataFrame(
        {
            "x": on_grid([run[x] for run in runs]).mean(),
            "raw": on_grid([run[column] for run in runs]).mean(),
            "mean": smoothed.mean(),
            "low": smoothed.min(),
            "high": smoothed.max(),
            "seeds": smoothed.count(),
        }
    )
