from __future__ import annotations

import math

import pandas as pd
import pytest

from planviz.summary import KEPT, SUMMARY, over_seeds, summarize

METRICS = ["greedy_accuracy", "sampled_accuracy", "distinct_paths"]


def run(arm: str, seed: int, *rows: tuple[int, str, float, float, float]) -> list[dict[str, object]]:
    """Evaluations of one run, each as (step, split, greedy, sampled, distinct)."""
    method = "pg" if arm == "pg" else "sft"
    return [
        {"arm": arm, "method": method, "seed": seed, "step": step, "seconds": step / 10, "split": split}
        | dict(zip(METRICS, values, strict=True))
        for step, split, *values in rows
    ]


BASE = run(
    "base", 0, (0, "train", 0, 0, 0), (0, "test", 0, 0, 0), (9, "train", 1, 0.9, 4), (9, "test", 0.6, 0.5, 2)
)
PG = run(
    "pg",
    0,
    (0, "train", 0.9, 0.8, 4),
    (0, "test", 0.7, 0.6, 3),
    (50, "train", 1, 1, 1),
    (50, "test", 0.5, 0.5, 1),
)


def test_final_and_best_values_of_every_run() -> None:
    table = summarize(pd.DataFrame(PG + BASE))
    assert list(table["arm"]) == ["pg", "base"]
    row = table.iloc[0]
    assert (row["steps"], row["seconds"]) == (50, 5)
    expected = {
        "train greedy": (1, 1),
        "train sampled": (1, 1),
        "test greedy": (0.5, 0.7),
        "test sampled": (0.5, 0.6),
        "distinct paths": (1, 4),
    }
    assert expected.keys() == SUMMARY.keys()
    for name, (final, best) in expected.items():
        assert (row[name], row[f"best {name}"]) == (final, best)
    assert list(table[KEPT]) == [0.25, 1]


def test_evaluations_may_come_in_any_order() -> None:
    rows = pd.DataFrame(BASE + PG)
    shuffled = rows.iloc[[5, 2, 7, 0, 1, 6, 3, 4]]
    columns = [*SUMMARY, KEPT]
    tables = [summarize(frame).set_index("arm").loc[["base", "pg"], columns] for frame in (rows, shuffled)]
    pd.testing.assert_frame_equal(tables[0], tables[1])


def test_paths_are_compared_with_the_base_of_the_same_seed() -> None:
    other = run("base", 1, (9, "train", 1, 1, 8), (9, "test", 1, 1, 8))
    other += run("pg", 1, (50, "train", 1, 1, 4), (50, "test", 1, 1, 4))
    table = summarize(pd.DataFrame(BASE + PG + other)).set_index(["arm", "seed"])
    assert table[KEPT].to_dict() == {("base", 0): 1, ("pg", 0): 0.25, ("base", 1): 1, ("pg", 1): 0.5}
    means = over_seeds(table.reset_index()).set_index("arm")
    assert list(means["seeds"]) == [2, 2]
    assert means.loc["pg", KEPT] == pytest.approx(0.375)
    assert means.loc["base", "distinct paths"] == 6


def test_without_a_base_there_is_nothing_to_compare_with() -> None:
    assert math.isnan(summarize(pd.DataFrame(PG))[KEPT][0])


def test_without_evaluations_the_summary_is_empty() -> None:
    assert summarize(pd.DataFrame(columns=["arm", "method", "seed", "step", "seconds", "split"])).empty


def test_a_run_whose_test_pairs_are_not_measured_yet_has_a_row_already() -> None:
    """Evaluations are stored one split after the other, and may be read in between."""
    table = summarize(pd.DataFrame(BASE + run("pg", 0, (0, "train", 0.9, 0.8, 4)))).set_index("arm")
    assert table.loc["pg", "train greedy"] == 0.9
    assert table["test greedy"].isna().to_dict() == {"base": False, "pg": True}
