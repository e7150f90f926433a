"""The Claims page without a browser: verdicts, a closer look, and the button that trains what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from planviz.claims.judge import CLAIMS
from planviz.claims.study import study
from planviz.config import ExperimentConfig, parse
from planviz.folders import app_folder
from planviz.runs.store import Store
from planviz.ui import lab
from tests.ui.servers import serving, train_into
from tests.ui.test_mechanism import SETTINGS


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data folder with an experiment that has two seeds, and only some of the arms."""
    folder = tmp_path_factory.mktemp("claims-home")
    store = Store(folder)
    arms = {"sft": {"method": "sft", "steps": 5}, "pg": {"method": "pg", "steps": 5}}
    experiment_id = train_into(store, parse(SETTINGS | {"arms": arms}))
    store.close()
    return folder, experiment_id


@pytest.fixture
def page(trained: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    with serving(trained[0], monkeypatch):
        yield AppTest.from_file(app_folder() / "app.py", default_timeout=120)


def words(page: AppTest) -> str:
    parts = [*page.markdown, *page.caption, *page.info, *page.warning]
    return "\n".join(str(part.value) for part in parts)


def opened(page: AppTest, **query: str) -> AppTest:
    for key, value in query.items():
        page.query_params[key.replace("_", ".")] = value
    page.switch_page("pages/claims.py").run()
    assert not page.exception
    return page


def test_every_claim_has_a_verdict_and_a_reason(page: AppTest, trained: tuple[Path, str]) -> None:
    opened(page, experiment=trained[1])
    told = words(page)
    for claim in CLAIMS:
        assert f"**{claim.id}** {claim.title}" in told
    assert "by 6 of 6 runs with 2 seeds" in told
    page.button(key="claims:look:C5").click().run()
    assert not page.exception
    assert "does not train q\\-outcome" in words(page)
    assert page.query_params["claims.look"] == "C5"


def test_a_link_opens_one_claim(page: AppTest, trained: tuple[Path, str]) -> None:
    opened(page, experiment=trained[1], claims_look="C3")
    assert any(heading.value.startswith("C3 ") for heading in page.subheader)
    assert "Diversity left, beyond one path a pair" in words(page)


def test_a_bad_link_opens_the_first(page: AppTest, trained: tuple[Path, str]) -> None:
    opened(page, experiment=trained[1], claims_look="<script>")
    assert any(heading.value.startswith("C1 ") for heading in page.subheader)


def test_the_demo_is_judged_and_says_that_one_seed_is_too_few(page: AppTest) -> None:
    opened(page)
    assert "a single run may be an accident" in words(page)
    assert "no interval: 1 seed" in words(page)


def test_the_button_trains_the_study(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[ExperimentConfig] = []

    def start(config: ExperimentConfig, preset: str) -> str:
        started.append(config)
        return lab.demo_id()

    monkeypatch.setattr(lab, "start", start)
    opened(page)
    page.number_input(key="claims:seeds").set_value(3).run()
    page.button(key="claims:start").click().run()
    assert not page.exception
    (config,) = started
    assert config == study(page.session_state.draft, range(3)) and len(config.seeds) == 3
