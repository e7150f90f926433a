"""The Claims page in a real browser: train what is missing, read the verdicts, and go to the runs behind one."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

SMALL = (
    "graph.nodes=10&graph.density=0.4&model.kind=factored&base.steps=4&evaluation.evaluations=1&evaluation.samples=2"
    "&arms.sft.steps=2&arms.pg.steps=2&arms.pg-kl.steps=2&arms.q-outcome.steps=2&arms.q-process.steps=2"
    "&arms.q-process-offpolicy.steps=2"
)


def test_claims_are_tested_and_looked_at(page: Page, app_server: str) -> None:
    page.goto(f"{app_server}/claims?{SMALL}&claims.look=C3")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Claims")
    expect(page.get_by_role("heading", name=re.compile("^C3 Without KL"))).to_be_visible()
    expect(page.locator(".st-key-claims-C3-0 .js-plotly-plot")).to_be_visible()
    expect(page.get_by_text("a single run may be an accident")).to_be_visible()

    seeds = page.get_by_role("spinbutton", name="Seeds")
    seeds.fill("2")
    seeds.press("Enter")
    page.get_by_role("button", name="Test the claims").click()
    expect(page.get_by_text("by 20 of 20 runs with 2 seeds")).to_be_visible()

    page.get_by_role("button", name="Look closer").last.click()
    expect(page.get_by_role("heading", name=re.compile("^C8 RL recovers"))).to_be_visible()
    expect(page).to_have_url(re.compile("claims.look=C8"))
    expect(page.get_by_role("cell", name="AUC of rare edges, PG minus SFT")).to_be_visible()
    expect(page.locator(".st-key-claims-C8-0 .js-plotly-plot .legend")).to_contain_text("never")
    page.get_by_text("Why these thresholds").click()
    expect(page.get_by_text("forgets what it no longer samples")).to_be_visible()

    page.get_by_role("button", name="See the runs behind it").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Compare")
    chosen = page.get_by_test_id("stButtonGroup").first.get_by_role("button", pressed=True)
    expect(chosen).to_have_count(4)
    expect(page.get_by_test_id("stException")).to_have_count(0)
