"""The graph editor: the graph as a drawing that can be edited with mouse, touch and keyboard."""

from __future__ import annotations

from importlib import resources
from typing import Annotated, Any, Literal

import streamlit as st
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from planviz.figures import style
from planviz.figures.blocks import graph_states, node_pictures, step_name
from planviz.figures.network import FRAMES, MAX_NAMED_MOVES, MAX_PICTURES
from planviz.folders import provide_vis_network
from planviz.graphs.edits import AddEdge, AddNode, Delete, Edit, Move, Rename, apply, own_graph
from planviz.graphs.generate import GraphError
from planviz.splits import without_nodes
from planviz.ui.build.history import follow, history, redo, undo
from planviz.ui.build.pair import PAIR, choose_pair, chosen_pair
from planviz.ui.lab import GraphView, graph_view
from planviz.ui.state import draft, notify, set_draft

KEY = "build:editor"
HANDLED = "build:handled"
"""The number of the last edit that was carried out."""

COLORS = {
    "node": style.TEAL, "query": style.PURPLE, "path": style.BLUE,
    "stages": [style.TEAL, style.AMBER, style.BLUE, style.OLIVE],  # one after the other, and again from the first
}  # fmt: skip

_here = resources.files("planviz.ui.build")
_editor = st.components.v2.component(
    "planviz_graph_editor",
    html=(_here / "graph_editor.html").read_text("utf-8"),
    css=(_here / "graph_editor.css").read_text("utf-8"),
    js="".join((_here / f"graph_{part}.js").read_text("utf-8") for part in ("drawing", "editor")),
    isolate_styles=False,
)


class _Command(BaseModel):
    do: Literal["undo", "redo", "arrange"]


class _Sent(BaseModel):
    """What was done in the browser; numbered, because it is sent again until Python has carried it out."""

    id: int
    edit: Annotated[AddNode | AddEdge | Delete | Rename | Move | _Command, Field(discriminator="do")]


_SENT: TypeAdapter[list[_Sent]] = TypeAdapter(Annotated[list[_Sent], Field(max_length=1000)])
_QUERY: TypeAdapter[list[int]] = TypeAdapter(Annotated[list[int], Field(max_length=2)])


def graph_editor(view: GraphView, path: list[int]) -> None:
    """Draw the graph to be edited.

    Args:
        path: nodes of a path to highlight.
    """
    provide_vis_network()
    mode = "dark" if st.context.theme.type == "dark" else "light"
    known = history()
    _editor(
        key=KEY, on_edits_change=_take_edits, on_query_change=_take_query,
        data={
            "labels": [view.graph.nodes[node]["label"] for node in range(len(view.graph))],
            "edges": [list(edge) for edge in view.graph.edges],
            "positions": view.positions.round(4).tolist(),
            "handled": st.session_state.get(HANDLED, 0),
            "query": chosen_pair(len(view.graph)),
            "path": path,
            "pictures": node_pictures(view.graph, mode == "dark"),
            "max_pictures": MAX_PICTURES,
            "moves": _moves(view),
            "stages": _stages(view),
            "undo": bool(known.past),
            "redo": bool(known.future),
            "colors": COLORS | {"edge": FRAMES[mode]},
        },
    )  # fmt: skip


def _stages(view: GraphView) -> list[int] | None:
    """The stage of every node, from 0; None if the graph has none."""
    stages: list[Any] = [view.graph.nodes[node].get("stage") for node in range(len(view.graph))]
    return None if None in stages else stages


def _moves(view: GraphView) -> dict[str, str]:
    """What the edges of a Blocksworld graph do, by "label>label" of their ends; nothing for others."""
    states = graph_states(view.graph)
    if states is None or view.graph.number_of_edges() > MAX_NAMED_MOVES:
        return {}
    labels = [view.graph.nodes[node]["label"] for node in range(len(view.graph))]
    return {f"{labels[u]}>{labels[v]}": step_name(states[u], states[v]) for u, v in view.graph.edges}


def edit_graph(edit: Edit) -> bool:
    """Carry out an edit of the draft's graph, or say why that is not possible.

    A graph of any kind becomes one's own by it, unless its nodes are only moved.
    """
    before = draft()
    try:
        view = graph_view(before.graph)
        as_it_is = isinstance(edit, Move) or (before.graph.kind == "file" and before.graph.positions)
        graph = apply(before.graph if as_it_is else own_graph(view.graph, view.positions), edit)
    except GraphError as error:
        notify(f"{error}.")
        return False
    split = before.split
    if isinstance(edit, Delete) and edit.nodes:
        split = without_nodes(split, set(edit.nodes), len(view.graph))
        st.session_state[PAIR] = None
    set_draft(before.model_copy(update={"graph": graph, "split": split}))
    follow()
    return True


def arrange() -> None:
    """Lay the graph out anew."""
    set_draft(draft().model_copy(update={"graph": draft().graph.model_copy(update={"positions": ()})}))
    follow()


def _take_edits() -> None:
    """Carry out what the browser sent and was not carried out yet. After one that is refused, the others of the same
    message would be for a graph that is not there: they are dropped, and the browser gets the graph as it is."""
    try:
        sent = _SENT.validate_python(st.session_state[KEY].get("edits"))
    except ValidationError:
        notify("The graph editor sent something that is no edit; the graph stays as it was.")
        return
    commands = {"undo": undo, "redo": redo, "arrange": arrange}
    new = [one for one in sent if one.id > st.session_state.get(HANDLED, 0)]
    for one in new:
        if isinstance(one.edit, _Command):
            commands[one.edit.do]()
        elif not edit_graph(one.edit):
            break
    if new:
        st.session_state[HANDLED] = new[-1].id


def _take_query() -> None:
    try:
        query = _QUERY.validate_python(st.session_state[KEY].get("query"))
    except ValidationError:
        query = []
    st.session_state[PAIR] = None
    if len(query) == 2:
        choose_pair(*query)
