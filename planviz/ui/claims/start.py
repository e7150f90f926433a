"""Starting what tests all claims: every arm with several seeds, on the graph and split being set up."""

from __future__ import annotations

import streamlit as st

from planviz.claims.study import study
from planviz.figures import style
from planviz.limits import limits
from planviz.ui import lab
from planviz.ui.state import draft, notify, open_experiment
from planviz.ui.text import sentence

SEEDS, MAX_SEEDS = 5, 10


def start_panel() -> None:
    """How many seeds, what will be trained, and the button."""
    try:
        view, runs_a_seed = lab.task_view(draft()), 1 + len(study(draft(), [0]).arms)
    except ValueError as error:
        st.error(f"{sentence(error)} Change the graph, the split or the arms.", icon=":material/error:")
        return
    allowed = limits()
    most = MAX_SEEDS if allowed is None else max(1, min(MAX_SEEDS, allowed.runs // runs_a_seed))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seeds = st.number_input(
            "Seeds", 1, most, min(SEEDS, most), key="claims:seeds", persist_state="session", width=120,
            help="More seeds make intervals narrower, and take longer.",
        )  # fmt: skip
        config = study(draft(), range(int(seeds)))
        st.button(
            "Test the claims", type="primary", icon=":material/science:", key="claims:start", on_click=_start,
            args=(int(seeds),), disabled=not draft().arms,
        )  # fmt: skip
        runs = len(config.seeds) * runs_a_seed
        st.caption(
            f"Trains {runs} runs on the graph of the Build page: {view.facts.nodes} nodes, {view.facts.edges} edges, "
            f"{', '.join(style.arm_order(config.arms))}. The quick preset takes two to five minutes on two cores."
        )


def _start(seeds: int) -> None:
    try:
        started = lab.start(study(draft(), range(seeds)), st.session_state.preset)
    except ValueError as error:
        notify(f"The training could not start: {error}.")
    else:
        open_experiment(started)
