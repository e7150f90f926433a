"""The Paths page: what is on the screen is what the models answer, and nothing a visitor does breaks it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest

from planviz.config import BASE, parse
from planviz.events import Checkpoint, QueryInspection
from planviz.experiment import train_seeds
from planviz.folders import app_folder
from planviz.inspection import inspect_query
from planviz.runs.store import Store
from planviz.ui import lab
from planviz.ui.paths.query import allowed_pairs, settle
from planviz.ui.paths.text import node_names, path_text, visit_names
from planviz.ui.text import literal
from tests.ui.servers import serving, train_into

CONFIG = parse(
    {
        "name": "tiny",
        "graph": {"kind": "acyclic", "nodes": 12, "density": 0.4, "seed": 1},
        "model": {"kind": "factored"},
        "base": {"steps": 60, "learning_rate": 0.05},
        "arms": {
            "sft": {"method": "sft", "steps": 10},
            "pg": {"method": "pg", "steps": 40, "learning_rate": 0.05},
        },
        "evaluation": {"evaluations": 2, "pairs": 10, "samples": 5},
        "seeds": [0, 1],
    }
)
HOSTILE = ("<img src=x onerror=alert(1)>", "[a](http://evil.test)", "**b**", ":red[c]", "`d`", "**b**")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data folder with one trained experiment, and the experiment's id."""
    folder = tmp_path_factory.mktemp("paths-home")
    return folder, train_into(Store(folder), CONFIG)


@pytest.fixture
def server(trained: tuple[Path, str], home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store of a server that works on the data folder of `trained`."""
    with serving(trained[0], monkeypatch) as store:
        yield store


@pytest.fixture
def visit(server: Store) -> Callable[[str], AppTest]:
    """Opens the Paths page on an experiment."""

    def visit(experiment_id: str) -> AppTest:
        page = AppTest.from_file(app_folder() / "app.py", default_timeout=60)
        page.query_params["experiment"] = experiment_id
        page.run()
        return shown(page.switch_page("pages/paths.py"))

    return visit


@pytest.fixture
def tiny(trained: tuple[Path, str]) -> str:
    """The id of the trained experiment."""
    return trained[1]


@pytest.fixture
def page(visit: Callable[[str], AppTest], tiny: str) -> AppTest:
    return visit(tiny)


def shown(changed: Any) -> AppTest:
    """The page after one of its widgets, or all of it, was run; it has no exception."""
    page: AppTest = changed.run()
    assert not page.exception
    return page


def query_of(page: AppTest, experiment_id: str) -> tuple[int, int]:
    """The query in the picker."""
    state = page.session_state
    return state[f"paths:from:{experiment_id}"], state[f"paths:to:{experiment_id}"]


def table(page: AppTest, arm: str) -> list[tuple[float, str, str]]:
    """What the table of an arm says: share, path and outcome of every row."""
    (found,) = [frame for frame in page.dataframe if frame.proto.alt.startswith(f"The paths that {arm} ")]
    frame = found.value
    return list(zip(frame["Share"], frame["Path"], frame["Outcome"].str.split(" ", n=1).str[1], strict=True))


def expected(answer: QueryInspection) -> list[tuple[float, str, str]]:
    paths, names = answer.paths, [str(node) for node in range(12)]
    return [
        (count / 100, path_text(paths.source, path, names), outcome.replace("_", " "))
        for path, count, outcome in zip(paths.paths, paths.counts, paths.outcomes, strict=True)
    ]


def ask(
    store: Store, experiment_id: str, query: tuple[int, int], arm: str, step: int, seed: int = 0
) -> QueryInspection:
    """What a model answers, asked without the page."""
    (run,) = [run for run in store.runs(experiment_id) if (run.arm, run.seed) == (arm, seed)]
    return inspect_query(CONFIG, [(arm, store.weights(run.id, step))], *query, samples=100)[0]


def captions(page: AppTest) -> list[str]:
    return [caption.value for caption in page.caption]


def chart(page: AppTest, key: str) -> Any:
    """The traces of a chart on the page."""
    (found,) = [element for element in page.get("bidi_component") if f"-{key}" in element.proto.id]
    return json.loads(json.loads(found.proto.json)["figure"])["data"]


def test_tables_show_what_the_models_answer(page: AppTest, server: Store, tiny: str) -> None:
    query = query_of(page, tiny)
    for arm, steps in (("base", 60), ("pg", 40)):
        answer = ask(server, tiny, query, arm, steps)
        assert table(page, arm) == expected(answer)
        ways = zip(answer.paths.counts, answer.paths.outcomes, strict=True)
        correct = [count for count, outcome in ways if outcome == "correct"]
        start = f"Step {steps} of {steps}: {sum(correct)}% correct, on {len(correct)} distinct path"
        assert any(caption.startswith(start) for caption in captions(page))


def test_the_query_is_described_as_networkx_counts_it(page: AppTest, tiny: str) -> None:
    graph, query = lab.task_view(CONFIG).task.graph, query_of(page, tiny)
    paths = len(list(nx.all_simple_paths(graph, *query)))
    steps = nx.shortest_path_length(graph, *query)
    (sentence,) = [text.value for text in page.markdown if text.value.startswith("This is a")]
    assert paths > 1
    assert f"**{paths} correct paths**" in sentence
    assert f"takes **{steps} steps**" in sentence
    assert "**training pair**" in sentence


def test_the_slider_moves_the_arms_through_their_training(page: AppTest, server: Store, tiny: str) -> None:
    query = query_of(page, tiny)
    shown(page.select_slider[0].set_value(1))
    assert table(page, "pg") == expected(ask(server, tiny, query, "pg", 20))
    assert table(page, "base") == expected(ask(server, tiny, query, "base", 60))
    shown(page.select_slider[0].set_value(0))
    assert table(page, "pg") == table(page, "base")


def test_the_base_alone_moves_through_its_own_training(page: AppTest, server: Store, tiny: str) -> None:
    page.button_group(f"paths:arms:{tiny}").set_value(["base"])
    shown(page.select_slider[0].set_value(0))
    assert table(page, "base") == expected(ask(server, tiny, query_of(page, tiny), "base", 0))


def test_another_seed_is_another_model(page: AppTest, server: Store, tiny: str) -> None:
    shown(page.selectbox(f"paths:seed:{tiny}").set_value(1))
    answer = ask(server, tiny, query_of(page, tiny), "pg", 40, seed=1)
    assert table(page, "pg") == expected(answer)


def test_bars_are_the_probabilities_at_the_chosen_node(page: AppTest, server: Store, tiny: str) -> None:
    query = query_of(page, tiny)
    answer = ask(server, tiny, query, "base", 60)
    path = next(path for path in answer.paths.paths if len(path) > 1)
    shown(page.selectbox(f"paths:path:{tiny}:{query}").set_value(path))
    shown(page.button_group(f"paths:place:{tiny}:{query}").set_value(1))
    drawn: dict[str, float] = {}
    for trace in chart(page, "paths:next"):
        if trace["yaxis"] in ("y", "y1") and "others" not in trace["y"][0]:  # the first panel is the base's
            shares = np.frombuffer(base64.b64decode(trace["x"]["bdata"]), trace["x"]["dtype"])
            drawn |= zip([bar.split()[0] for bar in trace["y"]], shares, strict=True)
    wanted = answer.probabilities[answer.prefixes.index(path[:1])]
    for node in np.argsort(-wanted)[:5]:
        assert drawn[str(node) if node < 12 else "end"] == pytest.approx(wanted[node], abs=1e-5)


def test_a_model_that_never_came_this_way_has_its_bars_too(page: AppTest, server: Store, tiny: str) -> None:
    query = query_of(page, tiny)
    beginnings = [
        set(ask(server, tiny, query, arm, step).prefixes) for arm, step in (("base", 60), ("pg", 40))
    ]
    paths = ask(server, tiny, query, "base", 60).paths.paths
    path = next(path for path in paths if len(path) > 1 and path[:1] in beginnings[0] - beginnings[1])
    shown(page.selectbox(f"paths:path:{tiny}:{query}").set_value(path))
    shown(page.button_group(f"paths:place:{tiny}:{query}").set_value(1))
    assert not any(caption.startswith("No bars for") for caption in captions(page))


def test_moving_back_asks_nobody_again(page: AppTest, tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = table(page, "pg")
    shown(page.select_slider[0].set_value(1))
    monkeypatch.setattr(lab.manager(), "inspect", None)
    shown(page.select_slider[0].set_value(2))
    assert table(page, "pg") == before


@pytest.mark.parametrize("use", ["train", "test", "any"])
def test_only_pairs_of_the_chosen_kind_are_offered(page: AppTest, tiny: str, use: str) -> None:
    task = lab.task_view(CONFIG).task
    pairs = {
        "train": {tuple(pair) for pair in task.train_pairs.tolist()},
        "test": {tuple(pair) for pair in task.test_pairs.tolist()},
        "any": {(s, t) for s in task.graph for t in nx.descendants(task.graph, s)},
    }[use]
    shown(page.button_group("paths:use").set_value(use))
    source, target = query_of(page, tiny)
    assert (source, target) in pairs
    sources, targets = (page.selectbox(f"paths:{end}:{tiny}").options for end in ("from", "to"))
    assert set(sources) == {str(s) for s, _ in pairs}
    assert set(targets) == {str(t) for s, t in pairs if s == source}


def test_a_random_query_is_another_one(page: AppTest, tiny: str) -> None:
    before = query_of(page, tiny)
    shown(page.button("paths:random").click())
    assert query_of(page, tiny) != before
    assert list(query_of(page, tiny)) in lab.task_view(CONFIG).task.train_pairs.tolist()


@given(
    some.tuples(*[some.one_of(some.none(), some.text(), some.integers(-3, 20), some.lists(some.none()))] * 2),
    some.sampled_from(["train", "test", "any"]),
)
def test_whatever_a_browser_sends_an_allowed_query_is_asked(chosen: tuple[object, object], use: str) -> None:
    view = lab.task_view(CONFIG)
    allowed = allowed_pairs(view.task, use)
    query = settle(chosen, allowed, view)
    assert allowed[query]
    if list(chosen) in np.argwhere(allowed).tolist():
        assert query == chosen


def test_a_run_in_training_shows_its_latest_weights(server: Store, visit: Callable[[str], AppTest]) -> None:
    experiment_id = server.create_experiment(CONFIG)
    base = server.runs(experiment_id)[0]
    for told in train_seeds(CONFIG, BASE, [0], None):
        server.record(base.id, told.event)
        if isinstance(told.event, Checkpoint) and told.event.step == 30:
            break
    page = visit(experiment_id)
    assert any(caption.startswith("Step 30 of 60:") for caption in captions(page))
    assert [info.value for info in page.info] == ["No stored weights; this run is queued."]


def test_runs_without_weights_are_named(server: Store, visit: Callable[[str], AppTest]) -> None:
    page = visit(server.create_experiment(CONFIG))
    assert [info.value for info in page.info] == ["No stored weights; this run is queued."] * 2


def test_without_models_the_page_says_what_to_do(page: AppTest, tiny: str) -> None:
    shown(page.button_group(f"paths:arms:{tiny}").set_value([]))
    assert [info.value for info in page.info] == ["Choose at least one model."]


def test_a_worker_that_fails_is_one_sentence(
    page: AppTest, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("This took longer than 30 seconds, and was given up.")

    monkeypatch.setattr(lab.manager(), "inspect", fail)
    shown(page.button_group("paths:samples").set_value(20))
    (error,) = page.error
    assert "took longer than 30 seconds" in error.value
    assert not page.dataframe
    assert page.selectbox(f"paths:from:{tiny}").value is not None


def test_an_experiment_deleted_meanwhile_leaves_a_page(
    server: Store, visit: Callable[[str], AppTest]
) -> None:
    doomed = train_into(server, CONFIG.model_copy(update={"arms": {}, "seeds": (0,)}))
    page = visit(doomed)
    (run,) = server.runs(doomed)
    for step in server.weight_steps(run.id):
        (server.home / "checkpoints" / run.id / f"{step}.safetensors").unlink()
    shown(page)
    assert [info.value for info in page.info] == ["No stored weights; this run is finished."]
    server.delete_experiment(doomed)
    shown(page)
    assert page.title[0].value == "Paths"


def test_a_graph_without_any_path_is_one_sentence(server: Store, visit: Callable[[str], AppTest]) -> None:
    graph = {"kind": "file", "labels": ["a", "b"], "edges": []}
    page = visit(server.create_experiment(parse({"graph": graph, "arms": {}})))
    (error,) = page.error
    assert error.value.startswith("The graph of this experiment cannot be shown.")


def test_hostile_labels_are_shown_as_they_are(server: Store, visit: Callable[[str], AppTest]) -> None:
    edges = [(i, j) for i in range(6) for j in range(i + 1, 6)]
    graph = {"kind": "file", "labels": HOSTILE, "edges": edges}
    config = parse({"graph": graph, "model": {"kind": "factored"}, "base": {"steps": 1}, "arms": {}})
    page = visit(train_into(server, config))
    names = node_names(HOSTILE)
    assert names[0] == HOSTILE[0]
    assert len(set(names)) == len(HOSTILE)
    texts = [element.value for element in [*page.markdown, *page.caption]]
    for label in HOSTILE:
        assert not any(label in text for text in texts)
    heading = next(text for text in texts if "on the way to" in text)
    for node in query_of(page, page.session_state.experiment):
        assert literal(HOSTILE[node]) in heading


def test_a_node_visited_twice_is_told_apart() -> None:
    assert visit_names([0, 1, 0, 0], ["A", "B"]) == ["A", "B", "A (visit 2)", "A (visit 3)"]
    assert path_text(0, (1, 2), ["A", "B"]) == "A → B → end"
