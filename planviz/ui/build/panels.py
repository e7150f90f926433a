"""The panels of the Build page: presets, picture, histograms and texts."""

from __future__ import annotations

import numpy as np
import streamlit as st

from planviz.config import PRESETS, preset
from planviz.figures.task import path_length_histogram, paths_per_pair_histogram
from planviz.graphs.generate import GraphError
from planviz.ui.build.network import draw_graph
from planviz.ui.build.text import text_table
from planviz.ui.charts import show
from planviz.ui.lab import GraphView, TaskView, graph_view
from planviz.ui.state import changed, draft, set_chosen_arms, set_draft
from planviz.ui.text import sentence

PRESET = "build:preset"
PRESET_WORDS = {
    "quick": "a small acyclic graph, on which all arms train in about a minute",
    "paper": "the paper's acyclic graph of 100 nodes, and its model",
    "blocksworld": "all 73 states of four blocks",
}
SHOWN_PAIRS = 5
LARGEST_COUNT = 1e300
"""The histogram cannot draw counts that are infinite."""


def presets() -> None:
    """Start from a preset; once something was changed, a button brings the preset back."""
    name = st.session_state.preset
    st.session_state[PRESET] = name
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Start from a preset", PRESETS, required=True, format_func=str.capitalize, key=PRESET,
            on_change=lambda: _load(st.session_state[PRESET]),
            help="Graph, split, model and training settings at once.\n\n"
            + "\n".join(f"- **{name.capitalize()}**: {words}." for name, words in PRESET_WORDS.items()),
        )  # fmt: skip
        if changed():
            st.button(
                f"Reset to {name}", icon=":material/undo:", type="tertiary", key="build:undo",
                on_click=_load, args=(name,), help="Undo all changes to this preset, on every page.",
            )  # fmt: skip


def _load(name: str) -> None:
    set_draft(preset(name), name)
    set_chosen_arms(list(preset(name).arms))


def picture() -> GraphView | None:
    """The graph, to be edited if it is not too large, or a sentence that says why there is none."""
    graph = draft().graph
    if graph.kind == "file" and not graph.labels:
        st.info(
            "Links do not carry your own graph. Open its file again, or choose another kind of graph.",
            icon=":material/info:",
        )
        return None
    try:
        view = graph_view(graph)
    except GraphError as error:
        st.error(sentence(error), icon=":material/error:")
        return None
    draw_graph(view)
    return view


def histograms(view: TaskView) -> None:
    """What the pairs of both parts are like."""
    task, counts = view.task, np.minimum(view.correct_paths, LARGEST_COUNT)
    train, test = task.train_pairs.T, task.test_pairs.T
    left, right = st.columns(2, gap="medium")
    with left:
        show(
            lambda: paths_per_pair_histogram(counts[*train], counts[*test]), "build:paths", view.name,
            "How many pairs have how many correct paths. Only a pair with several can lose diversity.",
        )  # fmt: skip
    with right:
        show(
            lambda: path_length_histogram(task.distance[*train], task.distance[*test]), "build:lengths", view.name,
            "How many pairs are how many steps apart. A long way has to be put together from short ones.",
        )  # fmt: skip


def texts(view: TaskView) -> None:
    """Some of the texts that the base model is trained on."""
    st.write(
        "The model reads node numbers: the source *s*, the target *t*, then a path from *s* to *t*; **EOS** "
        "ends the text. "
        + (
            "The texts are those of the file."
            if draft().split.kind == "texts"
            else "Each path is a random walk that only takes steps from which *t* can still be reached."
        )
    )
    table = text_table(view.task, SHOWN_PAIRS)
    st.dataframe(
        table, hide_index=True, key="build:texts", alt=f"Training texts of {SHOWN_PAIRS} pairs",
        column_config={
            "Pair": st.column_config.TextColumn("Pair s → t", width=120),
            "Text": st.column_config.TextColumn("Text: s t s u1 … t EOS", width=320),
            "Path": st.column_config.TextColumn("The same path by node names", width=360),
            "Times": st.column_config.NumberColumn("Times", width=60, help="How often it was drawn."),
        },
    )  # fmt: skip
    st.caption(
        f"Shown are {table['Times'].sum():,} of the {len(view.task.texts):,} texts; another split has others."
    )


def next_step(ready: bool) -> None:
    """On to training."""
    with st.bottom, st.container(horizontal=True, horizontal_alignment="right"):
        go_on = st.button(
            "Train on this graph", type="primary", icon=":material/arrow_forward:", icon_position="right",
            key="build:train", disabled=not ready,
        )  # fmt: skip
    if go_on:
        st.switch_page("pages/train.py")
