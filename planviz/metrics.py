"""Accuracy, diversity, pass@k and failure kinds of sampled paths."""

from __future__ import annotations

from collections import Counter
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
    outcomes = judge(task, pairs, tokens, lengths)
    paths = [tuple(row[:length]) for row, length in zip(tokens.tolist(), lengths.tolist(), strict=True)]
    queries = []
    for first in range(0, len(pairs), samples):
        rows = range(first, first + samples)
        outcome_of = {paths[row]: OUTCOMES[outcomes[row]] for row in rows}
        ranked = Counter(paths[row] for row in rows).most_common()
        queries.append(
            QueryPaths(
                source=int(pairs[first, 0]),
                target=int(pairs[first, 1]),
                paths=tuple(path for path, _ in ranked),
                counts=tuple(count for _, count in ranked),
                outcomes=tuple(outcome_of[path] for path, _ in ranked),
            )
        )
    return tuple(queries)


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
