"""What the browser tests wait for before they go on: conditions of the page, never seconds."""

from __future__ import annotations

from playwright.sync_api import Page, expect

ROWS = "[...(document.querySelector('[data-testid=stDataFrame] canvas')?.querySelectorAll('tbody tr') ?? [])]"
"""The rows of the first table, as a screen reader finds them."""


def settled(page: Page) -> None:
    """Until the page has a title and its script has ended: what is shown is complete, and nothing moves any more.

    The sign of a running script in the corner is no measure of it: it comes late, and not at all for a short one.
    """
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()


def searched(page: Page, text: str) -> None:
    """Type into the search of the Runs page, until the server has answered: it is what writes the text into the URL."""
    page.get_by_label("Search", exact=True).fill(text)
    page.wait_for_function(
        "(text) => (new URLSearchParams(location.search).get('runs.search') ?? '') === text", arg=text
    )
    settled(page)


def listed(page: Page, *names: str) -> None:
    """Until the first table of the Runs page lists exactly these experiments."""
    page.wait_for_function(
        f"(names) => JSON.stringify({ROWS}.map((row) => row.querySelector('[role=gridcell]')?.textContent))"
        " === JSON.stringify(names)",
        arg=list(names),
    )


def select(page: Page, row: int) -> None:
    """Tick the box of a row of the first table, which is not ticked yet, once nothing moves any more."""
    settled(page)
    ticked = f"(row) => {ROWS}[row]?.getAttribute('aria-selected') === 'true'"
    assert not page.evaluate(ticked, row)
    table = page.get_by_test_id("stDataFrame").first.bounding_box()
    assert table
    page.mouse.click(table["x"] + 18, table["y"] + 35 * (row + 1.5))
    page.wait_for_function(ticked, arg=row)
