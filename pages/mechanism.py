"""Why the curves look as they do: learned against exact values, what weights know, what was found, what collapses."""

from __future__ import annotations

import streamlit as st

from planviz.ui.experiment_picker import picked_task
from planviz.ui.mechanism.page import mechanism

st.title("Mechanism")
st.write(
    "Why do some methods generalise and others collapse? Look inside: at what was learned, what the weights know of "
    "the graph, what exploration found, and how the paths of one pair live or die."
)
picked = picked_task()
if picked is not None:
    mechanism(*picked)
