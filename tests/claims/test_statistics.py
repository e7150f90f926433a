"""Intervals and verdicts, against closed forms and against many draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planviz.claims.statistics import T_QUANTILES, Interval, Test, deciding, interval, together


def t_density(x: np.ndarray, freedom: int) -> np.ndarray:
    log = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    return np.asarray(np.exp(log - (freedom + 1) / 2 * np.log1p(x**2 / freedom)))


@pytest.mark.parametrize("freedom", [1, 2, 4, 9, 30, 49])
def test_the_quantiles_cut_off_a_fortieth(freedom: int) -> None:
    grid = np.linspace(0, T_QUANTILES[freedom - 1], 200_001)
    inside = np.trapezoid(t_density(grid, freedom), grid)
    assert 0.5 + inside == pytest.approx(0.975, abs=1e-4)


def test_the_interval_of_few_values_is_students() -> None:
    found = interval([1.0, 2.0, 3.0])
    half = 4.303 * 1.0 / math.sqrt(3)
    assert (found.mean, found.low, found.high) == pytest.approx((2, 2 - half, 2 + half))


def test_ninety_five_of_a_hundred_intervals_hold_the_mean() -> None:
    draws = np.random.default_rng(0).normal(0.3, 2.0, size=(4000, 5))
    held = [found.low < 0.3 < found.high for found in map(interval, draws)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.012)


def test_one_value_has_no_bounds_and_none_no_mean() -> None:
    assert interval([0.4]) == Interval(0.4, -math.inf, math.inf, 1)
    nothing = interval([float("nan")])
    assert math.isnan(nothing.mean) and nothing.seeds == 0


def a_test(low: float, high: float, side: str = "above", threshold: float = 0.5, **options: bool) -> Test:
    return Test("x", Interval((low + high) / 2, low, high, 5), side, threshold, "why", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("low", "high", "side", "verdict"),
    [
        (0.6, 0.7, "above", "shown"), (0.1, 0.2, "above", "not shown"), (0.4, 0.6, "above", "undecided"),
        (0.6, 0.7, "below", "not shown"), (0.1, 0.2, "below", "shown"), (0.4, 0.6, "below", "undecided"),
        (-0.1, 0.3, "within", "shown"), (0.6, 0.7, "within", "not shown"), (-0.9, -0.6, "within", "not shown"),
        (0.4, 0.6, "within", "undecided"), (-0.7, 0.1, "within", "undecided"),
    ],
)  # fmt: skip
def test_a_verdict_needs_the_whole_interval_on_one_side(
    low: float, high: float, side: str, verdict: str
) -> None:
    assert a_test(low, high, side).verdict == verdict


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.booleans()), min_size=1, max_size=5))
def test_a_claim_is_shown_only_if_all_its_deciding_tests_are(found: list[tuple[float, float, bool]]) -> None:
    tests = [a_test(min(a, b), max(a, b), decides=decides) for a, b, decides in found]
    tests.append(a_test(0.8, 0.9))
    verdict = together(tests)
    needed = {test.verdict for test in tests if test.decides}
    assert (verdict == "shown") == (needed == {"shown"})
    assert (verdict == "not shown") == ("not shown" in needed)
    hinge = deciding(tests)
    assert hinge is not None and hinge.verdict == verdict and hinge.decides


def test_where_nothing_decides_there_is_no_verdict_to_hang_on() -> None:
    assert deciding([]) is None and deciding([a_test(0.8, 0.9, decides=False)]) is None
