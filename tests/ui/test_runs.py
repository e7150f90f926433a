"""The Runs page: everything in the store is found, marked, compared and carried elsewhere; the demo stays."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from planviz.config import parse, preset, with_settings
from planviz.events import Evaluation, Finished, Split
from planviz.folders import app_folder
from planviz.limits import PUBLIC
from planviz.runs.bundle_zip import export_zip
from planviz.runs.demo import DEMO_STAYS
from planviz.runs.library import found, headlines
from planviz.runs.store import Store, default_home
from planviz.ui import lab
from planviz.ui.runs.actions import NOT_YOURS, duplicate
from planviz.ui.runs.library import _visible, library_frame, table_key
from planviz.ui.runs.view import FILTERS
from tests.runs import bundles

SPLITS: tuple[Split, ...] = ("train", "test")
HOSTILE = "<b>x</b> **bold** $x$ [a](javascript:alert(1)) :red[y]"


@pytest.fixture(autouse=True)
def _server(home: Path) -> Iterator[None]:
    """A server with a data folder of its own."""
    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    lab.manager().shutdown()
    st.cache_resource.clear()


def visit(**link: str) -> AppTest:
    app = AppTest.from_file(app_folder() / "app.py", default_timeout=60)
    for key, value in link.items():
        app.query_params[key.replace("__", ".")] = value
    app.run()
    app.switch_page("pages/runs.py").run()
    assert not app.exception
    return app


def make(name: str, preset_name: str = "quick", **settings: Any) -> str:
    """A finished experiment in the store, whose every metric is a half."""
    changes = {"name": name} | {key.replace("__", "."): value for key, value in settings.items()}
    key = lab.store().create_experiment(with_settings(preset(preset_name), changes), preset_name)
    values = dict.fromkeys(lab.store().evaluations(lab.demo_id()).columns[8:], 0.5)
    for run in lab.store().runs(key):
        measured = [Evaluation(5, 5, 1.0, split, values) for split in SPLITS]
        lab.store().record_all(run.id, [*measured, Finished(5)])
    return key


def names(app: AppTest) -> list[str]:
    return list(app.dataframe[0].value["name"]) if app.dataframe else []


def select(app: AppTest, *ids: str, show: str = "All") -> AppTest:
    """Select the rows of some experiments."""
    shown = [record for record in lab.store().experiments() if FILTERS[show](record)]
    rows = [place for place, record in enumerate(shown) if record.id in ids]
    app.session_state[table_key(shown)] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    app.run()
    assert not app.exception
    return app


def press(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    return "\n".join(element.value for element in [*app.markdown, *app.caption])


def test_with_only_the_demo_there_is_a_friendly_word_and_a_way_to_train() -> None:
    app = visit()
    assert "So far there is only the demo" in texts(app)
    assert names(app) == ["The demo"]
    press(app, "runs:train")
    assert "Train" in [title.value for title in app.title]


def test_the_table_tells_what_is_in_the_store() -> None:
    key = make(HOSTILE, graph__nodes=12, seeds="3,4")
    lab.store().update_experiment(key, tags=["a", "b"], starred=True)
    app = visit()
    row = app.dataframe[0].value.iloc[0]
    assert (row["★"], row["name"], row["state"], row["seeds"]) == ("★", HOSTILE, "✓ 14 finished", "3, 4")
    assert (row["graph"], row["preset"], list(row["tags"])) == (
        "Acyclic Erdős–Rényi, 12 nodes",
        "quick",
        ["a", "b"],
    )
    assert (row["test accuracy"], row["best"], row["training"]) == (0.5, 0.5, 14.0)
    assert row["size"] == lab.store().size(key) > 0
    assert names(app)[1] == "The demo"


def test_search_and_filter() -> None:
    maze, running = (
        make("my maze", graph__kind="maze"),
        lab.store().create_experiment(preset("paper"), "paper"),
    )
    lab.store().update_experiment(maze, tags=["thesis"], starred=True)
    app = visit()
    for text, expected in [("thesis", ["my maze"]), ("MAZE quick", ["my maze"]), ("nothing at all", [])]:
        app.text_input(key="runs:search").set_value(text).run()
        assert names(app) == expected
    assert "No experiment fits" in app.info[0].value
    app.text_input(key="runs:search").set_value("").run()
    waiting = lab.store().experiment(running).name
    for name, shown in {"Starred": ["my maze"], "Running": [waiting], "Archived": []}.items():
        app.segmented_control(key="runs:filter").set_value(name).run()
        assert names(app) == shown
    assert not app.exception


def test_the_same_list_from_its_link() -> None:
    for name, tags in (
        ("b", ["100%, sure", "x"]),
        ("a", ["100%, sure"]),
        ("other", ["x"]),
        ("c", ["100%, sure"]),
    ):
        lab.store().update_experiment(make(name), tags=tags)
    lab.store().set_state(lab.store().runs(lab.store().experiments()[0].id)[0].id, "failed", "because")
    app = visit()
    app.multiselect(key="runs:tags").set_value(["100%, sure"]).run()
    app.selectbox(key="runs:state").set_value("finished").run()
    app.text_input(key="runs:search").set_value("quick").run()
    app.selectbox(key="runs:sort").set_value("Name").run()
    assert names(app) == ["a", "b", "c"]
    link = {key: value for key, value in app.query_params.items() if key.startswith("runs.")}
    again = visit(**link)
    assert names(again) == ["a", "b", "c"] and not again.warning
    assert {key: again.query_params[key] for key in link} == link

    again.switch_page("pages/build.py").run()
    again.switch_page("pages/runs.py").run()
    assert names(again) == ["a", "b", "c"]

    assert names(visit(runs__state="failed")) == ["c"]
    assert names(visit(runs__sort="Oldest"))[1:] == ["b", "a", "other", "c"]


def test_what_a_link_to_the_list_may_not_say_is_named() -> None:
    make("mine")
    app = visit(
        runs__search="x" * 81, runs__show="<b>", runs__state="happy", runs__tags="a,%2C", runs__sort="'; DROP",
        runs__else="1",
    )  # fmt: skip
    assert names(app) == ["mine", "The demo"]
    told = " ".join(warning.value for warning in app.warning)
    assert told.count("so it is left out") == 5  # not more than so many at once
    assert not [key for key in app.query_params if key.startswith("runs.")]


def test_an_experiment_is_opened_for_the_other_pages() -> None:
    key = make("mine")
    app = press(select(visit(), key), "runs:open")
    assert app.session_state["experiment"] == key
    assert [title.value for title in app.title] == ["Compare"]


def test_renaming_and_what_is_no_name() -> None:
    key = make("before")
    app = press(select(visit(), key), "runs:rename")
    field = app.text_input(key=f"runs:name:{key}")
    assert field.value == "before"
    field.set_value(" ")
    [save] = [button for button in app.button if button.label == "Save"]
    save.click().run()
    assert "1 to 80 are allowed" in app.error[0].value
    app.text_input(key=f"runs:name:{key}").set_value(HOSTILE)
    next(button for button in app.button if button.label == "Save").click().run()
    assert lab.store().experiment(key).name == HOSTILE
    assert names(app)[0] == HOSTILE
    assert not [button for button in app.button if button.label == "Save"]


def test_tags_of_several_at_once() -> None:
    first, second = make("first"), make("second")
    lab.store().update_experiment(first, tags=["own", "common"])
    lab.store().update_experiment(second, tags=["common"])
    app = press(select(visit(), first, second), "runs:tag")
    (tags,) = [widget for widget in app.multiselect if widget.key != "runs:tags"]
    assert tags.value == ["common"]
    tags.set_value(["own"])
    next(button for button in app.button if button.label == "Save").click().run()
    assert [lab.store().experiment(key).tags for key in (first, second)] == [("own",), ("own",)]


def test_stars_and_the_archive_with_undo() -> None:
    keep, key = make("keep"), make(HOSTILE)
    app = press(select(visit(), key), "runs:starred")
    assert lab.store().experiment(key).starred
    press(select(app, key), "runs:archived")
    assert lab.store().experiment(key).archived and not lab.store().experiment(keep).archived
    assert names(app) == ["keep", "The demo"]
    assert "Archived: \\<b\\>x" in texts(app)
    press(app, "runs:undo")
    assert not lab.store().experiment(key).archived
    assert names(app) == [HOSTILE, "keep", "The demo"]
    assert not [button for button in app.button if button.key == "runs:undo"]

    press(select(app, key, keep), "runs:archived")
    app.segmented_control(key="runs:filter").set_value("Archived").run()
    assert names(app) == [HOSTILE, "keep"]
    press(select(app, key, show="Archived"), "runs:archived")
    assert not lab.store().experiment(key).archived and lab.store().experiment(keep).archived


def test_deleting_names_what_goes_and_can_be_cancelled() -> None:
    keep, key = make("keep"), make(HOSTILE)
    app = select(visit(), key)
    press(app, "runs:open")
    app.switch_page("pages/runs.py").run()
    press(select(app, key), "runs:delete")
    assert "\\<b\\>x" in texts(app) and "7 runs" in texts(app) and "cannot be undone" in texts(app)
    press(app, "runs:cancel")
    assert lab.exists(key)
    press(select(app, key), "runs:delete")
    press(app, "runs:delete-now")
    assert not lab.exists(key) and lab.exists(keep)
    assert names(app) == ["keep", "The demo"]
    assert app.session_state["experiment"] is None
    assert not app.warning


def test_the_demo_cannot_be_changed() -> None:
    app = select(visit(), lab.demo_id())
    for key in ("rename", "tag", "starred", "archived", "delete"):
        button = app.button(key=f"runs:{key}")
        assert (button.disabled, button.help) == (True, DEMO_STAYS)
    assert not app.button(key="runs:open").disabled


def test_what_was_interrupted_is_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    key, done = make("cut off"), make("done")
    lab.store().set_state(lab.store().runs(key)[1].id, "interrupted", "closed")
    resumed: list[str] = []
    monkeypatch.setattr(lab.manager(), "resume_all", resumed.append)
    app = select(visit(), done)
    assert not [button for button in app.button if button.key == "runs:resume"]
    press(select(app, done, key), "runs:resume")
    assert resumed == [key]


def test_a_copy_of_the_settings_goes_to_build() -> None:
    key = make("x" * 80, "blocksworld", graph__blocks=3)
    app = press(select(visit(), key), "runs:duplicate")
    draft = app.session_state["draft"]
    assert draft.name == "x" * 73 + " (copy)"
    assert (draft.graph.blocks, app.session_state["preset"]) == (3, "blocksworld")
    assert [title.value for title in app.title] == ["Build"]


def test_a_copy_of_what_came_from_an_unknown_preset() -> None:
    key = lab.store().create_experiment(parse({"arms": {"pg": {"method": "pg"}}}), "<script>")
    app = press(select(visit(), key), "runs:duplicate")
    assert app.session_state["preset"] == "quick"
    assert app.session_state["arms"] == ["pg"]
    assert duplicate.__doc__


def test_two_experiments_side_by_side() -> None:
    first, second = make("same"), make("same", model__width=32)
    app = select(visit(), first, second)
    differs, final = app.dataframe[1].value, app.dataframe[2].value
    assert differs.to_dict("index") == {
        "model.width": {f"same ({second[:6]})": "32", f"same ({first[:6]})": "64"}
    }
    assert list(final.xs(("pg", "test sampled"))) == ["50%", "50%"]
    app = select(app, second, lab.demo_id())
    assert "–" not in set(app.dataframe[1].value.to_numpy().ravel())


def test_three_of_which_nothing_was_measured() -> None:
    keys = [lab.store().create_experiment(preset("quick")) for _ in range(3)]
    app = select(visit(), *keys)
    assert [info.value for info in app.info] == [
        "All their settings are the same.",
        "Nothing has been measured yet.",
    ]


def test_an_export_is_imported_here(tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    key = bundles.trained(other)
    other.update_experiment(key, name=HOSTILE)
    packed = io.BytesIO()
    export_zip(other, key, packed)
    app = visit()
    app.file_uploader[0].set_value(("one.zip", packed.getvalue(), "application/zip")).run()
    assert not app.exception
    assert "Imported: \\<b\\>x" in texts(app)
    assert names(app) == [HOSTILE, "The demo"]
    press(select(app, lab.store().experiments()[0].id), "runs:open")
    for page in ("train", "paths", "compare", "runs"):  # it was measured in part only
        assert not app.switch_page(f"pages/{page}.py").run().exception
    app.file_uploader[0].set_value(("<b>.zip", b"no archive", "application/zip")).run()
    assert "**\\<b\\>\\.zip** was not imported. The file is no" in texts(app)
    assert names(app) == [HOSTILE, "The demo"]
    other.close()


def test_on_a_public_server_nothing_of_others_is_listed_or_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PUBLIC, "1")
    others, linked = make("others"), make("linked")
    app = visit()
    assert names(app) == ["The demo"]
    mine = lab.store().create_experiment(preset("quick"), session=app.session_state["session_id"])
    app.session_state["opened"] = [linked]
    app.run()
    assert set(names(app)) == {"The demo", "linked", lab.store().experiment(mine).name}
    records = lab.store().experiments()
    shown = _visible(records, [linked], app.session_state["session_id"])
    assert [record.id for record in shown] == [mine, linked, lab.demo_id()]
    app.session_state[table_key(shown)] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    app.run()
    assert app.button(key="runs:delete").disabled and app.button(key="runs:delete").help == NOT_YOURS
    app.session_state[table_key(shown)] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    app.run()
    assert not app.button(key="runs:delete").disabled
    assert lab.exists(others)


def test_the_library_of_five_hundred_experiments_opens_quickly() -> None:
    """Once their headlines are kept; the first time they are taken together."""
    store = Store(default_home())
    for number in range(500):
        store.create_experiment(with_settings(preset("quick"), {"name": f"number {number}"}), "quick")
    headlines(store)
    store.experiments()
    begin = time.process_time()
    frame = library_frame(found(store.experiments(), "acyclic number"), headlines(store))
    assert time.process_time() - begin < 0.5
    assert len(frame) == 500
    store.close()
