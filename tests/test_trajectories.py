"""The methods still give the committed numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.trajectories import COMMAND, FOLDER, RUNS, trajectory

CHANGED = (
    f"The numbers of this method have changed. If they should: `make trajectories` ({COMMAND}) writes them anew; "
    "put why, and what it does to results, into docs/LOG.md."
)


@pytest.mark.parametrize("arm", RUNS)
def test_a_method_gives_the_committed_numbers(arm: str) -> None:
    """Up to what another processor may round differently."""
    committed = json.loads((FOLDER / f"{arm}.json").read_text("utf-8"))
    numbers = trajectory(arm)
    assert numbers.keys() == committed.keys(), CHANGED
    for name, values in numbers.items():
        np.testing.assert_allclose(
            values, committed[name], rtol=1e-3, atol=1e-4, err_msg=f"{name}\n{CHANGED}"
        )


def test_there_is_a_file_of_every_method() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(RUNS), CHANGED
