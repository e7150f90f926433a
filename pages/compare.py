"""Arms side by side: accuracy, diversity, pass@k and failures, with the data to download."""

from __future__ import annotations

import streamlit as st

from planviz.ui import lab
from planviz.ui.compare import charts, choices, downloads, table, theory
from planviz.ui.experiment_picker import experiment_picker
from planviz.ui.refreshing import refreshing

st.title("Compare")
experiment_picker()
selection = choices(lab.current_experiment())
refreshing(lambda: charts(selection), "compare:charts")
st.subheader("Distance to theory")
refreshing(lambda: theory(selection), "compare:theory")
st.subheader("Final and best values")
refreshing(lambda: table(selection), "compare:table")
downloads(selection)
