"""Experiments of the library side by side: the settings in which they differ, and their final metrics."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from planviz.runs.library import differing
from planviz.runs.records import ExperimentRecord
from planviz.summary import SUMMARY
from planviz.ui import lab

MOST = 8
"""At most so many experiments are compared."""


def compare(chosen: Sequence[ExperimentRecord]) -> None:
    """Draw both tables."""
    compared = chosen[:MOST]
    if len(chosen) > MOST:
        st.caption(f"The first {MOST} are compared.")
    titles = _titles(compared)
    st.subheader("What differs")
    rows = differing([record.config for record in compared])
    if rows:
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=titles).rename_axis("setting")
        st.dataframe(frame, key="runs:differs", alt=f"{len(rows)} settings differ.")
    else:
        st.info("All their settings are the same.", icon=":material/equal:")
    st.subheader("Final values")
    st.caption("Means over the seeds: accuracies, and distinct correct paths a training pair.")
    values = final_values(compared, titles)
    if values.empty:
        st.info("Nothing has been measured yet.", icon=":material/hourglass_empty:")
    else:
        st.dataframe(values, key="runs:final", placeholder="–", alt="Final values, an experiment a column.")


def _titles(records: Sequence[ExperimentRecord]) -> list[str]:
    """Their names, with the beginning of the id where two have the same."""
    names = [record.name for record in records]
    return [
        name if names.count(name) == 1 else f"{name} ({record.id[:6]})"
        for name, record in zip(names, records, strict=True)
    ]


def final_values(records: Sequence[ExperimentRecord], titles: Sequence[str]) -> pd.DataFrame:
    """A row for each arm and metric, a column for each experiment; numbers as text, for they are of two kinds."""
    columns = []
    for record, title in zip(records, titles, strict=True):
        values = lab.values(record.id).arms
        if values.empty:
            columns.append(pd.Series(dtype=str, name=title))
            continue
        means = values.set_index("arm")[list(SUMMARY)].stack()
        shown = [
            f"{value:.2f}" if metric == "distinct paths" else f"{value:.0%}"
            for metric, value in zip(means.index.get_level_values(1), means, strict=True)
        ]
        columns.append(pd.Series(shown, means.index, name=title))
    if all(column.empty for column in columns):
        return pd.DataFrame()
    return pd.concat(columns, axis=1, sort=False).rename_axis(["arm", "metric"])
