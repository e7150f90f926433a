"""The whole job as a person does it: Home → Build → Train → Compare → Paths, with a refresh in the middle."""

from __future__ import annotations

import io
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import networkx as nx
import pandas as pd
from playwright.sync_api import Browser, Page, expect

from planviz.config import preset, with_settings
from planviz.graphs.generate import build_graph
from planviz.runs.store import Store

SLOW = 120_000
"""Milliseconds to wait for what trains."""

SETTINGS = {
    "preset": "quick",
    "arms": "pg,q-process",
    "model.width": "32",
    "base.steps": "60",
    "arms.pg.steps": "60",
    "arms.q-process.steps": "60",
    "evaluation.evaluations": "4",
    "evaluation.pairs": "20",
}


def open_page(page: Page, name: str) -> None:
    page.get_by_test_id("stTopNavLink").filter(has_text=name).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)


def experiment_of(page: Page) -> str:
    return parse_qs(urlsplit(page.url).query)["experiment"][0]


def test_a_link_straight_to_a_page_is_the_first_thing_a_server_sees(page: Page, app_server: str) -> None:
    page.goto(f"{app_server}/compare?experiment=nonsense&graph.nodes=-3&unknown=1")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Compare")
    expect(page.get_by_text("There is no experiment")).to_be_visible()
    expect(page.get_by_text("graph.nodes = '-3'")).to_be_visible()
    expect(page.get_by_text("unknown: there is no such setting")).to_be_visible()


def test_the_whole_job(page: Page, browser: Browser, app_server: str, app_home: Path) -> None:
    # Home: never empty, and the link brings its settings along
    page.goto(f"{app_server}/?" + "&".join(f"{key}={value}" for key, value in SETTINGS.items()))
    expect(page.get_by_role("heading", level=1)).to_contain_text("How do language models learn to plan?")
    expect(page.locator(".js-plotly-plot")).to_have_count(2)

    # Build a graph, and see the facts that networkx finds too
    open_page(page, "Build")
    nodes = page.get_by_label("Nodes", exact=True)
    nodes.fill("18")
    nodes.press("Enter")
    graph = build_graph(with_settings(preset("quick"), {"graph.nodes": 18}).graph)
    edges = page.get_by_test_id("stMetric").filter(has_text="Edges")
    expect(edges).to_contain_text(str(nx.number_of_edges(graph)))

    # Train two arms; pause, refresh, find the same run again, go on
    page.get_by_role("button", name="Train on this graph").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Train")
    page.get_by_role("button", name="Start training").click()
    pause, resume = (page.get_by_role("button", name=name, exact=True) for name in ("Pause", "Resume"))
    expect(pause).to_be_enabled()
    page.wait_for_url(re.compile("experiment="))
    experiment = experiment_of(page)
    pause.click()
    expect(resume).to_be_enabled()
    page.reload()
    expect(resume).to_be_enabled()
    assert experiment_of(page) == experiment

    # another browser, with the same link: the same run with the same curves, and its buttons act on it
    context = browser.new_context(viewport={"width": 1400, "height": 1100})
    other = context.new_page()
    other.goto(page.url)
    expect(other.get_by_role("button", name="Resume", exact=True)).to_be_enabled()
    for seen in (page, other):
        expect(seen.locator(".planviz-live-chart .main-svg").first).to_be_attached()
    assert experiment_of(other) == experiment
    assert _curves(other) == _curves(page)
    other.get_by_role("button", name="Resume", exact=True).click()
    expect(resume).to_be_disabled()
    context.close()
    expect(page.get_by_text("3 of 3 runs finished.")).to_be_visible(timeout=SLOW)

    store = Store(app_home)
    assert [record.id for record in store.experiments() if record.preset == "quick"].count(experiment) == 1
    runs = store.runs(experiment)
    assert [(run.arm, run.state, run.step) for run in runs] == [
        (arm, "finished", 60) for arm in ("base", "pg", "q-process")
    ]
    config = store.experiment(experiment).config
    assert (config.graph.nodes, config.model.width) == (18, 32)

    # Compare: the numbers on the screen are those of the store
    open_page(page, "Compare")
    evaluations = store.evaluations(experiment)
    final = evaluations[(evaluations["step"] == 60) & (evaluations["split"] == "test")].set_index("arm")
    failures = page.get_by_role("img", name="How sampled paths end").first
    for accuracy in final["sampled_accuracy"]:
        if accuracy > 0.15:  # smaller bars are not labelled
            expect(failures).to_contain_text(f"{accuracy:.0%}")
    with page.expect_download() as download:
        page.get_by_role("button", name="Data as CSV").click()
    downloaded = pd.read_csv(io.BytesIO(download.value.path().read_bytes()))
    assert len(downloaded) == len(evaluations)
    pd.testing.assert_series_equal(downloaded["sampled_accuracy"], evaluations["sampled_accuracy"])

    # Paths: every arm's answer to one query
    open_page(page, "Paths")
    expect(page.get_by_text("Step 60 of 60").first).to_be_visible()
    expect(page.get_by_role("heading", name="Sampled paths")).to_be_visible()


def _curves(page: Page) -> list[str]:
    """What the curves of the page say to those who do not see them: their last values."""
    charts = page.locator(".planviz-live-chart[aria-label*='last value']")
    return [chart.get_attribute("aria-label") or "" for chart in charts.all()]


def test_the_live_demo_starts_from_home(page: Page, app_server: str, app_home: Path) -> None:
    page.goto(app_server)
    page.get_by_role("button", name="Train this comparison live").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Train")
    page.wait_for_url(re.compile("experiment="))
    store = Store(app_home)
    stop = page.get_by_test_id("stButton").get_by_role("button", name="Stop", exact=True)
    expect(stop).to_be_enabled()
    stop.click()
    expect(stop).to_be_disabled()
    assert set(store.experiment(experiment_of(page)).states) <= {"stopped", "finished"}
