"""Choosing the graph on the Build page: its kind, the settings that matter for it, files and examples."""

from __future__ import annotations

import streamlit as st

from planviz.config import GraphConfig, GraphKind
from planviz.folders import app_folder
from planviz.graphs.files import (
    MAX_FILE_BYTES,
    UPLOADS,
    GraphFileError,
    import_graph,
    read_graphml,
    stated_limits,
)
from planviz.graphs.kinds import KINDS, settings_that_matter
from planviz.ui.settings import setting_input
from planviz.ui.state import change, draft, set_draft
from planviz.ui.text import literal, sentence

EXAMPLES = {"courses": "Courses", "river-crossing": "River crossing", "towers-of-hanoi": "Towers of Hanoi"}
KIND, UPLOAD, PROBLEM, NOTES = "build:kind", "build:upload", "build:problem", "build:notes"
TAKEN = "build:taken"
"""The last graph that was taken from a file, for coming back to it from another kind."""
WAITING = "build:waiting"
"""The graph that stays until a good file comes; once the draft has another, no file is waited for."""


def graph_settings() -> None:
    """Draw the choice of a graph, and what there is to set for its kind."""
    waiting = st.session_state.get(WAITING) == draft().graph
    kind: GraphKind = "file" if waiting else draft().graph.kind
    st.session_state[KIND] = kind
    st.selectbox(
        "Kind of graph", list(KINDS), format_func=lambda name: KINDS[name].title, key=KIND, on_change=_choose
    )
    st.caption(KINDS[kind].use)
    if kind == "file":
        _files()
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


def forget_files() -> None:
    """Wait for no file any more, and forget what was wrong with the last one."""
    st.session_state[PROBLEM] = st.session_state[NOTES] = st.session_state[WAITING] = None


def _choose() -> None:
    """A generated kind at once; a file once there is one: the last one, if there was one before."""
    kind = st.session_state[KIND]
    forget_files()
    if kind != "file":
        change({"graph.kind": kind, "graph.labels": (), "graph.edges": ()})
    elif TAKEN in st.session_state:
        _take(st.session_state[TAKEN])
    else:
        st.session_state[WAITING] = draft().graph


def _files() -> None:
    st.file_uploader(
        "Graph file: GraphML, CSV (edges or matrix), JSON (node-link) or DOT", type=list(UPLOADS),
        max_upload_size=MAX_FILE_BYTES // 10**6, key=UPLOAD,
        on_change=_take_upload,
    )  # fmt: skip
    if st.session_state.get(PROBLEM):
        st.error(st.session_state[PROBLEM], icon=":material/error:")
    if st.session_state.get(NOTES):
        st.info(literal(st.session_state[NOTES]), icon=":material/info:")
    st.caption(f"Allowed: {stated_limits()}. Links do not carry the file.")
    st.caption("No file at hand? Take an example:")
    with st.container(horizontal=True, gap="small"):
        for name, title in EXAMPLES.items():
            st.button(title, key=f"build:example:{name}", on_click=_take_example, args=(name,))


def _take_upload() -> None:
    """Runs once an upload, not on every rerun. Removing the file from the uploader keeps the graph."""
    st.session_state[PROBLEM] = st.session_state[NOTES] = None
    upload = st.session_state[UPLOAD]
    if upload is None:
        return
    try:
        found = import_graph(upload.name, upload.getvalue())
    except GraphFileError as error:
        st.session_state[PROBLEM] = f"{sentence(error)} The graph stays as it was."
        return
    _take(found.graph)
    if found.notes:
        st.session_state[NOTES] = f"Read as {found.format}: {'; '.join(found.notes)}."


def _take_example(name: str) -> None:
    _take(read_graphml((app_folder() / "assets" / "graphs" / f"{name}.graphml").read_bytes()))


def _take(graph: GraphConfig) -> None:
    forget_files()
    st.session_state[TAKEN] = graph
    taken = {"kind": "file", "labels": graph.labels, "edges": graph.edges}
    set_draft(draft().model_copy(update={"graph": draft().graph.model_copy(update=taken)}))
