"""What the claims are judged by: the measurements of all finished runs of one experiment, seed by seed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from planviz.config import BASE, ExperimentConfig
from planviz.events import Split
from planviz.task import Task
from planviz.theory import Floats

GROUPS = ("often", "rare", "seldom", "never")
"""Edges by how often the SFT texts take them; rare is seldom or never."""

EXPLAINED = "explained"
"""The name under which `Evidence.weights` has the share of the variance of Q* that a model explains."""


@dataclass(frozen=True)
class Evidence:
    """An experiment with what its runs have measured.

    Attributes:
        correct_paths: (n, n) of `theory.count_correct_paths`.
        evaluations: as the store returns them; runs that have not done all their steps are left out of everything.
        weights: columns arm, seed, measure and value, of each run's last weights (`claims.recovery`).
    """

    config: ExperimentConfig
    task: Task
    correct_paths: Floats
    evaluations: pd.DataFrame
    weights: pd.DataFrame

    @cached_property
    def finished(self) -> pd.DataFrame:
        """The evaluations of the runs that have done all their steps."""
        if self.evaluations.empty:
            return self.evaluations
        steps = {arm: self.config.arm(arm).steps for arm in (BASE, *self.config.arms)}
        last = self.evaluations.groupby(["arm", "seed"])["step"].transform("max")
        return self.evaluations[last == self.evaluations["arm"].map(steps)]

    def seeds(self, arms: Collection[str]) -> int:
        """How many seeds have finished in all of these arms."""
        if self.finished.empty:
            return 0
        done = self.finished.groupby("arm")["seed"].unique()
        return len(set.intersection(*(set(done.get(arm, ())) for arm in arms)))

    def first(self, arm: str, split: Split, metric: str) -> pd.Series[float]:
        """The metric before the first step, by seed."""
        return self._row(arm, split, metric, 0)

    def final(self, arm: str, split: Split, metric: str) -> pd.Series[float]:
        """The metric after the last step, by seed."""
        return self._row(arm, split, metric, -1)

    def average(self, arm: str, split: Split, metric: str) -> pd.Series[float]:
        """The mean of the metric over all evaluations after the first step, by seed."""
        return self._at(arm, split, metric).iloc[1:].mean()

    def fall(self, arm: str, split: Split, metric: str) -> pd.Series[float]:
        """How far the metric falls from its peak to the end, by seed.

        Where the peak is, is read off the other seeds: the highest of many noisy values lies above the last one even
        where nothing falls.
        """
        curves = self._at(arm, split, metric)
        falls = {}
        for seed in curves.columns:
            others = curves.drop(columns=seed).mean(axis=1) if len(curves.columns) > 1 else curves[seed]
            falls[seed] = curves[seed].iloc[int(others.to_numpy().argmax())] - curves[seed].iloc[-1]
        return pd.Series(falls, dtype=float)

    def known(self, arm: str, measure: str) -> pd.Series[float]:
        """What the last weights know, by seed: the AUC of a group of edges, or the explained variance of Q*."""
        rows = self.weights[(self.weights["arm"] == arm) & (self.weights["measure"] == measure)]
        return rows.set_index("seed")["value"]

    def _row(self, arm: str, split: Split, metric: str, place: int) -> pd.Series[float]:
        """The metric at one of the evaluations, by seed; of no seed where nothing was measured."""
        curves = self._at(arm, split, metric)
        return curves.iloc[place] if len(curves) else pd.Series(dtype=float)

    def _at(self, arm: str, split: Split, metric: str) -> pd.DataFrame:
        """The metric, a row a step and a column a seed; only steps at which every seed was measured, because a run that
        was stopped and resumed has one more."""
        rows = self.finished[(self.finished["arm"] == arm) & (self.finished["split"] == split)]
        if metric not in rows:  # measured by an earlier version
            rows = rows.assign(**{metric: np.nan})
        curves = rows.pivot(index="step", columns="seed", values=metric)
        shared = curves.dropna()
        return shared if len(shared) else curves
