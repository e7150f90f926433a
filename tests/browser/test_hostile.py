"""Hostile text through every way in, in a real browser: it is shown as text, runs nothing, and reaches no file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import networkx as nx
import pytest
from playwright.sync_api import Page, expect

from planviz.figures.picture import write_picture
from planviz.graphs.files import write_graph
from planviz.runs.bundle_zip import export_zip
from planviz.runs.records import MAX_TAG
from planviz.runs.store import Store
from tests.browser.waiting import listed, searched, select, settled
from tests.runs import bundles

HOSTILE = (
    "<img src=x onerror=window.hacked=1>",
    '"><script>window.hacked=1</script>',
    "<svg onload=window.hacked=1>",
    "[x](javascript:window.hacked=1) ![y](http://evil.example/z.png)",
    "'; DROP TABLE runs; --",
    "../../../hacked",
    "$(touch hacked) `touch hacked`",
    "{{7*7}} $hacked$ %s",
    "\u202egnihton\u202c \u0000\u0007",
)


@pytest.fixture(autouse=True)
def _nothing_else_is_asked(page: Page, problems: list[str]) -> Iterator[None]:
    """No script ran at the end, and nothing was asked of another server."""
    page.on(
        "request",
        lambda request: problems.append(request.url) if "evil" in urlsplit(request.url).netloc else None,
    )
    yield
    unharmed(page)


def unharmed(page: Page) -> None:
    """No hostile script has run in any frame, and the page shows no traceback."""
    for frame in page.frames:
        assert frame.evaluate("window.hacked") is None
    expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.fixture
def outside(app_home: Path) -> Iterator[None]:
    """Nothing appears outside the data folder: neither beside it nor in the app's own folder."""
    folders = [app_home.parent, Path.cwd()]
    before = {folder: {path.name for path in folder.iterdir()} for folder in folders}
    yield
    for folder in folders:
        new = {path.name for path in folder.iterdir()} - before[folder]
        assert not any("hacked" in name or "evil" in name for name in new)
    assert not list(app_home.rglob("*hacked*"))


@pytest.mark.usefixtures("outside")
def test_links(page: Page, app_server: str) -> None:
    keys = (
        "preset",
        "experiment",
        "arms",
        "graph.kind",
        "graph.nodes",
        "split.kind",
        "name",
        "seeds",
        "<b>key</b>",
    )
    for at, path in enumerate(("", "build", "train", "compare", "paths")):
        texts = (*HOSTILE[at:], *HOSTILE[:at])  # each page has another text for every key
        query = "&".join(f"{quote(key)}={quote(text)}" for key, text in zip(keys, texts, strict=True))
        page.goto(f"{app_server}/{path}?{query}")
        settled(page)
        unharmed(page)
    page.goto(f"{app_server}/train?name={quote(HOSTILE[0])}")
    settled(page)


@pytest.mark.usefixtures("outside")
def test_labels_from_files_and_by_hand(page: Page, app_server: str, tmp_path: Path) -> None:
    graph: nx.DiGraph[int] = nx.DiGraph(kind="file")
    graph.add_nodes_from((node, {"label": text}) for node, text in enumerate(HOSTILE))
    graph.add_edges_from((u, v) for u in graph for v in graph if u < v)
    page.goto(f"{app_server}/build?split.train_share=0.5")
    settled(page)
    page.get_by_role("tab", name="Files").click()
    for name in ("graph.graphml", "graph.json", "graph.dot", "graph.csv"):
        file = tmp_path / f"{'<b>x'}{name}"
        file.write_bytes(write_graph(name, graph))
        page.locator("input[type=file]").first.set_input_files(file)
        page.wait_for_function(
            f"document.querySelector('.planviz-editor')?.planvizEditor?.labels.length === {len(HOSTILE)}"
        )
        settled(page)
        unharmed(page)
    # every node and pair is looked at: tooltips, the pair's sentence, the matrix, the table of texts
    editor = "document.querySelector('.planviz-editor').planvizEditor"
    for node in range(3):
        page.evaluate(f"{editor}.ask([{node}, {node + 1}])")
        page.evaluate(f"document.body.append({editor}.nodes.get({node}).title)")
        expect(page.get_by_text("Shortest path").first).to_be_visible()
        settled(page)
        unharmed(page)

    page.get_by_role("tab", name="Edges").click()
    page.get_by_role("button", name="Paste a list of edges").click()
    page.get_by_role("textbox", name="One edge a line").fill("\n".join(f"{text},ok" for text in HOSTILE[:4]))
    page.get_by_role("button", name="Make it the graph").click()
    settled(page)
    unharmed(page)


@pytest.mark.usefixtures("outside")
def test_settings_and_the_paths_of_a_hostile_graph(page: Page, app_server: str) -> None:
    page.goto(
        f"{app_server}/train?arms=sft&graph.nodes=8&graph.density=0.7&base.steps=5&arms.sft.steps=5&model.width=8"
    )
    settled(page)
    page.get_by_text("Settings", exact=True).click()
    for text in HOSTILE[:7]:
        seeds = page.get_by_role("textbox", name="Seeds")
        seeds.fill(text)
        seeds.press("Enter")
        settled(page)
        unharmed(page)
    page.goto(f"{app_server}/paths")
    settled(page)
    unharmed(page)


@pytest.mark.usefixtures("outside")
def test_names_and_tags_of_runs(page: Page, app_server: str, app_home: Path, tmp_path: Path) -> None:
    page.goto(
        f"{app_server}/runs?" + "&".join(f"runs.{key}={quote(HOSTILE[0])}" for key in ("show", "tags", "<b>"))
    )
    settled(page)
    unharmed(page)

    # bundles whose name, tags and labels are hostile, from files whose names are
    store, told = Store(app_home), [text for text in HOSTILE if text.isprintable()]
    for at, text in enumerate(told):
        key = bundles.trained(store, labels=[*told, "x", "y"])
        store.update_experiment(key, name=text, tags=[text[:MAX_TAG].strip()])
        file = tmp_path / f"'; rm -rf <b>hacked {at}.zip"
        with file.open("wb") as packed:
            export_zip(store, key, packed)
        store.delete_experiment(key)
        if at == 0:
            page.get_by_role("button", name="Import").click()
        page.locator("input[type=file]").set_input_files(file)
        expect(page.get_by_text(f"Imported: {text}")).to_be_visible()
        settled(page)  # with an uploader that is empty again
    settled(page)
    unharmed(page)
    assert {record.name for record in store.experiments()} > set(told)

    # searched, renamed and tagged
    page.goto(f"{app_server}/runs")  # without the open popover
    for text in HOSTILE:
        searched(page, "".join(c for c in text if c.isprintable()))
        unharmed(page)
    searched(page, "svg onload")
    listed(page, "<svg onload=window.hacked=1>")
    select(page, 0)
    name, tag = "'); DELETE FROM runs; --<img src=x onerror=window.hacked=1>", "<i>&&%2e%2e"
    page.get_by_role("button", name="Rename").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    searched(page, "delete from runs")
    listed(page, name)  # and the row stays ticked
    page.get_by_test_id("stMain").get_by_role("button", name=re.compile("Tag$")).first.click()
    chosen = dialog.get_by_role("combobox")
    chosen.fill(tag)
    chosen.press("Enter")
    chosen.press("Tab")  # closes the menu, which covers the button
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    (renamed,) = [record for record in store.experiments() if record.name == name]
    assert tag in renamed.tags
    unharmed(page)

    # looked at on every page, and exported as a page of its own, which is then opened as a file
    for path in ("train", "compare", "paths"):
        page.goto(f"{app_server}/{path}?experiment={renamed.id}")
        settled(page)
        unharmed(page)
    page.goto(f"{app_server}/compare?experiment={renamed.id}")
    with page.expect_download() as download:
        page.get_by_role("button", name="Charts as HTML").click()
    download.value.save_as(tmp_path / "charts.html")
    page.goto((tmp_path / "charts.html").as_uri())
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    unharmed(page)
    store.close()


@pytest.mark.parametrize("ending", [".html", ".svg"])
def test_exported_pictures(page: Page, tmp_path: Path, ending: str) -> None:
    graph: nx.DiGraph[int] = nx.DiGraph(kind="file")
    graph.add_nodes_from((node, {"label": text}) for node, text in enumerate(HOSTILE))
    graph.add_edges_from((u, u + 1) for u in range(len(HOSTILE) - 1))
    file = tmp_path / f"picture{ending}"
    file.write_bytes(write_picture(file.name, graph))
    page.goto(file.as_uri())
    page.wait_for_load_state()
    assert page.evaluate("window.hacked") is None
    if ending == ".html":
        expect(page.locator("canvas")).to_be_visible()
