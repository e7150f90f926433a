"""Panels that are drawn again and again while an experiment is being worked on."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from planviz.ui import lab

REFRESH = "1s"
REDRAW = "3s"
"""Charts are drawn less often than the table: they cost more, and training needs the cores."""


def refreshing(panel: Callable[[], None], key: str, every: str = REDRAW) -> None:
    """Draw a panel, and draw it again all the time while the experiment is being worked on."""
    active = lab.is_active(lab.current_experiment())

    @st.fragment(run_every=every if active else None, key=key)
    def fragment() -> None:
        panel()
        if active and not lab.is_active(lab.current_experiment()):
            st.rerun()  # the whole page once more, which then stops refreshing

    fragment()
