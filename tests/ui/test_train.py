"""Home, Train and Compare: what is set is trained, what is shown is in the store, nothing breaks the page."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from planviz.config import ExperimentConfig, preset
from planviz.events import Evaluation, Finished, Started
from planviz.folders import app_folder
from planviz.limits import PUBLIC, Limits
from planviz.runs.bundle import metrics_csv
from planviz.runs.store import Store, default_home
from planviz.summary import latest
from planviz.ui import lab
from planviz.ui.train.runs_table import place_in, runs_frame, time_left
from tests.ui.servers import started

ARMS = ["sft", "pg", "pg-kl", "q-outcome", "q-process", "q-process-offpolicy"]


@pytest.fixture(autouse=True)
def _server(home: Path) -> Iterator[None]:
    """A server with a data folder of its own."""
    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    lab.manager().shutdown()
    st.cache_resource.clear()


def visit(page: str, **parameters: str) -> AppTest:
    app = AppTest.from_file(app_folder() / "app.py", default_timeout=60)
    for key, value in parameters.items():
        app.query_params[key.replace("__", ".")] = value
    app.run()
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception
    return app


def draft(app: AppTest) -> ExperimentConfig:
    config: ExperimentConfig = app.session_state["draft"]
    return config


def open_settings(app: AppTest) -> None:
    """Open the panel that is drawn only while it is open."""
    app.session_state["train:settings"] = True
    app.run()


def test_home_shows_the_demo_with_its_own_numbers() -> None:
    app = visit("home")
    evaluations = lab.store().evaluations(lab.demo_id())
    base = evaluations[(evaluations["arm"] == "base") & (evaluations["split"] == "test")].iloc[-1]
    assert app.metric[0].value == f"{base['greedy_accuracy']:.0%}"
    assert len(app.get("bidi_component")) == 2


def test_home_starts_the_same_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    app, seen = visit("home"), started(monkeypatch)
    app.button(key="live").click().run()
    assert [list(config.arms) for config in seen] == [ARMS]
    assert app.session_state["experiment"] == lab.store().experiments()[0].id


def test_train_starts_the_chosen_arms_with_the_chosen_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    app, seen = visit("train", graph__seed="3"), started(monkeypatch)
    app.pills(key="train:arms").set_value(["pg", "q-process"]).run()
    open_settings(app)
    app.number_input(key="setting:arms.pg.steps").set_value(77).run()
    app.text_input(key="train:seeds").set_value("4, 5").run()
    app.button(key="start").click().run()
    assert not app.exception
    (config,) = seen
    assert (list(config.arms), config.arms["pg"].steps) == (["pg", "q-process"], 77)
    assert (config.seeds, config.graph.seed) == ((4, 5), 3)
    assert app.query_params["experiment"] == app.session_state["experiment"]
    assert app.query_params["arms.pg.steps"] == "77"


def test_a_setting_that_is_not_allowed_is_refused_with_a_sentence() -> None:
    app = visit("train")
    open_settings(app)
    app.text_input(key="train:seeds").set_value("one, two").run()
    assert not app.exception
    assert draft(app).seeds == (0,)
    assert "seeds" in app.warning[0].value


def test_a_graph_that_makes_no_task_cannot_be_started() -> None:
    app = visit("train", split__train_share="0.0001")
    assert "training pairs" in app.error[0].value
    assert not [button for button in app.button if button.key == "start"]


@pytest.mark.parametrize("page", ["train", "compare", "paths"])
def test_an_unknown_experiment_shows_the_demo_and_says_so(page: str) -> None:
    app = visit(page, experiment="<script>alert(1)</script>")
    assert any("There is no experiment" in warning.value for warning in app.warning)
    assert app.session_state["experiment"] is None


def test_compare_shows_what_the_store_holds() -> None:
    app = visit("compare")
    evaluations = lab.store().evaluations(lab.demo_id())
    table = app.dataframe[0].value.set_index("arm")
    last = evaluations[(evaluations["arm"] == "pg") & (evaluations["split"] == "train")].iloc[-1]
    assert table.loc["pg", "train sampled"] == last["sampled_accuracy"]
    assert table.loc["pg", "distinct paths"] == last["distinct_paths"]
    downloaded = pd.read_csv(io.StringIO(metrics_csv(evaluations)))
    assert len(downloaded) == len(evaluations)


def test_compare_hides_arms_and_changes_the_axis() -> None:
    app = visit("compare")
    app.pills(key=f"compare:arms:{lab.demo_id()}").set_value(["pg", "sft"]).run()
    app.segmented_control(key="compare:x").set_value("seconds").run()
    app.slider(key="compare:smoothing").set_value(0.6).run()
    app.segmented_control(key="compare:split").set_value("train").run()
    assert not app.exception
    assert set(app.dataframe[0].value["arm"]) == {"pg", "sft"}


def test_compare_without_any_arm_still_stands() -> None:
    app = visit("compare")
    app.pills(key=f"compare:arms:{lab.demo_id()}").set_value([]).run()
    assert not app.exception


@pytest.mark.parametrize("page", ["train", "compare", "paths"])
def test_an_experiment_without_any_evaluation_yet(page: str) -> None:
    waiting = Store(default_home()).create_experiment(draft(visit("train")), "quick")
    assert not visit(page, experiment=waiting).exception


def test_the_table_tells_state_progress_and_time_left() -> None:
    store = lab.store()
    config = draft(visit("train"))
    base, *arms = store.runs(store.create_experiment(config))
    values: dict[str, Any] = {"sampled_accuracy": 0.25, "greedy_accuracy": 0.5, "distinct_paths": 1.5}
    store.record(base.id, Started("sft", 0, 200))
    store.record(base.id, Evaluation(50, 6400, 10.0, "train", values))
    running = store.run(base.id)
    table = runs_frame([running, *arms], latest(store.evaluations(base.experiment_id))).set_index("run")
    assert table.loc["base", "progress"] == 0.25
    assert (table.loc["base", "train accuracy"], table.loc["base", "distinct paths"]) == (0.25, 1.5)
    assert (time_left(running), table.loc["pg", "state"]) == ("30 s", "◌ waiting")
    store.record(base.id, Finished(200))
    assert time_left(store.run(base.id)) == ""


def test_a_waiting_run_says_how_many_are_before_it() -> None:
    queue = ["a", "b", "c"]
    assert [place_in(queue, run) for run in ("a", "b", "c", "d")] == [
        "next",
        "after 1 other",
        "after 2 others",
        "",
    ]


def test_a_public_server_refuses_what_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PUBLIC, "1")
    app, seen = visit("train", base__steps="9000"), started(monkeypatch)
    app.button(key="start").click().run()
    assert not seen
    assert "9,000 steps of base are too many for this public server" in app.warning[0].value.replace("\\", "")

    for _ in range(Limits().visitors_runs // 7):
        lab.store().create_experiment(
            preset("quick"), owner="somebody", session=app.session_state["session_id"]
        )
    open_settings(app)
    app.number_input(key="setting:base.steps").set_value(100).run()
    app.button(key="start").click().run()
    assert not seen
    assert "runs that wait or train" in app.warning[0].value


def test_a_public_server_refuses_a_graph_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PUBLIC, "1")
    app = visit("build", graph__nodes="900", graph__density="0.01")
    assert "900 nodes are too many for this public server; at most 200" in app.error[0].value.replace(
        "\\", ""
    )
