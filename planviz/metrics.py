"""Accuracy, diversity, pass@k and failure kinds of sampled paths."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np
import numpy.typing as npt

from planviz.events import QueryPaths
from planviz.task import OUTCOMES, Ints, Task, judge

PASS_AT = (1, 2, 5, 10, 20, 50, 100)
"""The k of pass@k; those up to the number of samples are computed."""


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """The unbiased estimate 1 − C(n − c, k) / C(n, k) of pass@k (Chen et al. 2021, arXiv 2107.03374).

    Raises:
        ValueError: k is larger than the number of samples.
    """
    if k > samples:
        raise ValueError(f"pass@{k} needs at least {k} samples; there are {samples}")
    return 1 - comb(samples - correct, k) / comb(samples, k)


def group_paths(task: Task, pairs: Ints, tokens: Ints, lengths: Ints, samples: int) -> tuple[QueryPaths, ...]:
    """The distinct paths of every query with their frequencies, most frequent first.

    Args:
        pairs: (P · samples, 2), tokens (P · samples, L), lengths (P · samples,): `samples` rows a query.
    """
    query = np.arange(len(pairs)) // samples
    inside = np.arange(tokens.shape[1]) < lengths[:, None]
    rows = np.ascontiguousarray(np.column_stack([query, np.where(inside, tokens, -1)]))
    as_bytes = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
    _, first, counts = np.unique(as_bytes, return_index=True, return_counts=True)
    ranked = np.lexsort((first, -counts, query[first]))
    first, counts = first[ranked], counts[ranked]
    outcomes = judge(task, pairs[first], tokens[first], lengths[first])
    paths = [
        tuple(path[:length])
        for path, length in zip(tokens[first].tolist(), lengths[first].tolist(), strict=True)
    ]
    kinds = [OUTCOMES[outcome] for outcome in outcomes]
    starts = np.searchsorted(query[first], np.arange(len(pairs) // samples + 1))
    return tuple(
        QueryPaths(
            source=int(source),
            target=int(target),
            paths=tuple(paths[begin:end]),
            counts=tuple(counts[begin:end].tolist()),
            outcomes=tuple(kinds[begin:end]),
        )
        for (source, target), begin, end in zip(pairs[::samples], starts, starts[1:], strict=False)
    )


def sampled_metrics(
    task: Task, queries: Sequence[QueryPaths], correct_paths: npt.NDArray[np.float64]
) -> dict[str, float]:
    """All metrics of sampled paths, each a mean over the queries.

    Diversity is the number of distinct correct paths among the m samples of a query, `coverage` the same divided by
    min(m, number of correct paths that exist), `path_entropy` the entropy of the sampled correct paths in nats.
    Entropy and stretch (length over shortest) leave out queries without a correct sample, and are NaN if none has one.

    Args:
        correct_paths: (n, n) number of correct paths that exist (`theory.count_correct_paths`).
    """
    samples = sum(queries[0].counts)
    shares = dict.fromkeys(OUTCOMES, 0.0)
    distinct, coverage, entropy, stretch, passes = [], [], [], [], []
    for query in queries:
        correct = []
        for path, count, outcome in zip(query.paths, query.counts, query.outcomes, strict=True):
            shares[outcome] += count / samples / len(queries)
            if outcome == "correct":
                correct.append((len(path), count))
        lengths, counts = np.array(correct, dtype=float).reshape(-1, 2).T
        distinct.append(len(correct))
        coverage.append(len(correct) / min(samples, correct_paths[query.source, query.target]))
        passes.append([pass_at_k(samples, int(counts.sum()), k) for k in PASS_AT if k <= samples])
        if correct:
            probabilities = counts / counts.sum()
            entropy.append(-(probabilities * np.log(probabilities)).sum())
            stretch.append(probabilities @ lengths / task.distance[query.source, query.target])
    return {
        "sampled_accuracy": shares["correct"],
        "distinct_paths": float(np.mean(distinct)),
        "coverage": float(np.mean(coverage)),
        "path_entropy": _mean_or_nan(entropy),
        "path_stretch": _mean_or_nan(stretch),
        **{kind: shares[kind] for kind in OUTCOMES[1:]},
        **{f"pass_at_{k}": float(value) for k, value in zip(PASS_AT, np.mean(passes, axis=0), strict=False)},
    }


def _mean_or_nan(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
