"""What training has found, against sets of Python tuples."""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planviz.config import GraphConfig, PolicyGradientConfig, preset, with_settings
from planviz.discovery import MAX_FOUND, Discovery, Distinct, existing
from planviz.events import Evaluation
from planviz.experiment import train
from planviz.packing import Paths
from planviz.task import Task
from planviz.theory import count_correct_paths
from tests.engine_helpers import graphs, networkx_graph, task_of


def all_paths(task: Task, source: int, target: int, left: int) -> Iterator[tuple[int, ...]]:
    """Every correct path of at most `left` steps."""
    for node in np.flatnonzero(task.adjacency[source]).tolist():
        if node == target:
            yield (node,)
        elif left > 1:
            for rest in all_paths(task, node, target, left - 1):
                yield (node, *rest)


def random_paths(task: Task, random: np.random.Generator, count: int) -> Paths:
    """Paths as a rollout may return them, most of them wrong; two seeds."""
    pairs = task.train_pairs[random.integers(len(task.train_pairs), size=(2, count))]
    tokens = random.integers(task.nodes + 1, size=(2, count, task.max_steps))
    ends = (tokens == pairs[:, :, 1:]) | (tokens == task.eos)
    lengths = np.where(ends.any(axis=2), ends.argmax(axis=2) + 1, task.max_steps)
    return Paths(pairs, tokens, lengths)


def counted(task: Task, seen: list[Paths], seed: int) -> dict[str, float]:
    """The same by hand."""
    paths, steps = set(), set()
    for batch in seen:
        rows = zip(batch.pairs[seed], batch.tokens[seed], batch.lengths[seed], strict=True)
        for (source, target), tokens, length in rows:
            path = tokens[:length].tolist()
            walked = list(zip([source, *path], path, strict=False))
            on_edge = [k < task.nodes and task.adjacency[c, k] for c, k in walked]
            if all(on_edge) and path[-1] == target:
                paths.add((source, target, *path))
            steps |= {
                (target, c, k)
                for (c, k), edge in zip(walked, on_edge, strict=True)
                if edge and task.reachable[k, target]
            }
    return {"paths_found": len(paths), "triples_found": len(steps)}


@settings(max_examples=30, deadline=None)
@given(graph=graphs(), number=st.integers(0, 1000))
def test_it_counts_what_sets_of_tuples_count(graph: GraphConfig, number: int) -> None:
    task = task_of(graph)
    random = np.random.default_rng(number)
    seen = [random_paths(task, random, 40) for _ in range(3)]
    discovery, resumed = Discovery(task, 2), Discovery(task, 2)
    for batch in seen[:2]:
        discovery.add(batch)
    resumed.load([discovery.state(seed) for seed in range(2)])
    resumed.add(seen[2])
    for seed in range(2):
        assert discovery.counts(seed) == counted(task, seen[:2], seed)
        assert resumed.counts(seed) == counted(task, seen, seed)


@settings(max_examples=30, deadline=None)
@given(graph=graphs())
def test_all_paths_that_exist_can_be_found_and_no_more(graph: GraphConfig) -> None:
    task = task_of(graph)
    pairs, rows = [], []
    for source, target in task.train_pairs.tolist():
        for path in all_paths(task, source, target, task.max_steps):
            pairs.append((source, target))
            rows.append(path + (task.eos,) * (task.max_steps - len(path)))
    tokens = np.array([rows])
    lengths = (tokens != task.eos).sum(axis=2)
    discovery = Discovery(task, 1)
    discovery.add(Paths(np.array([pairs]), tokens, lengths))
    limit = existing(task, count_correct_paths(task.adjacency, task.max_steps))
    found = discovery.counts(0)
    assert found["paths_found"] == limit["paths_found"] == len(pairs)
    assert found["triples_found"] <= limit["triples_found"]


@settings(max_examples=30, deadline=None)
@given(config=graphs())
def test_useful_steps_that_exist_are_counted_one_by_one(config: GraphConfig) -> None:
    task, graph = task_of(config), networkx_graph(config)
    expected = sum(
        nx.has_path(graph, following, target)
        for target in {target for _, target in task.train_pairs.tolist()}
        for current, following in graph.edges
        if current != target
    )
    counts = count_correct_paths(task.adjacency, task.max_steps)
    assert existing(task, counts)["triples_found"] == expected


def test_a_set_of_codes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planviz.discovery.MAX_FOUND", 10)
    monkeypatch.setattr("planviz.discovery.MAX_PENDING", 4)
    found = Distinct()
    for start in range(0, 30, 3):
        found.add(np.arange(start, start + 3, dtype=np.uint64))
        assert found.waiting <= 4 + 3
    assert len(found.settle()) == 10 < MAX_FOUND


def test_sft_finds_its_texts_and_policy_gradient_finds_more() -> None:
    config = with_settings(
        preset("quick"),
        {"graph.nodes": 12, "graph.seed": 0, "split.paths_per_pair": 1, "base.steps": 60, "base.batch_size": 64,
         "model.width": 32},
    )  # fmt: skip
    config = config.model_copy(update={"arms": {"pg": PolicyGradientConfig(steps=40, batch_size=64)}})
    found: dict[str, list[float]] = {}
    for told in train(config):
        if isinstance(told.event, Evaluation) and told.event.split == "train":
            found.setdefault(told.arm, []).append(told.event.values["paths_found"])
    task = task_of(config.graph, train_share=config.split.train_share, paths_per_pair=1)
    assert found["base"][0] == 0 and found["base"][-1] == len(set(task.texts))
    assert found["pg"][-1] > found["base"][-1]
