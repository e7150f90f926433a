"""How all pictures look: colours, dashes and symbols of arms and outcomes, and metrics in plain words.

Arms and outcomes never differ by colour alone. All colours have a contrast of at least 3 on the light and on
the dark background of `.streamlit/config.toml`, and stay apart under the common colour-vision deficiencies.
Figures leave fonts and text colours to the template, which Streamlit replaces by the theme of the page.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import plotly.graph_objects as go

from planviz.config import BASE

BACKGROUND = {"light": "#fbfcfc", "dark": "#0f171c"}
TEXT = {"light": "#16232b", "dark": "#dce6e9"}

TEAL, BLUE, AMBER, CRIMSON = "#0b8769", "#1694ff", "#d37e04", "#df3c53"
PURPLE, OLIVE, GREY = "#ae47c5", "#6b7400", "#8b929a"

HEIGHT = 360
CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "showSendToCloud": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
}
"""What every chart passes to plotly as its `config`."""

TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": "system-ui, 'Segoe UI', sans-serif", "size": 13, "color": "#44525c"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "colorway": [BLUE, AMBER, TEAL, PURPLE, CRIMSON, OLIVE, GREY],
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": TEAL},
        "hoverlabel": {"bgcolor": "#ffffff", "font": {"color": TEXT["light"]}},
        "xaxis": {
            "showgrid": False,
            "zeroline": False,
            "automargin": True,
            "spikecolor": GREY,
            "spikethickness": 1,
            "hoverformat": ",.1~f",
        },
        "yaxis": {"zeroline": False, "gridcolor": "#e4e9ea", "automargin": True},
    }
)


@dataclass(frozen=True)
class ArmStyle:
    """How an arm is drawn; `dash` and `symbol` are plotly's names."""

    color: str
    dash: str
    symbol: str


ARM_STYLES = {
    BASE: ArmStyle(GREY, "dot", "circle-open"),
    "sft": ArmStyle(AMBER, "dash", "square"),
    "pg": ArmStyle(BLUE, "solid", "circle"),
    "pg-kl": ArmStyle(PURPLE, "dashdot", "diamond"),
    "q-outcome": ArmStyle(CRIMSON, "dot", "x"),
    "q-process": ArmStyle(TEAL, "solid", "triangle-up"),
    "q-process-offpolicy": ArmStyle(OLIVE, "longdash", "triangle-down"),
}
VARIANT_STYLES = {
    "pg-kl-weak": ArmStyle(PURPLE, "dot", "diamond-open"),
    "pg-kl-strong": ArmStyle(PURPLE, "longdash", "diamond-tall"),
    "q-outcome-offpolicy": ArmStyle(CRIMSON, "longdash", "x-open"),
}
"""The arms that the claims need besides: in the colour of the preset's arm that they vary."""
REWARD_STYLES = {
    "reward-1": ArmStyle(TEAL, "solid", "circle"),
    "reward-2": ArmStyle(CRIMSON, "dash", "square"),
    "reward-3": ArmStyle(BLUE, "dashdot", "diamond"),
}
"""The arms of the Rewards page, which stand beside each other and no others."""

ARM_LABELS = {
    BASE: "Base: SFT, from which all arms start",
    "sft": "SFT, continued",
    "pg": "Policy gradient without KL",
    "pg-kl": "Policy gradient with KL",
    "pg-kl-weak": "Policy gradient with a tenth of the KL",
    "pg-kl-strong": "Policy gradient with ten times the KL",
    "q-outcome": "Q-learning, outcome reward",
    "q-outcome-offpolicy": "Q-learning, outcome reward, off-policy",
    "q-process": "Q-learning, process reward",
    "q-process-offpolicy": "Q-learning, process reward, off-policy",
    "reward-1": "Q-learning, first reward",
    "reward-2": "Q-learning, second reward",
    "reward-3": "Q-learning, third reward",
}
_OTHER_COLORS = ("#96604a", "#4b7f9e", "#b0578d", "#5f8a2f", "#7a6cc9")
_OTHER_DASHES = ("solid", "dash", "dashdot", "longdash")
_OTHER_SYMBOLS = ("pentagon", "star", "hexagon", "cross", "triangle-left", "triangle-right", "hourglass")


def arm_style(arm: str) -> ArmStyle:
    """The style of an arm: a function of its name alone, so it is the same in every picture and session."""
    code = crc32(arm.encode())
    return (ARM_STYLES | VARIANT_STYLES | REWARD_STYLES).get(arm) or ArmStyle(
        _OTHER_COLORS[code % len(_OTHER_COLORS)],
        _OTHER_DASHES[code % len(_OTHER_DASHES)],
        _OTHER_SYMBOLS[code % len(_OTHER_SYMBOLS)],
    )


def arm_label(arm: str) -> str:
    """What the arm is, in words; its name if it is none of the presets'."""
    return ARM_LABELS.get(arm, arm)


def arm_order(arms: Iterable[str]) -> list[str]:
    """The arms without repeats: base first, then the presets' in their order, then the others by name."""
    known = list(ARM_STYLES)
    return sorted(set(arms), key=lambda arm: (known.index(arm) if arm in known else len(known), arm))


@dataclass(frozen=True)
class OutcomeStyle:
    """How a way to end a path is drawn: in bars by `pattern`, in lines by `dash`, in text by `mark`."""

    label: str
    help: str
    color: str
    dash: str
    symbol: str
    pattern: str
    mark: str


OUTCOME_STYLES = {
    "correct": OutcomeStyle(
        "correct", "Every step is an edge and the path reaches the target.",
        TEAL, "solid", "circle", "", "✓",
    ),
    "invalid_edge": OutcomeStyle(
        "invalid edge", "A step follows an edge that the graph does not have.",
        CRIMSON, "dash", "x", "x", "✕",
    ),
    "stopped_early": OutcomeStyle(
        "stopped early", "The path ends before it reaches the target.",
        AMBER, "dashdot", "square", "/", "■",
    ),
    "never_arrived": OutcomeStyle(
        "never arrived", "The path is still under way at the length limit.",
        GREY, "longdash", "diamond", ".", "◆",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Metric:
    """A column in plain words; a share is written in percent."""

    label: str
    help: str
    share: bool = False

    def text(self, value: float) -> str:
        if self.share:
            return f"{value:.1%}"
        return f"{round(value, 4):.3g}" if abs(value) < 1000 else f"{value:,.0f}"


PASS_AT = (1, 2, 5, 10, 20)
METRICS = {
    "greedy_accuracy": Metric(
        "Accuracy (greedy)", "Share of queries whose single most likely path is correct.", share=True
    ),
    "sampled_accuracy": Metric("Accuracy (sampled)", "Share of sampled paths that are correct.", share=True),
    "distinct_paths": Metric(
        "Distinct correct paths", "How many different correct paths the samples of a query hold, on average."
    ),
    "coverage": Metric(
        "Coverage", "Distinct correct paths, out of as many as the samples could have shown.", share=True
    ),
    "path_entropy": Metric(
        "Path entropy", "How evenly the correct samples of a query spread over paths; 0: always the same."
    ),
    **{
        f"pass_at_{k}": Metric(
            f"pass@{k}", f"Chance that at least one of {k} sampled paths of a query is correct.", share=True
        )
        for k in PASS_AT
    },
    "invalid_edge": Metric("Invalid edge", "Share of sampled paths that follow a missing edge.", share=True),
    "stopped_early": Metric("Stopped early", "Share of sampled paths that end too soon.", share=True),
    "never_arrived": Metric("Never arrived", "Share of sampled paths that hit the length limit.", share=True),
    "kl_to_base": Metric("KL to base", "How far the policy has moved from the base model; 0: not at all."),
    "q_error": Metric(
        "Distance to Q*",
        "How far the learned Q-values are from the exact ones, on average; 0: learned exactly. Exploring under a short "
        "length limit keeps it above 0.",
    ),
    "q_error_max": Metric("Largest distance to Q*", "The worst learned Q-value, against the exact one."),
    "q_spread": Metric(
        "Spread of Q",
        "How far apart the Q-values of the next nodes are; 0: the model cannot tell them apart.",
    ),
    "paths_found": Metric(
        "Correct paths found",
        "Distinct correct paths of training pairs that training has come across so far.",
    ),
    "triples_found": Metric(
        "Useful steps found",
        "Distinct (target, current, next) along edges towards the target that training has come across so far.",
    ),
    "kl_to_cooccurrence": Metric(
        "Distance to co-occurrence",
        "KL divergence from the table of steps in the SFT text to the policy, in nats; 0: the text learned by heart.",
    ),
    "path_stretch": Metric(
        "Path stretch", "Length of the correct sampled paths over that of the shortest; 1: none is longer."
    ),
    "loss": Metric("Loss", "What the optimizer minimises; its scale differs between methods."),
    "reward": Metric("Reward", "Mean reward of the paths sampled for training."),
    "tokens_per_second": Metric("Tokens per second", "How many tokens a run trains on in a second."),
    "evaluation_share": Metric("Time in evaluation", "Share of the time that evaluations take.", share=True),
}
SPLITS = {"train": "training pairs", "test": "test pairs"}
X_AXES = {"step": "Step", "samples": "Samples trained on", "seconds": "Seconds"}


def metric(name: str) -> Metric:
    """The words for a column; a column without any gets its own name."""
    return METRICS.get(name) or Metric(name.replace("_", " ").capitalize(), "")


def short(text: object, limit: int = 32) -> str:
    """A label that may come from a stranger's file, on one line and not too long; not escaped."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def plain(text: object, limit: int = 32) -> str:
    """A `short` label for use inside a figure: plotly, which knows some HTML, shows it literally."""
    return html.escape(short(text, limit), quote=False)


def unique(labels: Sequence[str]) -> list[str]:
    """Labels as `plain` text; equal ones are told apart by the number of their node."""
    names = [plain(label) for label in labels]
    times = Counter(names)
    return [name if times[name] == 1 else f"{name} (node {node})" for node, name in enumerate(names)]


def bar_marker(color: str, pattern: str) -> dict[str, Any]:
    """A bar's filling: a colour and a pattern, so that it does not speak by colour alone."""
    lines = {"shape": pattern, "bgcolor": color, "fgcolor": "#ffffff", "fgopacity": 0.4}
    return {"color": color, "pattern": lines | {"size": 7, "solidity": 0.2}, "line": {"width": 0}}


def translucent(color: str, opacity: float) -> str:
    """A #rrggbb colour as rgba(…)."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


def finish(
    figure: go.Figure, title: str, alt: str, *, height: int = HEIGHT, above: int = 6, **layout: Any
) -> go.Figure:
    """The figure with what all pictures share; further layout settings win over the shared ones.

    The legend stands `above` pixels over the plot and grows upwards.
    """
    shared: dict[str, Any] = {
        "template": TEMPLATE,
        "height": height,
        "margin": {"l": 8, "r": 12, "t": 36, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "legend": {
            "orientation": "h",
            "traceorder": "normal",
            "itemwidth": 30,
            "x": 0,
            "xanchor": "left",
            "y": 1 + above / height,
            "yanchor": "bottom",
        },
        "uirevision": title,  # zoom and hidden arms survive where a figure is updated in place
        "meta": {"title": title, "alt": alt},
    }
    for name, value in layout.items():
        ours = shared.get(name)
        shared[name] = ours | value if isinstance(ours, dict) and isinstance(value, dict) else value
    return figure.update_layout(shared)


def empty(title: str, message: str, *, height: int = HEIGHT) -> go.Figure:
    """A picture that says why there is nothing to see yet."""
    note = {"text": message, "showarrow": False, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}
    hidden = {"visible": False}
    return finish(
        go.Figure(), title, f"{title}: {message}", height=height,
        annotations=[note], xaxis=hidden, yaxis=hidden,
    )  # fmt: skip


def title(figure: go.Figure) -> str:
    """The heading to put over the figure, as plain text."""
    return str(figure.layout.meta["title"])


def alt(figure: go.Figure) -> str:
    """The takeaway of the figure in one sentence of plain text, for those who do not see it."""
    return str(figure.layout.meta["alt"])
