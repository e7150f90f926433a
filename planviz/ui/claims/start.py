"""Starting what tests all claims: every arm with several seeds, on the graph and split being set up."""

from __future__ import annotations

import streamlit as st

from planviz.claims.study import study
from planviz.figures import style
from planviz.ui import lab
from planviz.ui.state import draft, notify, open_experiment
from planviz.ui.text import sentence

SEEDS = 5


def start_panel() -> None:
    """How many seeds, what will be trained, and the button."""
    try:
        view = lab.task_view(draft())
    except ValueError as error:
        st.error(
            f"{sentence(error)} Change the graph or the split on the Build page.", icon=":material/error:"
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seeds = st.number_input(
            "Seeds", 1, 10, SEEDS, key="claims:seeds", persist_state="session", width=120,
            help="More seeds make intervals narrower, and take longer.",
        )  # fmt: skip
        config = study(draft(), range(int(seeds)))
        st.button(
            "Test the claims", type="primary", icon=":material/science:", key="claims:start", on_click=_start,
            args=(int(seeds),), disabled=not draft().arms,
        )  # fmt: skip
        runs = len(config.seeds) * (1 + len(config.arms))
        st.caption(
            f"Trains {runs} runs on the graph of the Build page: {view.facts.nodes} nodes, {view.facts.edges} edges, "
            f"{', '.join(style.arm_order(config.arms))}. The quick preset takes about five minutes on two cores."
        )


def _start(seeds: int) -> None:
    config = study(draft(), range(seeds))
    try:
        started = lab.start(config, st.session_state.preset)
    except ValueError as error:
        notify(f"The training could not start: {error}.")
    else:
        open_experiment(started)
