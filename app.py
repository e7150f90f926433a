"""The frame of the app: page config, navigation, and what every page shares."""

from __future__ import annotations

import streamlit as st

from planviz.folders import app_folder
from planviz.runs.schema import StoreError
from planviz.ui import lab, state
from planviz.ui.startup import load_everything
from planviz.ui.text import sentence

ASSETS = app_folder() / "assets"

st.set_page_config(page_title="planviz", page_icon=str(ASSETS / "icon.svg"), layout="wide")
st.logo(str(ASSETS / "logo.svg"), icon_image=str(ASSETS / "icon.svg"), size="large")

try:
    lab.manager().warm_up()
except StoreError as error:
    st.error(sentence(error), icon=":material/folder_off:")
    st.stop()
load_everything()
state.start_session()
page = st.navigation(
    [
        st.Page("pages/home.py", title="Home", icon=":material/home:", default=True),
        st.Page("pages/build.py", title="Build", icon=":material/account_tree:"),
        st.Page("pages/train.py", title="Train", icon=":material/play_circle:"),
        st.Page("pages/compare.py", title="Compare", icon=":material/monitoring:"),
        st.Page("pages/claims.py", title="Claims", icon=":material/fact_check:"),
        st.Page("pages/rewards.py", title="Rewards", icon=":material/tune:"),
        st.Page("pages/paths.py", title="Paths", icon=":material/route:"),
        st.Page("pages/mechanism.py", title="Mechanism", icon=":material/psychology:"),
        st.Page("pages/runs.py", title="Runs", icon=":material/inventory_2:"),
    ],
    position="top",
)
notices = st.container()
page.run()
with notices:
    state.show_notices()
state.write_link()
