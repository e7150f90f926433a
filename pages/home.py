"""What planviz is, a finished comparison, and the button that starts the same one live."""

from __future__ import annotations

from functools import partial

import streamlit as st

from planviz.config import preset
from planviz.figures.curves import metric_curve
from planviz.ui import lab
from planviz.ui.charts import show
from planviz.ui.home import findings
from planviz.ui.state import notify, open_experiment, set_chosen_arms, set_draft

st.title("How do language models learn to plan?")
st.write(
    "Planning is finding a path in a graph. Here you train small language models to do it, live, and see why "
    "fine-tuning memorises, why policy gradient loses its diversity, and why Q-learning with the right reward keeps it."
)


def start_live() -> None:
    set_draft(preset("quick"), "quick")
    set_chosen_arms(list(preset("quick").arms))
    try:
        open_experiment(lab.start(preset("quick"), "quick"))
    except ValueError as error:
        notify(f"The training could not start: {error}.")
    else:
        st.session_state.started_live = True


with st.container(horizontal=True):
    st.button(
        "Train this comparison live",
        type="primary",
        icon=":material/play_arrow:",
        on_click=start_live,
        key="live",
    )
    if st.button("Build your own graph", icon=":material/account_tree:", key="build"):
        st.switch_page("pages/build.py")
if st.session_state.pop("started_live", False):
    st.switch_page("pages/train.py")

demo = lab.store().experiment(lab.demo_id())
evaluations = lab.evaluations(demo.id)
view = lab.task_view(demo.config)
st.subheader("A finished run")
st.caption(
    f"Real training that ships with planviz: the quick preset with seed {demo.config.seeds[0]}, on a graph of "
    f"{view.facts.nodes} nodes and {view.facts.edges} edges. `make demo` trains it again."
)
with st.grid("auto", min_column_width=260):
    for finding in findings(lab.values(demo.id).arms):
        with st.container(border=True, height="stretch"):
            st.metric(finding.title, finding.value, finding.change, delta_color="off", delta_arrow="off")
            st.caption(finding.sentence)
left, right = st.columns(2, gap="medium")
with left:
    make = partial(metric_curve, evaluations, "distinct_paths", split="train")
    show(make, "home:distinct", lab.version(demo, evaluations))
    st.caption("Distinct correct paths a training pair, out of 20 samples. Policy gradient ends with one.")
with right:
    make = partial(metric_curve, evaluations, "greedy_accuracy", split="test")
    show(make, "home:test", lab.version(demo, evaluations))
    st.caption("Pairs that no model was trained on. Q-learning on the process reward generalises best.")
