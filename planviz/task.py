"""The planning task: a graph, its pairs split into train and test, the SFT texts, and what "correct" means.

A query is a pair (s, t) with t reachable from s. A text is ``s t s u1 u2 … t EOS``, one token a node: the
prompt is ``s t s``, and a *path* is what follows it. Token ids 0 … n-1 are the nodes, n is EOS.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import networkx as nx
import numpy as np
import numpy.typing as npt

from planviz.config import ExperimentConfig
from planviz.graphs.distances import all_distances
from planviz.graphs.generate import build_graph
from planviz.graphs.limits import MAX_TEXT_TOKENS
from planviz.splits import TaskError as TaskError
from planviz.splits import given_texts, pair_array, split_pairs

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

WALKS_TO_JUDGE_BY = 1000
"""After so many walks it is estimated how many tokens all of them will have."""

OUTCOMES = ("correct", "invalid_edge", "stopped_early", "never_arrived")
"""How a path can end, in the order in which failures are named."""


@dataclass(frozen=True)
class Task:
    """One graph and one split.

    Attributes:
        graph: nodes 0 … n-1 with a ``label`` each.
        adjacency: (n, n); ``adjacency[i, j]`` says whether i → j is an edge.
        distance: (n, n); edges on a shortest path, 0 on the diagonal, -1 where there is no path.
        train_pairs: (P, 2) pairs (s, t) that are trained on.
        test_pairs: (Q, 2) pairs that appear in no text and in no training query; a pair may be in neither part.
        texts: the SFT paths, each ``(s, u1, …, t)``.
        max_steps: the length limit of a path, in nodes after s.
    """

    graph: nx.DiGraph[int]
    adjacency: Bools
    distance: Ints
    train_pairs: Ints
    test_pairs: Ints
    texts: tuple[tuple[int, ...], ...]
    max_steps: int

    @property
    def nodes(self) -> int:
        return len(self.adjacency)

    @property
    def eos(self) -> int:
        """The token that ends a text."""
        return self.nodes

    @property
    def reachable(self) -> Bools:
        """(n, n): R(i, j) = 1 if j = i or i can reach j."""
        return self.distance >= 0

    @property
    def labels(self) -> list[str]:
        return [self.graph.nodes[node]["label"] for node in range(self.nodes)]

    def pairs(self, split: str) -> Ints:
        return self.train_pairs if split == "train" else self.test_pairs


def build_task(config: ExperimentConfig) -> Task:
    """The task of an experiment, the same for the same graph and split settings.

    Raises:
        TaskError: there is no pair to train on or none to test on, or the split does not fit the graph.
        GraphError: the graph's settings fit no graph.
    """
    graph = build_graph(config.graph)
    adjacency = nx.to_numpy_array(graph, nodelist=range(len(graph))) > 0
    distance = shortest_distances(adjacency)
    if config.split.kind == "texts":
        texts, test_texts = given_texts(graph, config.split)
        train_pairs, test_pairs = pair_array(texts), pair_array(test_texts)
    else:
        train_pairs, test_pairs = split_pairs(graph, distance, config.split)
        useful = {
            target: [np.flatnonzero(row).tolist() for row in adjacency & (distance[:, target] >= 0)]
            for target in set(train_pairs[:, 1].tolist())
        }
        texts = walk_texts(useful, train_pairs, config.split.paths_per_pair, random.Random(config.split.seed))
    return Task(
        graph, adjacency, distance, train_pairs, test_pairs, texts, length_limit(graph, distance, texts)
    )


def shortest_distances(adjacency: Bools) -> Ints:
    """(n, n) lengths of shortest paths, -1 where there is none."""
    distance = all_distances(len(adjacency), np.argwhere(adjacency))
    return np.where(np.isfinite(distance), distance, -1).astype(np.int64)


def walk_texts(
    useful: Mapping[int, list[list[int]]], pairs: Ints, paths_per_pair: int, rng: random.Random
) -> tuple[tuple[int, ...], ...]:
    """`paths_per_pair` random walks for each of the (P, 2) pairs.

    Args:
        useful: for every target the neighbours of each node from which it can be reached.

    Raises:
        TaskError: going by the first walks, all of them would be longer than `MAX_TEXT_TOKENS`.
    """
    texts: list[tuple[int, ...]] = []
    tokens, total = 0, len(pairs) * paths_per_pair
    for source, target in pairs.tolist():
        for _ in range(paths_per_pair):
            texts.append(random_walk(useful[target], source, target, rng))
            tokens += len(texts[-1])
            if len(texts) == min(WALKS_TO_JUDGE_BY, total) and tokens / len(texts) * total > MAX_TEXT_TOKENS:
                mean = tokens / len(texts)
                raise TaskError(
                    f"{len(pairs):,} training pairs with {paths_per_pair} paths of about {mean:.0f} nodes each are "
                    f"too much text; {int(MAX_TEXT_TOKENS / mean):,} such paths are allowed, so train on fewer pairs "
                    "or lower the paths per pair"
                )
    return tuple(texts)


def random_walk(useful: list[list[int]], source: int, target: int, rng: random.Random) -> tuple[int, ...]:
    """A path from source to target that visits no node twice: each step is uniform among the neighbours from
    which the target can still be reached without coming back.

    On an acyclic graph these are all `useful` neighbours. On others a step may turn out to lead nowhere; then it
    is taken back and another one drawn. No node is tried twice: where the walk failed from, every later one would.

    Args:
        useful: the neighbours of every node from which the target can be reached at all.
    """
    path, tried = [source], {source}
    while path[-1] != target:
        choices = [node for node in useful[path[-1]] if node not in tried]
        if choices:
            path.append(choices[int(rng.random() * len(choices))])
            tried.add(path[-1])
        else:
            path.pop()
    return tuple(path)


def length_limit(graph: nx.DiGraph[int], distance: Ints, texts: tuple[tuple[int, ...], ...]) -> int:
    """How many nodes a path may have after s: enough for every path of an acyclic graph; on a graph with
    cycles, where paths have no longest, as many as the longest text or the farthest pair."""
    if nx.is_directed_acyclic_graph(graph):
        return int(nx.dag_longest_path_length(graph, weight=None))
    return max(int(distance.max()), *(len(text) - 1 for text in texts))


def text_arrays(task: Task) -> tuple[Ints, Ints, Ints]:
    """The SFT texts as arrays.

    Returns:
        pairs (N, 2); paths (N, L) with EOS after t and as filler; lengths (N,), the EOS after t included.
    """
    lengths = np.array([len(text) for text in task.texts], dtype=np.int64)
    paths = np.full((len(lengths), lengths.max()), task.eos, dtype=np.int64)
    for row, text in zip(paths, task.texts, strict=True):
        row[: len(text) - 1] = text[1:]
    pairs = np.array([(text[0], text[-1]) for text in task.texts], dtype=np.int64)
    return pairs, paths, lengths


def edges_taken(task: Task, pairs: Ints, paths: Ints) -> Bools:
    """(B, L): whether each step of each path is an edge; a step to or from EOS is none."""
    with_eos = np.zeros((task.nodes + 1, task.nodes + 1), dtype=bool)
    with_eos[:-1, :-1] = task.adjacency
    previous = np.concatenate([pairs[:, :1], paths[:, :-1]], axis=1)
    return np.asarray(with_eos[previous, paths])


def judge(task: Task, pairs: Ints, paths: Ints, lengths: Ints) -> npt.NDArray[np.int8]:
    """How each path ended, as an index into `OUTCOMES`.

    Args:
        pairs: (B, 2) queries (s, t).
        paths: (B, L) tokens after the prompt.
        lengths: (B,) tokens that belong to the path; the last of them is t, EOS, or hit the length limit.
    """
    inside = np.arange(paths.shape[1]) < lengths[:, None]
    last = np.take_along_axis(paths, lengths[:, None] - 1, axis=1)[:, 0]
    broken = (inside & ~edges_taken(task, pairs, paths) & (paths != task.eos)).any(axis=1)
    ended = np.where(last == pairs[:, 1], 0, np.where(last == task.eos, 2, 3))
    return np.where(broken, 1, ended).astype(np.int8)
