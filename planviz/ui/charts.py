"""How a figure is put on a page: its heading, one sentence on how to read it, and the chart."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Literal

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
    *,
    heading: str | None = None,
    explained: Literal["on request", "above", "below"] = "on request",
) -> None:
    """Draw a figure under its heading; it is made once for each version, and updated in place.

    Args:
        key: unique on the page and the same on every run.
        version: whatever the figure depends on besides its key.
        explanation: one or two sentences of Markdown on how to read it.
        on_click: called back with the point or cell that is clicked.
        heading: what stands over it instead of the figure's title.
        explained: on request, behind a question mark at the heading, where the reader is to look at numbers; above
            the figure, where it is to teach; below it, so that figures side by side begin at the same height.
    """
    chart = drawn(make, key, version)
    help = explanation if explanation and explained == "on request" else None
    st.markdown(f"**{literal(chart.title if heading is None else heading)}**", help=help)
    if explanation and explained == "above":
        st.caption(explanation)
    live_chart(chart, key, on_click)
    if explanation and explained == "below":
        st.caption(explanation)
