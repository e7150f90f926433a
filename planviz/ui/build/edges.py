"""The table of edges: the drawing's twin, which can be edited and pasted into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from planviz.graphs.edits import ListEdges
from planviz.graphs.files import GraphFileError, import_graph
from planviz.ui.build.graph_editor import edit_graph
from planviz.ui.lab import GraphView
from planviz.ui.state import notify
from planviz.ui.text import sentence

ENDS = ["From", "To"]
TABLE = "build:edges"
REFUSED = "build:edges:refused"
"""How often an edit of the table was refused: a new table then forgets it."""
PASTED, PROBLEM = "build:pasted", "build:pasted:problem"
MOST = 5000
"""Larger tables would slow down every change of the page."""
HEIGHT = 380

Rows = list[tuple[str, str]]


def edge_table(view: GraphView, replace: Callable[[Any], None]) -> None:
    """The edges by the names of their ends; a new name becomes a new node.

    Args:
        replace: called with the settings of a graph that takes the place of this one.
    """
    edges = edge_frame(view)
    if len(edges) > MOST:
        st.caption(f"The table shows up to {MOST:,} edges; this graph has {len(edges):,}.")
    else:
        key = f"{TABLE}:{st.session_state.get(REFUSED, 0)}"
        st.data_editor(
            edges, key=key, num_rows="dynamic", height=HEIGHT, hide_index=True, on_change=_take, args=(key, edges),
            alt=f"The {len(edges):,} edges of the graph",
            column_config={
                end: st.column_config.TextColumn(end, required=True, max_chars=60) for end in ENDS
            },
        )  # fmt: skip
        st.caption("Type into the last row to add an edge, or paste two columns of a table there.")
    _paste(view, replace)


def edge_frame(view: GraphView) -> pd.DataFrame:
    """One row an edge, with the names of its ends."""
    labels = [view.graph.nodes[node]["label"] for node in range(len(view.graph))]
    return pd.DataFrame([(labels[u], labels[v]) for u, v in view.graph.edges], columns=ENDS, dtype=str)


def edited_rows(edges: pd.DataFrame, changes: dict[str, Any]) -> Rows:
    """The rows of the table after the changes that `st.data_editor` tells; rows without both ends wait."""
    rows: list[list[Any]] = edges.to_numpy().tolist()
    for row, cells in changes["edited_rows"].items():
        for end, value in cells.items():
            rows[int(row)][ENDS.index(end)] = value
    deleted = {int(row) for row in changes["deleted_rows"]}
    kept = [row for at, row in enumerate(rows) if at not in deleted]
    added = [[cells.get(end) for end in ENDS] for cells in changes["added_rows"]]
    return [(str(source), str(target)) for source, target in kept + added if source and target]


def _take(key: str, edges: pd.DataFrame) -> None:
    rows = edited_rows(edges, st.session_state[key])
    if rows != list(edges.itertuples(index=False, name=None)) and not edit_graph(
        ListEdges(edges=tuple(rows))
    ):
        st.session_state[REFUSED] = st.session_state.get(REFUSED, 0) + 1


def _paste(view: GraphView, replace: Callable[[Any], None]) -> None:
    with st.popover("Paste a list of edges", icon=":material/content_paste:", width="stretch"):
        st.text_area(
            "One edge a line", key=PASTED, height=180, placeholder="Home, Station\nStation, Airport",
            help="Two names a line, with a comma, a tab or a blank between them.",
        )  # fmt: skip
        if st.session_state.get(PROBLEM):
            st.error(st.session_state[PROBLEM], icon=":material/error:")
        with st.container(horizontal=True):
            st.button("Add to the graph", key="build:paste:add", on_click=_add_pasted, args=(view,))
            st.button(
                "Make it the graph", key="build:paste:replace", on_click=_replace_by_pasted, args=(replace,)
            )


def _pasted() -> Any:
    """The pasted graph, or None with a sentence about what is wrong."""
    st.session_state[PROBLEM] = None
    try:
        return import_graph("pasted.csv", st.session_state[PASTED].encode(errors="replace")).graph
    except GraphFileError as error:
        st.session_state[PROBLEM] = sentence(error)
        return None


def _add_pasted(view: GraphView) -> None:
    graph = _pasted()
    if graph is None:
        return
    rows: Rows = list(edge_frame(view).itertuples(index=False, name=None))
    new = [(graph.labels[u], graph.labels[v]) for u, v in graph.edges]
    added = [edge for edge in new if edge not in set(rows)]
    if not added:
        notify("The graph has all these edges already.")
    elif edit_graph(ListEdges(edges=(*rows, *added))):
        st.session_state[PASTED] = ""


def _replace_by_pasted(replace: Callable[[Any], None]) -> None:
    graph = _pasted()
    if graph is not None:
        replace(graph)
        st.session_state[PASTED] = ""
