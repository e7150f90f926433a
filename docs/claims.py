"""Writes docs/CLAIMS.md: the eight claims on the larger presets, or those named, with figures; `make claims` runs it.

What was trained before is not trained again: runs are kept in PLANVIZ_HOME, and go on if they were interrupted. Figures
are pictures of the very charts that the Claims and Mechanism pages draw.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect, sync_playwright

from docs.screenshots import IMAGES, app, opened, save, settled
from planviz.claims import report
from planviz.claims.judge import CLAIMS
from planviz.runs.store import Store, default_home
from tests import conftest

PRESETS = ("paper", "blocksworld")
SEEDS = 5
HERE = Path(__file__).parent
KEPT = HERE / "claims"
MARKS = report.MARKS
INTRODUCTION = """# The claims, tested

What the paper says of planning by SFT, policy gradient and Q-learning, and what came out on the presets `paper` (an
acyclic random graph of 100 nodes) and `blocksworld` (4 blocks, 73 states), every arm with {seeds} seeds. `make claims`
repeats all of it; the Claims page does the same on any graph, and `planviz claims --preset quick` in a few minutes.

An interval is Student's 95 % interval over the seeds, which share the graph and the split. A test is passed if its
whole interval lies on the needed side, and a claim is shown if all its deciding tests are passed. Shares, and
differences of shares, are in per cent; *told only* marks what does not decide. What was tried where a claim did not
come out is in the [log](LOG.md). Times include whatever else the machine did meanwhile.

"""


def main() -> None:
    """Train what is missing, take the pictures, and write the page."""
    chromium = next(filter(None, map(shutil.which, conftest.CHROMIUM_NAMES)), None)
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=conftest.CHROMIUM_OPTIONS)
        for preset in sys.argv[1:] or PRESETS:
            examine(browser, preset)
        browser.close()
    kept = {preset: KEPT / preset / "claims.json" for preset in PRESETS}
    told = {preset: json.loads(path.read_text("utf-8")) for preset, path in kept.items() if path.exists()}
    (HERE / "CLAIMS.md").write_text(page(told), "utf-8")


def examine(browser: Browser, preset: str) -> None:
    """Train what is missing of one preset, and keep its verdicts and pictures."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / preset
        command = ["claims", "--preset", preset, "--seeds", str(SEEDS), "--out", str(out)]
        subprocess.run([sys.executable, "-m", "planviz", *command], check=True)
        pictures(browser, out / "claims.html", preset)
        experiment = keep(out, preset)
    if preset == PRESETS[0]:
        with app(default_home()) as address:
            values(browser, address, experiment)


def keep(out: Path, preset: str) -> str:
    """Keep settings and verdicts, and how long any of the runs was in work; the experiment's id."""
    folder = KEPT / preset
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(out / "config.toml", folder)
    told = json.loads((out / "claims.json").read_text("utf-8"))
    store = Store(default_home())
    runs = store.runs(told["experiment"])
    store.close()
    told["runs"] = len(runs)
    told["seconds"] = covered((run.started or 0.0, run.finished or 0.0) for run in runs)
    told["machine"] = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    (folder / "claims.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    return str(told["experiment"])


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """How long at least one of some spans (start, end) lasts: a study may be interrupted, and go on another day."""
    seconds = until = 0.0
    for start, end in sorted(spans):
        seconds += max(0.0, end - max(start, until))
        until = max(until, end)
    return seconds


def pictures(browser: Browser, path: Path, preset: str) -> None:
    """One picture for each figure of claims.html, in its order."""
    (IMAGES / "claims").mkdir(parents=True, exist_ok=True)
    context = browser.new_context(viewport={"width": 760, "height": 900})
    shown = context.new_page()
    shown.goto(path.as_uri())
    sections = shown.locator("section figure > div")
    for place in range(sections.count()):
        expect(sections.nth(place).locator(".main-svg").first).to_be_visible()
        save(sections.nth(place), f"claims/{preset}-{place}.png")
    context.close()


def values(browser: Browser, address: str, experiment: str) -> None:
    """The paper's figure 4: learned values beside the exact ones, for one target."""
    link = f"{address}/mechanism?experiment={experiment}&mechanism.models=sft,q-process"
    with opened(browser, link, height=2600) as shown:
        expect(shown.locator(".planviz-live-chart .main-svg").first).to_be_visible()
        settled(shown)
        save(shown.locator("[data-testid=stMainBlockContainer]"), "claims/values.png")


def page(told: dict[str, dict[str, Any]]) -> str:
    """The whole of CLAIMS.md."""
    parts = [INTRODUCTION.format(seeds=SEEDS), overview(told)]
    for number, claim in enumerate(CLAIMS):
        parts.append(f"\n## {claim.id} {claim.title}\n\n{claim.sentence} *({claim.where} of the paper)*\n")
        for preset, of_preset in told.items():
            judged = of_preset["claims"][number]
            told_first = f"**{preset}**: {MARKS[judged['verdict']]} {judged['verdict']}. {judged['reason']}"
            parts.append(f"\n{told_first.rstrip()}\n")
            if judged["tests"]:
                parts.append("\n" + report.markdown_tests(judged["tests"]) + "\n")
            for place, figure in enumerate(of_preset["figures"]):
                if figure["claim"] == claim.id:
                    link = f"images/claims/{preset}-{place}.png"
                    parts.append(
                        f"\n*{figure['title']}.* {figure['explanation']}\n\n![{figure['title']}, {preset}]({link})\n"
                    )
        if claim.id == "C6":
            parts.append(
                "\nThe paper's figure 4, on `paper`: what was learned for one target, beside what theory says.\n"
                "\n![Learned values beside the exact ones](images/claims/values.png)\n"
            )
    return "".join(parts)


def overview(told: dict[str, dict[str, Any]]) -> str:
    """All verdicts, and what it took."""
    lines = [f"| claim | {' | '.join(told)} |", f"| --- |{' --- |' * len(told)}"]
    for number, claim in enumerate(CLAIMS):
        verdicts = (of_preset["claims"][number]["verdict"] for of_preset in told.values())
        cells = " | ".join(f"{MARKS[verdict]} {verdict}" for verdict in verdicts)
        lines.append(f"| {claim.id} {claim.title} | {cells} |")
    took = (
        f"`{preset}`: {of_preset['runs']} runs in {timedelta(seconds=round(of_preset['seconds']))} on "
        f"{of_preset['machine']} ([settings](claims/{preset}/config.toml), [all numbers](claims/{preset}/claims.json))"
        for preset, of_preset in told.items()
    )
    return "\n".join(lines) + "\n\n" + ".\n".join(took) + ".\n"


if __name__ == "__main__":
    main()
