"""Undo and redo on the Build page: every change of the graph or of the split can be taken back."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from planviz.config import GraphConfig, SplitConfig
from planviz.ui.state import draft, set_draft

HISTORY = "build:history"
MOST = 200
"""So many steps can be taken back."""

Entry = tuple[GraphConfig, SplitConfig]


@dataclass
class History:
    """What the draft was before, is, and would be again after redoing."""

    present: Entry
    past: list[Entry] = field(default_factory=list)
    future: list[Entry] = field(default_factory=list)


def history() -> History:
    """The history of this session, which begins with the first visit to the page."""
    if HISTORY not in st.session_state:
        st.session_state[HISTORY] = History(_drafted())
    found: History = st.session_state[HISTORY]
    return found


def follow() -> None:
    """Take notice of what the draft has become, whoever changed it."""
    known, now = history(), _drafted()
    if now != known.present:
        known.past = [*known.past, known.present][-MOST:]
        known.present, known.future = now, []


def undo() -> None:
    """Back to what the draft was before; nothing happens if there is no before."""
    follow()
    known = history()
    if known.past:
        known.future.append(known.present)
        _go_to(known.past.pop())


def redo() -> None:
    """What was undone last, again."""
    follow()
    known = history()
    if known.future:
        known.past.append(known.present)
        _go_to(known.future.pop())


def _drafted() -> Entry:
    return draft().graph, draft().split


def _go_to(entry: Entry) -> None:
    history().present = entry
    set_draft(draft().model_copy(update={"graph": entry[0], "split": entry[1]}))
