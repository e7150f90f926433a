"""What the claims are judged by: the measurements of all finished runs of one experiment, seed by seed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from planviz.config import BASE, ExperimentConfig, QLearningConfig
from planviz.events import Split
from planviz.rewards import reward_of
from planviz.task import Task
from planviz.theory import Floats, optimal_q, text_steps

MAX_TARGETS = 200
"""The exact Q-values of so many targets, at most, tell how much they vary."""


@dataclass(frozen=True)
class Evidence:
    """An experiment with what its runs have measured.

    Attributes:
        correct_paths: (n, n) of `theory.count_correct_paths`.
        evaluations: as the store returns them; runs that have not done all their steps are left out of everything.
        edges: columns arm, seed, group and auc, of each run's last weights (`claims.recovery`).
    """

    config: ExperimentConfig
    task: Task
    correct_paths: Floats
    evaluations: pd.DataFrame
    edges: pd.DataFrame

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
        return self._at(arm, split, metric).iloc[0]

    def final(self, arm: str, split: Split, metric: str) -> pd.Series[float]:
        """The metric after the last step, by seed."""
        return self._at(arm, split, metric).iloc[-1]

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

    def recovered(self, arm: str, group: str) -> pd.Series[float]:
        """The AUC of the edges of a group in the last weights, by seed."""
        rows = self.edges[(self.edges["arm"] == arm) & (self.edges["group"] == group)]
        return rows.set_index("seed")["auc"]

    def _at(self, arm: str, split: Split, metric: str) -> pd.DataFrame:
        """The metric, a row a step and a column a seed."""
        rows = self.finished[(self.finished["arm"] == arm) & (self.finished["split"] == split)]
        if metric not in rows:  # measured by an earlier version
            rows = rows.assign(**{metric: np.nan})
        return rows.pivot(index="step", columns="seed", values=metric)

    def spread_of_optimum(self, arm: str) -> float:
        """How far the exact Q-values of an arm are from their median, on average over the next nodes at the states that
        the SFT texts pass: the error of a model that holds all next nodes for equally good."""
        settings = self.config.arm(arm)
        assert isinstance(settings, QLearningConfig)
        (targets, current, _), counts = text_steps(self.task)
        chosen = np.unique(targets)[:MAX_TARGETS]
        tables = optimal_q(self.task, reward_of(settings), settings.discount, targets=chosen)
        kept = np.isin(targets, chosen)
        rows = tables[np.searchsorted(chosen, targets[kept]), current[kept]]
        spread = np.abs(rows - np.median(rows)).mean(axis=1)
        return float(np.average(spread, weights=counts[kept]))
