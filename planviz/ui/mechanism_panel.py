"""How the Mechanism page shows a figure: under its title and one sentence that needs no paper."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import plotly.graph_objects as go
import streamlit as st

from planviz.ui.live_chart import drawn, live_chart
from planviz.ui.text import literal


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
