"""What the Paths page shows: the paths that every model samples, and where it would go next."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from planviz.events import QueryInspection, QueryPaths
from planviz.figures import style
from planviz.figures.blocks import graph_states
from planviz.figures.next_nodes import next_node_bars
from planviz.figures.paths import paths_on_graph
from planviz.runs.records import ExperimentRecord
from planviz.ui import lab
from planviz.ui.charts import show
from planviz.ui.lab import TaskView
from planviz.ui.live_chart import drawn, live_chart
from planviz.ui.paths.models import Choice, Model, answers, models_at
from planviz.ui.paths.plan import plan_player
from planviz.ui.paths.query import Query
from planviz.ui.paths.text import node_names, path_text, plural, visit_names
from planviz.ui.text import literal, sentence

GRAPH_HEIGHT, TABLE_HEIGHT = 400, 215


def sampled_answers(experiment: ExperimentRecord, view: TaskView, query: Query, choice: Choice) -> None:
    """Each model's sampled paths, and the next-node distributions along one of them."""
    if not choice.arms:
        st.info("Choose at least one model.", icon=":material/touch_app:")
        return
    runs = lab.store().runs(experiment.id)
    if not runs:
        st.error("This experiment was deleted meanwhile; choose another one.")
        return
    models = models_at(runs, choice)
    try:
        found = answers(models, query, choice.samples)
    except RuntimeError as error:
        st.error(f"The models could not be asked. {sentence(error)}")
        return
    except (KeyError, OSError):
        st.error("The weights of a chosen model are no longer stored; its experiment may have been deleted.")
        return
    _paths(view, models, found)
    if found:
        asked = (choice.samples, *((model.run.id, model.step) for model in models))
        _next_nodes(experiment, view, query, found, asked)


def _paths(view: TaskView, models: list[Model], found: dict[str, QueryInspection]) -> None:
    st.subheader("Sampled paths")
    st.caption(
        "Every model answers the same query many times. The share of a path, and the width of a line, "
        "is how often it gave that answer: the model's own probability, up to chance."
    )
    with st.grid(min(len(models), 3), min_column_width=340, gap="medium") as grid:
        for model in models:
            arm = model.run.arm
            label = style.arm_label(arm)
            with grid.cell():
                st.markdown(f"**{literal(arm)}** {literal(label) if label != arm else ''}")
                if arm in found:
                    _panel(view, model, found[arm])
                else:
                    st.info(
                        f"No stored weights; this run is {model.run.state}.",
                        icon=":material/hourglass_empty:",
                    )


def _graph(view: TaskView, paths: QueryPaths) -> go.Figure:
    return paths_on_graph(view.task.graph, view.positions, paths).update_layout(height=GRAPH_HEIGHT)


def _panel(view: TaskView, model: Model, answer: QueryInspection) -> None:
    arm, paths = model.run.arm, answer.paths
    drawn_so_often = zip(paths.counts, paths.outcomes, strict=True)
    correct, samples = [n for n, outcome in drawn_so_often if outcome == "correct"], sum(paths.counts)
    st.caption(
        f"Step {model.step:,} of {model.run.total_steps:,}: {sum(correct) / samples:.0%} correct, "
        f"on {plural(len(correct), 'distinct path')}."
    )
    asked = model.run.id, model.step, paths.source, paths.target, samples
    live_chart(drawn(lambda: _graph(view, paths), "paths:graph", asked), f"paths:graph:{arm}")
    st.dataframe(
        _table(asked, view, answer), hide_index=True, height=TABLE_HEIGHT, key=f"paths:table:{arm}",
        alt=f"The paths that {arm} sampled, most frequent first.",
        column_config={
            "Share": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1, width=110),
            "Outcome": st.column_config.TextColumn(width=125),
        },
    )  # fmt: skip


@st.cache_resource(max_entries=256, show_spinner=False)
def _table(asked: tuple[object, ...], _view: TaskView, _answer: QueryInspection) -> pd.DataFrame:
    return path_table(_view, _answer)


def path_table(view: TaskView, answer: QueryInspection) -> pd.DataFrame:
    """One row a distinct path, most frequent first."""
    paths, names = answer.paths, node_names(view.task.labels)
    return pd.DataFrame(
        {
            "Share": [count / sum(paths.counts) for count in paths.counts],
            "Outcome": [_outcome(outcome) for outcome in paths.outcomes],
            "Path": [path_text(paths.source, path, names) for path in paths.paths],
        }
    )


def _outcome(outcome: str) -> str:
    look = style.OUTCOME_STYLES[outcome]
    return f"{look.mark} {look.label}"


def _next_nodes(
    experiment: ExperimentRecord,
    view: TaskView,
    query: Query,
    found: dict[str, QueryInspection],
    asked: tuple[object, ...],
) -> None:
    """Draw where each model goes next; `asked` says whom, and how often."""
    task, names = view.task, node_names(view.task.labels)
    path_key = f"paths:path:{experiment.id}:{query}"
    if graph_states(task.graph) is None:
        _explain_next_nodes()
        left, right = st.columns(2)
        with left:
            path = _path_picker(path_key, query, found, names)
    else:
        st.subheader("Plan")
        path = _path_picker(path_key, query, found, names)
        plan_player(experiment, task, query, path)
        _explain_next_nodes()
        right = st.container()
    nodes = [query[0], *path[:-1]]
    with right:
        place = _place_picker(f"paths:place:{experiment.id}:{query}", visit_names(nodes, names))
    prefix = path[:place]
    rows = {
        arm: answer.probabilities[answer.prefixes.index(prefix)]
        for arm, answer in found.items()
        if prefix in answer.prefixes
    }
    absent = [arm for arm in found if arm not in rows]
    show(
        lambda: next_node_bars(rows, nodes[place], query[1], task.adjacency, task.reachable, task.labels),
        "paths:next", (asked, query, prefix),
    )  # fmt: skip
    if absent:
        st.caption(f"No bars for {literal(', '.join(absent))}: no sample of theirs began this way.")


def _explain_next_nodes() -> None:
    st.subheader("Next node")
    st.caption(
        "Policy gradient rewards every correct sample alike, so the good edge that happens to be drawn more "
        "often is drawn ever more, until one is left. Q-learning on the process reward gives all good edges "
        "the same value, and keeps them."
    )


def _path_picker(
    key: str, query: Query, found: dict[str, QueryInspection], names: list[str]
) -> tuple[int, ...]:
    """One of the sampled paths; it stays chosen when the models change and no longer take it."""
    counts: Counter[tuple[int, ...]] = Counter()
    for answer in found.values():
        counts.update(dict(zip(answer.paths.paths, answer.paths.counts, strict=True)))
    options = [path for path, _ in counts.most_common()]
    chosen = st.session_state.get(key)
    if not isinstance(chosen, tuple):
        st.session_state[key] = options[0]
    elif chosen not in options:
        options.append(chosen)
    path: tuple[int, ...] = st.selectbox(
        "Along the path", options, format_func=lambda path: path_text(query[0], path, names), key=key,
        persist_state="session",
    )  # fmt: skip
    return path


def _place_picker(key: str, nodes: list[str]) -> int:
    """One of the nodes of the path, as its position."""
    chosen = st.session_state.get(key, 0)
    st.session_state[key] = min(chosen, len(nodes) - 1) if isinstance(chosen, int) else 0
    position = st.segmented_control(
        "At the node", range(len(nodes)), format_func=lambda i: literal(nodes[i]), required=True, wrap=True,
        key=key, persist_state="session",
    )  # fmt: skip
    return position or 0
