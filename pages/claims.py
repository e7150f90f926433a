"""The paper's eight claims, each with its statistics, verdict, figures and the runs behind it."""

from __future__ import annotations

import streamlit as st

from planviz.ui.claims.page import claims
from planviz.ui.claims.start import start_panel
from planviz.ui.experiment_picker import experiment_picker
from planviz.ui.refreshing import refreshing

st.title("Claims")
st.write(
    "What the paper says of SFT, policy gradient and Q-learning, put to the test on the runs of one experiment. A "
    "claim is **shown** or **not shown** once the 95 % interval of its statistics lies on one side of the threshold."
)
experiment_picker()
start_panel()
refreshing(claims, "claims", every="10s")
