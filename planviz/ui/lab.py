"""What all sessions of a server share: the store, the run manager, the demo, and tasks built once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import networkx as nx
import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from planviz.config import ExperimentConfig, GraphConfig, SplitConfig
from planviz.folders import demo_folder
from planviz.graphs.facts import GraphFacts, graph_facts
from planviz.graphs.generate import build_graph
from planviz.graphs.layout import layout
from planviz.limits import limits
from planviz.runs.bundle import import_experiment
from planviz.runs.changes import changes as read_changes
from planviz.runs.demo import demo_id as demo_id
from planviz.runs.manager import RunManager
from planviz.runs.measured import State, measured
from planviz.runs.records import ACTIVE, ExperimentRecord
from planviz.runs.store import Store, default_home
from planviz.summary import latest, over_seeds, summarize
from planviz.task import Bools, Task, build_task
from planviz.theory import count_correct_paths
from planviz.ui import state


@st.cache_resource(show_spinner=False)
def store() -> Store:
    """The one store of this server, with the demo in it."""
    the_store = Store(default_home())
    if demo_folder().is_dir():
        import_experiment(the_store, demo_folder(), experiment_id=demo_id(), preset="quick")
    return the_store


@st.cache_resource(show_spinner=False)
def manager() -> RunManager:
    """The one run manager of this server; its runs go on when a tab closes."""
    allowed = limits()
    return RunManager(store(), run_seconds=None if allowed is None else allowed.seconds)


@dataclass(frozen=True)
class GraphView:
    """A graph with what is drawn and said about it; it is there even if the split makes no task.

    Attributes:
        positions: (n, 2) layout of the graph in [0, 1].
    """

    graph: nx.DiGraph[int]
    positions: npt.NDArray[np.float64]
    facts: GraphFacts


def graph_view(config: GraphConfig) -> GraphView:
    """The graph of an experiment; the same graph is built once.

    Raises:
        GraphError: the settings make no graph.
        LimitError: it is larger than a public server allows.
    """
    return _graph_view(config.model_dump_json())


@st.cache_resource(max_entries=64, show_spinner=False)
def _graph_view(config: str) -> GraphView:
    graph = build_graph(GraphConfig.model_validate_json(config))
    if (allowed := limits()) is not None:
        allowed.check_graph(len(graph), graph.number_of_edges())
    return GraphView(graph, layout(graph), graph_facts(graph))


@dataclass(frozen=True)
class TaskView:
    """A task with what is drawn and said about it.

    Attributes:
        positions: (n, 2) layout of the graph in [0, 1].
        correct_paths: (n, n) number of correct paths of every pair.
        name: unlike that of any other task, for what is drawn of it.
    """

    task: Task
    positions: npt.NDArray[np.float64]
    facts: GraphFacts
    correct_paths: npt.NDArray[np.float64]
    name: str = field(default_factory=lambda: secrets.token_hex(8))


def task_view(config: ExperimentConfig) -> TaskView:
    """The task of an experiment; the same graph and split are built once.

    Raises:
        TaskError, GraphError: the settings make no graph or no task.
    """
    return _task_view(config.graph.model_dump_json(), config.split.model_dump_json())


@st.cache_resource(max_entries=64, show_spinner=False)
def _task_view(graph: str, split: str) -> TaskView:
    config = ExperimentConfig(
        graph=GraphConfig.model_validate_json(graph), split=SplitConfig.model_validate_json(split)
    )
    view = graph_view(config.graph)
    task = build_task(config)
    counts = _correct_paths(task.adjacency, task.max_steps)
    return TaskView(task, view.positions, view.facts, counts)


@st.cache_resource(max_entries=64, show_spinner=False)
def _correct_paths(adjacency: Bools, max_steps: int) -> npt.NDArray[np.float64]:
    """The counts of an acyclic graph do not depend on the split: a new split need not count again."""
    return count_correct_paths(adjacency, max_steps)


def start(config: ExperimentConfig, preset: str | None) -> str:
    """Start an experiment for this session; its id.

    Raises:
        TaskError, GraphError, RunError: it makes no task, or cannot be trained.
        LimitError: it is more than a public server gives.
    """
    check_limits(config, (1 + len(config.arms)) * len(config.seeds))
    return manager().start(config, preset, state.session_id())


def check_limits(config: ExperimentConfig, new: int) -> None:
    """Whether this session may start, or resume, so many runs of an experiment.

    Raises:
        TaskError, GraphError: it makes no task.
        LimitError: it is more than a public server gives.
    """
    task, allowed = task_view(config).task, limits()
    if allowed is not None:
        mine, everyones = store().active_runs(state.session_id()), store().active_runs()
        allowed.check(config, task.nodes, task.max_steps, sum(map(len, task.texts)))
        allowed.check_room(new, mine, everyones, store().total_size())


def current_experiment() -> ExperimentRecord:
    """The experiment being looked at: the one that was opened, or else the demo."""
    chosen = state.experiment_id()
    if chosen is not None:
        try:
            return store().experiment(chosen)
        except KeyError:
            state.notify(f"There is no experiment {chosen[:40]!r} on this server; the demo is shown instead.")
            st.session_state.experiment = None
    return store().experiment(demo_id())


def exists(experiment_id: str) -> bool:
    """Whether the store has this experiment."""
    try:
        store().experiment(experiment_id)
    except KeyError:
        return False
    return True


def evaluations(experiment_id: str) -> pd.DataFrame:
    """All evaluations of an experiment, read once until there are new ones; shared by all, so not to be changed."""
    return _evaluations(experiment_id, measured(store(), experiment_id, "evaluations"))


@st.cache_resource(max_entries=64, show_spinner=False)
def _evaluations(experiment_id: str, state_then: State) -> pd.DataFrame:
    return store().evaluations(experiment_id)


@dataclass(frozen=True)
class Values:
    """What the evaluations of an experiment come to; shared by all, so not to be changed.

    Attributes:
        runs: the final and best values, a row a run, as from `summarize`.
        arms: their means over the seeds, a row an arm.
        latest: the metrics of the latest evaluations, by run and split.
    """

    runs: pd.DataFrame
    arms: pd.DataFrame
    latest: dict[tuple[str, str], dict[str, float]]


def values(experiment_id: str) -> Values:
    """What the evaluations of an experiment come to so far."""
    return _values(experiment_id, measured(store(), experiment_id, "evaluations"))


@st.cache_resource(max_entries=64, show_spinner=False)
def _values(experiment_id: str, state_then: State) -> Values:
    read = _evaluations(experiment_id, state_then)
    runs = summarize(read)
    return Values(runs, over_seeds(runs) if len(runs) else runs, latest(read))


def steps(experiment_id: str) -> pd.DataFrame:
    """The step metrics of an experiment, read once until there are new ones; not to be changed."""
    return _steps(experiment_id, measured(store(), experiment_id, "steps"))


@st.cache_resource(max_entries=16, show_spinner=False)
def _steps(experiment_id: str, state_then: State) -> pd.DataFrame:
    return store().steps(experiment_id)


def changes(experiment_id: str) -> pd.DataFrame:
    """What changed while the runs of an experiment trained."""
    return read_changes(store(), experiment_id)


def changes_version(changes: pd.DataFrame) -> tuple[int, float]:
    """What tells one state of the changes from the next."""
    return len(changes), float(changes["time"].sum())


def version(experiment: ExperimentRecord, measured: pd.DataFrame) -> tuple[str, int, float]:
    """What tells one state of an experiment's measurements from the next."""
    return experiment.id, len(measured), float(measured["seconds"].sum()) if len(measured) else 0.0


def is_active(experiment: ExperimentRecord) -> bool:
    """Whether some of its runs are queued, running or paused."""
    return any(count and name in ACTIVE for name, count in experiment.states.items())
