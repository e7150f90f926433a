"""The Build page: every kind of graph with its facts, the split and its texts, files, and bad input."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import networkx as nx
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from planviz.config import ExperimentConfig, GraphConfig, preset
from planviz.graphs.files import GraphFileError, read_graphml, write_alpine, write_graphml
from planviz.graphs.generate import MAX_NODES, build_graph
from planviz.graphs.kinds import KINDS, settings_that_matter
from planviz.graphs.layout import layout
from planviz.task import build_task
from planviz.ui.build.edges import edited_rows
from planviz.ui.build.text import count, text_table
from planviz.ui.text import sentence

ROOT = Path(__file__).parents[2]
APP = ROOT / "app.py"
FIXTURES = ROOT / "tests" / "fixtures" / "graphs"
HOSTILE = "![x](http://evil.example/x.png) <script>"


def open_build(**parameters: Any) -> AppTest:
    """The Build page of a session that was opened with these query parameters (with _ for .)."""
    app = AppTest.from_file(APP, default_timeout=60)
    for key, value in parameters.items():
        app.query_params[key.replace("_", ".", 1)] = str(value)
    app.run()
    app.switch_page("pages/build.py").run()
    assert not app.exception
    return app


def draft(app: AppTest) -> ExperimentConfig:
    config: ExperimentConfig = app.session_state["draft"]
    return config


def facts(app: AppTest) -> dict[str, str]:
    return {tile.label: tile.value for tile in app.metric}


def texts(app: AppTest) -> Any:
    return next(table.value for table in app.dataframe if "Text" in table.value)


def edges(app: AppTest) -> list[list[str]]:
    """The rows of the table of edges."""
    rows: list[list[str]] = next(
        table.value.to_numpy().tolist() for table in app.dataframe if list(table.value) == ["From", "To"]
    )
    return rows


def choose(app: AppTest, kind: str) -> AppTest:
    app.selectbox(key="build:kind").set_value(kind).run()
    assert not app.exception
    return app


def drawn(app: AppTest) -> dict[str, Any]:
    """What the graph editor was given to draw."""
    for component in app.get("bidi_component"):
        if component.proto.component_name == "planviz_graph_editor":
            told: dict[str, Any] = json.loads(component.proto.json)
            return told
    raise AssertionError("there is no graph editor")


def graphml(*labels: str) -> bytes:
    """A file with these nodes in one line."""
    graph: nx.DiGraph[int] = nx.DiGraph(pairwise(range(len(labels))))
    nx.set_node_attributes(graph, dict(enumerate(labels)), "label")
    return write_graphml(graph)


@pytest.mark.parametrize(
    "kind", [{"kind": "acyclic"}, {"kind": "directed", "nodes": 12}, {"kind": "staged"}, {"kind": "grid"},
             {"kind": "maze"}, {"kind": "tree", "tree": "random"}, {"kind": "tree", "both_ways": True},
             {"kind": "small-world", "neighbours": 3}, {"kind": "preferential"},
             {"kind": "blocksworld", "blocks": 3}, {"kind": "hanoi"}]
)  # fmt: skip
def test_every_kind_is_drawn_with_its_facts(kind: dict[str, Any]) -> None:
    app = open_build(**{f"graph_{key}": value for key, value in kind.items()})
    graph = build_graph(draft(app).graph)
    distances = [
        steps
        for _, reached in nx.all_pairs_shortest_path_length(graph)
        for steps in reached.values()
        if steps
    ]
    shown = facts(app)
    assert shown["Nodes"] == str(len(graph))
    assert shown["Edges"] == str(graph.number_of_edges())
    assert shown["Acyclic"] == ("yes" if nx.is_directed_acyclic_graph(graph) else "no")
    assert shown["Reachable pairs"] == f"{len(distances):,}"
    assert shown["Shortest paths"] == f"{min(distances)}–{max(distances)}"
    assert shown["Strongly connected parts"] == str(nx.number_strongly_connected_components(graph))
    assert shown["Dead ends"] == str(sum(not degree for _, degree in graph.out_degree()))
    told = drawn(app)
    assert told["labels"] == [label for _, label in graph.nodes(data="label")]
    assert {tuple(edge) for edge in told["edges"]} == set(graph.edges)
    assert told["positions"] == layout(graph).round(4).tolist()
    assert [tuple(edge) for edge in edges(app)] == [
        (told["labels"][u], told["labels"][v]) for u, v in told["edges"]
    ]


def test_correct_paths_are_counted_as_networkx_counts_them() -> None:
    app = open_build(graph_nodes=12, graph_density=0.4)
    graph = build_graph(draft(app).graph)
    counts = [
        len(list(nx.all_simple_paths(graph, source, target)))
        for source in graph
        for target in nx.descendants(graph, source)
    ]
    tile = next(tile for tile in app.metric if tile.label == "Correct paths")
    assert float(tile.value) == median(counts)
    assert tile.delta == f"median, most {max(counts)}"


def test_only_the_settings_of_the_kind_are_there() -> None:
    app = open_build()

    def settings() -> set[str]:
        return {str(widget.key) for widget in app.number_input if "graph." in str(widget.key)}

    assert settings() == {"setting:graph.nodes", "setting:graph.density", "setting:graph.seed"}
    choose(app, "staged")
    assert "setting:graph.stages" in settings()
    choose(app, "grid")
    assert settings() == {"setting:graph.rows", "setting:graph.columns"}
    choose(app, "blocksworld")
    assert settings() == {"setting:graph.blocks"}
    choose(app, "tree")
    assert settings() == {"setting:graph.nodes", "setting:graph.children"}
    app.selectbox(key="setting:graph.tree").set_value("random").run()
    assert settings() == {"setting:graph.nodes", "setting:graph.seed"}
    app.toggle(key="setting:graph.both_ways").set_value(True).run()
    assert facts(app)["Acyclic"] == "no"


def test_every_kind_can_be_chosen_says_what_it_is_good_for_and_makes_a_task() -> None:
    app = open_build()
    titles = dict(zip(KINDS, app.selectbox(key="build:kind").options, strict=True))
    for kind, (title, use, names) in KINDS.items():
        if kind == "file":
            continue
        choose(app, kind)
        assert draft(app).graph == preset("quick").graph.model_copy(update={"kind": kind})
        assert titles[kind] == title and use in [caption.value for caption in app.caption]
        widgets = [*app.number_input, *app.selectbox, *app.toggle]
        shown = {str(w.key).split(".")[1] for w in widgets if "setting:graph." in str(w.key)}
        assert shown == set(settings_that_matter(draft(app).graph)) <= set(names)
        assert ("build:reroll:graph.seed" in [button.key for button in app.button]) == ("seed" in shown)
        assert not app.error and not app.button(key="build:train").disabled
        assert facts(app)["Nodes"] == str(len(build_graph(draft(app).graph)))


@pytest.mark.parametrize(("blocks", "states"), [(2, "3"), (5, "501")])
def test_blocksworld_has_two_to_five_blocks(blocks: int, states: str) -> None:
    split = {"split_train_share": 0.5 if blocks == 2 else 0.01, "split_paths_per_pair": 1}
    app = open_build(graph_kind="blocksworld", graph_blocks=blocks, **split)
    assert facts(app)["Nodes"] == states and not app.error


def test_settings_change_the_graph() -> None:
    app = open_build()
    before = drawn(app)
    app.number_input(key="setting:graph.nodes").set_value(17).run()
    assert facts(app)["Nodes"] == "17"
    app.button(key="build:reroll:graph.seed").click().run()
    assert draft(app).graph.seed == preset("quick").graph.seed + 1
    assert drawn(app) != before


def test_a_graph_with_very_many_edges_is_a_still_picture() -> None:
    app = open_build(graph_nodes=160, graph_density=0.6, split_paths_per_pair=1)
    assert draft(app).split.paths_per_pair == 1
    with pytest.raises(AssertionError, match="no graph editor"):
        drawn(app)
    assert any("can also be edited" in caption.value for caption in app.caption)


def test_the_texts_are_correct_paths_of_training_pairs() -> None:
    app = open_build()
    task = build_task(draft(app))
    pairs = {tuple(pair) for pair in task.train_pairs.tolist()}
    assert texts(app)["Times"].sum() == 5 * draft(app).split.paths_per_pair
    for text in texts(app)["Text"]:
        *tokens, end = text.split()
        source, target, *path = map(int, tokens)
        assert end == "EOS"
        assert (source, target) in pairs
        assert (path[0], path[-1]) == (source, target)
        assert nx.is_path(task.graph, path)


def test_share_paths_and_seed_change_split_and_texts() -> None:
    app = open_build()
    first = texts(app)
    app.number_input(key="setting:split.paths_per_pair").set_value(2).run()
    assert texts(app)["Times"].sum() == 10
    app.button(key="build:reroll:split.seed").click().run()
    assert draft(app).split.seed == 1
    assert set(texts(app)["Pair"]) != set(first["Pair"])
    app.number_input(key="setting:split.train_share").set_value(0.5).run()
    train = round(0.5 * int(facts(app)["Reachable pairs"]))
    assert any(f"{train} pairs, 2 paths each: {2 * train} texts" in text.value for text in app.markdown)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"graph_nodes": 4, "graph_density": 0.01, "graph_seed": 1}, "0 pairs of nodes have a path"),
        ({"graph_nodes": 3, "graph_density": 1, "split_train_share": 0.9}, "leaves no test pairs"),
        ({"graph_nodes": 4, "graph_kind": "staged", "graph_stages": 6}, "choose at most 4 stages"),
        ({"graph_nodes": 4, "graph_kind": "small-world"}, "choose at most 3 neighbours"),
        ({"graph_nodes": 2, "graph_kind": "preferential"}, "choose at most 1 links"),
    ],
)
def test_what_makes_no_task_is_told_in_a_sentence_and_nothing_is_lost(
    settings: dict[str, Any], words: str
) -> None:
    app = open_build(**settings)
    assert len(app.error) == 1
    assert words in app.error[0].value.replace("\\", "")
    assert app.button(key="build:train").disabled
    if "graph_kind" not in settings:  # there the settings fit no graph at all
        assert facts(app)["Nodes"] == str(settings["graph_nodes"])
        assert len(drawn(app)["labels"]) == settings["graph_nodes"]
    app.number_input(key="setting:graph.nodes").set_value(20).run()
    if "density" in settings_that_matter(draft(app).graph):
        app.number_input(key="setting:graph.density").set_value(0.5).run()
    assert not app.error
    assert not app.button(key="build:train").disabled


def test_a_number_out_of_range_in_a_link_keeps_the_presets_value() -> None:
    app = AppTest.from_file(APP, default_timeout=60)
    app.query_params["graph.nodes"] = "9000"
    app.run()
    assert any(
        "graph.nodes" in notice.value.replace("\\", "") and str(MAX_NODES) in notice.value
        for notice in app.warning
    )
    app.switch_page("pages/build.py").run()
    assert facts(app)["Nodes"] == str(preset("quick").graph.nodes)


def test_a_preset_replaces_the_draft_and_changes_to_it_can_be_undone() -> None:
    app = open_build()
    app.segmented_control(key="build:preset").set_value("paper").run()
    assert draft(app) == preset("paper")
    with pytest.raises(KeyError):
        app.button(key="build:undo")
    app.number_input(key="setting:graph.nodes").set_value(20).run()
    choose(app, "file")
    app.button(key="build:undo").click().run()
    assert draft(app) == preset("paper")
    assert app.selectbox(key="build:kind").value == "acyclic"


@pytest.fixture
def uploading() -> Iterator[AppTest]:
    app = open_build()
    yield app
    assert not app.exception


def test_limits_are_stated_before_a_file_is_uploaded(uploading: AppTest) -> None:
    assert any(
        all(
            limit in caption.value
            for limit in (f"{MAX_NODES} nodes", "20,000 edges", "5 MB", "60 characters")
        )
        for caption in uploading.caption
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"nodes, edges", "no readable XML"),
        (b"<html/>", "no GraphML"),
        (b"x" * 5_100_000, "5.1 MB"),
        ((FIXTURES / "billion_laughs.graphml").read_bytes(), "entities"),
        ((FIXTURES / "external_entity.graphml").read_bytes(), "entities"),
        (
            graphml("a", "b").replace(b'target="1"', b'target="' + html.escape(HOSTILE).encode() + b'"'),
            HOSTILE,
        ),
    ],
)
def test_a_bad_file_gives_one_sentence_and_leaves_the_graph(
    uploading: AppTest, content: bytes, words: str
) -> None:
    uploading.file_uploader(key="build:upload").upload("graph.graphml", content).run()
    assert len(uploading.error) == 1
    problem = uploading.error[0].value
    assert words in re.sub(r"\\(.)", r"\1", problem)
    assert "](" not in problem, "Markdown in a file is shown, not obeyed"
    assert draft(uploading) == preset("quick")
    uploading.button(key="build:example:courses").click().run()
    assert not uploading.error


def test_a_good_file_becomes_the_graph_once_and_one_can_go_back_and_forth(uploading: AppTest) -> None:
    labels = ("start", HOSTILE, "goal", "end")
    uploading.file_uploader(key="build:upload").upload("graph.graphml", graphml(*labels)).run()
    assert draft(uploading).graph.labels == labels
    assert facts(uploading)["Reachable pairs"] == "6"
    assert drawn(uploading)["labels"] == list(labels)
    uploading.number_input(key="setting:split.train_share").set_value(0.5).run()
    assert any(HOSTILE in path for path in texts(uploading)["Path"])

    choose(uploading, "acyclic")
    assert uploading.run().selectbox(key="build:kind").value == "acyclic"
    assert draft(uploading).graph == preset("quick").graph
    choose(uploading, "file")
    assert draft(uploading).graph.labels == labels


def test_an_example_can_be_taken_instead(uploading: AppTest) -> None:
    uploading.button(key="build:example:towers-of-hanoi").click().run()
    assert draft(uploading).graph.kind == "file"
    assert facts(uploading)["Nodes"] == "27"


def test_alpines_three_files_become_graph_split_and_texts(uploading: AppTest) -> None:
    task = build_task(preset("quick"))
    files = write_alpine(task.graph, task.texts, task.test_pairs)
    uploader = uploading.file_uploader(key="build:upload")
    uploader.set_value([(name, content, "") for name, content in files.items()]).run()
    again = build_task(draft(uploading))
    assert again.texts == task.texts
    assert again.train_pairs.tolist() == task.train_pairs.tolist()
    assert again.test_pairs.tolist() == task.test_pairs.tolist()
    assert any(f"{len(task.texts):,} texts" in info.value.replace("\\", "") for info in uploading.info)


def test_a_link_to_ones_own_graph_asks_for_its_file() -> None:
    app = open_build(graph_kind="file")
    assert "Open its file again" in app.info[0].value
    assert app.file_uploader


def test_ones_own_graph_begins_as_the_present_one_or_empty() -> None:
    app = open_build()
    before = drawn(app)
    choose(app, "file")
    assert draft(app).graph.kind == "file"
    assert [drawn(app)[name] for name in ("labels", "edges", "positions")] == [
        before[name] for name in ("labels", "edges", "positions")
    ]
    app.button(key="build:empty").click().run()
    assert drawn(app)["labels"] == ["0", "1"] and drawn(app)["edges"] == []
    assert "add edges" in app.error[0].value
    assert drawn(app)["undo"] and not drawn(app)["redo"]


def test_a_pasted_list_of_edges_is_added_or_becomes_the_graph() -> None:
    app = open_build(graph_nodes=5, graph_density=1)
    app.text_area(key="build:pasted").set_value(
        f"0,1\n4\t{HOSTILE}".replace(" ", "_").replace("\t", ",")
    ).run()
    app.button(key="build:paste:add").click().run()
    assert not app.exception
    hostile = HOSTILE.replace(" ", "_")
    assert draft(app).graph.labels == ("0", "1", "2", "3", "4", hostile)
    assert edges(app)[-1] == ["4", hostile] and len(edges(app)) == 11
    pairs = next(tile for tile in app.metric if tile.label == "Reachable pairs")
    assert pairs.delta == "+5 pairs"

    app.text_area(key="build:pasted").set_value("a b\nb c\nc a").run()
    app.button(key="build:paste:replace").click().run()
    assert edges(app) == [["a", "b"], ["b", "c"], ["c", "a"]]
    app.text_area(key="build:pasted").set_value("a").run()
    app.button(key="build:paste:add").click().run()
    assert not app.exception and len(app.error) == 1
    assert len(edges(app)) == 3


def test_rows_of_the_table_wait_until_they_have_both_ends() -> None:
    table = pd.DataFrame([("a", "b"), ("b", "c"), ("c", "d")], columns=["From", "To"])
    changes = {
        "edited_rows": {"1": {"To": "a"}, "2": {"From": None}},
        "deleted_rows": [0],
        "added_rows": [{"From": "x"}, {"From": "x", "To": "y"}, {}],
    }
    assert edited_rows(table, changes) == [("b", "a"), ("x", "y")]


def test_moved_nodes_stay_until_there_is_another_graph() -> None:
    app = open_build(graph_nodes=6)
    places = tuple((i / 10, i / 10) for i in range(6))
    moved = draft(app).graph.model_copy(update={"positions": places})
    app.session_state["draft"] = draft(app).model_copy(update={"graph": moved})
    app.run()
    assert drawn(app)["positions"] == [list(place) for place in places]
    app.number_input(key="setting:split.paths_per_pair").set_value(2).run()
    assert draft(app).graph.positions == places
    app.number_input(key="setting:graph.density").set_value(0.9).run()
    assert draft(app).graph.positions == ()


def test_the_next_step_is_training() -> None:
    app = open_build()
    app.button(key="build:train").click().run()
    assert app.title[0].value == "Train"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (2.5, "2.5"),
        (1234, "1,234"),
        (3.4e17, "3·10¹⁷"),
        (9.9e6, "1·10⁷"),
        (float("inf"), "over 10³⁰⁸"),
    ],
)
def test_counts_are_short(number: float, text: str) -> None:
    assert count(number) == text


def test_errors_become_literal_sentences() -> None:
    assert sentence(ValueError("the *file* is bad")) == r"The \*file\* is bad."


def test_equal_texts_are_counted() -> None:
    config = ExperimentConfig(graph=GraphConfig(nodes=4, density=1))
    task = build_task(config)
    table = text_table(task, len(task.train_pairs))
    assert table["Times"].sum() == len(task.texts)
    assert not table["Text"].duplicated().any()


def test_the_examples_are_good_files() -> None:
    for path in (ROOT / "assets" / "graphs").glob("*.graphml"):
        try:
            build_task(ExperimentConfig(graph=read_graphml(path.read_bytes())))
        except GraphFileError as error:
            pytest.fail(f"{path}: {error}")
