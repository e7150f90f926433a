"""The Mechanism page: what is on the screen is what the weights say, and no state of an experiment breaks it."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from planviz.config import ExperimentConfig, parse
from planviz.events import Changed, Checkpoint
from planviz.folders import app_folder
from planviz.learned import errors, exact_table, learned_table
from planviz.mechanism import edge_auc, edge_groups
from planviz.probing import path_shares, probe
from planviz.runs.store import Store
from planviz.ui import lab
from planviz.ui.mechanism.collapse import path_name
from planviz.ui.mechanism.models import MAX_PROBED, most_varied, probed_targets
from planviz.ui.text import literal
from tests.ui.servers import serving, train_into

SETTINGS: dict[str, Any] = {
    "name": "tiny",
    "graph": {"kind": "acyclic", "nodes": 12, "density": 0.4, "seed": 1},
    "model": {"kind": "factored"},
    "base": {"steps": 60, "learning_rate": 0.05},
    "arms": {
        "pg": {"method": "pg", "steps": 30, "learning_rate": 0.05},
        "q": {"method": "q", "steps": 30, "learning_rate": 0.05},
    },
    "evaluation": {"evaluations": 2, "pairs": 10, "samples": 5},
    "seeds": [0, 1],
}
CYCLIC = {
    "graph": {"kind": "directed", "nodes": 6, "density": 0.4},
    "model": {"kind": "tabular"},
    "arms": {"q": {"method": "q", "steps": 5, "discount": 0.9, "reward": "outcome"}},
}
BLOCKS = {
    "graph": {"kind": "blocksworld", "blocks": 3},
    "model": {"kind": "transformer", "width": 8, "layers": 2, "heads": 2},
    "arms": {"q": {"method": "q", "steps": 5}},
}
SECTIONS = ("values", "weights", "found", "collapse")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A data folder, and the ids of what was trained there."""
    folder = tmp_path_factory.mktemp("mechanism-home")
    store, short = Store(folder), {"base": {"steps": 5}, "seeds": [0]}
    ids = {"tiny": train_into(store, parse(SETTINGS))}
    for name, changes in (("cyclic", CYCLIC), ("blocks", BLOCKS)):
        ids[name] = train_into(store, parse(SETTINGS | short | changes))
    return folder, ids


@pytest.fixture
def server(trained: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store of a server that works on the data folder of `trained`."""
    with serving(trained[0], monkeypatch) as store:
        yield store


@pytest.fixture
def visit(server: Store) -> Callable[..., AppTest]:
    """Opens the Mechanism page on an experiment, in one of its sections."""

    def visit(experiment_id: str, section: str = "values") -> AppTest:
        page = AppTest.from_file(app_folder() / "app.py", default_timeout=60)
        page.query_params["experiment"] = experiment_id
        page.run()
        shown(page.switch_page("pages/mechanism.py"))
        if section != "values":
            shown(page.button_group("mechanism:section").set_value(section))
        return page

    return visit


def shown(changed: Any) -> AppTest:
    """The page after one of its widgets, or all of it, was run; it has no exception."""
    page: AppTest = changed.run()
    assert not page.exception
    return page


def traces(page: AppTest, key: str) -> list[dict[str, Any]]:
    """The traces of a chart on the page."""
    (found,) = [element for element in page.get("bidi_component") if f"-mechanism:{key}" in element.proto.id]
    data: list[dict[str, Any]] = json.loads(json.loads(found.proto.json)["figure"])["data"]
    return data


def numbers(encoded: Any) -> np.ndarray[tuple[int, ...], np.dtype[Any]]:
    """An array as plotly writes it."""
    if not isinstance(encoded, dict):
        return np.array(encoded, dtype=float)
    found = np.frombuffer(base64.b64decode(encoded["bdata"]), encoded["dtype"])
    shape = encoded.get("shape")
    return found.reshape([int(side) for side in shape.split(",")]) if shape else found


def weights_of(store: Store, experiment_id: str, arm: str, seed: int = 0) -> list[tuple[str, bytes]]:
    """All weights of a run over its training, each with the arm."""
    (run,) = [run for run in store.runs(experiment_id) if (run.arm, run.seed) == (arm, seed)]
    return [(arm, store.weights(run.id, step)) for step in store.weight_steps(run.id)]


def target_of(page: AppTest, experiment_id: str) -> int:
    """The target in the picker."""
    target = page.selectbox(f"mechanism:target:{experiment_id}").value
    assert isinstance(target, int)
    return target


def words(page: AppTest) -> str:
    return "\n".join(text.value for text in [*page.markdown, *page.caption, *page.info, *page.error])


def test_matrices_are_what_the_weights_answer(
    visit: Callable[..., AppTest], server: Store, trained: tuple[Path, dict[str, str]]
) -> None:
    tiny = trained[1]["tiny"]
    page = visit(tiny)
    config = server.experiment(tiny).config
    task = lab.task_view(config).task
    target = target_of(page, tiny)
    assert (task.train_pairs[:, 1] == target).sum() == np.bincount(task.train_pairs[:, 1]).max()
    for arm in ("base", "q"):
        (asked,) = probe(config, weights_of(server, tiny, arm)[-1:], [target])
        rows = [int(name) for name in traces(page, f"learned:{arm}")[0]["y"]]
        assert rows == np.flatnonzero(task.distance[:, target] > 0).tolist()
        learned, exact = (
            learned_table(config.arm(arm), asked)[0],
            exact_table(task, config.arm(arm), [target])[0],
        )
        for kind, expected in (("learned", learned), ("exact", exact), ("difference", learned - exact)):
            cells = numbers(traces(page, f"{kind}:{arm}")[0]["z"])
            np.testing.assert_allclose(cells, expected[rows], atol=1e-5)
        assert f"largest error **{errors(learned, exact).largest:.2f}**" in words(page)


def test_the_slider_goes_back_in_training(
    visit: Callable[..., AppTest], server: Store, trained: tuple[Path, dict[str, str]]
) -> None:
    tiny = trained[1]["tiny"]
    page = visit(tiny)
    shown(page.select_slider[0].set_value(0))
    target, config = target_of(page, tiny), server.experiment(tiny).config
    (asked,) = probe(config, weights_of(server, tiny, "q")[:1], [target])
    rows = [int(name) for name in traces(page, "learned:q")[0]["y"]]
    np.testing.assert_allclose(
        numbers(traces(page, "learned:q")[0]["z"]), asked.logits[0, rows, :12], atol=1e-5
    )
    assert "Step 0 of 30" in words(page)


def test_edges_recovered_are_those_of_the_weights(
    visit: Callable[..., AppTest], server: Store, trained: tuple[Path, dict[str, str]]
) -> None:
    tiny = trained[1]["tiny"]
    page = visit(tiny, "weights")
    config = server.experiment(tiny).config
    task = lab.task_view(config).task
    groups = [name for name, edges in edge_groups(task).items() if edges.any()]
    lines = {line["name"]: line["y"] for line in traces(page, "auc")}
    assert set(lines) == {"base", "pg", "q"}
    for arm, found in lines.items():
        targets = probed_targets(task)
        (asked,) = probe(config, weights_of(server, tiny, arm)[-1:], targets)
        expected = edge_auc(task, asked.logits, targets)
        np.testing.assert_allclose(numbers(found), [expected[group] for group in groups])
    assert numbers(traces(page, "edges:truth")[0]["z"]).tolist() == task.adjacency.tolist()
    for group in (*groups, "all"):
        shown(page.button_group("mechanism:group").set_value(group))
        assert len(traces(page, "roc")) == 4


def test_bands_are_the_probabilities_of_the_paths(
    visit: Callable[..., AppTest], server: Store, trained: tuple[Path, dict[str, str]]
) -> None:
    tiny = trained[1]["tiny"]
    page = visit(tiny, "collapse")
    shown(page.selectbox(f"mechanism:seed:{tiny}").set_value(1))
    config, view = server.experiment(tiny).config, lab.task_view(server.experiment(tiny).config)
    state = page.session_state
    pair = state[f"mechanism:from:{tiny}"], state[f"mechanism:to:{tiny}"]
    assert pair == most_varied(view)
    expected = path_shares(config, weights_of(server, tiny, "pg", seed=1), *pair, 200)
    bands = [trace for trace in traces(page, "collapse") if trace["stackgroup"] == "paths0"]
    np.testing.assert_allclose(np.sum([numbers(band["y"]) for band in bands], axis=0), 1, atol=1e-9)
    by_name = {band["name"]: numbers(band["y"]) for band in bands}
    np.testing.assert_allclose(by_name["not correct"], expected.wrong, atol=1e-6)
    names = [str(node) for node in range(12)]
    compared = 0
    for index, path in enumerate(expected.paths):
        if (name := path_name(path, names)) in by_name:
            np.testing.assert_allclose(by_name[name], expected.shares[:, index], atol=1e-6)
            compared += 1
    assert compared >= 2


def test_what_was_found_is_drawn_up_to_what_exists(
    visit: Callable[..., AppTest], trained: tuple[Path, dict[str, str]]
) -> None:
    page = visit(trained[1]["tiny"], "found")
    for metric in ("paths_found", "triples_found"):
        lines = [line for line in traces(page, metric) if line.get("name") == "pg"]
        assert lines and (np.diff(numbers(lines[-1]["y"])) >= 0).all()


def test_experiments_that_were_trained_before_say_so(
    visit: Callable[..., AppTest],
    server: Store,
    monkeypatch: pytest.MonkeyPatch,
    trained: tuple[Path, dict[str, str]],
) -> None:
    old = lab.evaluations(trained[1]["tiny"]).drop(columns=["paths_found", "triples_found"])
    monkeypatch.setattr(lab, "evaluations", lambda _: old)
    page = visit(trained[1]["tiny"], "found")
    assert "trained before planviz counted" in words(page)
    assert next(metric.label for metric in page.metric) == "Different paths in the SFT text"


@pytest.mark.parametrize("name", ["cyclic", "blocks"])
def test_every_section_works_for(
    name: str, visit: Callable[..., AppTest], trained: tuple[Path, dict[str, str]]
) -> None:
    page = visit(trained[1][name])
    for section in SECTIONS:
        shown(page.button_group("mechanism:section").set_value(section))
        assert not page.error
        if section == "weights":
            drawn = [element.proto.id for element in page.get("bidi_component")]
            assert any("mechanism:attention" in key for key in drawn) == (name == "blocks")
    assert traces(page, "collapse")


def test_the_page_is_found_again_in_the_url(
    visit: Callable[..., AppTest], trained: tuple[Path, dict[str, str]]
) -> None:
    tiny = trained[1]["tiny"]
    page = visit(tiny)
    assert not [name for name in page.query_params if name.startswith("mechanism.")]
    target = page.selectbox(f"mechanism:target:{tiny}").options
    shown(page.selectbox(f"mechanism:target:{tiny}").select(target[2]))
    shown(page.select_slider[0].set_value(1))
    shown(page.selectbox(f"mechanism:seed:{tiny}").set_value(1))
    shown(page.button_group(f"mechanism:arms:{tiny}").set_value(["q"]))
    shown(page.button_group("mechanism:section").set_value("collapse"))
    sources = page.selectbox(f"mechanism:from:{tiny}").options
    shown(page.selectbox(f"mechanism:from:{tiny}").select(sources[0]))
    again = AppTest.from_file(app_folder() / "app.py", default_timeout=60)
    for name, value in page.query_params.items():
        again.query_params[name] = value
    again.run()
    shown(again.switch_page("pages/mechanism.py"))
    wanted = ("arms", "seed", "target", "progress", "from", "to")
    assert len([name for name in again.query_params if name.startswith("mechanism.")]) == 6
    for name in wanted:
        assert (
            again.session_state[f"mechanism:{name}:{tiny}"] == page.session_state[f"mechanism:{name}:{tiny}"]
        )
    assert again.session_state["mechanism:section"] == "collapse" and not again.warning


@pytest.mark.parametrize(
    "link",
    [
        {"section": "nothing", "models": "evil,", "seed": "7", "target": "0-1", "pair": "1-1"},
        {"target": "99999999999", "pair": "3", "progress": "-1", "seed": "", "<b>": "x"},
    ],
)
def test_what_a_link_says_that_is_not_there_is_named(
    link: dict[str, str], server: Store, trained: tuple[Path, dict[str, str]]
) -> None:
    page = AppTest.from_file(app_folder() / "app.py", default_timeout=60)
    page.query_params["experiment"] = trained[1]["tiny"]
    for name, value in link.items():
        page.query_params[f"mechanism.{name}"] = value
    page.run()
    shown(page.switch_page("pages/mechanism.py"))
    told = [warning.value for warning in page.warning]
    assert len(told) == len(link)
    for name, value in link.items():
        sentence = f"mechanism.{name} = {value!r} is not known here, so it is left out."
        assert any(literal(sentence) in each for each in told)


def test_a_reward_that_changed_has_other_exact_values(visit: Callable[..., AppTest], server: Store) -> None:
    changed = train_into(server, parse(SETTINGS | {"seeds": [0], "base": {"steps": 3}}))
    (run,) = [run for run in server.runs(changed) if run.arm == "q"]
    server.record(run.id, Changed(15, {"reward": "outcome"}))
    page = visit(changed)
    after = numbers(traces(page, "exact:q")[0]["z"])
    shown(page.select_slider[0].set_value(1))
    at_15 = numbers(traces(page, "exact:q")[0]["z"])
    # Paid only for arriving, every next node is worth as much: the edge is not told from the jump.
    assert np.nanmin(after) == 1 and np.nanmin(at_15) == -1


def test_no_model_chosen_is_said(visit: Callable[..., AppTest], trained: tuple[Path, dict[str, str]]) -> None:
    tiny = trained[1]["tiny"]
    page = visit(tiny)
    for section in SECTIONS:
        shown(page.button_group("mechanism:section").set_value(section))
        shown(page.button_group(f"mechanism:arms:{tiny}").set_value([]))
        assert "Choose at least one model" in words(page)


def test_before_anything_is_stored_every_section_says_so(
    visit: Callable[..., AppTest], server: Store
) -> None:
    waiting = server.create_experiment(parse(SETTINGS))
    page = visit(waiting)
    for section in SECTIONS:
        shown(page.button_group("mechanism:section").set_value(section))
        assert page.info and not page.error


def test_weights_that_went_away_or_fit_no_model_are_told(
    visit: Callable[..., AppTest], server: Store, trained: tuple[Path, dict[str, str]]
) -> None:
    lost = train_into(server, parse(SETTINGS | {"seeds": [0], "arms": {}, "base": {"steps": 3}}))
    (run,) = server.runs(lost)
    server.record(run.id, Checkpoint(3, b"no weights", b""))
    page = visit(lost)
    for section in ("values", "weights", "collapse"):
        shown(page.button_group("mechanism:section").set_value(section))
        assert "could not be asked" in words(page)
    for folder in trained[0].rglob(run.id):
        shutil.rmtree(folder)
    assert "No weights are stored of base" in words(
        shown(page.button_group("mechanism:section").set_value("values"))
    )
    server.delete_experiment(lost)
    shown(page)


def test_of_a_large_graph_some_targets_are_probed(server: Store) -> None:
    large = ExperimentConfig().graph.model_copy(update={"nodes": 400, "density": 0.01})
    config = parse({"graph": large.model_dump(), "split": {"train_share": 0.01, "paths_per_pair": 1}})
    task = lab.task_view(config).task
    targets = probed_targets(task)
    assert 1 <= len(targets) == MAX_PROBED // (400 * 401)
    other = next(int(node) for node in range(400) if node not in targets)
    assert other in probed_targets(task, other) and len(probed_targets(task, other)) == len(targets)
