"""Takes the pictures of the documentation in a real browser; `make screenshots` runs it.

The app runs with a home of its own, in which it trains what the pictures show: the quick comparison, and one model of
Blocksworld. Pictures are stored with few colours, which is what keeps them small.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from PIL import Image
from playwright.sync_api import Browser, FloatRect, Locator, Page, expect, sync_playwright

from planviz.config import GraphKind
from planviz.figures.network import FRAMES
from planviz.splits import SPLITS
from tests import conftest
from tests.browser import waiting

IMAGES = Path(__file__).parent / "images"
WIDTH, HEIGHT = 1400, 1100
COLORS = 256
MARGIN, PLAN_WIDTH = 12, 900
"""Around the pictures of a plan, and of all of them, in pixels."""
SLOW = 600_000
"""Milliseconds to wait for what trains."""
EDITOR = "document.querySelector('.planviz-editor')?.planvizEditor"
GRAPHS = {
    "tree": "&graph.nodes=31",
    "blocksworld": "&graph.blocks=3",
    "staged": "&graph.nodes=18&graph.density=0.4",
}
"""What makes a picture of a kind of graph clearer than the settings that it has by itself."""
EXAMPLE = ("Courses", "Algebra", "Thesis")
"""Of one's own graphs: the button of an example, and the ends of the path that is shown."""
BLOCKS = {
    "graph.blocks": "3", "split.train_share": "0.9", "model.width": "64", "base.steps": "250", "base.batch_size": "64",
    "base.learning_rate": "2e-3", "arms.sft.steps": "1", "evaluation.evaluations": "1",
}  # fmt: skip
PROBLEM = """(define (problem turn-the-tower)
  (:domain blocksworld-4ops)
  (:objects a b c)
  (:init (handempty) (ontable c) (on b c) (on a b) (clear a))
  (:goal (and (on c b) (on b a))))"""
PAGES = (("mechanism", "/mechanism?mechanism.section=collapse", 1250), ("rewards", "/rewards", 1340))
"""Pages that are shown as they open: the picture's name, the page's link, and the height."""


def main() -> None:
    """Take all pictures, or those whose files have one of the words of the command line in their names."""
    wanted = re.compile("|".join(map(re.escape, sys.argv[1:])))
    (IMAGES / "graphs").mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=60_000)
    with tempfile.TemporaryDirectory() as home, app(Path(home)) as address, sync_playwright() as playwright:
        chromium = next(filter(None, map(shutil.which, conftest.CHROMIUM_NAMES)), None)
        browser = playwright.chromium.launch(executable_path=chromium, args=conftest.CHROMIUM_OPTIONS)
        for theme in FRAMES:
            for kind in get_args(GraphKind):
                if wanted.search(f"{kind}-{theme}.png"):
                    with opened(browser, f"{address}/build?{of_kind(kind)}", theme) as page:
                        graph(page, kind, theme)
        if wanted.search("stages.png"):
            staged = f"{address}/build?{of_kind('staged')}&split.kind=stages"
            with opened(browser, staged, height=2200) as page:
                matrix(page)
        if wanted.search("plan.png"):
            with opened(browser, f"{address}/paths?experiment={blocksworld(home)}", height=2400) as page:
                plan(page)
        if wanted.search("home.png"):
            with opened(browser, address) as page:
                charts_are_drawn(page, 2)
                save(page, "home.png")
        if wanted.search("paths.png"):
            with opened(browser, f"{address}/paths", height=1500) as page:
                expect(page.locator(".planviz-live-chart .main-svg").nth(8)).to_be_attached()
                settled(page)
                save(page, "paths.png")
        for name, link, height in PAGES:
            if wanted.search(f"{name}.png"):
                with opened(browser, address + link, height=height) as page:
                    expect(page.locator(".planviz-live-chart .main-svg").first).to_be_visible()
                    settled(page)
                    save(page, f"{name}.png")
        if wanted.search("train.png"):
            with opened(browser, address, height=1500) as page:
                train(page)
        browser.close()


@contextmanager
def app(home: Path) -> Iterator[str]:
    """The address of the app, which has this home."""
    port, log = conftest._free_port(), home / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "planviz", "app", "--port", str(port)],
            env={**os.environ, "PLANVIZ_HOME": str(home), "STREAMLIT_SERVER_HEADLESS": "true"},
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        conftest._wait_until_healthy(server, port, log)
        yield f"http://localhost:{port}"
    finally:
        conftest._end_group(server)


@contextmanager
def opened(browser: Browser, address: str, theme: str = "light", height: int = HEIGHT) -> Iterator[Page]:
    """A page of the app, complete."""
    dark = theme == "dark"
    context = browser.new_context(
        viewport={"width": WIDTH, "height": height}, color_scheme="dark" if dark else "light"
    )
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(address)
    settled(page)
    yield page
    context.close()


def settled(page: Page) -> None:
    """Until the server has nothing more to say, and what it said is on the screen."""
    waiting.settled(page)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def of_kind(kind: str) -> str:
    """The part of an address that chooses a kind of graph; one's own does not travel in it."""
    return "" if kind == "file" else f"graph.kind={kind}{GRAPHS.get(kind, '')}"


def graph(page: Page, kind: str, theme: str) -> None:
    if kind == "file":
        button, *ends = EXAMPLE
        page.get_by_role("tab", name="Files").click()
        page.get_by_role("button", name=button, exact=True).click()
        page.wait_for_function(f"(end) => {EDITOR}?.labels.includes(end)", arg=ends[1])
        for end in ends:
            page.evaluate(f"(end) => {EDITOR}.pick({EDITOR}.labels.indexOf(end))", end)
        page.wait_for_function(f"() => {EDITOR}.path.length > 0")
    page.wait_for_function(f"(edge) => {EDITOR}?.data?.colors.edge === edge", arg=FRAMES[theme])
    page.wait_for_function(
        f"() => {EDITOR}.labels.length > 0 && Object.values({EDITOR}.network.body.nodes)"
        ".every(({ imageObj }) => !imageObj || imageObj.width > 0)"
    )
    settled(page)
    save(page.locator(".planviz-editor"), f"graphs/{kind}-{theme}.png")


def matrix(page: Page) -> None:
    chart = page.locator(".planviz-live-chart")
    expect(chart.locator(".legend")).to_contain_text("training")
    expect(page.get_by_text(SPLITS["stages"].question.split("?")[0])).to_be_visible()
    settled(page)
    save(chart, "graphs/stages.png")


def blocksworld(home: str) -> str:
    """Train a small model of Blocksworld; returns the experiment's name in addresses."""
    settings = [word for key, value in BLOCKS.items() for word in ("--set", f"{key}={value}")]
    told = subprocess.run(
        [sys.executable, "-m", "planviz", "run", "--preset", "blocksworld", "--arms", "sft", "--json", *settings],
        env={**os.environ, "PLANVIZ_HOME": home}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return str(json.loads(told.stdout)["experiment"])


def plan(page: Page) -> None:
    """The answer to a problem in PDDL, from its heading to what it achieves."""
    page.get_by_role("button", name="From a PDDL problem").click()
    page.get_by_role("textbox", name="Problem").fill(PROBLEM)
    page.get_by_role("button", name="Ask this problem").click()
    expect(page.get_by_text("Read as 3 blocks")).to_be_visible()
    expect(page.get_by_test_id("stHtml").locator("img").first).to_be_visible()
    settled(page)
    first, last = (
        shown.bounding_box()
        for shown in (
            page.get_by_role("heading", name="Plan", exact=True),
            page.get_by_role("button", name="Plan in PDDL"),
        )
    )
    assert first and last
    top, bottom = first["y"] - MARGIN, last["y"] + last["height"] + MARGIN
    save(
        page,
        "graphs/plan.png",
        {"x": first["x"] - MARGIN, "y": top, "width": PLAN_WIDTH, "height": bottom - top},
    )


def charts_are_drawn(page: Page, count: int) -> None:
    expect(page.locator(".planviz-live-chart .legend")).to_have_count(count)
    settled(page)


def train(page: Page) -> None:
    """The quick comparison when one arm still trains."""
    page.get_by_role("button", name="Train this comparison live").click()
    expect(page.get_by_text(re.compile("^6 of 7 runs finished"))).to_be_visible(timeout=SLOW)
    save(page, "train.png")
    page.get_by_test_id("stButton").get_by_role("button", name="Stop", exact=True).click()


def save(shown: Page | Locator, name: str, clip: FloatRect | None = None) -> None:
    """Write what is shown as a PNG with few colours."""
    content = shown.screenshot(clip=clip) if isinstance(shown, Page) else shown.screenshot()
    picture = (
        Image.open(io.BytesIO(content)).convert("RGB").quantize(COLORS, Image.Quantize.MAXCOVERAGE, kmeans=1)
    )
    picture.save(IMAGES / name, optimize=True)
    print(f"{name}: {(IMAGES / name).stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
