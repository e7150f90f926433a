"""The split on the Build page: its kinds, the pair that is looked at, and the buttons that change it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from planviz.config import ExperimentConfig, GraphConfig, SplitConfig
from planviz.folders import app_folder
from planviz.graphs.files import read_alpine, write_alpine
from planviz.splits import SPLITS, imported_settings
from planviz.task import Task, build_task
from planviz.ui.build import pair as build_pair
from planviz.ui.build import split as build_split
from planviz.ui.build.text import text_table, texts_per_pair
from planviz.ui.live_chart import Click
from tests.engine_helpers import task_of

HOSTILE = "![x](http://evil.example/x.png) <script>"
Pair = tuple[int, int]


@pytest.fixture(autouse=True)
def _server(home: Path) -> None:
    st.cache_resource.clear()


def open_build(config: ExperimentConfig | None = None, **parameters: Any) -> AppTest:
    """The Build page, with this draft or these query parameters (with __ for .)."""
    app = AppTest.from_file(app_folder() / "app.py", default_timeout=60)
    for key, value in parameters.items():
        app.query_params[key.replace("__", ".")] = str(value)
    app.run()
    if config is not None:
        app.session_state["draft"] = config
    app.switch_page("pages/build.py").run()
    assert not app.exception
    return app


def draft(app: AppTest) -> ExperimentConfig:
    config: ExperimentConfig = app.session_state["draft"]
    return config


def choose(app: AppTest, kind: str) -> AppTest:
    app.selectbox(key="build:split").set_value(kind).run()
    assert not app.exception
    return app


def parts(task: Task) -> tuple[set[Pair], set[Pair]]:
    train, test = ({(s, t) for s, t in pairs.tolist()} for pairs in (task.train_pairs, task.test_pairs))
    return train, test


def look_at(app: AppTest, pair: Pair) -> AppTest:
    app.session_state["build:pair"] = pair
    app.run()
    assert not app.exception
    return app


def words(app: AppTest, start: str) -> str:
    """The text that begins so, as it is read on the page."""
    found = [re.sub(r"\\(.)", r"\1", text.value) for text in app.markdown]
    return next(text for text in found if text.startswith(start))


def chosen_words(app: AppTest) -> str:
    return words(app, "From **")


def summary(app: AppTest) -> str:
    return words(app, "**Training:**")


def settings(app: AppTest) -> set[str]:
    inputs = {str(widget.key) for widget in app.number_input}
    return {key.removeprefix("setting:split.") for key in inputs if key.startswith("setting:split.")}


def test_every_kind_asks_its_question_and_shows_the_settings_that_matter() -> None:
    app = open_build(graph__kind="staged")
    kinds = [kind for kind in SPLITS if kind != "texts"]
    options = app.selectbox(key="build:split").options
    assert options == [SPLITS[kind].title for kind in kinds], "without texts, their split is not offered"
    for kind in kinds:
        choose(app, kind)
        assert draft(app).split.kind == kind
        assert any(caption.value.startswith(SPLITS[kind].question) for caption in app.caption)
        assert settings(app) == set(SPLITS[kind].settings) - {"tested_stages"}
        assert not app.error
        task = build_task(draft(app))
        assert f"**Training:** {len(task.train_pairs):,} pairs" in summary(app)
        assert f"**Test:** {len(task.test_pairs):,} pairs" in summary(app)


def test_stages_are_chosen_by_pills() -> None:
    app = choose(open_build(graph__kind="staged", graph__stages=3), "stages")

    def pills() -> Any:
        return next(group for group in app.button_group if group.key == "build:stages")

    stages = pills()
    assert stages.options == ["S1 → S1", "S1 → S2", "S1 → S3", "S2 → S2", "S2 → S3", "S3 → S3"]
    assert stages.value == [(1, 3)]
    stages.set_value([(1, 3), (2, 3)]).run()
    assert draft(app).split.tested_stages == ((1, 3), (2, 3))
    assert app.query_params["split.tested_stages"] == "1-3,2-3"
    app.number_input(key="setting:graph.stages").set_value(2).run()
    assert "1 to 2 are allowed" in app.error[0].value and not app.exception
    pills().set_value([(1, 2)]).run()
    assert draft(app).split.tested_stages == ((1, 2),) and not app.error


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ({"split__kind": "stages"}, "have no stages"),
        ({"split__kind": "texts"}, "no texts to train on"),
        ({"split__kind": "pairs"}, "training pairs are chosen"),
        ({"split__kind": "distance", "split__trained_distance": 900}, "choose at most"),
        ({"split__kind": "target", "split__tested_targets": 0.001}, "choose a share between"),
    ],
)
def test_what_is_impossible_is_one_sentence_and_another_kind_helps(split: dict[str, Any], said: str) -> None:
    app = open_build(**split)
    assert len(app.error) == 1 and said in app.error[0].value
    choose(app, "random")
    assert not app.error


def test_a_link_brings_the_split_back() -> None:
    app = choose(open_build(), "distance")
    app.number_input(key="setting:split.trained_distance").set_value(3).run()
    link = {key.replace(".", "__"): value for key, value in app.query_params.items()}
    assert draft(open_build(**link)) == draft(app)


def test_choosing_pairs_begins_with_the_split_that_there_is() -> None:
    app = open_build(split__kind="edges")
    before = build_task(draft(app))
    after = build_task(draft(choose(app, "pairs")))
    assert parts(after) == parts(before) and after.texts == before.texts
    pair = next(iter(parts(before)[1]))
    look_at(app, pair).button(key="build:pair:train").click().run()
    choose(choose(app, "random"), "pairs")
    assert pair in parts(build_task(draft(app)))[0], "pairs that were chosen are not lost"
    app.selectbox(key="build:kind").set_value("grid").run()
    app.number_input(key="setting:graph.rows").set_value(2).run()
    assert "leaves the graph" in app.error[0].value
    choose(choose(app, "random"), "pairs")
    assert not app.error, "pairs that fit no more make room for those of the split before"


def test_a_pair_is_described_and_changes_its_use() -> None:
    app = open_build(graph__nodes=12, graph__density=0.4)
    task = build_task(draft(app))
    train, test = parts(task)
    pair = next(pair for pair in sorted(train) if task.distance[pair] > 1)
    paths = len(list(nx.all_simple_paths(task.graph, *pair)))
    text = chosen_words(look_at(app, pair))
    assert f"From **{pair[0]}** to **{pair[1]}**: this is **a training pair**" in text
    assert f"**{paths} correct path" in text
    shortest = [int(node) for node in re.findall(r"\d+", text.split("Shortest path: ")[1].split("(")[0])]
    assert nx.is_path(task.graph, shortest) and len(shortest) - 1 == task.distance[pair]
    assert app.button(key="build:pair:train").disabled

    app.button(key="build:pair:test").click().run()
    assert draft(app).split.kind == "pairs"
    assert parts(build_task(draft(app))) == (train - {pair}, test | {pair})
    assert "a test pair" in chosen_words(app) and app.button(key="build:pair:test").disabled
    assert draft(app).split.test_pairs[0] == pair, "models are measured on the first pairs"

    app.button(key="build:pair:left out").click().run()
    assert parts(build_task(draft(app))) == (train - {pair}, test)
    assert "left out" in chosen_words(app)
    assert "**Left out:** 1 pair with" in summary(app)

    app.button(key="build:pair:train").click().run()
    assert parts(build_task(draft(app))) == (train, test)


def test_more_pairs_than_settings_can_carry_are_not_chosen_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(build_pair, "MAX_CHOSEN", 100)
    monkeypatch.setattr(build_split, "MAX_CHOSEN", 100)
    app = look_at(open_build(), (0, 11))
    assert all(app.button(key=f"build:pair:{use}").disabled for use in ("train", "test", "left out"))
    choose(app, "pairs")
    assert draft(app).split.kind == "random" == app.selectbox(key="build:split").value
    assert "at most 100" in app.warning[0].value


def test_a_pair_without_a_path_has_no_buttons() -> None:
    app = look_at(open_build(), (5, 2))
    assert "**not reachable**" in chosen_words(app)
    with pytest.raises(KeyError):
        app.button(key="build:pair:train")


def test_the_last_test_pair_stays() -> None:
    graph = GraphConfig(kind="file", labels=("a", "b", "c"), edges=((0, 1), (1, 2)))
    split = SplitConfig(kind="pairs", train_pairs=((0, 1),), test_pairs=((0, 2),))
    app = look_at(open_build(ExperimentConfig(graph=graph, split=split)), (0, 2))
    app.button(key="build:pair:train").click().run()
    assert draft(app).split == split
    assert "only test pair" in app.warning[0].value


def test_a_pair_can_be_chosen_from_menus() -> None:
    app = open_build()
    assert app.selectbox(key="build:pair:from").value is None
    app.selectbox(key="build:pair:from").set_value(0).run()
    app.selectbox(key="build:pair:to").set_value(3).run()
    assert app.session_state["build:pair"] == (0, 3)
    assert chosen_words(app).startswith("From **0** to **3**")
    app.selectbox(key="build:pair:to").set_value(0).run()
    assert app.session_state["build:pair"] is None and not app.exception


@pytest.mark.parametrize("junk", [(0, 99), (3, 3), None])
def test_a_pair_that_the_graph_does_not_have_is_none(junk: Any) -> None:
    app = look_at(open_build(), junk)
    assert not any(text.value.startswith("From **") for text in app.markdown)


def test_a_click_chooses_the_cell_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict[str, Any] = {}
    monkeypatch.setattr(st, "session_state", state)
    for click in (Click(1, (0, 1)), Click(0, (3,)), Click(0, (2, 30)), Click(0, (4, 4))):
        build_split._choose_cell(30, click)
    assert not state
    build_split._choose_cell(30, Click(0, (2, 29)))
    assert state == {"build:pair": (2, 29)}


def test_hostile_names_are_shown_and_not_obeyed() -> None:
    graph = GraphConfig(kind="file", labels=("a", HOSTILE, "*b*"), edges=((0, 1), (1, 2)))
    app = look_at(open_build(ExperimentConfig(graph=graph, split=SplitConfig(train_share=0.5))), (1, 2))
    raw = next(text.value for text in app.markdown if text.value.startswith("From **"))
    assert "](" not in raw and "<script>" not in raw
    assert "![x](http://evil.example/x.p" in chosen_words(app) and "*b*" in chosen_words(app)


def test_texts_from_files_are_a_split_of_their_own() -> None:
    source = build_task(ExperimentConfig(graph=GraphConfig(nodes=12, density=0.4)))
    texts = [*source.texts[:-4], source.texts[0]]
    graph, split = imported_settings(read_alpine(write_alpine(source.graph, texts, source.test_pairs)))
    app = open_build(ExperimentConfig(graph=graph, split=split))
    assert app.selectbox(key="build:split").value == "texts"
    task = build_task(draft(app))
    each = texts_per_pair(task)
    assert re.fullmatch(r"\d+ to 11", each) and f"{each} paths each: {len(texts):,} texts" in summary(app)
    choose(choose(app, "random"), "texts")
    assert draft(app).split == split


def test_the_table_has_the_texts_of_the_first_pairs_however_many_each_has() -> None:
    graph = GraphConfig(kind="file", labels=("a", "b", "c", "d"), edges=((0, 1), (1, 2), (2, 3)))
    texts = "0 1 0 1\n1 2 1 2\n0 1 0 1\n0 2 0 1 2\n1 2 1 2\n"
    table = text_table(task_of(graph, kind="texts", texts=texts, test_texts="2 3 2 3"), 2)
    assert table[["Text", "Times"]].to_numpy().tolist() == [["0 1 0 1 EOS", 2], ["1 2 1 2 EOS", 2]]
