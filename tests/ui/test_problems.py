"""What the Train page says of runs that failed or cannot go on, and the app of a folder that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from planviz.config import preset, with_settings
from planviz.events import Checkpoint, Failed, Started
from planviz.folders import app_folder
from planviz.runs.records import ExperimentRecord, RunRecord
from planviz.ui import lab
from planviz.ui.train.problems import unusual_settings


@pytest.fixture(autouse=True)
def _server(home: Path) -> Iterator[None]:
    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    if home.is_dir():
        lab.manager().shutdown()
    st.cache_resource.clear()


def visit(experiment_id: str) -> AppTest:
    app = AppTest.from_file(app_folder() / "app.py", default_timeout=60)
    app.query_params["experiment"] = experiment_id
    app.run()
    app.switch_page("pages/train.py").run()
    assert not app.exception
    return app


@pytest.fixture
def experiment(home: Path) -> ExperimentRecord:
    """The quick preset with a learning rate that is far too large."""
    config = with_settings(preset("quick"), {"arms.pg.learning_rate": 0.9})
    return lab.store().experiment(lab.store().create_experiment(config, "quick"))


def fail(run: RunRecord, *, with_checkpoint: bool) -> None:
    lab.store().record(run.id, Started(run.method, 0, run.total_steps))
    if with_checkpoint:
        lab.store().record(run.id, Checkpoint(57, b"weights", b"resume"))
    lab.store().record(run.id, Failed(61, "The loss or the weights are no numbers any more after step 61."))


def test_a_failed_run_says_where_why_and_with_which_settings(
    experiment: ExperimentRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    pg = next(run for run in lab.store().runs(experiment.id) if run.arm == "pg")
    fail(pg, with_checkpoint=True)
    lab.store().set_state(pg.id, "failed", "No numbers any more.", "Traceback: line 7")
    app = visit(experiment.id)
    (error,) = app.error
    assert "pg (seed 0) failed at step 61 of 400" in error.value
    assert "No numbers any more" in error.value
    assert any("Learning rate 0" in caption.value and "0\\.0005" in caption.value for caption in app.caption)
    assert [code.value for code in app.code] == ["Traceback: line 7"]

    resumed: list[str] = []
    monkeypatch.setattr(lab.manager(), "resume", resumed.append)
    button = app.button(key=f"again:{pg.id}")
    assert button.label == "Go on from the last good checkpoint (step 57)"
    button.click().run()
    assert resumed == [pg.id]


def test_a_run_that_failed_before_its_first_checkpoint_starts_again(experiment: ExperimentRecord) -> None:
    base = lab.store().runs(experiment.id)[0]
    fail(base, with_checkpoint=False)
    app = visit(experiment.id)
    assert app.button(key=f"again:{base.id}").label == "Start it again"
    assert any("those of the preset" in caption.value for caption in app.caption)


def test_settings_are_compared_with_the_preset(experiment: ExperimentRecord) -> None:
    assert unusual_settings(experiment, "base") == []
    assert unusual_settings(experiment, "sft") == []
    assert unusual_settings(experiment, "pg") == ["Learning rate 0.9 (otherwise 0.0005)"]


def test_a_full_disk_is_named_and_resume_is_offered(
    experiment: ExperimentRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab.manager(), "trouble", lambda experiment_id: "The disk is full")
    app = visit(experiment.id)
    assert app.error[0].value.startswith("The disk is full, then press Resume. Until then the runs wait")
    assert not app.button(key="control:resume").disabled


def test_a_data_folder_that_cannot_be_used_is_one_sentence(home: Path) -> None:
    home.write_text("a file, and no folder")
    app = AppTest.from_file(app_folder() / "app.py", default_timeout=60).run()
    assert not app.exception
    (error,) = app.error
    assert "the data folder cannot be made" in error.value
