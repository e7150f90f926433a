"""A graph drawn by hand as a person does it: mouse, keyboard, undo, the table beside it, and files."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from planviz.graphs.files import read_graph
from tests.browser.waiting import settled

EDITOR = "document.querySelector('.planviz-editor')?.planvizEditor"


def open_build(page: Page, app_server: str, query: str) -> None:
    page.goto(f"{app_server}/build?{query}")
    wait_for(page, "editor.labels.length > 0")


def wait_for(page: Page, condition: str) -> None:
    """Until the condition holds for the `editor`, and the server has answered all edits."""
    page.wait_for_function(
        f"(() => {{ const editor = {EDITOR}; return editor?.data && !editor.pending.length && ({condition}) }})()"
    )


def drawn(page: Page) -> dict[str, Any]:
    told: dict[str, Any] = page.evaluate(
        f"(() => {{ const editor = {EDITOR};"
        " return { labels: editor.labels, edges: editor.ends, query: editor.query, path: editor.path } })()"
    )
    return told


def place(page: Page, node: int) -> tuple[float, float]:
    """Where a node is on the screen."""
    x, y = page.evaluate(
        f"(node) => {{ const editor = {EDITOR}; const box = editor.canvas.getBoundingClientRect();"
        " const at = editor.network.canvasToDOM(editor.network.getPosition(node));"
        " return [box.left + at.x, box.top + at.y] }",
        node,
    )
    return x, y


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=4)
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def tool(page: Page, name: str) -> None:
    page.get_by_role("toolbar", name="Edit the graph").get_by_role("button", name=name, exact=True).click()


def tile(page: Page, name: str) -> Any:
    return page.get_by_test_id("stMetric").filter(has_text=name)


def wait_for_table(page: Page, names: list[str]) -> None:
    """Until a table on the page has these names in its cells, row by row, as a screen reader finds them."""
    page.wait_for_function(
        "(names) => [...document.querySelectorAll('[data-testid=stDataFrame] canvas')].some((table) => JSON.stringify("
        "[...table.querySelectorAll('[role=gridcell]')].map((cell) => cell.textContent)) === JSON.stringify(names))",
        arg=names,
    )


def test_a_graph_is_drawn_with_the_mouse_undone_and_listed_in_the_table(page: Page, app_server: str) -> None:
    open_build(page, app_server, "graph.kind=grid&graph.rows=2&graph.columns=2")
    page.get_by_role("combobox", name=re.compile("Kind of graph")).click()
    page.get_by_role("option", name="Your own").click()
    page.get_by_role("button", name="Begin with an empty graph").click()
    wait_for(page, "editor.labels.length === 2 && editor.ends.length === 0")
    expect(page.get_by_text("0 pairs of nodes have a path between them")).to_be_visible()

    # a node by clicking, edges by dragging and by clicking on one node and then on the other
    tool(page, "Node")
    left, right = place(page, 0), place(page, 1)
    page.mouse.click((left[0] + right[0]) / 2, left[1] - 120)
    wait_for(page, "editor.labels.length === 3")
    tool(page, "Edge")
    drag(page, place(page, 0), place(page, 2))
    wait_for(page, "editor.ends.length === 1")
    page.mouse.click(*place(page, 2))
    page.mouse.click(*place(page, 1))
    wait_for(page, "editor.ends.length === 2")
    assert drawn(page)["edges"] == [[0, 2], [2, 1]]
    expect(tile(page, "Reachable pairs")).to_contain_text("3")
    expect(tile(page, "Reachable pairs")).to_contain_text("+2 pairs")

    # the table beside it shows the same edges
    page.get_by_role("tab", name="Edges").click()
    wait_for_table(page, ["0", "2", "2", "1"])

    # undo and redo, by keyboard and by button
    page.locator(".planviz-editor-canvas").focus()
    page.keyboard.press("Control+z")
    wait_for(page, "editor.ends.length === 1")
    tool(page, "Undo")
    wait_for(page, "editor.ends.length === 0")
    tool(page, "Redo")
    wait_for(page, "editor.ends.length === 1")
    page.locator(".planviz-editor-canvas").focus()
    page.keyboard.press("Control+y")
    wait_for(page, "editor.ends.length === 2")
    assert drawn(page)["edges"] == [[0, 2], [2, 1]]

    # two clicks ask for the paths from one node to another
    tool(page, "Select")
    page.mouse.click(*place(page, 0))
    page.mouse.click(*place(page, 1))
    wait_for(page, "editor.path.length === 3")
    assert drawn(page)["path"] == [0, 2, 1]
    expect(page.get_by_text("Shortest path: 0 → 2 → 1 (2 steps)").first).to_be_visible()


def test_the_keyboard_is_enough(page: Page, app_server: str) -> None:
    open_build(page, app_server, "graph.kind=grid&graph.rows=2&graph.columns=2")
    canvas = page.locator(".planviz-editor-canvas")
    canvas.focus()
    page.keyboard.press("n")
    wait_for(page, "editor.labels.length === 5")
    page.keyboard.press("F2")
    page.get_by_label("Name of the node").fill("<b>new</b>")
    page.keyboard.press("Enter")
    wait_for(page, "editor.labels[4] === '<b>new</b>'")
    before = page.evaluate(f"{EDITOR}.placed[4][0]")
    page.keyboard.press("Shift+ArrowRight")
    wait_for(page, f"editor.placed[4][0] > {before}")
    page.keyboard.press("Enter")  # from here …
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")  # … to there
    page.wait_for_function(f"{EDITOR}.query.length === 2")
    page.keyboard.press("e")
    wait_for(page, "editor.ends.length === 9")
    assert drawn(page)["edges"][-1][0] == 4
    page.keyboard.press("Escape")
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")  # a graph has at least two nodes: this one is refused, and nothing is lost
    expect(page.get_by_text("the graph has 0 nodes")).to_be_visible()
    wait_for(page, "editor.labels.length === 5 && editor.ends.length === 9")


def test_the_table_is_edited_and_a_list_pasted(page: Page, app_server: str) -> None:
    open_build(page, app_server, "graph.kind=grid&graph.rows=2&graph.columns=2")
    told = drawn(page)
    labels = told["labels"]
    page.get_by_role("tab", name="Edges").click()
    rows = [(labels[u], labels[v]) for u, v in told["edges"]]
    wait_for_table(page, [name for row in rows for name in row])
    table = page.get_by_test_id("stDataFrame").first
    settled(page)
    box = table.bounding_box()
    assert box
    page.mouse.dblclick(box["x"] + box["width"] * 0.75, box["y"] + 35 * 1.5)  # the first row's end
    cell = page.locator("#portal textarea, #portal input")
    cell.fill("somewhere")
    expect(cell).to_have_value("somewhere")
    cell.press("Enter")
    wait_for(page, "editor.labels.includes('somewhere')")
    assert drawn(page)["edges"][0] == [0, 4]
    assert len(drawn(page)["edges"]) == 8

    page.get_by_role("button", name="Paste a list of edges").click()
    page.get_by_role("textbox", name="One edge a line").fill("a,b\nb,c\n0,a")
    page.get_by_role("button", name="Add to the graph").click()
    wait_for(page, "editor.labels.length === 9")  # 0 is no node of the grid
    assert len(drawn(page)["edges"]) == 11


def test_what_is_exported_comes_back_unchanged(page: Page, app_server: str, tmp_path: Path) -> None:
    open_build(page, app_server, "graph.nodes=9&graph.density=0.5")
    page.mouse.dblclick(*place(page, 3))
    page.get_by_label("Name of the node").fill('Café "<script>" 北京')
    page.keyboard.press("Enter")
    wait_for(page, "editor.labels[3].startsWith('Café')")
    before = drawn(page)

    page.get_by_role("tab", name="Files").click()
    page.get_by_role("button", name="Download the graph").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("^GraphML")).click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    graph = read_graph(file.name, file.read_bytes())
    assert sorted(graph.labels) == sorted(before["labels"])

    open_build(page, app_server, "graph.kind=grid")
    page.get_by_role("tab", name="Files").click()
    page.locator("input[type=file]").set_input_files(file)
    wait_for(page, "editor.labels.length === 9")
    after = drawn(page)

    def named(told: dict[str, Any]) -> set[tuple[str, str]]:
        return {(told["labels"][u], told["labels"][v]) for u, v in told["edges"]}

    assert sorted(after["labels"]) == sorted(before["labels"])
    assert named(after) == named(before)


def test_what_the_browser_makes_up_is_refused(page: Page, app_server: str) -> None:
    open_build(page, app_server, "graph.kind=grid&graph.rows=2&graph.columns=2")
    for sent in (
        "'garbage'",
        "[{id: 99, edit: {do: 'run', code: '1'}}]",
        "[{id: 99, edit: {do: 'delete', nodes: [-1]}}]",
    ):
        page.evaluate(f"{EDITOR}.send('edits', {sent})")
        expect(page.get_by_text("sent something that is no edit")).to_be_visible()
    page.evaluate(f"{EDITOR}.send('query', [0, 'x'])")
    settled(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    page.locator(".planviz-editor-canvas").focus()
    page.keyboard.press("n")
    wait_for(page, "editor.labels.length === 5")


def test_a_large_graph_is_there_almost_as_soon_as_a_small_one(page: Page, app_server: str) -> None:
    def seconds(query: str) -> float:
        started = time.monotonic()
        open_build(page, app_server, f"split.paths_per_pair=1&split.train_share=0.05&{query}")
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return time.monotonic() - started

    small = [seconds("graph.nodes=10&graph.density=0.5") for _ in range(3)]
    large = [seconds(f"graph.nodes=500&graph.density=0.04&graph.seed={seed}") for seed in range(3)]
    assert len(drawn(page)["labels"]) == 500 and 4500 < len(drawn(page)["edges"]) < 5500
    assert min(large) < 4 * min(small)  # 3 times on two slow cores that draw without a graphics processor
