"""The Runs page: all experiments in a table, to search, choose and act on."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from zlib import crc32

import pandas as pd
import streamlit as st

from planviz.config import PRESETS
from planviz.graphs.kinds import graph_in_words
from planviz.limits import is_public
from planviz.runs.library import Headline, headlines
from planviz.runs.records import ExperimentRecord
from planviz.ui import lab, state
from planviz.ui.runs.actions import actions, import_button, last_action
from planviz.ui.runs.compare import compare
from planviz.ui.runs.dialogs import dialogs
from planviz.ui.runs.view import NOTHING, choose
from planviz.ui.text import literal
from planviz.ui.train.runs_table import STATE_MARKS

REFRESH = "3s"


def library() -> None:
    """Draw the page below its title."""
    opened = st.session_state.get("opened", [])
    records = _visible(lab.store().experiments(), opened, state.session_id() if is_public() else None)
    _watch(records)
    last_action()
    if all(record.id == lab.demo_id() for record in records):
        _nothing_yet()
    numbers = headlines(lab.store())
    shown = _listed(records, numbers)
    if not shown:
        st.info("No experiment fits the search and the filter.", icon=":material/search_off:")
        chosen = []
    else:
        chosen = table(shown, numbers)
    actions(chosen)
    if len(chosen) > 1:
        compare(chosen)
    dialogs(records)


def _visible(
    records: Sequence[ExperimentRecord], opened: Collection[str], session: str | None
) -> list[ExperimentRecord]:
    """The experiments that are listed: on one's own machine all of them.

    Args:
        session: who looks, on a public server: they see the demo, what they started, and what they opened.
    """
    if session is None:
        return list(records)
    return [r for r in records if r.session == session or r.id in opened or r.id == lab.demo_id()]


def _watch(records: Sequence[ExperimentRecord]) -> None:
    """Draw the page again when the state of a run has changed, as long as there is something in work."""
    if not any(lab.is_active(record) for record in records):
        return
    before = {record.id: record.states for record in records}

    @st.fragment(run_every=REFRESH, key="runs:watch")
    def watch() -> None:
        now = {record.id: record.states for record in lab.store().experiments()}
        if any(now.get(key) != states for key, states in before.items()):
            st.rerun()

    watch()


def _nothing_yet() -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.write("Everything that you train is kept and listed here. So far there is only the demo.")
        if st.button("Train something", icon=":material/play_circle:", type="primary", key="runs:train"):
            st.switch_page("pages/train.py")


def _listed(records: Sequence[ExperimentRecord], numbers: Mapping[str, Headline]) -> list[ExperimentRecord]:
    """The widgets above the table, and the experiments that they leave."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shown = choose(records, numbers)
        import_button()
    current = lab.current_experiment()
    title = "the demo that ships with planviz" if current.id == lab.demo_id() else literal(current.name)
    count = (
        f"{len(shown)} of {len(records)} experiments."
        if len(shown) < len(records)
        else f"{len(records)} in all."
    )
    st.caption(f"{count} Train, Compare and Paths show: {title}.")
    return shown


def table(records: Sequence[ExperimentRecord], numbers: Mapping[str, Headline]) -> list[ExperimentRecord]:
    """Draw the table; the experiments whose rows are selected."""
    percent = st.column_config.NumberColumn
    event = st.dataframe(
        library_frame(records, numbers),
        key=table_key(records),
        hide_index=True,
        placeholder="–",
        on_select="rerun",
        selection_mode="multi-row",
        alt=f"{len(records)} experiments with their states and main numbers.",
        column_config={
            "★": st.column_config.TextColumn(width=38, help="Starred"),
            "name": st.column_config.TextColumn(pinned=True, width=210),
            "state": st.column_config.TextColumn(width=130),
            "test accuracy": percent(
                format="percent", help="Sampled, pairs never trained on, at the end, of the leading arm"
            ),
            "best": percent(format="percent", help="The best such accuracy that any arm ever had"),
            "distinct paths": percent(
                format="%.2f", help="Distinct correct paths a training pair, leading arm"
            ),
            "leading arm": st.column_config.TextColumn(help="The arm with the best test accuracy at the end"),
            "started": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "training": percent(
                format="%.0f s", help="Seconds spent training and evaluating, all runs together"
            ),
            "size": percent(format="bytes", help="About, on disk"),
            "tags": st.column_config.ListColumn(width=150),
        },
    )
    return [records[row] for row in event.selection.rows if row < len(records)]


def table_key(records: Sequence[ExperimentRecord]) -> str:
    """Another one for other rows: a selection is one of places, which would then mean others."""
    listed = crc32("\n".join(record.id for record in records).encode())
    return f"runs:table:{listed:08x}"


def library_frame(records: Sequence[ExperimentRecord], numbers: Mapping[str, Headline]) -> pd.DataFrame:
    """One row an experiment."""
    rows = []
    for record in records:
        config, known = record.config, numbers.get(record.id, NOTHING)
        rows.append(
            {
                "★": "★" if record.starred else "",
                "name": "The demo" if record.id == lab.demo_id() else record.name,
                "state": states_in_words(record),
                "test accuracy": _rounded(known.accuracy),
                "best": _rounded(known.best),
                "distinct paths": known.distinct,
                "leading arm": known.arm,
                "tags": list(record.tags),
                "graph": graph_in_words(config.graph),
                "preset": record.preset if record.preset in PRESETS else None,
                "arms": ", ".join(config.arms),
                "seeds": ", ".join(map(str, config.seeds)),
                "started": datetime.datetime.fromtimestamp(record.created),
                "training": known.seconds,
                "size": known.size,
            }
        )
    return pd.DataFrame(rows)


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 2)


def states_in_words(record: ExperimentRecord) -> str:
    """How many of its runs are in which state, with the marks of the Train page."""
    told = []
    for name, words in STATE_MARKS.items():
        if count := record.states.get(name, 0):  # type: ignore[call-overload]
            mark, word = words.split(" ")
            told.append(f"{mark} {count} {word}")
    return ", ".join(told)
