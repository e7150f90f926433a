"""The Runs page as a person uses it: search, rename, archive and undo, delete after a question, export and import."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from planviz.runs.store import Store
from tests.browser.waiting import listed, select
from tests.runs import bundles

HOSTILE = "<img src=x onerror=alert(1)> **bold** $x$"


@pytest.fixture
def store(page: Page, app_server: str, app_home: Path) -> Iterator[Store]:
    """The store of the server: with the demo, which the first visit brings, and nothing of earlier tests."""
    open_runs(page, app_server)
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    store = Store(app_home)
    for record in store.experiments():
        if not record.id.startswith("demo-"):
            store.delete_experiment(record.id)
    yield store
    store.close()


def make(store: Store, name: str, **settings: Any) -> str:
    key = bundles.trained(store, **settings)
    for run in store.runs(key):
        if run.state == "queued":
            store.set_state(run.id, "stopped", "Stopped before it began.")
    store.update_experiment(key, name=name)
    return key


def open_runs(page: Page, app_server: str) -> None:
    page.goto(f"{app_server}/runs")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Runs")


def press(page: Page, name: str) -> None:
    page.get_by_test_id("stMain").get_by_role("button", name=re.compile(rf"{name}$")).first.click()


def test_search_rename_archive_undo_and_delete(page: Page, app_server: str, store: Store) -> None:
    key = [make(store, name) for name in ("old one", "new one")][1]
    open_runs(page, app_server)
    listed(page, "new one", "old one", "The demo")

    # search: while it is typed
    search = page.get_by_label("Search", exact=True)
    search.press_sequentially("new")
    listed(page, "new one")

    # rename to something hostile, which stays text
    select(page, 0)
    press(page, "Rename")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(HOSTILE)
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("No experiment fits the search")).to_be_visible()
    search.fill("")
    listed(page, HOSTILE, "old one", "The demo")
    assert store.experiment(key).name == HOSTILE

    # archive, see it in the archive, and undo
    select(page, 0)
    press(page, "Archive")
    listed(page, "old one", "The demo")
    assert store.experiment(key).archived
    expect(page.get_by_text(f"Archived: {HOSTILE}.")).to_be_visible()
    press(page, "Undo")
    listed(page, HOSTILE, "old one", "The demo")
    assert not store.experiment(key).archived

    # delete: first not, then yes
    select(page, 1)
    press(page, "Delete")
    expect(dialog).to_contain_text("old one: 3 runs")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert len(store.experiments()) == 3
    press(page, "Delete")
    dialog.get_by_role("button", name="Delete").click()
    listed(page, HOSTILE, "The demo")
    assert {record.id for record in store.experiments()} == {key, *demo(store)}


def demo(store: Store) -> set[str]:
    return {record.id for record in store.experiments() if record.id.startswith("demo-")}


def test_an_export_comes_back_by_import(page: Page, app_server: str, store: Store, tmp_path: Path) -> None:
    key = make(store, HOSTILE, model="tabular", nodes=80)  # larger than the files with graphs may be
    store.update_experiment(key, tags=["thesis"], starred=True)
    open_runs(page, app_server)
    listed(page, HOSTILE, "The demo")
    select(page, 0)
    press(page, "Export")
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("Everything")).click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.stat().st_size > 6_000_000
    store.delete_experiment(key)

    open_runs(page, app_server)
    listed(page, "The demo")
    press(page, "Import")
    page.locator("input[type=file]").set_input_files(file)
    listed(page, HOSTILE, "The demo")
    expect(page.get_by_text(f"Imported: {HOSTILE}.")).to_be_visible()
    (record,) = [record for record in store.experiments() if record.id not in demo(store)]
    assert (record.name, record.tags, record.starred) == (HOSTILE, ("thesis",), True)
    assert len(store.evaluations(record.id)) == 8

    (tmp_path / "bad.zip").write_bytes(file.read_bytes()[:-50])
    page.locator("input[type=file]").set_input_files(tmp_path / "bad.zip")
    expect(page.get_by_text("bad.zip was not imported. The file is no .zip archive")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wider_than_a_narrow_screen(
    browser: Browser, app_server: str, store: Store, theme: str
) -> None:
    make(store, "a name that is much longer than a narrow screen is wide, as names may be ")
    context = browser.new_context(viewport={"width": 500, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
    page = context.new_page()
    open_runs(page, app_server)
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    select(page, 0)
    expect(page.get_by_role("button", name=re.compile("Delete$"))).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 500
    context.close()
