"""How a figure is put on a page: its heading, one sentence on how to read it, and the chart."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import plotly.graph_objects as go
import streamlit as st

from planviz.figures import style
from planviz.ui.live_chart import Click, as_drawn, drawn, live_chart
from planviz.ui.text import literal


def show(figure: go.Figure, key: str, explanation: str = "") -> None:
    """Draw a figure under its title.

    Args:
        key: unique on the page and the same on every run.
        explanation: one sentence behind a question mark at the title.
    """
    _heading(style.title(figure), explanation)
    st.plotly_chart(figure, config=style.CONFIG, alt=style.alt(figure), key=key)


def show_live(make: Callable[[], go.Figure], key: str, version: Hashable, explanation: str = "") -> None:
    """Draw a figure that changes while it is looked at, under its title; it is made once for each version.

    Args:
        version: whatever the figure depends on besides its key.
    """
    chart = drawn(make, key, version)
    _heading(chart.title, explanation)
    live_chart(chart, key)


def show_clickable(
    figure: go.Figure, key: str, on_click: Callable[[Click], None], explanation: str = ""
) -> None:
    """Draw a figure under its title, and call back with the point or cell that is clicked."""
    chart = as_drawn(figure)
    _heading(chart.title, explanation)
    live_chart(chart, key, on_click)


def _heading(title: str, explanation: str) -> None:
    st.markdown(f"**{literal(title)}**", help=explanation or None)
