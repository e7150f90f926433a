"""Exact metrics, without sampling, of a policy that looks at nothing but the current node and the target.

The factored and the tabular model have such policies. Their paths are walks of a Markov chain, and whatever adds up
over paths obeys a recursion in the number l of steps left. With A the adjacency and π the policy,

    X_l(c) = A(c,t) π(t|t,c) + Σ_{k≠t} A(c,k) π(k|t,c) · X_{l−1}(k),    X_0 = 0,

is the probability of a correct path from c to t; with π^j in place of π it is the sum of p(u)^j over the correct paths
u, and so on. One target at a time, all sources at once: beside the policy, the memory needed is a few (n, n) arrays.

A policy is an (n, n, n + 1) table of probabilities indexed [t, c, token], the last token EOS. A query is a pair (s, t)
with s ≠ t, and a path the tokens after s; `planviz.task` says how one ends and when it is correct. (Derived for this
project; the paper samples.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from planviz.task import OUTCOMES, Bools, Ints, Task
from planviz.theory import Floats

TERMS = 15
"""Length of the series in `expected_distinct_paths`; the first term left out is below 1 / 16! < 1e-13."""

MAX_ENTRIES = 10_000_000
"""About so many numbers are worked on at once, which bounds the memory of `expected_distinct_paths`."""


def policy_table(logits: npt.NDArray[np.floating], temperature: float) -> Floats:
    """softmax(logits / temperature) over the last axis, in float64: from logits (n, n, n + 1) a policy.

    Raises:
        ValueError: the temperature is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"the temperature must be above 0, not {temperature:g}")
    table: Floats = np.divide(logits, temperature, dtype=np.float64)
    table -= table.max(axis=-1, keepdims=True)
    np.exp(table, out=table)
    table /= table.sum(axis=-1, keepdims=True)
    return table


def exact_metrics(
    task: Task, policy: Floats, pairs: Ints, correct_paths: Floats, *, samples: int, pass_at: Sequence[int]
) -> dict[str, float]:
    """What `metrics.sampled_metrics`, and greedy paths, give on average over all random draws; means over the pairs.

    Left out are entropy and stretch: they are taken over queries with a correct sample, which no exact number matches.

    Args:
        policy: (n, n, n + 1).
        pairs: (P, 2) queries, at least one.
        correct_paths: (n, n) number of correct paths that exist (`theory.count_correct_paths`).
        samples: the number of samples a query, at least 1, that `distinct_paths` and `coverage` are for.
        pass_at: the k of pass@k = 1 − (1 − p)^k, p the probability of a correct path.
    """
    shares = outcome_shares(task, policy, pairs)
    distinct = expected_distinct_paths(task, policy, pairs, samples)
    existing = np.minimum(samples, correct_paths[pairs[:, 0], pairs[:, 1]])
    return {
        "greedy_accuracy": float(greedy_correct(task, policy, pairs).mean()),
        "sampled_accuracy": float(shares[:, 0].mean()),
        "distinct_paths": float(distinct.mean()),
        "coverage": float((distinct / existing).mean()),
        **dict(zip(OUTCOMES[1:], shares.mean(axis=0)[1:].tolist(), strict=True)),
        **{f"pass_at_{k}": float(_found(shares[:, 0], k).mean()) for k in pass_at},
    }


def greedy_correct(task: Task, policy: Floats, pairs: Ints) -> Bools:
    """(P,): whether the path of most probable tokens is correct; of tokens that tie the first is taken."""
    best = policy.argmax(axis=2)
    edges = np.pad(task.adjacency, ((0, 0), (0, 1)))  # EOS is no edge
    current, targets = pairs.T
    walking, arrived = np.ones(len(pairs), dtype=bool), np.zeros(len(pairs), dtype=bool)
    for _ in range(task.max_steps):
        following = best[targets, current]
        walking &= edges[current, following]
        arrived |= walking & (following == targets)
        current = np.where(walking, following, current)
    return arrived


def outcome_shares(task: Task, policy: Floats, pairs: Ints) -> Floats:
    """(P, 4): the probability of each of `OUTCOMES`; a path with a step along no edge is lost at that step."""
    shares = np.empty((len(pairs), len(OUTCOMES)))
    for target, rows in _by_target(pairs):
        edges, arriving = _edge_steps(task.adjacency, policy, target)
        jumping = np.where(task.adjacency, 0.0, policy[target, :, :-1]).sum(axis=1)
        ending = np.stack([arriving, jumping, policy[target, :, -1], np.zeros(task.nodes)], axis=1)
        outcomes = np.tile([0.0, 0.0, 0.0, 1.0], (task.nodes, 1))  # without a step left: never arrived
        for _ in range(task.max_steps):
            outcomes = ending + edges @ outcomes
        shares[rows] = outcomes[pairs[rows, 0]]
    return shares


def correct_path_entropy(task: Task, policy: Floats, pairs: Ints) -> Floats:
    """(P,): the entropy of the correct paths, given that a path is correct, in nats; NaN where none can be sampled.

    It is log P − Σ_u p(u) log p(u) / P with P = Σ_u p(u). The `path_entropy` of m samples is at most log m, and less
    on average: do not draw both as one curve.
    """
    entropy = np.full(len(pairs), np.nan)
    for target, rows in _by_target(pairs):
        edges, arriving = _edge_steps(task.adjacency, policy, target)
        p_log_p, p_log_p_arriving = (p * np.log(np.where(p > 0, p, 1)) for p in (edges, arriving))
        correct, weighted = np.zeros(task.nodes), np.zeros(task.nodes)  # Σ_u p(u) and Σ_u p(u) log p(u)
        for _ in range(task.max_steps):
            weighted = p_log_p_arriving + p_log_p @ correct + edges @ weighted
            correct = arriving + edges @ correct
        rows = rows[correct[pairs[rows, 0]] > 0]
        sources = pairs[rows, 0]
        entropy[rows] = np.log(correct[sources]) - weighted[sources] / correct[sources]
    return entropy


def expected_distinct_paths(task: Task, policy: Floats, pairs: Ints, samples: int) -> Floats:
    """(P,): the expected number of distinct correct paths among m = `samples`, Σ_u 1 − (1 − p(u))^m.

    There may be more paths than could ever be listed. So paths are told apart, step by step from s on, only while
    those that begin alike are expected more than once, together, in m samples: at most m beginnings of each length.
    For the others 1 − (1 − p)^m = Σ_j (−1)^(j+1) C(m, j) p^j settles after a few terms, and Σ_u p(u)^j needs no list
    of paths. The relative error is about 1e-12, however many paths and samples there are.
    """
    expected = np.empty(len(pairs))
    for target, rows in _by_target(pairs):
        useful = task.adjacency & task.reachable[:, target]  # fewer steps to follow, and the same paths
        edges, arriving = _edge_steps(useful, policy, target)
        sums = _power_sums(edges, arriving, min(samples, TERMS), task.max_steps)
        blocks = min(len(rows), len(rows) * samples * task.nodes // MAX_ENTRIES + 1)
        for block in np.array_split(rows, blocks):
            expected[block] = _distinct(edges, arriving, sums, pairs[block, 0], samples)
    return expected


def path_probabilities(
    adjacency: Bools, policy: Floats, source: int, target: int, max_steps: int, *, limit: int = 100_000
) -> dict[tuple[int, ...], float]:
    """The correct paths (u1, …, t) from s to t that can be sampled, with their probabilities.

    Args:
        adjacency: (n, n).
        policy: (n, n, n + 1).

    Raises:
        ValueError: there are more than `limit` such paths.
    """
    edges, arriving = _edge_steps(adjacency, policy, target)
    arrives = [np.zeros(len(adjacency), dtype=bool)]  # whether t can be reached at all, with l steps left
    for _ in range(max_steps):
        arrives.append((arriving > 0) | (edges > 0) @ arrives[-1])
    found: dict[tuple[int, ...], float] = {}
    open_paths: list[tuple[tuple[int, ...], float]] = [((), 1.0)]
    while open_paths:
        path, begun = open_paths.pop()
        current = path[-1] if path else source
        left = max_steps - len(path) - 1
        if arriving[current] > 0:
            found[(*path, target)] = begun * float(arriving[current])
            if len(found) > limit:
                raise ValueError(
                    f"more than {limit} correct paths lead from {source} to {target}: too many to list"
                )
        for node in np.flatnonzero((edges[current] > 0) & arrives[left]).tolist():
            open_paths.append(((*path, node), begun * float(edges[current, node])))
    return found


def _by_target(pairs: Ints) -> Iterator[tuple[int, Ints]]:
    """Each target with the rows of its pairs."""
    for target in np.unique(pairs[:, 1]).tolist():
        yield target, np.flatnonzero(pairs[:, 1] == target)


def _edge_steps(adjacency: Bools, policy: Floats, target: int) -> tuple[Floats, Floats]:
    """The probabilities (n, n) of steps along edges to nodes other than t, and (n,) of steps along edges to t."""
    edges = np.where(adjacency, policy[target, :, :-1], 0.0).astype(np.float64)
    arriving = edges[:, target].copy()
    edges[:, target] = 0
    return edges, arriving


def _found(probability: Floats, samples: int) -> Floats:
    """1 − (1 − p)^m, also where p is tiny; a p that rounding put above 1 counts as 1."""
    with np.errstate(divide="ignore"):  # log 0 = −∞ is right at p = 1
        return np.asarray(-np.expm1(samples * np.log1p(-np.minimum(probability, 1.0))))


def _distinct(edges: Floats, arriving: Floats, sums: Floats, sources: Ints, samples: int) -> Floats:
    """`expected_distinct_paths` from each source (S,) to one target, with the power sums of `_power_sums`."""
    expected = np.zeros(len(sources))
    rows, current = (
        np.arange(len(sources)),
        sources,
    )  # beginnings of paths: which source, and the node reached
    begun = np.ones(len(sources))  # and their probabilities
    for left in range(len(sums) - 1, 0, -1):
        heavy = samples * begun * sums[left, 0, current] > 1
        light = _series(begun[~heavy], sums[left][:, current[~heavy]], samples)
        np.add.at(expected, rows[~heavy], light)
        rows, current, begun = rows[heavy], current[heavy], begun[heavy]
        np.add.at(expected, rows, _found(begun * arriving[current], samples))
        parents, following = np.nonzero(edges[current])
        begun = begun[parents] * edges[current[parents], following]
        rows, current = rows[parents], following
    return expected


def _power_sums(edges: Floats, arriving: Floats, terms: int, max_steps: int) -> Floats:
    """(max_steps + 1, terms, n) indexed [l, j − 1, c]: Σ_u p(u)^j over the correct paths from c of at most l steps."""
    current, following = np.nonzero(edges)  # in the order of `current`
    left_from, first = np.unique(current, return_index=True)
    edge_powers, arriving_powers = _powers(edges[current, following], terms), _powers(arriving, terms)
    sums = np.zeros((max_steps + 1, terms, len(edges)))
    for left in range(1, max_steps + 1):
        sums[left] = arriving_powers
        onward = edge_powers * sums[left - 1][:, following]
        sums[left][:, left_from] += np.add.reduceat(onward, first, axis=1)
    return sums


def _powers(values: Floats, terms: int) -> Floats:
    """(terms, V): the first, second, … power of each of the V values."""
    return np.cumprod(np.broadcast_to(values, (terms, len(values))), axis=0, dtype=np.float64)


def _series(begun: Floats, sums: Floats, samples: int) -> Floats:
    """Σ_j (−1)^(j+1) C(m, j) q^j S_j of beginnings with probabilities q (B,) and power sums S (J, B), nested as
    m q (S_1 − (m−1)/2 q (S_2 − (m−2)/3 q (S_3 − …)))."""
    total = np.zeros_like(begun)
    for j in range(len(sums), 0, -1):
        total = sums[j - 1] - (samples - j) / (j + 1) * begun * total
    return samples * begun * total
