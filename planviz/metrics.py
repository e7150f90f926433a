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
    samples, total = sum(queries[0].counts), len(queries)
    source, target = np.array([(query.source, query.target) for query in queries]).T
    # All paths of all queries in one row.
    query = np.repeat(np.arange(total), [len(query.paths) for query in queries])
    counts = np.array([count for query in queries for count in query.counts], dtype=float)
    lengths = np.array([len(path) for query in queries for path in query.paths])
    outcomes = np.array([OUTCOMES.index(outcome) for query in queries for outcome in query.outcomes])
    is_correct = outcomes == 0

    def of_correct(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(Q,): the sum over the correct paths of each query."""
        sums = np.bincount(query[is_correct], weights=values[is_correct], minlength=total)
        return np.asarray(sums, dtype=float)

    shares = np.bincount(outcomes, weights=counts, minlength=len(OUTCOMES)) / (samples * total)
    correct, distinct = of_correct(counts), of_correct(np.ones_like(counts))
    found = correct > 0
    entropy = np.log(correct[found]) - of_correct(counts * np.log(counts))[found] / correct[found]
    stretch = of_correct(counts * lengths)[found] / correct[found] / task.distance[source, target][found]
    return {
        "sampled_accuracy": float(shares[0]),
        "distinct_paths": float(distinct.mean()),
        "coverage": float((distinct / np.minimum(samples, correct_paths[source, target])).mean()),
        "path_entropy": _mean_or_nan(entropy),
        "path_stretch": _mean_or_nan(stretch),
        **{kind: float(share) for kind, share in zip(OUTCOMES[1:], shares[1:], strict=True)},
        **{
            f"pass_at_{k}": float(np.mean([pass_at_k(samples, int(count), k) for count in correct]))
            for k in PASS_AT
            if k <= samples
        },
    }


def _mean_or_nan(values: npt.NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
