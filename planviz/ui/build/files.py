"""Graphs from and to files on the Build page."""

from __future__ import annotations

import io
import zipfile
from functools import partial

import streamlit as st

from planviz.config import GraphConfig, SplitConfig
from planviz.figures.picture import PICTURES, write_picture
from planviz.folders import app_folder
from planviz.graphs.files import (
    FORMATS,
    MAX_TEXT_BYTES,
    UPLOADS,
    GraphFileError,
    ImportedGraph,
    import_graph,
    read_alpine,
    stated_limits,
    write_alpine,
    write_graph,
)
from planviz.splits import imported_settings
from planviz.ui.lab import GraphView, TaskView
from planviz.ui.state import draft, set_draft
from planviz.ui.text import literal, sentence

EXAMPLES = {"courses": "Courses", "river-crossing": "River crossing", "towers-of-hanoi": "Towers of Hanoi"}
UPLOAD, PROBLEM, NOTES = "build:upload", "build:problem", "build:notes"


def open_file() -> None:
    """Draw the upload, the examples, and what was wrong with the last file."""
    st.file_uploader(
        "A graph: GraphML, CSV (edges or matrix), JSON (node-link) or DOT. Or ALPINE's three files at once: the graph, "
        "train_….txt and test.txt",
        type=list(UPLOADS), max_upload_size=MAX_TEXT_BYTES // 10**6, key=UPLOAD, accept_multiple_files=True,
        on_change=_take_upload,
    )  # fmt: skip
    if st.session_state.get(PROBLEM):
        st.error(st.session_state[PROBLEM], icon=":material/error:")
    if st.session_state.get(NOTES):
        st.info(literal(st.session_state[NOTES]), icon=":material/info:")
    st.caption(f"Allowed: {stated_limits()}. Links do not carry files.")
    st.caption("No file at hand? Take an example:")
    with st.container(horizontal=True, gap="small"):
        for name, title in EXAMPLES.items():
            st.button(title, key=f"build:example:{name}", on_click=_take_example, args=(name,))


def take_graph(graph: GraphConfig, split: SplitConfig | None = None) -> None:
    """Make a graph, and its split if it brings one, the draft's."""
    st.session_state[PROBLEM] = st.session_state[NOTES] = None
    old = draft()
    if split is None:
        split = old.split.model_copy(update={"kind": "random"}) if old.split.kind in _TIED else old.split
    set_draft(old.model_copy(update={"graph": old.graph.model_copy(update=_own(graph)), "split": split}))


_TIED = ("pairs", "texts", "stages")
"""Splits that mean nothing on another graph."""


def _own(graph: GraphConfig) -> dict[str, object]:
    return {name: getattr(graph, name) for name in ("kind", "labels", "edges", "positions")}


def _take_upload() -> None:
    """Runs once an upload, not on every rerun. Removing the files from the uploader keeps the graph."""
    st.session_state[PROBLEM] = st.session_state[NOTES] = None
    files = {file.name: file.getvalue() for file in st.session_state[UPLOAD] or []}
    if not files:
        return
    try:
        if len(files) == 1:
            found: ImportedGraph = import_graph(*next(iter(files.items())))
            take_graph(found.graph)
            kind, notes = found.format, found.notes
        else:
            task = read_alpine(files)
            take_graph(*imported_settings(task))
            texts = f"{len(task.texts):,} texts of {len(task.train_pairs):,} training pairs"
            kind, notes = "ALPINE's files", (f"{texts}, {len(task.test_pairs):,} test pairs", *task.notes)
    except GraphFileError as error:
        st.session_state[PROBLEM] = f"{sentence(error)} The graph stays as it was."
        return
    if notes:
        st.session_state[NOTES] = f"Read as {kind}: {'; '.join(notes)}."


def _take_example(name: str) -> None:
    file = f"{name}.graphml"
    take_graph(import_graph(file, (app_folder() / "assets" / "graphs" / file).read_bytes()).graph)


def download(view: GraphView, task: TaskView | None) -> None:
    """The graph as a file of any format, which can be opened again, as a picture, or with its split."""
    with st.popover("Download the graph", icon=":material/download:", width="stretch"):
        kind = view.graph.graph["kind"]
        for name, format in FORMATS.items():
            file = f"{kind}{format.endings[0]}"
            _button(name, format.title, partial(write_graph, file, view.graph), file, format.mime)
        for ending, picture in PICTURES.items():
            file = f"{kind}{ending}"
            _button(
                ending[1:],
                picture.title,
                partial(write_picture, file, view.graph, view.positions),
                file,
                picture.mime,
            )
        if task is not None:
            _button(
                "alpine", "Graph, split and texts (ALPINE's files)", partial(_alpine, task), f"{kind}-alpine.zip",
                "application/zip",
            )  # fmt: skip


def _button(name: str, title: str, data: object, file: str, mime: str) -> None:
    st.download_button(
        title, data, file, mime, key=f"build:download:{name}", on_click="ignore", width="stretch",  # type: ignore[arg-type]
    )  # fmt: skip


def _alpine(view: TaskView) -> bytes:
    task, packed = view.task, io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in write_alpine(task.graph, task.texts, task.test_pairs).items():
            archive.writestr(name, content)
    return packed.getvalue()
