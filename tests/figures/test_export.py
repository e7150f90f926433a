from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planviz.events import QueryPaths
from planviz.figures import curves, style
from planviz.figures.export import page_html
from planviz.figures.paths import paths_on_graph
from tests.figures.conftest import HOSTILE, Visit


def test_the_page_shows_all_charts_offline_and_keeps_hostile_names_as_text(
    visit: Visit,
    evaluations: pd.DataFrame,
    hostile_graph: nx.DiGraph[int],
    positions: NDArray[np.float64],
) -> None:
    figures = [
        curves.metric_curve(evaluations, "sampled_accuracy"),
        paths_on_graph(hostile_graph, positions, QueryPaths(0, 3, ((1, 3),), (1,), ("correct",))),
    ]
    visit.open(page_html(figures, HOSTILE[0]))
    page = visit.page
    page.wait_for_selector("#figure-1 .main-svg")
    assert page.locator("h1").inner_text() == HOSTILE[0]
    assert page.locator("h2").all_inner_texts() == [style.title(figure) for figure in figures]
    assert page.locator("figcaption").first.inner_text() == style.alt(figures[0])
    assert page.locator("#figure-1").get_by_text(f"from {style.short(HOSTILE[0])}").count() == 1
    assert page.locator("figure img").count() == 0
    buttons = page.evaluate("[...document.querySelectorAll('.modebar-btn')].map(b => b.dataset.title)")
    assert "Download plot as a PNG" in buttons
    assert not any("Share" in button for button in buttons)  # nothing is sent to plotly's cloud
    assert visit.complaints == visit.requests == []
