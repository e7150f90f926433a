"""Mechanism, second section: adjacency and reachability as the weights know them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import streamlit as st

from planviz.figures import style
from planviz.figures.mechanism_edges import GROUPS, attention_bars, edge_auc_lines, roc_curves
from planviz.figures.mechanism_matrices import node_matrix, reach_of
from planviz.mechanism import (
    PLACES,
    Probe,
    auc_by_group,
    edge_candidates,
    edge_counts,
    factored_fit,
    interaction,
    roc,
    states,
)
from planviz.runs.records import ExperimentRecord
from planviz.task import Ints, Task
from planviz.theory import Floats
from planviz.ui.charts import show
from planviz.ui.lab import TaskView
from planviz.ui.mechanism.models import Chosen, Weights, has_weights, probed_targets, probes

MAX_SHOWN = 100
"""Matrices of more nodes than these show those that the SFT texts pass most often."""


class Knowledge(NamedTuple):
    """What the weights of one model say.

    Attributes:
        adjacency: (n, n) scores of edges, the interaction of W_M.
        reachability: (T, n) the interaction of W_V.
        found: the AUC of the edges, by group.
    """

    adjacency: Floats
    reachability: Floats
    found: dict[str, float]


def weights(experiment: ExperimentRecord, view: TaskView, chosen: Chosen) -> None:
    """Edges recovered, attention, and the matrices."""
    st.write(
        "Nobody tells a model the graph. What it knows of it is read here out of its logits at all current and "
        "target nodes: one part depends on the current node (**W_M**, which should be **adjacency**), the other on the "
        "target (**W_V**, which should be **reachability**)."
    )
    task, models = view.task, has_weights(chosen.models(experiment))
    targets = probed_targets(task)
    found = probes(models, targets)
    asked = {model.run.arm: (model.run.id, model.step or 0) for model in models}
    known = {arm: _knowledge(asked[arm], targets, probe, task) for arm, probe in found.items()}
    version = experiment.id, tuple(asked.values())
    if not known:
        return
    _edges(task, known, version)
    attention = {arm: probe.attention for arm, probe in found.items() if probe.attention is not None}
    if attention:
        show(
            partial(attention_bars, attention, PLACES), "mechanism:attention", version,
            "At every step the transformer weighs what it has read: to plan, it must look at where it is and at where "
            "it wants to go.",
            explained="above",
        )  # fmt: skip
    _matrices(task, known, asked, targets)


@st.cache_data(max_entries=256, max_size="32MB", show_spinner=False)
def _knowledge(asked: Weights, targets: tuple[int, ...], _probe: Probe, _task: Task) -> Knowledge:
    valid = states(_task)[list(targets)]
    by_current, by_target = (interaction(part) for part in factored_fit(_probe.logits, valid))
    return Knowledge(by_current, by_target, auc_by_group(by_current, *edge_candidates(_task)))


def _edges(task: Task, known: dict[str, Knowledge], version: object) -> None:
    """How well edges are recovered, and the ROC curves behind it."""
    groups, nothing = edge_candidates(task)
    sizes = {name: int(edges.sum()) for name, edges in groups.items()}
    left, right = st.columns(2, gap="medium")
    with left:
        show(
            partial(edge_auc_lines, {arm: each.found for arm, each in known.items()}, sizes),
            "mechanism:auc", version,
            "How surely a true edge scores above a missing one. SFT knows the edges that its text shows; those that it "
            "**never** shows can only be learned by trying them, and being told that they are edges.",
            explained="above",
        )  # fmt: skip
    with right:
        options = [name for name in ("never", "seldom", "often", "all") if sizes[name]]
        place = st.container()
        chosen = st.segmented_control(
            "Edges", options, default=options[0], required=True, format_func=GROUPS.__getitem__,
            key="mechanism:group", persist_state="session", label_visibility="collapsed", wrap=True,
        )  # fmt: skip
        group = chosen if chosen in options else options[0]
        with place:
            show(
                partial(_roc, known, groups[group], nothing, group), "mechanism:roc", (version, group),
                "Take ever more pairs of nodes for edges, the likeliest first: a curve along the top left finds every "
                "true edge before the first mistake.",
                explained="above",
            )  # fmt: skip


def _roc(
    known: dict[str, Knowledge],
    edges: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    nothing: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    group: str,
) -> object:
    told = {arm: each for arm, each in known.items() if not np.isnan(each.found[group])}
    curves = {arm: roc(each.adjacency, edges, nothing) for arm, each in told.items()}
    return roc_curves(curves, {arm: each.found[group] for arm, each in told.items()}, group)


def _matrices(
    task: Task, known: dict[str, Knowledge], asked: dict[str, Weights], targets: Sequence[int]
) -> None:
    """W_M beside adjacency and W_V beside reachability, as heat maps."""
    nodes = _shown(task)
    rows = np.array(targets[:MAX_SHOWN], dtype=np.int64)
    st.subheader("Adjacency and reachability, as the weights have them")
    st.caption(
        "Teal speaks for an edge, or for reaching the target; red against it. The true matrices stand first. Means of "
        "rows and columns are taken away, because they change no policy; each model has a scale of its own."
        + (
            f" Shown are the {len(nodes)} nodes that the text passes most often."
            if len(nodes) < task.nodes
            else ""
        )
    )
    truth = np.where(task.adjacency, 1.0, 0.0), np.where(task.reachable.T, 1.0, 0.0)[rows]
    with st.grid(2, min_column_width=340, gap="small") as grid:
        _pair(
            grid,
            task,
            "The graph itself",
            "truth",
            (task.nodes, task.labels),
            (truth[0], truth[1]),
            nodes,
            rows,
        )
        for arm, each in known.items():
            parts = each.adjacency, each.reachability[: len(rows)]
            _pair(grid, task, style.arm_label(arm), arm, asked[arm], parts, nodes, rows)


def _pair(
    grid: object,
    task: Task,
    name: str,
    key: str,
    version: object,
    parts: tuple[Floats, Floats],
    nodes: Ints,
    rows: Ints,
) -> None:
    """The two matrices of one model, or of the graph."""
    of_edges, of_targets = parts[0][np.ix_(nodes, nodes)], parts[1][:, nodes]
    true = key == "truth"
    pictures = {
        "edges": (of_edges, nodes, "current node", "adjacency" if true else "W_M"),
        "reach": (of_targets, rows, "target", "reachability" if true else "W_V"),
    }
    for kind, (matrix, shown, row_title, what) in pictures.items():
        make = partial(
            node_matrix, matrix, shown, nodes, task.labels, f"{name}: {what}", f"{what} over all nodes.",
            scale="share" if true else "weight", reach=1.0 if true else reach_of(matrix), row_title=row_title,
        )  # fmt: skip
        with grid.cell():  # type: ignore[attr-defined]
            show(make, f"mechanism:{kind}:{key}", version)


def _shown(task: Task) -> Ints:
    """The nodes of the matrices."""
    if task.nodes <= MAX_SHOWN:
        return np.arange(task.nodes)
    counts = edge_counts(task)
    passed = counts.sum(axis=0) + counts.sum(axis=1)
    return np.sort(np.argsort(-passed, kind="stable")[:MAX_SHOWN])
