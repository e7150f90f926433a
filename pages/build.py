"""Choose a graph, see it with its facts, split its pairs, and look at the training texts."""

from __future__ import annotations

import streamlit as st

from planviz.ui import build_panels as panels
from planviz.ui.build_graph import graph_settings

st.title("Build")
st.write("Planning, here, is finding a path in a graph. Choose the graph and the pairs of nodes to train on.")
panels.presets()

task = None
left, right = st.columns([1, 2], gap="medium")
with left:
    graph_settings()
with right:
    graph = panels.picture()
if graph is not None:
    with left:
        panels.download(graph)
    tiles = panels.facts(graph)
    st.subheader("The split")
    left, right = st.columns([1, 2], gap="medium")
    with left:
        panels.split_settings()
    with right:
        task = panels.task_or_error()
    with tiles:
        panels.correct_paths(task)
if task is not None:
    with left:
        panels.split_summary(task)
    with right:
        panels.matrix(task)
    panels.histograms(task)
    st.subheader("Training texts")
    panels.texts(task)
panels.next_step(ready=task is not None)
