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
) -> None:
    """Draw a figure under its title; it is made once for each version, and updated in place.

    Args:
        key: unique on the page and the same on every run.
        version: whatever the figure depends on besides its key.
        explanation: one sentence behind a question mark at the title.
        on_click: called back with the point or cell that is clicked.
    """
    chart = drawn(make, key, version)
    _heading(chart.title, explanation)
    live_chart(chart, key, on_click)


def figure_panel(
    make: Callable[[], go.Figure],
    key: str,
    version: Hashable,
    explanation: str = "",
    heading: str | None = None,
    below: bool = False,
) -> None:
    """Draw a figure that is made once for each version, and updated in place.

    Args:
        key: unique on the page and the same on every run.
        explanation: Markdown, shown between the title and the figure, or below it: so that figures side by side
            begin at the same height.
        heading: what stands over it instead of the figure's title.
    """
    chart = drawn(make, key, version)
    st.markdown(f"**{literal(chart.title if heading is None else heading)}**")
    if explanation and not below:
        st.caption(explanation)
    live_chart(chart, key)
    if explanation and below:
        st.caption(explanation)


def _heading(title: str, explanation: str) -> None:
    st.markdown(f"**{literal(title)}**", help=explanation or None)
