"""An experiment that was trained in part, with all that a bundle can hold, as the tests of bundles need it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from safetensors.numpy import save

from planviz.config import ExperimentConfig
from planviz.events import Checkpoint, Evaluation, Finished, QueryPaths, SampledPaths, Split, StepMetrics
from planviz.runs.store import Store
from planviz.sizes import weight_shapes
from planviz.task import build_task
from tests.runs.conftest import experiment

SPLITS: tuple[Split, ...] = ("train", "test")
PATHS = (QueryPaths(0, 2, ((1, 2), (2,), ()), (3, 1, 1), ("correct", "correct", "stopped_early")),)


def weights(config: ExperimentConfig, value: float) -> bytes:
    """A safetensors file that fits the model of a config, with the same number everywhere."""
    task = build_task(config)
    shapes = weight_shapes(config.model, task.nodes, task.max_steps)
    return save({name: np.full(shape, value, np.float32) for name, shape in shapes.items()})


def trained(store: Store, model: str = "factored", nodes: int = 12, labels: Sequence[str] = ()) -> str:
    """An experiment of three runs, of which the last has not begun; with labels, on a graph of one's own."""
    graph: dict[str, object] = {"nodes": nodes}
    if labels:
        edges = [(u, v) for v in range(len(labels)) for u in range(v)]
        graph = {"kind": "file", "labels": list(labels), "edges": edges}
    config = experiment(
        8,
        ("NA", "-2"),
        name='=1+1, "quoted"\n<b>',
        seeds=(5,),
        model={"kind": model},
        graph=graph,
    )
    experiment_id = store.create_experiment(config, "quick")
    for run in store.runs(experiment_id)[:2]:
        for step in (0, 8):
            store.record(run.id, StepMetrics(step, step, step * 5, step / 3, {"loss": 0.1 + 0.2}))
            for split in SPLITS:
                values = {"kl_to_base": math.inf, "greedy_accuracy": 1 / 3, "path_stretch": math.nan}
                store.record(run.id, Evaluation(step, step * 8, step / 7, split, values))
                store.record(run.id, SampledPaths(step, split, PATHS))
            store.record(run.id, Checkpoint(step, weights(config, step), b"state"))
        store.record(run.id, Finished(8))
    return experiment_id
