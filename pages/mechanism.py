"""Why the curves look as they do: learned against exact values, what weights know, what was found, what collapses."""

from __future__ import annotations

import streamlit as st

from planviz.ui import lab
from planviz.ui.experiment_picker import experiment_picker
from planviz.ui.mechanism.page import mechanism
from planviz.ui.text import sentence

st.title("Mechanism")
st.write(
    "Why do some methods generalise and others collapse? Look inside: at what was learned, what the weights know of "
    "the graph, what exploration found, and how the paths of one pair live or die."
)
experiment_picker()
experiment = lab.current_experiment()
try:
    view = lab.task_view(experiment.config)
except ValueError as error:
    st.error(f"The graph of this experiment cannot be shown. {sentence(error)}")
else:
    mechanism(experiment, view)
