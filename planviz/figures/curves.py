"""Curves of runs and arms. The DataFrames are those of `planviz.runs.store`: one row an evaluation or a step.

An arm is one line: the mean over its seeds, with a band from the lowest to the highest seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from planviz.config import BASE
from planviz.figures import style
from planviz.figures.change_marks import mark_changes
from planviz.figures.seeds import final_values, measured, over_seeds

METHOD_LABELS = {"sft": "SFT: cross-entropy", "pg": "Policy gradient", "q": "Q-learning: squared error"}
SPLIT_DASHES = {"train": "solid", "test": "dash"}
NO_EVALUATION = "Nothing has been measured yet."
NO_STEP = "No training step has been recorded yet."


def metric_curve(
    evaluations: pd.DataFrame,
    metric: str,
    *,
    split: str | Sequence[str] = "test",
    x: str = "step",
    smoothing: float = 0.0,
    arms: Sequence[str] | None = None,
    base: bool = True,
    changes: pd.DataFrame | None = None,
) -> go.Figure:
    """A metric over training, one line an arm.

    Args:
        split: "train", "test" or both; with both, train is solid, test dashed, and symbols tell arms apart.
        x: "step", "samples" or "seconds".
        smoothing: weight of `seeds.smooth`, in [0, 1); the unsmoothed curve stays visible as a faint line.
        arms: the arms to show; None means all.
        base: draw the final value of the base, from which the arms start, as a dotted line. While there are
            no other arms, the base is drawn as a curve of its own.
        changes: what changed while the arms trained, as from `planviz.runs.changes`; each such moment is marked.
    """
    words = style.metric(metric)
    splits = (split,) if isinstance(split, str) else tuple(split)
    both = len(splits) > 1
    heading = f"{words.label}, {' and '.join(style.SPLITS[name] for name in splits)}"
    frame = measured(evaluations, metric, splits)
    shown = _shown(frame, arms)
    if not shown:
        return style.empty(heading, NO_EVALUATION)
    figure, finals = go.Figure(), final_values(frame, metric)
    for arm in shown:
        for name in splits:
            rows = frame[(frame["arm"] == arm) & (frame["split"] == name)]
            dash = SPLIT_DASHES[name] if both else style.arm_style(arm).dash
            _add_line(figure, rows, metric, x, smoothing, arm, dash, showlegend=name == splits[0])
    with_base = base and BASE not in shown
    if with_base:
        reach = frame.loc[frame["arm"].isin(shown), x]
        for last in finals[finals["arm"] == BASE].to_dict("records"):
            _add_base(figure, last["mean"], reach.min(), reach.max())
    if changes is not None:
        mark_changes(figure, changes, frame, shown, x)
    for name in splits if both else ():
        line = {"color": style.GREY, "dash": SPLIT_DASHES[name]}
        figure.add_scatter(x=[None], y=[None], mode="lines", line=line, name=style.SPLITS[name])
    return style.finish(
        figure, heading, _takeaway(heading, finals, metric, [*shown, BASE] if with_base else shown),
        hovermode="x unified", margin={"r": 40 if with_base else 12},
        xaxis={"title": style.X_AXES[x]}, yaxis=_axis(words),
    )  # fmt: skip


def step_curve(
    steps: pd.DataFrame,
    column: str,
    *,
    x: str = "step",
    smoothing: float = 0.0,
    arms: Sequence[str] | None = None,
) -> go.Figure:
    """A value of the training steps, such as "reward", over training; arguments as in `metric_curve`."""
    words, frame = style.metric(column), measured(steps, column)
    shown = _shown(frame, arms)
    if not shown:
        return style.empty(words.label, NO_STEP)
    figure = go.Figure()
    for arm in shown:
        _add_line(figure, frame[frame["arm"] == arm], column, x, smoothing, arm, style.arm_style(arm).dash)
    return style.finish(
        figure, words.label, _takeaway(words.label, final_values(frame, column), column, shown),
        hovermode="x unified", xaxis={"title": style.X_AXES[x]}, yaxis=_axis(words),
    )  # fmt: skip


def throughput_curve(
    steps: pd.DataFrame, *, x: str = "seconds", smoothing: float = 0.0, arms: Sequence[str] | None = None
) -> go.Figure:
    """Tokens trained on per second."""
    return step_curve(steps, "tokens_per_second", x=x, smoothing=smoothing, arms=arms)


def loss_curve(
    steps: pd.DataFrame, *, x: str = "step", smoothing: float = 0.0, arms: Sequence[str] | None = None
) -> go.Figure:
    """The training loss; one panel a method, because the methods' losses are on different scales."""
    frame = measured(steps, "loss")
    shown = _shown(frame, arms)
    if not shown:
        return style.empty("Loss", NO_STEP)
    frame = frame[frame["arm"].isin(shown)]
    methods = [method for method in METHOD_LABELS if (frame["method"] == method).any()]
    figure = make_subplots(
        len(methods), 1, shared_xaxes=True, vertical_spacing=0.3 / (len(methods) + 1),
        subplot_titles=[METHOD_LABELS[method] for method in methods],
    )  # fmt: skip
    figure.update_annotations(x=0, xanchor="left", font={"size": 12})
    for number, method in enumerate(methods, start=1):
        for arm in shown:
            rows = frame[(frame["arm"] == arm) & (frame["method"] == method)]
            dash = style.arm_style(arm).dash
            _add_line(figure, rows, "loss", x, smoothing, arm, dash, xaxis=f"x{number}", yaxis=f"y{number}")
    figure.update_xaxes(title=style.X_AXES[x], row=len(methods))
    return style.finish(
        figure, "Loss", _takeaway("Loss", final_values(frame, "loss"), "loss", shown),
        height=120 + 150 * len(methods), above=28, hovermode="x unified", margin={"t": 64},
    )  # fmt: skip


def pass_at_k(
    evaluations: pd.DataFrame, *, split: str = "test", arms: Sequence[str] | None = None
) -> go.Figure:
    """pass@k over k at the last evaluation of every arm, the base included."""
    heading = f"pass@k, {style.SPLITS[split]}"
    columns = {k: f"pass_at_{k}" for k in style.PASS_AT}
    finals = {k: final_values(measured(evaluations, name, (split,)), name) for k, name in columns.items()}
    values = pd.concat(finals, names=["k", None]).reset_index("k")
    shown = _with_base(values["arm"], arms)
    if not shown:
        return style.empty(heading, NO_EVALUATION)
    figure, parts = go.Figure(), []
    for arm in shown:
        rows, look = values[values["arm"] == arm], style.arm_style(arm)
        figure.add_scatter(
            x=rows["k"], y=rows["mean"], name=arm, mode="lines+markers", hovertemplate="%{y:.1%}",
            line={"color": look.color, "dash": look.dash}, marker={"symbol": look.symbol, "size": 8},
            error_y={"array": rows["high"] - rows["mean"], "arrayminus": rows["mean"] - rows["low"],
                     "visible": bool(rows["seeds"].max() > 1), "thickness": 1, "width": 3},
        )  # fmt: skip
        first, last = rows.iloc[0], rows.iloc[-1]
        parts.append(f"{arm} {first['mean']:.1%} at k = {first['k']}, {last['mean']:.1%} at k = {last['k']}")
    return style.finish(
        figure, heading, f"{heading}: {'; '.join(parts)}.", hovermode="x unified",
        xaxis={"title": "Samples a query (k)", "type": "log", "tickvals": style.PASS_AT, "tickformat": "d"},
        yaxis=_axis(style.metric("pass_at_1")),
    )  # fmt: skip


def failure_kinds(
    evaluations: pd.DataFrame, *, split: str = "test", arms: Sequence[str] | None = None
) -> go.Figure:
    """How the sampled paths of every arm end, at its last evaluation: one stacked bar an arm."""
    heading = f"How sampled paths end, {style.SPLITS[split]}"
    shares = pd.DataFrame()
    for outcome in style.OUTCOME_STYLES:
        column = "sampled_accuracy" if outcome == "correct" else outcome
        final = final_values(measured(evaluations, column, (split,)), column)
        shares[outcome] = final.set_index("arm")["mean"]
    shown = _with_base(shares.index, arms)
    if not shown:
        return style.empty(heading, NO_EVALUATION)
    figure, shares = go.Figure(), shares.loc[shown]
    for outcome, look in style.OUTCOME_STYLES.items():
        figure.add_bar(
            x=shares[outcome], y=shown, orientation="h", name=f"{look.mark} {look.label}",
            marker=style.bar_marker(look.color, look.pattern),
            text=[f"{look.mark} {share:.0%}" if share >= 0.05 else "" for share in shares[outcome]],
            textposition="inside", insidetextanchor="middle", textangle=0,
            textfont={"color": "#ffffff", "weight": 600}, hovertemplate="%{x:.1%}",
        )  # fmt: skip
    parts = [f"{arm} {share:.1%} correct" for arm, share in shares["correct"].items()]
    return style.finish(
        figure, heading, f"{heading}: {', '.join(parts)}.", height=90 + 44 * len(shown),
        barmode="stack", bargap=0.25, hovermode="y unified", margin={"r": 24},
        uniformtext={"mode": "hide", "minsize": 10},  # a label that does not fit is left out
        xaxis={"tickformat": ".0%", "range": [0, 1], "dtick": 0.25},
        yaxis={"autorange": "reversed", "type": "category", "ticklabelstandoff": 6},
    )  # fmt: skip


def _shown(frame: pd.DataFrame, arms: Sequence[str] | None) -> list[str]:
    """The arms to draw as lines: those asked for that have rows, and the base only while it is alone."""
    present = style.arm_order(frame["arm"])
    others = [arm for arm in present if arm != BASE and (arms is None or arm in arms)]
    return others or [arm for arm in present if present == [BASE]]


def _with_base(present: Iterable[str], arms: Sequence[str] | None) -> list[str]:
    """The arms asked for that are there, and the base."""
    return [arm for arm in style.arm_order(present) if arms is None or arm == BASE or arm in arms]


def _add_line(
    figure: go.Figure,
    rows: pd.DataFrame,
    column: str,
    x: str,
    smoothing: float,
    arm: str,
    dash: str,
    **trace: Any,
) -> None:
    """One arm: a band over its seeds, the unsmoothed mean if the line is smoothed, and the line."""
    if rows.empty:
        return
    look, words, curve = style.arm_style(arm), style.metric(column), over_seeds(rows, column, x, smoothing)
    common = trace | {"x": curve["x"], "legendgroup": arm}
    silent = common | {"mode": "lines", "showlegend": False, "hoverinfo": "skip"}
    several = curve["seeds"].max() > 1
    if several:
        edge = {"width": 0, "color": look.color}
        tint = style.translucent(look.color, 0.15)
        figure.add_scatter(**silent, y=curve["low"], name=f"{arm}: lowest seed", line=edge)
        figure.add_scatter(
            **silent, y=curve["high"], name=f"{arm}: highest seed", line=edge, fill="tonexty", fillcolor=tint
        )
    if smoothing:
        faint = {"color": look.color, "width": 1}
        figure.add_scatter(**silent, y=curve["raw"], name=f"{arm}: not smoothed", line=faint, opacity=0.3)
    number = ":.1%" if words.share else ":.4~g"
    spread = f" (%{{customdata[0]{number}}} – %{{customdata[1]{number}}})" if several else ""
    where = f", {rows['split'].iloc[0]}" if "split" in rows else ""
    figure.add_scatter(
        **common, y=curve["mean"], customdata=curve[["low", "high"]], name=arm, mode="lines+markers",
        line={"color": look.color, "dash": dash, "width": 2}, cliponaxis=False,
        marker={"symbol": look.symbol, "size": 7, "maxdisplayed": 12},
        hovertemplate=f"%{{y{number}}}{spread}<extra>{arm}{where}</extra>",
    )  # fmt: skip


def _add_base(figure: go.Figure, value: float, first: float, last: float) -> None:
    """The value from which the arms start, as a labelled dotted line across the picture."""
    figure.add_scatter(
        x=[first, last], y=[value, value], name=BASE, showlegend=False, mode="lines", hoverinfo="skip",
        line={"color": style.GREY, "dash": "dot", "width": 1.5},
    )  # fmt: skip
    figure.add_annotation(
        x=1, xref="paper", xanchor="left", y=value, text=BASE, showarrow=False,
        font={"size": 11, "color": style.GREY},
    )  # fmt: skip


def _axis(words: style.Metric) -> dict[str, object]:
    return {"tickformat": ".0%", "range": [-0.03, 1.05]} if words.share else {"rangemode": "tozero"}


def _takeaway(heading: str, finals: pd.DataFrame, column: str, arms: Sequence[str]) -> str:
    """The last values in one sentence."""
    words = style.metric(column)
    rows = finals.to_dict("records")
    parts = [
        " ".join([arm, *([last["split"]] if "split" in last else []), words.text(last["mean"])])
        for arm in arms
        for last in rows
        if last["arm"] == arm
    ]
    return f"{heading}, last value: {', '.join(parts)}."
