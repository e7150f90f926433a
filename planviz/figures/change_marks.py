"""The moments at which settings of an arm changed while it trained, marked on its curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from planviz.arms import QLearningConfig
from planviz.figures import style

FEW_WORDS = 34
ROWS, ROW = 4, 15
"""Marks stand in so many rows one below the other, each so many pixels high."""


def change_words(settings: Mapping[str, float | str]) -> str:
    """What changed, such as ``outcome reward`` or ``each step −0.5, discount 0.9``."""
    fields = QLearningConfig.model_fields
    words = []
    for name, value in settings.items():
        title = (fields[name].title or name) if name in fields else name
        title = title.partition(" (")[0].lower()
        words.append(f"{value} reward" if name == "reward" else f"{title} {_number(value)}")
    return ", ".join(words)


def mark_changes(
    figure: go.Figure, changes: pd.DataFrame, measured: pd.DataFrame, arms: Sequence[str], x: str
) -> None:
    """A dotted line and a few words for every change of the arms; all of its words on hover.

    Args:
        changes: as from `planviz.runs.changes.changes`.
        measured: the evaluations that the figure shows: columns arm, step and `x`.
    """
    seen: set[tuple[str, int]] = set()
    middle = (measured[x].min() + measured[x].max()) / 2
    for arm, step, settings in changes[["arm", "step", "settings"]].itertuples(index=False):
        rows = measured[measured["arm"] == arm].sort_values("step")
        if (
            arm not in arms
            or rows.empty
            or (arm, step) in seen
            or (x != "step" and step > rows["step"].max())
        ):
            continue  # where steps lie on another axis is known up to the last evaluation
        at = float(step if x == "step" else np.interp(step, rows["step"], rows[x]))
        color = style.arm_style(arm).color
        words = f"{style.plain(arm)}: {style.plain(change_words(settings), 200)}"
        right = at > middle
        figure.add_vline(x=at, line={"color": color, "dash": "dot", "width": 1.5})
        figure.add_annotation(
            x=at, y=1, yref="paper", xanchor="right" if right else "left", yanchor="top", showarrow=False,
            text=f"{style.plain(arm)}: {style.plain(change_words(settings), FEW_WORDS)}", hovertext=words,
            font={"size": 11, "color": color}, xshift=-3 if right else 3, yshift=-ROW * (len(seen) % ROWS),
        )  # fmt: skip
        seen.add((arm, step))


def _number(value: float | str) -> str:
    return f"{value:g}".replace("-", "−") if isinstance(value, int | float) else style.short(value)
