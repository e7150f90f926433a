"""Draw, generate or open a graph, see it with its facts, split its pairs, and look at the training texts."""

from __future__ import annotations

import streamlit as st

from planviz.ui.build import panels
from planviz.ui.build.edges import edge_table
from planviz.ui.build.facts import correct_paths, facts
from planviz.ui.build.files import download, open_file, take_graph
from planviz.ui.build.graph import graph_settings
from planviz.ui.build.history import follow
from planviz.ui.build.pair import pair_in_words, pair_panel
from planviz.ui.build.split import matrix, split_settings, split_summary, task_or_error

st.title("Build")
st.write(
    "Planning, here, is finding a path in a graph. Draw, generate or open one, and choose what to train on."
)
panels.presets()
follow()

task = None
left, right = st.columns([2, 3], gap="medium")
with right:
    graph = panels.picture()
    below = st.container()
with left:
    generate, edges, files = st.tabs(["Generate", "Edges", "Files"])
    with generate:
        graph_settings()
    with files:
        open_file()
if graph is not None:
    with edges:
        edge_table(graph, take_graph)
    tiles = facts(graph)
    st.subheader("The split")
    left, right = st.columns([1, 2], gap="medium")
    with left:
        split_settings()
    with right:
        task = task_or_error()
    with tiles:
        correct_paths(task)
    with files:
        download(graph, task)
if task is not None:
    with left:
        split_summary(task)
    with right:
        matrix(task)
        pair_panel(task)
    with below:
        pair_in_words(task)
    panels.histograms(task)
    st.subheader("Training texts")
    panels.texts(task)
panels.next_step(ready=task is not None)
