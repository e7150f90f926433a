"""The Rewards page: what it says is exact, what is set is trained, links bring it back, and nothing breaks it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from planviz.config import QLearningConfig, preset
from planviz.events import Change, Changed, Evaluation, Started
from planviz.folders import app_folder
from planviz.runs.records import RunError
from planviz.ui import lab
from planviz.ui.rewards.designs import from_link, template
from planviz.ui.rewards.train import in_force
from tests.ui.servers import started


@pytest.fixture(autouse=True)
def _server(home: object) -> Iterator[None]:
    """A server with a data folder of its own."""
    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    lab.manager().shutdown()
    st.cache_resource.clear()


def visit(**parameters: str) -> AppTest:
    app = AppTest.from_file(app_folder() / "app.py", default_timeout=60)
    for key, value in parameters.items():
        app.query_params[key.replace("__", ".")] = value
    app.run()
    app.switch_page("pages/rewards.py").run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    return "\n".join(
        each.value for each in app.main if hasattr(each, "value") and isinstance(each.value, str)
    )


def markdown(app: AppTest) -> str:
    return "\n".join(each.value.replace("\\", "") for each in app.markdown)


def test_process_and_outcome_reward_are_compared_before_any_training() -> None:
    app = visit()
    assert [each.value for each in app.subheader][:2] == ["Reward 1: process", "Reward 2: outcome"]
    said = markdown(app)
    assert "All correct next nodes tie at 1.00: it arrives always" in said
    assert "29 of 30 next nodes are worth the same" in said
    assert len(app.get("bidi_component")) == 6


def test_a_term_that_is_moved_changes_the_policy_and_the_link() -> None:
    app = visit(rewards__query="0-18")
    app.segmented_control(key="rewards:0:reward").set_value("custom").run()
    app.slider(key="rewards:0:step_reward").set_value(-0.1).run()
    assert not app.exception
    assert "Shorter paths are worth more: it arrives always" in markdown(app)
    assert app.query_params["rewards.1"] == "custom,step_reward=-0.1"
    again = visit(**dict(app.query_params.items()))
    assert again.slider(key="rewards:0:step_reward").value == -0.1
    assert "Shorter paths are worth more" in markdown(again)


def test_values_without_end_are_said_in_a_sentence_and_can_be_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app, seen = visit(rewards__1="custom,step_reward=1"), started(monkeypatch)
    (warning,) = [each.value for each in app.warning]
    assert (
        "has no end" in warning
        and "lower the discount" in warning
        and "Training is still possible" in warning
    )
    app.button(key="rewards:start").click().run()
    assert not app.exception and len(seen) == 1
    lower = visit(rewards__1="custom,step_reward=1,discount=0.5")
    assert not lower.warning


def test_the_designs_are_trained_as_they_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    app, seen = (
        visit(rewards__2="custom,dead_end_reward=-2,discount=0.75", rewards__steps="70"),
        started(monkeypatch),
    )
    app.button(key="rewards:add").click().run()
    app.button(key="rewards:start").click().run()
    assert not app.exception
    (config,) = seen
    usual = template(preset("quick"))
    assert config.arms == {
        "reward-1": usual.model_copy(update={"steps": 70}),
        "reward-2": usual.model_copy(
            update={"steps": 70, "reward": "custom", "dead_end_reward": -2.0, "discount": 0.75}
        ),
        "reward-3": usual.model_copy(update={"steps": 70, "reward": "custom", "step_reward": -0.1}),
    }
    assert (config.graph, config.base) == (preset("quick").graph, preset("quick").base)
    assert app.session_state["experiment"] == lab.store().experiments()[0].id
    app.button(key="rewards:remove").click().run()
    assert len(app.session_state["rewards"]) == 2


@pytest.mark.parametrize(
    "link",
    [
        {"rewards.1": "best"},
        {"rewards.1": "custom,step_reward=99"},
        {"rewards.1": "custom,step_reward=nan"},
        {"rewards.2": "custom,steps=5"},
        {"rewards.3": "," * 5000},
        {"rewards.4": "process"},
        {"rewards.query": "a-b"},
        {"rewards.query": "<script>"},
        {"rewards.steps": "many"},
        {"rewards.": ""},
        {"rewards.\u0000": "\ud800"},
    ],
)
def test_bad_links_fall_back_and_say_so(link: dict[str, str]) -> None:
    designs, query, steps, problems = from_link(link, preset("quick"))
    assert [design.reward for design in designs] == ["process", "outcome"]
    assert (query, steps, len(problems)) == (None, 600, 1)
    assert len(problems[0]) < 200


def test_a_bad_link_shows_the_page_with_a_notice() -> None:
    app = visit(rewards__1="<b>", rewards__query="999-0")
    assert any("rewards" in each.value for each in app.warning)
    assert "Reward 1: process" in [each.value for each in app.subheader]
    assert "rewards.1" not in app.query_params


def test_other_graphs_with_cycles_and_with_states() -> None:
    app = visit(graph__kind="grid", graph__openings="1.0")
    assert "Going on is worth as much as arriving" in markdown(app)
    app = visit(preset="blocksworld")
    assert not app.exception


def in_training() -> tuple[str, str]:
    """An experiment whose first arm trains, as another process would leave it; its id and that of the run."""
    arms = {f"reward-{number}": QLearningConfig(steps=100) for number in (1, 2)}
    experiment_id = lab.store().create_experiment(preset("quick").model_copy(update={"arms": arms}))
    run = next(run for run in lab.store().runs(experiment_id) if run.arm == "reward-1")
    lab.store().record(run.id, Started("q", 0, 100))
    values = {"greedy_accuracy": 1.0, "sampled_accuracy": 1.0, "distinct_paths": 2.0}
    for split in ("train", "test"):
        lab.store().record(run.id, Evaluation(10, 80, 1.0, split, values))
    return experiment_id, run.id


def test_a_change_goes_to_the_runs_of_the_arm_that_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment_id, run_id = in_training()
    sent: list[tuple[list[str], Change]] = []
    monkeypatch.setattr(lab.manager(), "send", lambda runs, change: sent.append((runs, change)))
    app = visit(experiment=experiment_id)
    prefix = f"change:{experiment_id}:reward-1:0"
    assert app.button(key="rewards:apply").disabled
    app.segmented_control(key=f"{prefix}:reward").set_value("custom").run()
    app.slider(key=f"{prefix}:step_reward").set_value(-0.25).run()
    app.button(key="rewards:apply").click().run()
    assert not app.exception
    assert sent == [([run_id], Change((("reward", "custom"), ("step_reward", -0.25))))]

    lab.store().record(run_id, Changed(12, {"reward": "custom", "step_reward": -0.25}))
    app.run()
    assert "reward-1** after step 12: custom reward, each step −0.25" in markdown(app)
    now = in_force(lab.store().experiment(experiment_id), "reward-1")
    assert (now.reward, now.step_reward) == ("custom", -0.25)
    assert app.slider(key=f"change:{experiment_id}:reward-1:1:step_reward").value == -0.25


def test_a_change_that_is_refused_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment_id, _ = in_training()

    def refuse(*arguments: object) -> None:
        raise RunError("the run reward-1 with seed 0 is finished; only a run that trains can be changed")

    monkeypatch.setattr(lab.manager(), "send", refuse)
    app = visit(experiment=experiment_id)
    app.segmented_control(key=f"change:{experiment_id}:reward-1:0:reward").set_value("outcome").run()
    app.button(key="rewards:apply").click().run()
    assert not app.exception
    assert any("only a run that trains" in each.value.replace("\\", "") for each in app.error)


def test_train_shows_the_terms_of_a_custom_reward_only() -> None:
    app = AppTest.from_file(app_folder() / "app.py", default_timeout=60)
    app.query_params["arms.q-process.reward"] = "custom"
    app.run()
    app.switch_page("pages/train.py").run()
    app.session_state["train:settings"] = True
    app.run()
    keys = {each.key for each in app.number_input}
    assert "setting:arms.q-process.step_reward" in keys
    assert "setting:arms.q-outcome.step_reward" not in keys
