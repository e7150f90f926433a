"""The Claims page: all verdicts at a glance, and one claim looked at closely."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import streamlit as st

from planviz.claims import report
from planviz.claims.evidence import Evidence
from planviz.claims.judge import CLAIMS, Judged, judge
from planviz.claims.statistics import Verdict, deciding
from planviz.claims.study import gather
from planviz.config import BASE
from planviz.figures.claims import claim_figures
from planviz.runs.records import ExperimentRecord
from planviz.ui import lab, state
from planviz.ui.charts import show
from planviz.ui.text import literal, sentence

PREFIX, LOOK = "claims.", "claims.look"
Color = Literal["green", "red", "orange", "gray"]
COLORS: dict[Verdict, Color] = {
    "shown": "green", "not shown": "red", "undecided": "orange", "not applicable": "gray",
}  # fmt: skip
ICONS: dict[Verdict, str] = {
    "shown": ":material/check:", "not shown": ":material/close:", "undecided": ":material/question_mark:",
    "not applicable": ":material/remove:",
}  # fmt: skip
WORDS: dict[Verdict, str] = {
    "shown": "Shown", "not shown": "Not shown", "undecided": "Undecided",
    "not applicable": "Does not apply",
}  # fmt: skip


def claims() -> None:
    """Judge the experiment that is looked at, and show what came out."""
    experiment = lab.current_experiment()
    runs = lab.store().runs(experiment.id)
    finished = tuple((run.id, run.step) for run in runs if run.state == "finished")
    try:
        with st.spinner("Reading the runs, and the edges out of their weights…"):
            evidence = _evidence(experiment.id, finished)
    except (KeyError, OSError):
        st.error("The weights of some runs are no longer stored; the experiment may have been deleted.")
        return
    except (RuntimeError, ValueError) as error:
        st.error(f"The runs could not be judged. {sentence(error)}")
        return
    judged = judge(evidence)
    _summary(experiment, evidence, judged)
    _cards(judged)
    _closely(experiment, evidence, judged[_looked_at()], finished)


@st.cache_resource(max_entries=16, show_spinner=False)
def _evidence(experiment_id: str, finished: tuple[tuple[str, int], ...]) -> Evidence:
    """Everything that the finished runs say; it changes only when another one finishes."""
    return gather(lab.store(), lab.manager(), experiment_id)


def _summary(experiment: ExperimentRecord, evidence: Evidence, judged: list[Judged]) -> None:
    counts = Counter(each.verdict for each in judged)
    told = ", ".join(f"**{counts[verdict]}** {verdict}" for verdict in WORDS if counts[verdict])
    seeds = len(experiment.config.seeds)
    runs = len(experiment.config.seeds) * (1 + len(experiment.config.arms))
    done = len(evidence.finished[["arm", "seed"]].drop_duplicates()) if not evidence.finished.empty else 0
    text = f"{told}, by {done} of {runs} runs with {seeds} seed{'s' * (seeds != 1)}."
    if seeds < 3:
        text += " Intervals need at least two seeds, better five: a single run may be an accident."
    st.markdown(text)


def _looked_at() -> int:
    """The place of the claim that is looked at closely; a link may say anything."""
    wanted = state.page_link(PREFIX).get(LOOK, "")
    return next((place for place, claim in enumerate(CLAIMS) if claim.id == wanted), 0)


def _cards(judged: list[Judged]) -> None:
    """One card a claim: what it says in a few words, its verdict, and the number that the verdict hangs on."""
    chosen = judged[_looked_at()].claim.id
    with st.grid(4, min_column_width=260, gap="small") as grid:
        for each in judged:
            with grid.cell(), st.container(border=True, height="stretch"):
                st.badge(WORDS[each.verdict], icon=ICONS[each.verdict], color=COLORS[each.verdict])
                st.markdown(f"**{each.claim.id}** {each.claim.title}")
                test = deciding(each.tests)
                if test:
                    st.caption(f"{test.name}: {report.with_interval(test)}")
                here = each.claim.id == chosen
                if st.button(
                    "Shown below" if here else "Look closer", key=f"claims:look:{each.claim.id}", type="tertiary",
                    icon=":material/visibility:" if here else ":material/zoom_in:", disabled=here,
                ):  # fmt: skip
                    state.set_page_link(PREFIX, {LOOK: each.claim.id})
                    st.rerun()  # all of the page: the link is outside of what refreshes by itself


def _closely(
    experiment: ExperimentRecord, evidence: Evidence, judged: Judged, version: tuple[tuple[str, int], ...]
) -> None:
    claim = judged.claim
    st.subheader(f"{claim.id} {claim.title}")
    st.markdown(f"{claim.sentence} *({claim.where} of the paper)*")
    st.badge(WORDS[judged.verdict], icon=ICONS[judged.verdict], color=COLORS[judged.verdict])
    if judged.reason:
        st.info(literal(judged.reason), icon=":material/info:")
    if judged.tests:
        _tests(judged)
    with st.grid(2, min_column_width=380, gap="medium") as grid:
        for place, (make, explanation) in enumerate(claim_figures(evidence)[claim.id]):
            with grid.cell():
                key = f"claims:{claim.id}:{place}"
                show(make, key, (experiment.id, version), explanation, explained="above")
    arms = [arm for arm in (BASE, *experiment.config.arms) if arm in claim.arms]
    if st.button("See the runs behind it", icon=":material/monitoring:", key="claims:runs"):
        st.session_state[f"compare:arms:{experiment.id}"] = arms
        st.switch_page("pages/compare.py")


def _tests(judged: Judged) -> None:
    """The tests as a table, and why each threshold is where it is."""
    st.markdown(report.markdown_tests([report.test_as_json(test) for test in judged.tests]))
    with st.expander("Why these thresholds", icon=":material/rule:"):
        for test in judged.tests:
            st.markdown(f"- **{test.name}**, {report.needed(test)}: {test.why}")
        st.caption(
            "Intervals are Student's, over seeds. All seeds share this graph and this split: what is shown is shown "
            "here. A claim is shown if all its tests are; those marked *told only* do not decide."
        )
