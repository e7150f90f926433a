"""What the Runs page lists and in which order: the widgets above its table, and their twin in the URL."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import streamlit as st

from planviz.runs.library import Headline, found
from planviz.runs.records import MAX_NAME, MAX_TAGS, ExperimentRecord
from planviz.ui import lab, state
from planviz.ui.train.runs_table import STATE_MARKS

FILTERS: dict[str, Callable[[ExperimentRecord], bool]] = {
    "All": lambda record: not record.archived,
    "Starred": lambda record: record.starred and not record.archived,
    "Running": lab.is_active,
    "Archived": lambda record: record.archived,
}
NOTHING = Headline(None, None, None, None, 0.0, 0)
SORTS: dict[str, Callable[[ExperimentRecord, Headline], Any]] = {
    "Newest": lambda record, _: -record.created,
    "Oldest": lambda record, _: record.created,
    "Name": lambda record, _: record.name.casefold(),
    "Test accuracy": lambda _, known: -_or_least(known.accuracy),
    "Distinct paths": lambda _, known: -_or_least(known.distinct),
    "Longest training": lambda _, known: -known.seconds,
    "Largest": lambda _, known: -known.size,
}
SEARCH, SHOW, STATE, TAGS, SORT = (f"runs:{name}" for name in ("search", "filter", "state", "tags", "sort"))
CHOICES: dict[str, tuple[str, Sequence[str]]] = {
    SHOW: ("runs.show", list(FILTERS)),
    STATE: ("runs.state", list(STATE_MARKS)),
    SORT: ("runs.sort", list(SORTS)),
}
"""The name in the URL, and what is allowed, of the widgets with a choice."""
PREFIX, FOLLOWED = "runs.", "runs:followed"
DEFAULTS: dict[str, str | None] = {SHOW: "All", STATE: None, SORT: "Newest"}


def _or_least(value: float | None) -> float:
    return -math.inf if value is None or math.isnan(value) else value


def choose(records: Sequence[ExperimentRecord], numbers: Mapping[str, Headline]) -> list[ExperimentRecord]:
    """Draw the widgets; the experiments that they leave, in their order."""
    tags = sorted({tag for record in records for tag in record.tags}, key=str.casefold)
    _follow_link(tags)
    text = st.text_input(
        "Search", key=SEARCH, icon=":material/search:", placeholder="name, tag, preset, graph or arm",
        live=True, width=260, persist_state="session", max_chars=MAX_NAME,
    )  # fmt: skip
    st.session_state.setdefault(SHOW, DEFAULTS[SHOW])
    show = st.segmented_control(
        "Show", list(FILTERS), required=True, key=SHOW, persist_state="session",
        help="All are those that are not in the archive.",
    )  # fmt: skip
    with_state = st.selectbox(
        "State", list(STATE_MARKS), index=None, placeholder="Any state", key=STATE, persist_state="session",
        format_func=STATE_MARKS.__getitem__, width=150,
    )  # fmt: skip
    st.session_state[TAGS] = [tag for tag in st.session_state.get(TAGS) or [] if tag in tags]
    with_tags = st.multiselect(
        "Tags", tags, key=TAGS, persist_state="session", placeholder="Any tags" if tags else "No tags yet",
        disabled=not tags, width=200,
    )  # fmt: skip
    st.session_state.setdefault(SORT, DEFAULTS[SORT])
    order = st.selectbox("Sort by", list(SORTS), key=SORT, persist_state="session", width=170)
    _write_link()
    shown = [
        record
        for record in found(records, text or "")
        if FILTERS.get(show or "All", FILTERS["All"])(record)
        and (with_state is None or any(n and name == with_state for name, n in record.states.items()))
        and set(with_tags) <= set(record.tags)
    ]
    by = SORTS.get(order or "Newest", SORTS["Newest"])  # what a browser sends may be anything
    return sorted(shown, key=lambda record: by(record, numbers.get(record.id, NOTHING)))


def _follow_link(tags: Sequence[str]) -> None:
    """On a session's first visit, choose what the link says; what is not usable is named."""
    if st.session_state.get(FOLLOWED):
        return
    st.session_state[FOLLOWED] = True
    link = state.page_link(PREFIX)
    text = link.pop("runs.search", "")
    if len(text) <= MAX_NAME and text.isprintable():
        st.session_state.setdefault(SEARCH, text)
    else:
        _refuse("the search", text)
    for key, (name, allowed) in CHOICES.items():
        value = link.pop(name, None)
        if value in allowed:
            st.session_state[key] = value
        elif value is not None:
            _refuse(name, value)
    given = [unquote(tag) for tag in link.pop("runs.tags", "").split(",") if tag][:MAX_TAGS]
    if given:
        st.session_state[TAGS] = [tag for tag in given if tag in tags]
    for tag in given:
        if tag not in tags:
            _refuse("the tag", tag)
    for name in link:
        _refuse("the key", name)


def _refuse(what: str, value: str) -> None:
    state.notify(
        f"This link could not be read in full: {what} {value[:40]!r} is not known here, so it is left out."
    )


def _write_link() -> None:
    """Put what is chosen into the URL, as far as it is not what everybody sees at first."""
    chosen = {
        name: st.session_state[key]
        for key, (name, _) in CHOICES.items()
        if st.session_state[key] != DEFAULTS[key]
    }
    tags = [tag.replace("%", "%25").replace(",", "%2C") for tag in st.session_state[TAGS]]
    link = {"runs.search": st.session_state[SEARCH], "runs.tags": ",".join(tags), **chosen}
    state.set_page_link(PREFIX, {name: value for name, value in link.items() if value})
