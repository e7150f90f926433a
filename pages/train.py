"""Choose arms and settings, start the training, and watch it live."""

from __future__ import annotations

import streamlit as st

from planviz.ui import lab
from planviz.ui.refreshing import REFRESH, refreshing
from planviz.ui.text import literal
from planviz.ui.train.live import curves, fresh_paths, progress
from planviz.ui.train.setup import setup

st.title("Train")
st.write(
    "All arms start from the same model, trained on example paths (SFT). Then each goes its own way: more examples, "
    "policy gradient, or Q-learning. Watch what each gains and what it loses."
)
setup()

experiment = lab.current_experiment()
st.divider()
st.subheader(
    "The demo that ships with planviz" if experiment.id == lab.demo_id() else literal(experiment.name)
)
refreshing(progress, "progress", REFRESH)
refreshing(curves, "curves")
st.subheader("Freshly sampled paths")
st.write("Lines show where the samples of the latest evaluation went; the wider, the more of them.")
refreshing(fresh_paths, "fresh")
