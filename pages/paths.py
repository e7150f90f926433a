"""What the models answer to one query: their paths, their next nodes, and how both change over training."""

from __future__ import annotations

import streamlit as st

from planviz.ui.experiment_picker import picked_task
from planviz.ui.paths.models import model_picker
from planviz.ui.paths.panels import sampled_answers
from planviz.ui.paths.query import query_picker
from planviz.ui.refreshing import refreshing

st.title("Paths")
st.write(
    "Ask several models for the way from one node to another, see every path they take, and move through "
    "their training to watch diversity grow or collapse."
)
picked = picked_task()
if picked is not None:
    experiment, view = picked
    query = query_picker(experiment, view)
    choice = model_picker(experiment)
    refreshing(lambda: sampled_answers(experiment, view, query, choice), "paths:answers")
