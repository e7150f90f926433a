"""The matrix of pairs in a real browser: a click on a cell chooses its pair, and a button changes what it is for."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from planviz.config import preset
from planviz.task import build_task


def click_cell(page: Page, source: int, target: int, nodes: int) -> None:
    """Click in the middle of a cell; plotly takes a click only where it has seen the mouse."""
    area = page.locator(".st-key-build-matrix .nsewdrag")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box
    page.mouse.move(
        box["x"] + (target + 0.5) * box["width"] / nodes, box["y"] + (source + 0.5) * box["height"] / nodes
    )
    expect(page.locator(".st-key-build-matrix .hoverlayer text")).to_contain_text(f"{source} → {target}")
    page.mouse.down()
    page.mouse.up()


def test_a_click_on_a_cell_chooses_its_pair_and_a_button_moves_it(page: Page, app_server: str) -> None:
    task = build_task(preset("quick"))
    train, test = len(task.train_pairs), len(task.test_pairs)
    source, target = task.train_pairs[0].tolist()
    page.set_viewport_size(
        {"width": 1400, "height": 1800}
    )  # the matrix is far down, and must stay where it is
    page.goto(f"{app_server}/build")
    legend = page.locator(".st-key-build-matrix .legend")
    expect(legend).to_contain_text(f"training: {train}")
    click_cell(page, source, target, task.nodes)
    expect(
        page.get_by_text(re.compile(rf"From {source} to {target}: this is a training pair")).first
    ).to_be_visible()
    expect(page.locator(".st-key-build-matrix .shapelayer path")).to_have_count(3)

    page.get_by_role("button", name="Test on it").click()
    expect(legend).to_contain_text(f"test: {test + 1}")
    page.get_by_role("button", name="Leave it out").click()
    expect(legend).to_contain_text("left out: 1")
    expect(legend).to_contain_text(f"training: {train - 1}")
    expect(page.get_by_role("combobox", name="Kind of split")).to_have_value("Pairs of your choice")

    other_source, other_target = task.test_pairs[0].tolist()
    click_cell(page, other_source, other_target, task.nodes)
    expect(
        page.get_by_text(re.compile(rf"From {other_source} to {other_target}: this is a test")).first
    ).to_be_visible()
