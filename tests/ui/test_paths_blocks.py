"""The Paths page on a Blocksworld graph: plans in pictures, problems from PDDL, plans to PDDL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from planviz.config import ExperimentConfig, parse
from planviz.experiment import train
from planviz.folders import app_folder
from planviz.graphs.blocksworld import stacks
from planviz.runs.store import Store
from planviz.ui import lab
from planviz.ui.paths.plan import verdict
from planviz.ui.paths.query import allowed_pairs
from tests.graphs.test_pddl import PLANBENCH, execute, facts

NAMES = {"A": "ant", "B": "Bee", "C": "cat"}
PROBLEM = """(define (problem p) (:domain blocksworld) (:objects cat Bee ant)
(:init (handempty) (ontable ant) (on Bee ant) (ontable cat) (clear Bee) (clear cat))
(:goal (and (on ant Bee))))"""


def blocks_config(**changes: Any) -> ExperimentConfig:
    return parse(
        {
            "name": "blocks",
            "graph": {"kind": "blocksworld", "blocks": 3},
            "model": {"kind": "factored"},
            "base": {"steps": 200, "learning_rate": 0.05},
            "arms": {},
            "evaluation": {"evaluations": 1, "pairs": 10, "samples": 5},
            **changes,
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A data folder with a Blocksworld experiment and another one, and their ids."""
    store = Store(tmp_path_factory.mktemp("blocks-home"))
    other = blocks_config(graph={"kind": "grid", "rows": 3, "columns": 3}, base={"steps": 1})
    ids = {}
    for name, config in (("blocks", blocks_config()), ("grid", other)):
        ids[name] = store.create_experiment(config)
        runs = {(run.arm, run.seed): run.id for run in store.runs(ids[name])}
        for told in train(config):
            store.record(runs[told.arm, told.seed], told.event)
    return store.home, ids


@pytest.fixture
def visit(
    trained: tuple[Path, dict[str, str]], home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], AppTest]]:
    """Opens the Paths page on one of the experiments."""
    monkeypatch.setenv("PLANVIZ_HOME", str(trained[0]))
    st.cache_data.clear()
    st.cache_resource.clear()

    def visit(name: str) -> AppTest:
        page = AppTest.from_file(app_folder() / "app.py", default_timeout=60)
        page.query_params["experiment"] = trained[1][name]
        page.run()
        return shown(page.switch_page("pages/paths.py"))

    yield visit
    lab.manager().shutdown()
    st.cache_resource.clear()


@pytest.fixture
def blocks(trained: tuple[Path, dict[str, str]]) -> str:
    return trained[1]["blocks"]


@pytest.fixture
def page(visit: Callable[[str], AppTest]) -> AppTest:
    return visit("blocks")


def shown(changed: Any) -> AppTest:
    page: AppTest = changed.run()
    assert not page.exception
    return page


def ask(page: AppTest, experiment_id: str, text: str) -> AppTest:
    page.text_area(f"paths:pddl:text:{experiment_id}").set_value(text)
    return shown(page.button(f"paths:pddl:ask:{experiment_id}").click())


def query_of(page: AppTest, experiment_id: str) -> tuple[int, int]:
    state = page.session_state
    return state[f"paths:from:{experiment_id}"], state[f"paths:to:{experiment_id}"]


def plan(page: AppTest) -> str:
    """The row of pictures."""
    (found,) = [html.proto.body for html in page.get("html") if "figcaption" in html.proto.body]
    return str(found)


def captions(page: AppTest) -> list[str]:
    return re.findall(r"<figcaption[^>]*>(.*?)</figcaption>", plan(page))


def paths_from(page: AppTest, experiment_id: str) -> Any:
    return page.selectbox(f"paths:path:{experiment_id}:{query_of(page, experiment_id)}")


def base_weights(experiment_id: str) -> list[tuple[str, bytes]]:
    """The trained base, as the run manager takes it."""
    store = lab.store()
    (run,) = store.runs(experiment_id)
    return [("base", store.weights(run.id, max(store.weight_steps(run.id))))]


def download(page: AppTest) -> Any:
    found: list[Any] = [*page.get("download_button")]
    return next((button for button in found if button.label == "Plan in PDDL"), None)


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the page offers for download, as it does so; a page under AppTest keeps no files."""
    contents: list[str] = []
    original = st.download_button

    def spy(label: str, data: str, *args: Any, **options: Any) -> bool:
        contents.append(data)
        return original(label, data, *args, **options)

    monkeypatch.setattr(st, "download_button", spy)
    return contents


def test_a_problem_becomes_the_query_and_is_told(page: AppTest, blocks: str) -> None:
    labels = lab.task_view(blocks_config()).task.labels
    ask(page, blocks, PROBLEM)
    source, target = query_of(page, blocks)
    assert (labels[source], labels[target]) == ("AB C", "BA C")
    (read,) = [text.value.replace("\\", "") for text in page.markdown if text.value.startswith("Read as")]
    assert read.startswith(
        "Read as 3 blocks (ant is A, Bee is B, cat is C); the goal holds in 3 states of 13"
    )
    allowed = allowed_pairs(lab.task_view(blocks_config()).task, page.session_state["paths:use"])
    assert allowed[source, target]
    assert not page.error
    shown(page.button("paths:random").click())
    assert not any(text.value.startswith("Read as") for text in page.markdown)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "problem is empty"),
        (PLANBENCH, "has 4 blocks, but the graph has 3"),
        ("(define (domain d))", "This is a PDDL domain"),
        (PROBLEM.replace("(on ant Bee)", "(on Bee ant)"), "there is nothing to ask"),
        (PROBLEM.replace("ant", "<img src=x onerror=alert(1)>"), "cannot be read"),
    ],
)
def test_a_problem_that_cannot_be_asked_is_one_sentence(
    page: AppTest, blocks: str, text: str, message: str
) -> None:
    before = query_of(page, blocks)
    ask(page, blocks, text)
    (error,) = page.error
    assert message in error.value.replace("\\", "")
    assert "<img" not in error.value
    assert query_of(page, blocks) == before


def test_other_graphs_offer_neither_problems_nor_plans(visit: Callable[[str], AppTest]) -> None:
    page = visit("grid")
    assert not page.text_area
    assert [heading.value for heading in page.subheader] == ["Sampled paths", "Next node"]
    assert download(page) is None


def test_the_chosen_path_is_shown_move_by_move(page: AppTest, blocks: str) -> None:
    task = lab.task_view(blocks_config()).task
    assert [heading.value for heading in page.subheader] == ["Sampled paths", "Plan", "Next node"]
    source = query_of(page, blocks)[0]
    paths = (
        lab.manager()
        .inspect(blocks_config(), base_weights(blocks), *query_of(page, blocks), 100, seed=0)[0]
        .paths
    )
    legal = {
        all(task.graph.has_edge(*step) for step in pairwise([source, *path])): path for path in paths.paths
    }
    assert set(legal) == {True, False}  # the base of a few steps does both
    for path in legal.values():
        shown(paths_from(page, blocks).set_value(path))
        nodes = [source, *(token for token in path if token < task.nodes)]
        assert plan(page).count("<img") == len(nodes)
        told = captions(page)
        assert told[0] == "start"
        for at, step in enumerate(pairwise(nodes), start=1):
            assert ("no legal move" in told[at]) != task.graph.has_edge(*step)
        walked = all(task.graph.has_edge(*step) for step in pairwise(nodes))
        assert download(page).proto.disabled != walked


def test_a_plan_can_be_downloaded_in_the_words_of_the_problem(
    page: AppTest, blocks: str, offered: list[str]
) -> None:
    task = lab.task_view(blocks_config()).task
    ask(page, blocks, PROBLEM)
    source, target = query_of(page, blocks)
    middle = task.labels.index("A B C")
    key = f"paths:path:{blocks}:{(source, target)}"
    page.session_state[key] = (middle, target)
    shown(page)
    assert captions(page) == ["start", "1. put B on the table", "2. put A on B ✓"]
    assert any(text.value == "This plan reaches the goal with 2 moves." for text in page.caption)
    assert not download(page).proto.disabled
    assert {("on", "ant", "Bee")} <= execute(offered[-1], facts(("AB", "C"), NAMES))


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (["AB C", "A B C", "BA C"], "This plan reaches the goal with 2 moves."),
        (["AB C", "A B C"], "This plan stops after 1 move, before it reaches the goal."),
        (["AB C"], "This plan stops after 0 moves, before it reaches the goal."),
        (["AB C", "CBA", "BA C"], "This is no plan: no legal move makes step 1."),
    ],
)
def test_what_a_path_does_as_a_plan(labels: list[str], text: str) -> None:
    assert verdict([stacks(label) for label in labels], stacks("BA C")) == text
