"""How much memory workers take, may take, and would take: measured, limited, estimated."""

from __future__ import annotations

import functools
import os
import random
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import networkx as nx
import numpy as np

from planviz.config import BASE, ExperimentConfig, GraphConfig, QLearningConfig, SplitConfig
from planviz.graphs.generate import build_graph
from planviz.runs.records import RunError
from planviz.sizes import parameters
from planviz.splits import given_texts
from planviz.task import Bools, Ints, length_limit, random_walk, shortest_distances

MIB = 2**20

EMPTY = 300 * MIB
"""What a worker takes that trains next to nothing: Python, torch, numpy and pandas."""

ROWS = 8192
"""So many paths are sampled at once in an evaluation, at most."""

WALKS = 100
"""So many paths are drawn to tell how long they are."""

SHARE = 0.8
"""The share of the machine's memory that all workers together may take."""

LEAST = 1024 * MIB
"""A worker may always take as much as this."""


def resident_bytes(pid: int) -> int | None:
    """The memory that a process holds at present; None where the system does not say so, or it has ended."""
    try:
        pages = (Path("/proc") / str(pid) / "statm").read_text().split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def machine_bytes() -> int | None:
    """The memory of the machine, or of the container; None where that is not known."""
    known = []
    with suppress(OSError, ValueError, AttributeError):
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for limit in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            known.append(int((Path("/sys/fs/cgroup") / limit).read_text()))
    return min(known, default=None)


def default_limit(workers: int) -> int | None:
    """How much memory one of so many workers may take; None, no limit, where it cannot be watched."""
    total = machine_bytes()
    if total is None or not sys.platform.startswith("linux"):
        return None
    return max(LEAST, int(SHARE * total / workers))


def in_words(amount: float) -> str:
    """Bytes as people read them."""
    return f"{amount / 2**30:.1f} GiB" if amount >= 2**30 else f"{amount / MIB:.0f} MiB"


@dataclass(frozen=True)
class Size:
    """What of a task decides how much memory it takes.

    Attributes:
        length: how many nodes a text has after s, on average.
        longest: the most that a path may have.
        texts: how many texts there are.
    """

    nodes: int
    length: float
    longest: int
    texts: float


def estimate(config: ExperimentConfig, arm: str, seeds: int = 1) -> int:
    """About how many bytes a worker takes that trains so many seeds of an arm together.

    Weights, their gradients, Adam's two moments, the frozen copies, and a checkpoint of them all; the activations of
    the largest batch; the paths of an evaluation; the task.

    Raises:
        GraphError, TaskError: the settings make no graph or no texts.
    """
    size = task_size(config)
    weights = parameters(config.model, size.nodes, size.longest)
    copies = 4 + (arm != BASE) + isinstance(config.arm(arm), QLearningConfig)
    saved = 2 * copies
    numbers = seeds * (weights * (copies + saved) + _training(config, arm, size)) + _evaluation(config, size)
    task = 40 * size.nodes**2 + size.texts * (100 + 24 * size.length)
    return int(EMPTY + 4 * numbers + task)


def must_fit(config: ExperimentConfig, limit: int | None, arms: Iterable[str] | None = None) -> None:
    """Refuse an experiment of which a run would take more memory than a worker may.

    Args:
        arms: those to be trained; by default all, and the base.

    Raises:
        RunError: it would; the message says how much, and what is allowed.
        GraphError, TaskError: the settings make no graph or no texts.
    """
    if limit is None:
        return
    for arm in (BASE, *config.arms) if arms is None else arms:
        if (needed := estimate(config, arm)) > limit:
            raise RunError(
                f"{arm} would take about {in_words(needed)} of memory, and a run may take {in_words(limit)} here; "
                "choose a smaller model, batch, number of samples or graph"
            )


def most_seeds(config: ExperimentConfig, arm: str, seeds: int, limit: int) -> int:
    """How many seeds of an arm, of those there are, may train together within a limit; at least one."""
    with suppress(ValueError):  # the worker will say it
        while seeds > 1 and estimate(config, arm, seeds) > limit:
            seeds -= 1
    return seeds


def _training(config: ExperimentConfig, arm: str, size: Size) -> float:
    """Numbers kept for one step of one seed: activations, their gradients, and the logits of every step of a path."""
    batch, model = config.arm(arm).batch_size, config.model
    steps = batch * min(size.longest, 1.5 * size.length)
    logits = 5 * steps * (size.nodes + 1)
    if model.kind != "transformer":
        return logits
    tokens, row = steps + 2 * batch, max(16, min(size.longest, 3 * size.length))
    attention = row * (2 + 3 * model.heads * model.layers)
    return logits + tokens * (20 * model.width * model.layers + attention)


def _evaluation(config: ExperimentConfig, size: Size) -> float:
    """Numbers kept while paths are sampled: the cache, the logits, and the distribution that each path draws from."""
    settings, model = config.evaluation, config.model
    paths = min(ROWS, 2 * settings.pairs * settings.samples)
    distributions = paths * (size.nodes + 1) * 4
    if model.kind != "transformer":
        return distributions
    positions = 3 + min(size.longest, 3 * size.length)
    return distributions + paths / 2 * positions * 2 * model.width * model.layers * 2


def task_size(config: ExperimentConfig) -> Size:
    """The size of an experiment's task; that of the same task is worked out once.

    Raises:
        GraphError, TaskError: the settings make no graph or no texts.
    """
    return _task_size(config.graph.model_dump_json(), config.split.model_dump_json())


@functools.lru_cache(maxsize=16)
def _task_size(graph_settings: str, split_settings: str) -> Size:
    split = SplitConfig.model_validate_json(split_settings)
    graph = build_graph(GraphConfig.model_validate_json(graph_settings))
    adjacency = nx.to_numpy_array(graph, nodelist=range(len(graph))) > 0
    distance = shortest_distances(adjacency)
    if split.kind == "texts":
        walks, _ = given_texts(graph, split)
        texts = float(len(walks))
    else:
        walks = some_walks(adjacency, distance)
        texts = (distance > 0).sum() * split.train_share * split.paths_per_pair
    longest = length_limit(graph, distance, walks)
    return Size(len(graph), float(np.mean([len(walk) for walk in walks])), longest, texts)


def some_walks(adjacency: Bools, distance: Ints) -> tuple[tuple[int, ...], ...]:
    """Random walks between some pairs, as the texts are made of; one without any step if there is no pair."""
    pairs, rng = np.argwhere(distance > 0).tolist(), random.Random(0)
    walks = []
    for source, target in rng.choices(pairs, k=WALKS) if pairs else []:
        useful = [np.flatnonzero(row).tolist() for row in adjacency & (distance[:, target] >= 0)]
        walks.append(random_walk(useful, source, target, rng))
    return tuple(walks) or ((0,),)
