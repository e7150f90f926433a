"""What curves are drawn from: smoothing, and the seeds of an arm brought together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    once = rows.drop_duplicates(["seed", "step"], keep="last").sort_values("step")
    seeds, steps, values, places = (once[name].to_numpy(dtype=float) for name in ("seed", "step", column, x))
    runs = [np.flatnonzero(seeds == seed) for seed in np.unique(seeds)]
    grid = np.unique(steps)
    if len(grid) > MAX_POINTS:
        grid = grid[np.linspace(0, len(grid) - 1, MAX_POINTS).round().astype(int)]

    def on_grid(values: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
        pairs = zip(runs, values, strict=True)
        return np.array([np.interp(grid, steps[run], value, np.nan, np.nan) for run, value in pairs])

    smoothed = on_grid(smooth(values[run], smoothing) if smoothing else values[run] for run in runs)
    return pd.DataFrame(
        {
            "x": np.nanmean(on_grid(places[run] for run in runs), axis=0),
            "raw": np.nanmean(on_grid(values[run] for run in runs), axis=0),
            "mean": np.nanmean(smoothed, axis=0),
            "low": np.nanmin(smoothed, axis=0),
            "high": np.nanmax(smoothed, axis=0),
            "seeds": (~np.isnan(smoothed)).sum(axis=0),
        }
    )
