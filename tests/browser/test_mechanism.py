"""The Mechanism page in a real browser: every section of the demo is drawn, and the slider changes what is drawn."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect


def chart(page: Page, key: str) -> str:
    """The selector of a chart."""
    return f".st-key-mechanism-{key} .js-plotly-plot"


def test_the_demo_shows_how_its_models_work(page: Page, app_server: str) -> None:
    page.goto(f"{app_server}/mechanism")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Mechanism")

    # Learned against exact: Q-learning comes closer to Q* as it trains
    expect(page.locator(chart(page, "learned-q-process"))).to_be_visible()
    expect(page.locator(chart(page, "difference-q-process"))).to_be_visible()
    told = page.get_by_text(re.compile(r"Step [\d,]+ of 250: largest error"))
    expect(told).to_contain_text("Step 250 of 250")
    page.get_by_role("slider").press("Home")
    expect(told).to_contain_text("Step 0 of 250")

    # What the weights know: the edges that no text shows, found by Q-learning at the end of its training
    page.get_by_role("radio", name="What the weights know").click()
    page.get_by_role("slider").press("End")
    legend = page.locator(f"{chart(page, 'roc')} .legend")
    expect(legend).to_contain_text(re.compile(r"q-process \((1\.00|0\.9\d)\)"))
    page.get_by_role("radio", name="seen seldom").click()
    expect(page.get_by_text("ROC curves of the edges: seen seldom")).to_be_visible()

    # What exploration found, and why it collapses: another pair has other paths
    page.get_by_role("radio", name="What exploration found").click()
    expect(page.get_by_test_id("stMetric").filter(has_text="Edges in the SFT text")).to_contain_text(
        "73 of 114"
    )
    page.get_by_role("radio", name="Why it collapses").click()
    areas = page.locator(chart(page, "collapse"))
    expect(areas).to_contain_text(re.compile(r"pg: \d\.\d → 1\.\d effective paths"))
    heading = page.get_by_text(re.compile("How likely each correct path from"))
    before = heading.inner_text()
    page.get_by_role("combobox", name="From").click()
    page.get_by_role("option").last.click()
    expect(heading).not_to_have_text(before)
    expect(areas).to_contain_text("not correct")
    expect(page.get_by_test_id("stException")).to_have_count(0)
