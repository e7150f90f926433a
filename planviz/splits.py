"""Which pairs are trained on and which only tested: splits that each ask a question of their own.

A split depends on the graph and the settings alone. All but chosen pairs and texts from files come in a drawn order,
so that the first pairs of a part, on which models are measured, stand for all of it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import networkx as nx
import numpy as np
import numpy.typing as npt

from planviz.config import GraphConfig, SplitConfig, SplitKind
from planviz.graphs.formats.alpine import ImportedTask, pairs_of, read_texts, text_lines
from planviz.graphs.formats.common import GraphFileError, counted

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Texts = tuple[tuple[int, ...], ...]
Pairs = tuple[tuple[int, int], ...]


class TaskError(ValueError):
    """The graph and the split make no task; the message says why and what to change."""


class Split(NamedTuple):
    """A kind of split: what it asks, and the names of the settings of `SplitConfig` that matter for it."""

    title: str
    question: str
    settings: tuple[str, ...] = ()


SPLITS: dict[SplitKind, Split] = {
    "random": Split(
        "Random pairs",
        "Can it find paths for pairs like those it was trained on? The paper's split: a share of all pairs, drawn "
        "at random.",
        ("train_share", "paths_per_pair", "seed"),
    ),
    "edges": Split(
        "Every edge, and some pairs",
        "It has been told every edge: can it put them together? ALPINE's split: all edges are training pairs, and a "
        "share of the pairs that are farther apart.",
        ("train_share", "paths_per_pair", "seed"),
    ),
    "distance": Split(
        "Near pairs",
        "Can it plan farther ahead than it was trained to? Pairs that are near are trained on, all farther ones "
        "are tested.",
        ("trained_distance", "paths_per_pair", "seed"),
    ),
    "target": Split(
        "Some targets kept back",
        "Can it go where it was never sent? Some nodes are the target of test pairs only, though training paths "
        "may pass through them.",
        ("tested_targets", "paths_per_pair", "seed"),
    ),
    "stages": Split(
        "Between stages",
        "Can it compose? Trained from stage 1 to 2 and from 2 to 3, it is tested from 1 to 3. Needs a staged graph.",
        ("tested_stages", "paths_per_pair", "seed"),
    ),
    "pairs": Split(
        "Pairs of your choice",
        "A question of your own: choose a pair, and say whether it is trained on, tested or left out.",
        ("paths_per_pair", "seed"),
    ),
    "texts": Split(
        "Texts from files",
        "What does it learn from exactly these texts? Training pairs are those of the training texts, test pairs "
        "those of the test texts.",
    ),
}


def split_pairs(graph: nx.DiGraph[int], distance: Ints, config: SplitConfig) -> tuple[Ints, Ints]:
    """The training pairs (P, 2) and the test pairs (Q, 2).

    Args:
        distance: (n, n) lengths of shortest paths, -1 where there is none.

    Raises:
        TaskError: one of the parts would be empty, or the settings do not fit the graph.
    """
    if config.kind == "texts":
        texts, test_texts = given_texts(graph, config)
        return pair_array(texts), pair_array(test_texts)
    rng = np.random.default_rng(config.seed)
    pairs: Ints = rng.permutation(np.argwhere(distance > 0))
    if len(pairs) < 2:
        raise TaskError(
            f"{len(pairs)} pairs of nodes have a path between them; a task needs at least 2, so add edges"
        )
    match config.kind:
        case "random":
            trained = _first_share(np.ones(len(pairs), dtype=bool), config.train_share, "")
        case "edges":
            trained = _edges_and_share(distance[*pairs.T], config.train_share)
        case "distance":
            trained = _near(distance[*pairs.T], config.trained_distance)
        case "target":
            trained = _other_targets(pairs, config.tested_targets, rng)
        case "stages":
            trained = _other_stages(graph, pairs, config.tested_stages)
        case "pairs":
            return _chosen(distance, config.train_pairs, config.test_pairs)
    return np.ascontiguousarray(pairs[trained]), np.ascontiguousarray(pairs[~trained])


def given_texts(graph: nx.DiGraph[int], config: SplitConfig) -> tuple[Texts, Texts]:
    """The texts of a split of kind "texts", each (s, u1, …, t): those to train on, and those to test on.

    Raises:
        TaskError: there are none, one is no path of the graph, or a pair is in both.
    """
    for name, texts in (("train", config.texts), ("test", config.test_texts)):
        if not texts.strip():
            raise TaskError(
                f"there are no texts to {name} on; links do not carry texts, so import them again or choose another "
                "kind of split"
            )
    names = [str(node) for node in range(len(graph))]
    files = (
        ("split.texts", config.texts.encode(errors="replace")),
        ("split.test_texts", config.test_texts.encode(errors="replace")),
    )
    try:
        return read_texts(names, graph.edges, *files)
    except GraphFileError as error:
        raise TaskError(str(error)) from None


def pair_array(texts: Texts) -> Ints:
    """(P, 2) the different pairs of the texts, in the order in which they first appear."""
    return np.array(pairs_of(texts), dtype=np.int64)


def imported_settings(task: ImportedTask) -> tuple[GraphConfig, SplitConfig]:
    """The settings with which `build_task` makes the very task that ALPINE's files hold."""
    texts, test_texts = (text_lines(part).decode() for part in (task.texts, task.test_texts))
    return task.graph, SplitConfig(kind="texts", texts=texts, test_texts=test_texts)


def without_nodes(config: SplitConfig, removed: Collection[int], nodes: int) -> SplitConfig:
    """The split after nodes were removed from a graph of `nodes` nodes and the others renumbered in their order.

    Chosen pairs and texts keep their nodes; those with a removed one are dropped.
    """
    gone = set(removed)
    new = dict(zip((node for node in range(nodes) if node not in gone), range(nodes), strict=False))

    def pairs(old: Pairs) -> Pairs:
        return tuple((new[s], new[t]) for s, t in old if s in new and t in new)

    words, gone_words = {str(old): str(node) for old, node in new.items()}, {str(node) for node in gone}

    def texts(old: str) -> str:
        lines = (line.split() for line in old.splitlines())
        return "".join(
            " ".join(words.get(word, word) for word in line) + "\n"
            for line in lines
            if gone_words.isdisjoint(line)
        )

    return config.model_copy(
        update={
            "train_pairs": pairs(config.train_pairs),
            "test_pairs": pairs(config.test_pairs),
            "texts": texts(config.texts),
            "test_texts": texts(config.test_texts),
        }
    )


def stages_of(graph: nx.DiGraph[int]) -> Ints | None:
    """(n,) the stage of every node, from 1; None if the nodes have none."""
    stages = [stage for _, stage in graph.nodes(data="stage")]
    return None if None in stages else np.array(stages, dtype=np.int64) + 1


def _first_share(countable: Bools, share: float, among: str) -> Bools:
    """(P,): the first `share` of the countable pairs.

    Raises:
        TaskError: none or all of them.
    """
    count = int(countable.sum())
    train = round(share * count)
    if train == 0 or train == count:
        part = "training" if train == 0 else "test"
        raise TaskError(
            f"a training share of {share:g} leaves no {part} pairs among {count}{among}; "
            f"choose a share between {1 / count:.2g} and {_highest_share(count)}"
        )
    return countable & (np.cumsum(countable) <= train)


def _highest_share(count: int) -> str:
    """All but one of so many, with as many digits as it takes to stay below 1."""
    return f"{1 - 1 / count:.{max(2, len(str(count)))}g}"


def _edges_and_share(steps: Ints, share: float) -> Bools:
    """(P,): pairs one step apart, and a share of the others, given the distance of each pair."""
    far = steps > 1
    count = int(far.sum())
    if count == 0:
        raise TaskError(
            f"all {len(steps):,} pairs with a path are edges, so none is left to test on; add longer paths or choose "
            "another kind of split"
        )
    train = round(share * count)
    if train == count:
        raise TaskError(
            f"a training share of {share:g} leaves no test pairs among the {count} that are no edges; "
            f"choose a share of at most {_highest_share(count) if count > 1 else 0.5}"
        )
    return ~far | (np.cumsum(far) <= train)


def _near(steps: Ints, most: int) -> Bools:
    """(P,): pairs at most so many steps apart."""
    farthest = int(steps.max())
    if farthest <= most:
        allowed = (
            f"choose at most {farthest - 1}" if farthest > 1 else "add longer paths or choose another split"
        )
        raise TaskError(
            f"a longest training distance of {most} leaves no test pairs, because no pair is more than "
            f"{counted(farthest, 'step', 'steps')} apart; {allowed}"
        )
    return steps <= most


def _other_targets(pairs: Ints, share: float, rng: np.random.Generator) -> Bools:
    """(P,): pairs whose target is none of those that are drawn to be tested."""
    targets = np.unique(pairs[:, 1])
    count = round(share * len(targets))
    if len(targets) == 1:
        raise TaskError(
            f"all {len(pairs)} pairs have the same target; a split by targets needs at least 2 targets, so add edges "
            "or choose another kind of split"
        )
    if count == 0 or count == len(targets):
        part = "training" if count else "test"
        raise TaskError(
            f"a share of test targets of {share:g} leaves no {part} pairs, because there are {len(targets)} targets; "
            f"choose a share between {1 / len(targets):.2g} and {_highest_share(len(targets))}"
        )
    return ~np.isin(pairs[:, 1], rng.permutation(targets)[:count])


def _other_stages(graph: nx.DiGraph[int], pairs: Ints, tested: Pairs) -> Bools:
    """(P,): pairs whose two stages are not tested."""
    stages = stages_of(graph)
    if stages is None:
        raise TaskError(
            f"the nodes of a graph of kind {str(graph.graph.get('kind'))!r} have no stages; choose a staged graph or "
            "another kind of split"
        )
    count = int(stages.max())
    if tested and (highest := max(map(max, tested))) > count:
        raise TaskError(
            f"stage {highest} is to be tested, but the graph has {counted(count, 'stage', 'stages')}; "
            f"1 to {count} are allowed"
        )
    start, end = stages[pairs].T
    is_tested = np.zeros((count + 1, count + 1), dtype=bool)
    if tested:
        is_tested[*np.array(tested).T] = True
    else:
        is_tested[:] = np.subtract.outer(np.arange(count + 1), np.arange(count + 1)) <= -2
    test: Bools = is_tested[start, end]
    if test.all() or not test.any():
        part = "training" if test.all() else "test"
        named = ", ".join(f"{first}-{last}" for first, last in tested)
        there = np.unique(np.stack([start, end], axis=1), axis=0).tolist()
        some = ", ".join(f"{first}-{last}" for first, last in there[:12]) + (" …" if len(there) > 12 else "")
        raise TaskError(
            f"testing {f'the stages {named}' if named else 'all pairs two stages or more apart'} leaves no {part} "
            f"pairs; choose some but not all of {some}"
        )
    return ~test


def _chosen(distance: Ints, train: Pairs, test: Pairs) -> tuple[Ints, Ints]:
    """The pairs in both lists that have a path, in their order."""
    nodes = len(distance)
    parts = []
    seen = np.zeros(distance.shape, dtype=np.int8)
    for number, (name, listed) in enumerate((("training", train), ("test", test)), 1):
        pairs = _inside(listed, nodes, name)
        codes = pairs[:, 0] * nodes + pairs[:, 1]
        if len(both := pairs[seen[*pairs.T] == 3 - number]):
            raise TaskError(
                f"the pair {tuple(both[0].tolist())} is chosen to train on and to test on; choose one"
            )
        if len(np.unique(codes)) < len(codes):
            raise TaskError(f"the {name} pairs name a pair twice; each may be there once")
        seen[*pairs.T] = number
        parts.append(np.ascontiguousarray(pairs[distance[*pairs.T] > 0]))
        if not len(parts[-1]):
            why = f"none of the {len(listed):,} chosen {name} pairs has a path" if listed else (
                f"no {name} pairs are chosen"
            )  # fmt: skip
            raise TaskError(f"{why}; choose at least 1, or another kind of split")
    return parts[0], parts[1]


def _inside(listed: Pairs, nodes: int, name: str) -> Ints:
    """(P, 2): the pairs, all of whose nodes the graph has."""
    lowest, highest = (edge(map(edge, listed), default=0) for edge in (min, max))
    if lowest < 0 or highest >= nodes:
        wrong = next(pair for pair in listed if min(pair) < 0 or max(pair) >= nodes)
        raise TaskError(f"the {name} pair {wrong} leaves the graph: its nodes are 0 to {nodes - 1}")
    return np.array(listed, dtype=np.int64).reshape(-1, 2)
