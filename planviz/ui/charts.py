"""How a figure is put on a page: its heading, one sentence on how to read it, and the chart."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import plotly.graph_objects as go
import streamlit as st

from planviz.ui.live_chart import Click, drawn, live_chart
from planviz.ui.text import literal


def show(
    make: Callable[[], go.Figure],
    key: str,
    version: Hashable,
    explanation: str = "",
    on_click: Callable[[Click], None] | None = None,
    caption: str = "",
) -> None:
    """Draw a figure under its title; it is made once for each version, and updated in place.

    Args:
        key: unique on the page and the same on every run.
        version: whatever the figure depends on besides its key.
        explanation: one sentence behind a question mark at the title.
        on_click: called back with the point or cell that is clicked.
        caption: Markdown under the title, that everybody sees.
    """
    chart = drawn(make, key, version)
    _heading(chart.title, explanation)
    if caption:
        st.caption(caption)
    live_chart(chart, key, on_click)


def _heading(title: str, explanation: str) -> None:
    st.markdown(f"**{literal(title)}**", help=explanation or None)
