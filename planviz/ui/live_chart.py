"""A plotly chart that is updated in place.

`st.plotly_chart` builds a chart anew whenever its data change: it goes blank for a moment, and a zoom is lost. While a
run trains that happens every second, so the charts that grow are drawn by this component, which hands the new figure
to `Plotly.react`. It uses the plotly.js that the plotly package ships, served from the app's static/ folder. A chart
can also tell on what point or cell it was clicked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, NamedTuple

import plotly.graph_objects as go
import streamlit as st

from planviz.figures import style
from planviz.folders import provide_plotly

SCRIPT = """
const plotly = () => globalThis.planvizPlotly ??= (async () => {
  const answer = await fetch(new URL("app/static/plotly.min.js", document.baseURI));
  if (!answer.ok) throw new Error(`plotly.js: ${answer.status}`);
  const script = document.createElement("script");
  script.text = await answer.text();
  document.head.append(script);
  return globalThis.Plotly;
})();

export default async function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".planviz-live-chart");
  root.planvizSend = data.clickable ? (click) => setTriggerValue("clicked", click) : null;
  root.classList.toggle("planviz-clickable", data.clickable);
  const theme = getComputedStyle(root);
  const value = (name) => theme.getPropertyValue(name).trim();
  const drawn = data.figure + value("--st-text-color");
  if (root.planvizDrawn === drawn) return;
  root.planvizDrawn = drawn;
  const { data: traces, layout } = JSON.parse(data.figure);
  const text = value("--st-text-color");
  const axis = { gridcolor: value("--st-border-color"), tickfont: { color: text }, title: { font: { color: text } } };
  const look = layout.template.layout;
  look.font = { ...look.font, family: value("--st-font"), color: text };
  look.xaxis = { ...look.xaxis, ...axis };
  look.yaxis = { ...look.yaxis, ...axis };
  look.hoverlabel = { bgcolor: value("--st-secondary-background-color"), font: { color: text } };
  root.setAttribute("aria-label", data.alt);
  root.style.height = `${layout.height}px`;
  const Plotly = await plotly();
  await Plotly.react(root, traces, layout, JSON.parse(data.config));
  if (root.planvizListens) return;
  root.planvizListens = true;
  root.on("plotly_click", ({ points: [at] }) => root.planvizSend?.({ curve: at.curveNumber, point: at.pointNumber }));
}
"""
STYLE = ".planviz-clickable .nsewdrag { cursor: pointer !important; }"

CONFIG = json.dumps(style.CONFIG)

_chart = st.components.v2.component(
    "planviz_live_chart",
    html='<div class="planviz-live-chart" role="img" style="width: 100%"></div>',
    css=STYLE,
    js=SCRIPT,
    isolate_styles=False,
)


class Drawn(NamedTuple):
    """A figure as the component needs it."""

    title: str
    alt: str
    height: int
    json: str


@st.cache_data(max_entries=600, max_size="64MB", show_spinner=False)
def drawn(_make: Callable[[], go.Figure], key: str, version: Hashable) -> Drawn:
    """The figure of this key and version, made once for all sessions: making one takes a tenth of a second.

    Args:
        version: whatever the figure depends on.
    """
    figure = _make()
    return Drawn(style.title(figure), style.alt(figure), figure.layout.height, figure.to_json())


class Click(NamedTuple):
    """Where a chart was clicked."""

    trace: int
    point: tuple[int, ...]
    """The index of a point, or the row and the column of a cell."""


def live_chart(chart: Drawn, key: str, on_click: Callable[[Click], None] | None = None) -> None:
    """Draw a figure, or bring the chart of this key up to date: zoom and hidden arms stay as they are.

    Args:
        on_click: called before the next run of the page. A browser may send any indices that `Click` can hold.
    """
    provide_plotly()
    data = {"figure": chart.json, "alt": chart.alt, "config": CONFIG, "clickable": on_click is not None}
    options: dict[str, Any] = (
        {} if on_click is None else {"on_clicked_change": partial(_clicked, key, on_click)}
    )
    _chart(key=key, data=data, height=chart.height, **options)


def _clicked(key: str, on_click: Callable[[Click], None]) -> None:
    click = click_from(st.session_state[key].get("clicked"))
    if click is not None:
        on_click(click)


def click_from(sent: Any) -> Click | None:
    """The click that a browser sent; None if what it sent is no click."""
    if not isinstance(sent, dict):
        return None
    trace, point = sent.get("curve"), sent.get("point")
    found = [trace, *(point if isinstance(point, list) else [point])]
    indices = [index for index in found if type(index) is int and index >= 0]
    if len(found) not in (2, 3) or len(indices) < len(found):
        return None
    return Click(indices[0], tuple(indices[1:]))
