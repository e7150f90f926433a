"""What the browser tests share: a page that notices when something went wrong in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

WAIT = 60_000
"""Milliseconds to wait for what should be there soon; machines may be busy."""


@pytest.fixture
def problems() -> list[str]:
    """What went wrong in the page so far: errors of its scripts, and dialogs of the browser."""
    return []


@pytest.fixture
def page(browser: Browser, problems: list[str]) -> Iterator[Page]:
    """A page in a context of its own, in which nothing may go wrong."""
    context = browser.new_context(viewport={"width": 1400, "height": 1100}, accept_downloads=True)
    context.set_default_timeout(WAIT)
    expect.set_options(timeout=WAIT)
    page = context.new_page()

    def dismiss(dialog: Dialog) -> None:
        problems.append(f"a dialog of the browser: {dialog.message}")
        dialog.dismiss()

    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", dismiss)
    yield page
    context.close()
    assert not problems
