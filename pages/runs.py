"""The library of everything that was trained: find, open, mark, compare, export, import and delete experiments."""

from __future__ import annotations

import streamlit as st

from planviz.ui.runs.library import library

st.title("Runs")
library()
