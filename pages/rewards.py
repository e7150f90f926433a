"""Rewards side by side: what each implies before any training, and what training makes of it."""

from __future__ import annotations

import streamlit as st

from planviz.ui import lab, state
from planviz.ui.rewards.designs import PREFIX, start, to_link
from planviz.ui.rewards.page import before_training
from planviz.ui.rewards.train import start_panel, training
from planviz.ui.text import sentence

start()
st.title("Rewards")
st.write(
    "A reward says what each step of a path is worth. Choose two or three, see which policy each of them asks for, and "
    "train them side by side. You can also change a reward in the middle of a run."
)
try:
    view = lab.task_view(state.draft())
except ValueError as error:
    st.error(f"{sentence(error)} Change the graph or the split on the Build page.", icon=":material/error:")
else:
    before_training(view)
    st.divider()
    st.header("Train side by side", anchor=False)
    start_panel()
    training()
state.set_page_link(PREFIX, to_link())
