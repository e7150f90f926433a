"""A plotly chart that is updated in place.

`st.plotly_chart` builds a chart anew whenever its data change: it goes blank for a moment, and a zoom is lost. While a
run trains that happens every second, so the charts that grow are drawn by this component, which hands the new figure
to `Plotly.react`. It uses the plotly.js that the plotly package ships, served from the app's static/ folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from typing import NamedTuple

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

export default async function ({ data, parentElement }) {
  const root = parentElement.querySelector(".planviz-live-chart");
  if (root.planvizFigure === data.figure) return;
  root.planvizFigure = data.figure;
  const theme = getComputedStyle(root);
  const value = (name) => theme.getPropertyValue(name).trim();
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
}
"""

CONFIG = json.dumps(style.CONFIG)

_chart = st.components.v2.component(
    "planviz_live_chart",
    html='<div class="planviz-live-chart" role="img" style="width: 100%"></div>',
    js=SCRIPT,
    isolate_styles=False,
)


class Drawn(NamedTuple):
    """A figure as the component needs it."""

    title: str
    alt: str
    height: int
    json: str


@st.cache_data(max_entries=300, show_spinner=False)
def drawn(_make: Callable[[], go.Figure], key: str, version: Hashable) -> Drawn:
    """The figure of this key and version, made once for all sessions: making one takes a tenth of a second.

    Args:
        version: whatever the figure depends on.
    """
    figure = _make()
    return Drawn(style.title(figure), style.alt(figure), figure.layout.height, figure.to_json())


def live_chart(chart: Drawn, key: str) -> None:
    """Draw a figure, or bring the chart of this key up to date: zoom and hidden arms stay as they are."""
    provide_plotly()
    data = {"figure": chart.json, "alt": chart.alt, "config": CONFIG}
    _chart(key=key, data=data, height=chart.height)
