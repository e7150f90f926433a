from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planviz.figures.seeds import MAX_POINTS, final_values, measured, over_seeds, smooth


def debiased(values: list[float], weight: float) -> list[float]:
    """The moving average as a plain loop: the running sum of weighted values over that of their weights."""
    total = norm = 0.0
    result = []
    for value in values:
        total, norm = weight * total + (1 - weight) * value, weight * norm + (1 - weight)
        result.append(total / norm)
    return result


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=50),
    st.sampled_from([0.0, 0.1, 0.6, 0.95]),
)
def test_smooth_is_the_debiased_moving_average(values: list[float], weight: float) -> None:
    np.testing.assert_allclose(smooth(values, weight), debiased(values, weight), rtol=1e-9, atol=1e-9)


def test_smoothing_keeps_a_constant_and_its_first_value() -> None:
    np.testing.assert_allclose(smooth([3.0] * 10, 0.9), 3.0)
    assert smooth([7.0, 0.0], 0.9)[0] == 7.0


@pytest.mark.parametrize("weight", [-0.1, 1.0])
def test_a_weight_outside_the_range_is_named(weight: float) -> None:
    with pytest.raises(ValueError, match=f"smoothing weight {weight:g} must be at least 0 and below 1"):
        smooth([1.0], weight)


def test_over_seeds_gives_mean_lowest_and_highest(one_run: Callable[..., pd.DataFrame]) -> None:
    seeds = [[1.0, 2.0, 6.0], [3.0, 4.0, 0.0], [2.0, 9.0, 3.0]]
    rows = pd.concat([one_run(values, seed) for seed, values in enumerate(seeds)])
    curve = over_seeds(rows, "distinct_paths", "samples")
    assert curve["x"].tolist() == [0, 10, 20]
    assert curve["mean"].tolist() == np.mean(seeds, axis=0).tolist()
    assert curve["low"].tolist() == np.min(seeds, axis=0).tolist()
    assert curve["high"].tolist() == np.max(seeds, axis=0).tolist()


def test_a_seed_that_has_come_less_far_counts_as_far_as_it_got(one_run: Callable[..., pd.DataFrame]) -> None:
    curve = over_seeds(pd.concat([one_run([0, 0, 0, 0]), one_run([2, 2], seed=1)]), "distinct_paths", "step")
    assert curve["seeds"].tolist() == [2, 2, 1, 1]
    assert curve["mean"].tolist() == [1, 1, 0, 0]


def test_seeds_recorded_at_different_steps_are_interpolated(one_run: Callable[..., pd.DataFrame]) -> None:
    every, other = one_run([0, 1, 2, 3, 4]), one_run([0, 1, 2, 3, 4], seed=1)
    curve = over_seeds(pd.concat([every, other[other["step"] % 2 == 0]]), "distinct_paths", "step")
    assert curve["mean"].tolist() == curve["low"].tolist() == [0, 1, 2, 3, 4]


def test_a_step_recorded_twice_after_a_resume_counts_once(one_run: Callable[..., pd.DataFrame]) -> None:
    rows = pd.concat([one_run([1, 2, 3]), one_run([9, 9, 5]).tail(1)])
    assert over_seeds(rows, "distinct_paths", "step")["mean"].tolist() == [1, 2, 5]


def test_long_curves_are_thinned_and_keep_both_ends(one_run: Callable[..., pd.DataFrame]) -> None:
    curve = over_seeds(one_run(list(range(20_000))), "distinct_paths", "step")
    assert len(curve) == MAX_POINTS
    assert curve["mean"].iloc[[0, -1]].tolist() == [0, 19_999]


def test_final_values_takes_the_last_step_of_every_run(one_run: Callable[..., pd.DataFrame]) -> None:
    rows = pd.concat([one_run([1, 4])[::-1], one_run([1, 1, 2], seed=1)])
    final = final_values(rows, "distinct_paths").iloc[0]
    assert (final["arm"], final["split"], final["seeds"]) == ("pg", "test", 2)
    assert (final["mean"], final["low"], final["high"]) == (3, 2, 4)


def test_measured_leaves_out_missing_values_and_other_splits(one_run: Callable[..., pd.DataFrame]) -> None:
    rows = one_run([1.0, np.nan, 3.0])
    assert measured(rows, "distinct_paths", ["test"])["step"].tolist() == [0, 2]
    assert measured(rows, "distinct_paths", ["train"]).empty
    assert measured(rows, "no_such_column", ["test"]).empty
    assert measured(pd.DataFrame(), "loss").empty
