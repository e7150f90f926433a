"""Choosing the graph on the Build page: its kind, and the settings that matter for it."""

from __future__ import annotations

import streamlit as st

from planviz.config import GraphConfig, GraphKind
from planviz.graphs.edits import own_graph
from planviz.graphs.generate import GraphError
from planviz.graphs.kinds import KINDS, settings_that_matter
from planviz.ui.build.files import take_graph
from planviz.ui.lab import graph_view
from planviz.ui.settings import setting_input
from planviz.ui.state import change, draft, notify

KIND = "build:kind"
OWN = "build:own"
"""One's own graph as it was last, for coming back to it from another kind."""
EMPTY = GraphConfig(kind="file", labels=("0", "1"), positions=((0.3, 0.5), (0.7, 0.5)))


def graph_settings() -> None:
    """Draw the choice of a graph, and what there is to set for its kind."""
    kind: GraphKind = draft().graph.kind
    if kind == "file":
        st.session_state[OWN] = draft().graph
    st.session_state[KIND] = kind
    st.selectbox(
        "Kind of graph", list(KINDS), format_func=lambda name: KINDS[name].title, key=KIND, on_change=_choose
    )
    st.caption(KINDS[kind].use)
    if kind == "file":
        st.button(
            "Begin with an empty graph", icon=":material/add_circle:", key="build:empty", width="stretch",
            help="Two nodes and no edge; Undo brings the present graph back.", on_click=take_graph, args=(EMPTY,),
        )  # fmt: skip
        return
    settings = settings_that_matter(draft().graph)
    with st.grid(2, min_column_width=120):
        for name in settings:
            setting_input(f"graph.{name}")
    if "seed" in settings:
        reroll_button("Draw another graph", "graph.seed", "The same settings with the next seed.")


def reroll_button(label: str, key: str, help: str) -> None:
    """A button that takes the next seed."""
    st.button(
        label, icon=":material/casino:", key=f"build:reroll:{key}", width="stretch", help=help,
        on_click=_next_seed, args=(key,),
    )  # fmt: skip


def _next_seed(key: str) -> None:
    section, name = key.split(".")
    change({key: getattr(getattr(draft(), section), name) + 1})


def _choose() -> None:
    """A generated kind; or one's own graph, which is the one from before or begins as the present one."""
    kind = st.session_state[KIND]
    if kind != "file":
        change({"graph.kind": kind, "graph.labels": (), "graph.edges": ()})
    elif OWN in st.session_state:
        take_graph(st.session_state[OWN])
    else:
        try:
            view = graph_view(draft().graph)
            take_graph(own_graph(view.graph, view.positions))
        except GraphError as error:
            notify(f"{error}.")
