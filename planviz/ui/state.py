"""The state of a session, and its twin in the URL.

A session has a *draft*, the experiment being set up, and an *experiment*, the stored one being looked at. The URL
holds both: the draft as what differs from its preset, so that a link or a refresh brings everything back.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import streamlit as st

from planviz.config import ExperimentConfig, SettingError, differences, preset, with_settings
from planviz.ui.text import literal

EXPERIMENT, PRESET, ARMS = "experiment", "preset", "arms"
UNSHARED = (
    "graph.labels", "graph.edges", "graph.positions", "split.train_pairs", "split.test_pairs", "split.texts",
    "split.test_texts",
)  # fmt: skip
"""Settings too large for a link: a graph from a file, chosen pairs and texts do not travel in one."""
PAGES = ("claims.", "mechanism.", "rewards.", "runs.")
"""Query parameters that begin so belong to one page, which reads and writes them itself."""
MAX_NOTICES = 5


def start_session() -> None:
    """On a session's first run, take the draft and the experiment from the URL."""
    if "arms" in st.session_state:  # set last: a rerun may interrupt this function between any two lines
        return
    link = st.query_params.to_dict()
    config, name, notices = from_link(link)
    st.session_state.draft = config
    st.session_state.preset = name
    st.session_state.notices = notices
    st.session_state.opened = []
    st.session_state.experiment = link.get(EXPERIMENT)
    st.session_state.page_link = {key: value for key, value in link.items() if key.startswith(PAGES)}
    wanted = link.get(ARMS, ",".join(config.arms)).split(",")
    set_chosen_arms(wanted)


def session_id() -> str:
    """A name for this session that nobody can guess; it lasts until the page is loaded anew."""
    if "session_id" not in st.session_state:
        st.session_state.session_id = secrets.token_urlsafe(12)
    name: str = st.session_state.session_id
    return name


def draft() -> ExperimentConfig:
    """The experiment being set up."""
    config: ExperimentConfig = st.session_state.draft
    return config


def set_draft(config: ExperimentConfig, preset_name: str | None = None) -> None:
    """Replace the draft; `preset_name` names the preset it comes from, if it changes."""
    st.session_state.draft = config
    if preset_name is not None:
        st.session_state.preset = preset_name


def change(changes: Mapping[str, Any]) -> None:
    """Change settings of the draft. A change that is not allowed is refused with a notice, and nothing is lost.

    Another graph is laid out anew: positions that were drawn by hand belong to the graph that they were drawn for.
    """
    if any(key.startswith("graph.") for key in changes):
        changes = {"graph.positions": (), **changes}
    try:
        st.session_state.draft = with_settings(draft(), changes)
    except SettingError as error:
        notify(f"{error}.")


def chosen_arms() -> list[str]:
    """The arms of the draft that are to be trained, in its order."""
    return [name for name in draft().arms if name in st.session_state.arms]


def set_chosen_arms(names: list[str]) -> None:
    """Choose which of the draft's arms are to be trained; names that it does not have mean nothing."""
    st.session_state.arms = [name for name in draft().arms if name in names]


def open_experiment(experiment_id: str) -> None:
    """Make a stored experiment the one that Train, Compare and Paths show."""
    st.session_state.experiment = experiment_id
    if experiment_id not in st.session_state.opened:
        st.session_state.opened.append(experiment_id)


def experiment_id() -> str | None:
    """The stored experiment that is being looked at, if one was chosen."""
    chosen: str | None = st.session_state.get("experiment")
    return chosen


def notify(sentence: str) -> None:
    """Show a sentence on top of the page, once."""
    st.session_state.notices.append(sentence)


def show_notices() -> None:
    """Show what is to be told to the user."""
    for sentence in st.session_state.notices[:MAX_NOTICES]:
        st.warning(literal(sentence), icon=":material/info:")
    st.session_state.notices = []


def from_link(parameters: Mapping[str, str]) -> tuple[ExperimentConfig, str, list[str]]:
    """The draft that a link describes, its preset's name, and a sentence for every part that was not usable."""
    problems = []
    name = parameters.get(PRESET, "quick")
    try:
        config = preset(name)
    except SettingError as error:
        problems.append(f"This link could not be read in full: {error}. The quick preset is shown instead.")
        name, config = "quick", preset("quick")
    for key, value in parameters.items():
        if key in (PRESET, EXPERIMENT, ARMS) or key.startswith(PAGES):
            continue
        try:
            config = with_settings(config, {key: value})
        except SettingError as error:
            problems.append(
                f"This link could not be read in full: {error}. The preset's value is used instead."
            )
    return config, name, problems


def changed() -> dict[str, Any]:
    """What of the draft differs from its preset; worked out once for each draft, which never changes itself."""
    config, name = draft(), st.session_state.preset
    known = st.session_state.get("changed")
    if known is None or known[0] is not config or known[1] != name:
        known = st.session_state.changed = (config, name, differences(config, preset(name)))
    found: dict[str, Any] = known[2]
    return found


def to_link(changed: Mapping[str, Any], preset_name: str, experiment: str | None) -> dict[str, str]:
    """The query parameters from which `from_link` makes the draft that differs so from its preset."""
    link = {PRESET: preset_name}
    for key, value in changed.items():
        if key not in UNSHARED:
            link[key] = ",".join(map(_in_link, value)) if isinstance(value, list) else str(value)
    return link | ({EXPERIMENT: experiment} if experiment else {})


def _in_link(item: Any) -> str:
    """An item of a list; a pair, such as one of stages, is written 1-3."""
    return "-".join(map(str, item)) if isinstance(item, list) else str(item)


def page_link(prefix: str) -> dict[str, str]:
    """The query parameters of the page that this prefix belongs to."""
    link: dict[str, str] = st.session_state.page_link
    return {key: value for key, value in link.items() if key.startswith(prefix)}


def set_page_link(prefix: str, link: Mapping[str, str]) -> None:
    """Replace the query parameters of a page."""
    others = {key: value for key, value in st.session_state.page_link.items() if not key.startswith(prefix)}
    st.session_state.page_link = others | dict(link)


def write_link() -> None:
    """Bring the URL up to date with the session."""
    link = to_link(changed(), st.session_state.preset, experiment_id())
    if chosen_arms() != list(draft().arms):
        link[ARMS] = ",".join(chosen_arms())
    link |= st.session_state.page_link
    if st.query_params.to_dict() != link:
        st.query_params.from_dict(link)
