"""The figures that show each claim, most of them counterparts of the paper's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import plotly.graph_objects as go

from planviz.claims.evidence import Evidence
from planviz.claims.statistics import Interval, interval
from planviz.config import PolicyGradientConfig
from planviz.figures import style
from planviz.figures.curves import metric_curve
from planviz.figures.seeds import measured

Figure = tuple[Callable[[], go.Figure], str]
"""How to make a figure, and one sentence on how to read it."""

EDGE_GROUPS = {"often": "often in the texts", "seldom": "seldom", "never": "never"}
PATTERNS = {"often": "", "seldom": "/", "never": "x"}
COLORS = {"often": style.TEAL, "seldom": style.AMBER, "never": style.CRIMSON}
PG_ARMS = ("sft", "pg", "pg-kl-weak", "pg-kl", "pg-kl-strong")
Q_ARMS = ("q-outcome", "q-outcome-offpolicy", "q-process", "q-process-offpolicy")


def claim_figures(evidence: Evidence) -> dict[str, list[Figure]]:
    """The figures of each claim, by its id."""
    curve = partial(metric_curve, evidence.finished)
    accuracy = partial(curve, "sampled_accuracy")
    off_policy = ("q-process", "q-process-offpolicy")
    return {
        "C1": [
            (partial(curve, "kl_to_cooccurrence", split="train", arms=["sft"]),
             "Distance to the table of what follows what in the texts: fine-tuning goes there, and stays."),
            (partial(accuracy, split=("train", "test"), arms=["sft"], base=False),
             "Pairs that were trained on, and pairs that no text shows: the gap between them stays open."),
        ],
        "C2": [
            (partial(accuracy, split="test", arms=["sft", "pg"]),
             "Unseen pairs (the paper's figure 2): policy gradient gains where more fine-tuning does not."),
            (partial(curve, "paths_found", split="train", arms=["sft", "pg"], base=False),
             "Why: fine-tuning has seen all its texts soon, policy gradient goes on finding correct paths."),
        ],
        "C3": [
            (partial(curve, "distinct_paths", split="train", arms=["sft", "pg"]),
             "Different correct paths among the samples of a pair: under policy gradient one is left."),
            (partial(accuracy, split=("train", "test"), arms=["pg"]),
             "All the while it gets the training pairs right. Later, unseen pairs may get worse again."),
        ],
        "C4": [
            (partial(kl_sweep, evidence, "distinct_paths"),
             "Diversity at the end against the weight of KL (the paper's figure 2): the more, the more is kept."),
            (partial(kl_sweep, evidence, "sampled_accuracy"),
             "What it costs: accuracy on the training pairs falls towards that of the base."),
        ],
        "C5": [
            (partial(accuracy, split="train", arms=Q_ARMS),
             "Outcome against process reward, on- and off-policy (the paper's figure 3)."),
            (partial(curve, "q_spread", split="train", arms=Q_ARMS),
             "How far apart the values of the next nodes are: on the outcome alone they become equal."),
        ],
        "C6": [
            (partial(curve, "distinct_paths", split="train", arms=["pg", "q-process"]),
             "Where policy gradient narrows down, Q-learning finds more and more good paths."),
            (partial(curve, "q_error", split="train", arms=["q-process"], base=False),
             "The learned values come close to the exact ones, adjacency + reachability − 1 on an acyclic graph."),
        ],
        "C7": [
            (partial(accuracy, split="train", arms=off_policy), "Two ways to sample, one end: training pairs."),
            (partial(accuracy, split="test", arms=off_policy), "And unseen pairs."),
        ],
        "C8": [
            (partial(edge_bars, evidence),
             "How well edges can be read out of the logits (the paper's figure 1), by how often the texts take them: "
             "0.5 is guessing, 1 is all of them."),
        ],
    }  # fmt: skip


def kl_sweep(evidence: Evidence, metric: str) -> go.Figure:
    """A metric on training pairs at the end, against λ, with 95 % intervals; continual SFT beside it."""
    words = style.metric(metric)
    heading = f"{words.label} at the end, training pairs, by λ"
    found = {
        name: (arm.kl if isinstance(arm, PolicyGradientConfig) else None, _at_the_end(evidence, name, metric))
        for name, arm in evidence.config.arms.items()
        if name in PG_ARMS
    }
    points = sorted(
        (kl, name, part) for name, (kl, part) in found.items() if kl is not None and part is not None
    )
    if not points:
        return style.empty(heading, "No policy gradient has finished yet.")
    figure = go.Figure()
    names = [f"λ = {kl:g}" for kl, _, _ in points]
    _add_points(figure, names, [part for _, _, part in points], "pg", "policy gradient")
    sft = found.get("sft", (None, None))[1]
    if sft is not None:
        _add_points(figure, ["more SFT"], [sft], "sft", "continual SFT")
    told = "; ".join(f"{name}: {part.mean:.2f}" for name, (_, _, part) in zip(names, points, strict=True))
    return style.finish(
        figure, heading, f"{heading}: {told}.", height=300,
        xaxis={"type": "category"}, yaxis={"tickformat": ".0%"} if words.share else {"rangemode": "tozero"},
    )  # fmt: skip


def edge_bars(evidence: Evidence) -> go.Figure:
    """The AUC of edges against non-edges, by arm and by how often the texts take the edge, with 95 % intervals."""
    heading = "Edges recovered from the logits (AUC)"
    edges = evidence.weights[evidence.weights["measure"].isin(EDGE_GROUPS)].dropna(subset=["value"])
    if edges.empty:
        return style.empty(heading, "No run has finished yet.")
    figure, arms = go.Figure(), style.arm_order(edges["arm"])
    told = []
    for group, words in EDGE_GROUPS.items():
        parts = {arm: interval(evidence.known(arm, group)) for arm in arms}
        if not any(part.seeds for part in parts.values()):
            continue
        figure.add_bar(
            x=arms, y=[part.mean for part in parts.values()], name=words,
            marker=style.bar_marker(COLORS[group], PATTERNS[group]), hovertemplate="%{y:.2f}",
            error_y={"array": _halves(parts.values()), "thickness": 1.5, "width": 3},
        )  # fmt: skip
        told.append(f"{words}: " + ", ".join(f"{arm} {part.mean:.2f}" for arm, part in parts.items()))
    figure.add_hline(y=0.5, line={"color": style.GREY, "dash": "dot", "width": 1})
    return style.finish(
        figure, heading, f"{heading}; {'; '.join(told)}.", barmode="group", bargap=0.25, hovermode="x unified",
        xaxis={"type": "category"}, yaxis={"range": [0, 1.08], "dtick": 0.25},
    )  # fmt: skip


def _at_the_end(evidence: Evidence, arm: str, metric: str) -> Interval | None:
    rows = measured(evidence.finished, metric, ("train",))
    values = rows[rows["arm"] == arm].sort_values("step").groupby("seed")[metric].last()
    return interval(values) if len(values) else None


def _add_points(figure: go.Figure, names: list[str], parts: list[Interval], arm: str, label: str) -> None:
    look = style.arm_style(arm)
    figure.add_scatter(
        x=names, y=[part.mean for part in parts], name=label, mode="lines+markers" if len(parts) > 1 else "markers",
        line={"color": look.color, "dash": look.dash}, marker={"symbol": look.symbol, "size": 9},
        error_y={"array": _halves(parts), "thickness": 1.5, "width": 4, "color": look.color},
    )  # fmt: skip


def _halves(parts: Iterable[Interval]) -> list[float]:
    """Half the width of each interval; 0 of one that is unbounded."""
    widths = [part.high - part.mean for part in parts]
    return [width if np.isfinite(width) else 0.0 for width in widths]
