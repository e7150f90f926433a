"""What all sessions share: read once, and never stale."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from planviz.config import preset
from planviz.events import Evaluation, StepMetrics
from planviz.runs.store import Store
from planviz.ui import lab


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store of the server, as another process sees it."""
    monkeypatch.setenv("PLANVIZ_HOME", str(tmp_path / "home"))
    st.cache_resource.clear()
    lab.store()
    yield Store(tmp_path / "home")
    st.cache_resource.clear()


def evaluation(step: int, accuracy: float, seconds: float = 1.0) -> Evaluation:
    metrics = dict.fromkeys(("greedy_accuracy", "sampled_accuracy", "distinct_paths"), accuracy)
    return Evaluation(step, step, seconds, "train", metrics)


def test_measurements_are_read_once_and_anew_as_soon_as_another_process_has_written(store: Store) -> None:
    experiment = store.create_experiment(preset("quick"))
    base, arm, *_ = store.runs(experiment)
    assert lab.evaluations(experiment).empty
    assert lab.values(experiment).arms.empty
    for at, (run, told) in enumerate(
        [(base, evaluation(5, 0.25)), (base, evaluation(10, 0.5)), (arm, evaluation(5, 0.75))], start=1
    ):
        store.record(run.id, told)
        assert len(lab.evaluations(experiment)) == at
        assert (
            lab.values(experiment).latest[run.id, "train"]["sampled_accuracy"]
            == told.values["sampled_accuracy"]
        )
    assert lab.evaluations(experiment) is lab.evaluations(experiment)
    store.record(
        base.id, evaluation(10, 0.125, seconds=1.5)
    )  # once more after a resume: as many rows as before
    assert lab.values(experiment).latest[base.id, "train"]["sampled_accuracy"] == 0.125
    store.record(base.id, StepMetrics(3, 3, 3, 1.0, {"loss": 1.0}))
    assert len(lab.steps(experiment)) == 1
    store.record(base.id, StepMetrics(4, 4, 4, 2.0, {"loss": 1.0}))
    assert len(lab.steps(experiment)) == 2
