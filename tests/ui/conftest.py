"""AppTest as the server runs the app: with the frame around every page."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.runtime.pages_manager import PagesManager


@pytest.fixture(autouse=True)
def _frame_around_every_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest takes a folder called pages/ for pages of their own and would run them without app.py; `planviz app`
    tells Streamlit otherwise, and so does this."""
    original = PagesManager.__init__

    def init(self: PagesManager, *args: Any, **options: Any) -> None:
        PagesManager.uses_pages_directory = False
        original(self, *args, **options)

    monkeypatch.setattr(PagesManager, "__init__", init)
