"""A Blocksworld problem in PDDL as the query of the Paths page."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from planviz.figures.blocks import graph_states
from planviz.graphs.formats.common import GraphFileError
from planviz.graphs.pddl import MAX_PDDL_BYTES, PddlProblem, find_query, read_problem
from planviz.runs.records import ExperimentRecord
from planviz.task import Task
from planviz.ui.paths.text import plural
from planviz.ui.text import literal, sentence

EXAMPLE = """(define (problem example)
  (:domain blocksworld-4ops)
  (:objects a b c)
  (:init (handempty) (ontable a) (on b a) (ontable c) (clear b) (clear c))
  (:goal (and (on a b))))"""


@dataclass(frozen=True)
class Asked:
    """A problem that was read and asked; `message` says as what, in Markdown."""

    problem: PddlProblem | None
    query: tuple[int, int] | None
    message: str
    failed: bool = False


def asked_problem(experiment: ExperimentRecord) -> Asked | None:
    """The last problem that was given for this experiment."""
    asked = st.session_state.get(_key("asked", experiment))
    return asked if isinstance(asked, Asked) else None


def pddl_picker(experiment: ExperimentRecord, task: Task) -> None:
    """A popover that makes a problem the query; nothing where the graph is not that of Blocksworld."""
    if graph_states(task.graph) is None:
        return
    with st.popover(
        "From a PDDL problem", icon=":material/description:", key=_key("open", experiment), on_change="rerun"
    ):
        st.caption(
            "A problem of the four-operator Blocksworld, as PlanBench has them. Its start becomes the source, and the "
            "nearest state in which its goal holds the target."
        )
        st.text_area(
            "Problem", placeholder=EXAMPLE, height=190, key=_key("text", experiment), persist_state="session",
            max_chars=MAX_PDDL_BYTES,
        )  # fmt: skip
        st.file_uploader("Or a file", type=["pddl", "txt"], max_upload_size=1, key=_key("file", experiment))
        st.button(
            "Ask this problem",
            type="primary",
            key=_key("ask", experiment),
            on_click=_ask,
            args=(experiment, task),
        )
        asked = asked_problem(experiment)
        if asked is not None and asked.failed:
            st.error(asked.message)


def told(experiment: ExperimentRecord, query: tuple[int, int]) -> str:
    """As what the problem was read, while its query is the one that is asked; or else nothing."""
    asked = asked_problem(experiment)
    return asked.message if asked is not None and asked.query == query else ""


def _ask(experiment: ExperimentRecord, task: Task) -> None:
    """Make the problem the query, and keep what there is to say about it; a file goes before the text."""
    key = _key("asked", experiment)
    upload = st.session_state.get(_key("file", experiment))
    text = str(st.session_state.get(_key("text", experiment)) or "")
    content: bytes | str = upload.getvalue() if isinstance(upload, UploadedFile) else text
    try:
        problem = read_problem(content)
        source, target = find_query(problem, task.graph)
    except GraphFileError as error:
        st.session_state[key] = Asked(None, None, sentence(error), failed=True)
        return
    goals = f"{plural(len(problem.goals), 'state')} of {len(task.graph)}"
    blocks = ", ".join(f"{name} is {letter}" for letter, name in problem.letters.items() if name != letter)
    read = f"Read as {len(problem.names)} blocks{f' ({blocks})' if blocks else ''}; the goal holds in {goals}"
    if source == target:
        nothing = f"{literal(read)}, and it holds at the start already, so there is nothing to ask."
        st.session_state[key] = Asked(None, None, nothing, failed=True)
        return
    labels = task.labels
    message = f"{literal(read)}, of which **{literal(labels[target])}** is nearest to **{literal(labels[source])}**."
    st.session_state[key] = Asked(problem, (source, target), message)
    st.session_state[_key("open", experiment)] = False
    st.session_state[f"paths:from:{experiment.id}"] = source
    st.session_state[f"paths:to:{experiment.id}"] = target
    use = st.session_state.get("paths:use")
    pairs = task.pairs(use).tolist() if use in ("train", "test") else []
    if [source, target] not in pairs:
        st.session_state["paths:use"] = "any"


def _key(what: str, experiment: ExperimentRecord) -> str:
    return f"paths:pddl:{what}:{experiment.id}"
