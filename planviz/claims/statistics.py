"""Intervals over seeds, and what they say about a threshold."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Verdict = Literal["shown", "not shown", "undecided", "not applicable"]

T_QUANTILES = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042, 2.040, 2.037,
    2.035, 2.032, 2.030, 2.028, 2.026, 2.024, 2.023, 2.021, 2.020, 2.018, 2.017, 2.015, 2.014, 2.013, 2.012, 2.011,
    2.010,
)  # fmt: skip
"""The 97.5 % quantiles of Student's t with 1, 2, … 49 degrees of freedom: an experiment has at most 50 seeds."""

SMALL = 0.02
"""Two hundredths: the smallest difference of accuracies, or of AUCs, that counts as one."""


@dataclass(frozen=True)
class Interval:
    """A mean over seeds and its 95 % confidence interval; unbounded with fewer than two seeds."""

    mean: float
    low: float
    high: float
    seeds: int


def interval(values: Iterable[float]) -> Interval:
    """Student's t interval of the mean of some seeds' values; NaN and infinity count as no value.

    It is about the randomness of training alone: all seeds of an experiment share one graph and one split.
    """
    numbers = np.array([value for value in values if math.isfinite(value)], dtype=np.float64)
    if not len(numbers):
        return Interval(math.nan, -math.inf, math.inf, 0)
    mean = float(numbers.mean())
    if len(numbers) == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    quantile = T_QUANTILES[min(len(numbers) - 1, len(T_QUANTILES)) - 1]
    half = quantile * float(numbers.std(ddof=1)) / math.sqrt(len(numbers))
    return Interval(mean, mean - half, mean + half, len(numbers))


@dataclass(frozen=True)
class Test:
    """A statistic with its interval, against a threshold.

    Attributes:
        name: what is measured, in a few words.
        side: where the statistic must be, the whole interval of it: "above" or "below" the threshold, or "within" it
            of 0 on both sides.
        why: why this threshold, in one sentence.
        share: the statistic is a share, or a difference of shares.
        decides: the claim depends on it; otherwise it is only told.
    """

    __test__ = False  # pytest would take the class for one of its own

    name: str
    interval: Interval
    side: Literal["above", "below", "within"]
    threshold: float
    why: str
    share: bool = False
    decides: bool = True

    @property
    def verdict(self) -> Verdict:
        """Shown or not shown if the whole interval lies on one side of the threshold."""
        found, limit = self.interval, self.threshold
        if not found.seeds:
            return "undecided"
        if self.side == "within":
            if found.low > limit or found.high < -limit:
                return "not shown"
            return "shown" if -limit < found.low and found.high < limit else "undecided"
        above, below = found.low > limit, found.high < limit
        if not above and not below:
            return "undecided"
        return "shown" if above == (self.side == "above") else "not shown"


def together(tests: Iterable[Test]) -> Verdict:
    """The verdict on a claim that needs all of its deciding tests."""
    verdicts = {test.verdict for test in tests if test.decides}
    if "not shown" in verdicts:
        return "not shown"
    return "undecided" if "undecided" in verdicts else "shown"


def deciding(tests: Iterable[Test]) -> Test | None:
    """The test that the verdict hangs on: the first one that has it, if any test decides."""
    needed = [test for test in tests if test.decides]
    verdict = together(needed)
    return next((test for test in needed if test.verdict == verdict), None)
