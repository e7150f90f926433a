"""A reward of one's own: chosen, moved, trained, and changed in the middle of the run."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from planviz.runs.changes import changes
from planviz.runs.store import Store
from tests.runs.conftest import wait_for

QUICK = "model.kind=tabular&base.steps=20&rewards.steps=20000"


def test_a_reward_of_ones_own_is_trained_and_changed_in_the_middle(
    page: Page, app_server: str, app_home: Path
) -> None:
    page.goto(f"{app_server}/rewards?{QUICK}")
    main = page.get_by_test_id("stMain")
    verdicts = main.get_by_test_id("stMarkdown")
    expect(verdicts.filter(has_text="All correct next nodes tie at 1.00")).to_be_visible()
    expect(verdicts.filter(has_text="this policy wanders")).to_be_visible()

    # the first reward becomes one of its own, with a price for each step
    main.get_by_role("radio", name="Custom").first.click()
    step = main.get_by_role("slider", name="Each step").first
    step.press("ArrowLeft")
    expect(verdicts.filter(has_text="Shorter paths are worth more")).to_be_visible()
    expect(page).to_have_url(re.compile(r"rewards\.1=custom%2Cstep_reward%3D-0\.05"))
    expect(
        main.get_by_role("img", name=re.compile("Reward 1: its best policy.*Shorter paths"))
    ).to_be_visible()

    # trained beside the outcome reward, and changed to that while it trains
    main.get_by_role("button", name="Train these 2 side by side").click()
    apply = main.get_by_role("button", name="Apply from the next step on")
    expect(apply).to_be_disabled()
    main.get_by_role("radio", name="Outcome").last.click()
    expect(apply).to_be_enabled()
    apply.click()
    expect(main.get_by_text(re.compile(r"after step [\d,]+: outcome reward"))).to_be_visible()
    expect(main.locator(".annotation-text", has_text="reward-1: outcome reward").first).to_be_visible()

    # what the page says is what the store holds, and a refresh finds it again
    store = Store(app_home)
    experiment_id = store.experiments()[0].id
    (change,) = changes(store, experiment_id).to_dict("records")
    assert (change["arm"], change["settings"]) == ("reward-1", {"reward": "outcome"})
    page.reload()
    expect(main.get_by_text(f"after step {change['step']:,}: outcome reward")).to_be_visible()
    expect(main.get_by_role("slider", name="Each step").first).to_have_value("-0.05")
    main.get_by_role("button", name="Stop").click()
    wait_for(lambda: not {"running", "queued"} & {run.state for run in store.runs(experiment_id)})
    store.close()
    expect(main.get_by_text("While an arm trains, it can be given another reward")).to_be_visible()
