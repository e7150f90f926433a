"""Runs and graphs that several tests draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    '" onmouseover="alert(3)',
    "<b>bold</b> %{x} &lt;",
)


@dataclass
class Visit:
    """A page in a real browser, all that it complained about, and all that it asked for from elsewhere."""

    page: Page
    folder: Path
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", self._refuse)
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, content: str) -> None:
        (self.folder / "page.html").write_text(content, "utf-8")
        self.page.goto((self.folder / "page.html").as_uri())
        self.requests.remove((self.folder / "page.html").as_uri())

    def _refuse(self, dialog: Dialog) -> None:
        self.complaints.append(dialog.message)
        dialog.dismiss()


@pytest.fixture
def visit(browser: Browser, tmp_path: Path) -> Iterator[Visit]:
    page = browser.new_page(viewport={"width": 800, "height": 600})
    yield Visit(page, tmp_path)
    page.close()


def evaluation_rows(arm: str, seed: int, finals: dict[str, float], steps: int = 5) -> list[dict[str, object]]:
    """Evaluations of one run: every metric rises from 0 to its final value, on test to half of it."""
    method = {"base": "sft", "sft": "sft"}.get(arm, arm.split("-")[0])
    return [
        {
            "run": f"{arm}-{seed}", "arm": arm, "method": method, "seed": seed, "split": split,
            "step": 10 * i, "samples": 1280 * i, "seconds": 0.5 * i,
            **{name: value * share * i / steps for name, value in finals.items()},
        }
        for i in range(steps + 1)
        for split, share in (("train", 1.0), ("test", 0.5))
    ]  # fmt: skip


@pytest.fixture
def evaluations() -> pd.DataFrame:
    """The base and two arms, each with two seeds."""
    rows = []
    for seed in (0, 1):
        for arm, accuracy in (("base", 0.5), ("sft", 0.6), ("pg", 0.8)):
            reached = accuracy + 0.1 * seed
            failures = {"invalid_edge": 1 - reached, "stopped_early": 0.0, "never_arrived": 0.0}
            passes = {"pass_at_1": reached, "pass_at_2": min(1.2 * reached, 1.0)}
            rows += evaluation_rows(arm, seed, {"sampled_accuracy": reached, **failures, **passes})
    return pd.DataFrame(rows)


@pytest.fixture
def steps() -> pd.DataFrame:
    """5,000 training steps of an SFT, a PG and a Q run; SFT has no reward."""
    step = np.arange(5000)
    frames = [
        pd.DataFrame(
            {
                "run": arm, "arm": arm, "method": method, "seed": 0, "step": step, "samples": 128 * step,
                "tokens": 900 * step, "seconds": 0.01 * step, "loss": 1 / (1 + step),
                "reward": np.nan if method == "sft" else 0.5, "tokens_per_second": 9000.0,
            }
        )
        for arm, method in (("sft", "sft"), ("pg", "pg"), ("q-process", "q"))
    ]  # fmt: skip
    return pd.concat(frames)


@pytest.fixture
def graph() -> nx.DiGraph[int]:
    """0 → 1 → 3 and 0 → 2 → 3, and 3 → 4."""
    return _graph([str(node) for node in range(5)])


@pytest.fixture
def hostile_graph() -> nx.DiGraph[int]:
    """The same edges under labels that try to break out."""
    return _graph([*HOSTILE, "plain"])


@pytest.fixture
def positions() -> NDArray[np.float64]:
    return np.array([[0.0, 0.5], [0.3, 1.0], [0.3, 0.0], [0.6, 0.5], [1.0, 0.5]])


@pytest.fixture
def one_run() -> Callable[..., pd.DataFrame]:
    """A DataFrame of one run of "pg" with the given values at steps 0, 1, 2, …"""

    def build(values: list[float], seed: int = 0, column: str = "distinct_paths") -> pd.DataFrame:
        step = np.arange(len(values))
        return pd.DataFrame(
            {"run": f"pg-{seed}", "arm": "pg", "method": "pg", "seed": seed, "split": "test", "step": step,
             "samples": 10 * step, "seconds": 0.1 * step, column: values}
        )  # fmt: skip

    return build


def _graph(labels: list[str]) -> nx.DiGraph[int]:
    graph: nx.DiGraph[int] = nx.DiGraph(kind="file")
    for node, label in enumerate(labels):
        graph.add_node(node, label=label)
    graph.add_edges_from([(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)])
    return graph
