"""One way to put a figure on a page: its heading, one sentence on how to read it, and the chart."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from planviz.figures import style
from planviz.ui.text import literal


def show(figure: go.Figure, key: str, explanation: str = "") -> None:
    """Draw a figure under its title.

    Args:
        key: unique on the page and the same on every run, so that zoom and hidden arms survive.
        explanation: one sentence under the title.
    """
    st.markdown(f"**{literal(style.title(figure))}**", help=explanation or None)
    st.plotly_chart(figure, config=style.CONFIG, alt=style.alt(figure), key=key)
