"""What a table of logits knows: adjacency and reachability read out of it, and the edges recovered from that.

A table is (T, n, K) indexed [t, c, token]: the logits of any model at current node c on the way to target t, for T
targets; K is n, or n + 1 with a last token EOS, which is left out. The paper's factored model (section 3) is such a
table by construction, W_M[c, k] + W_V[t, k]; for every other one there is a nearest factored model, and its W_M and
W_V are what the model knows of adjacency and of reachability. Q* of the process reward on an acyclic graph,
A(c, k) + R(t, k) − 1, is factored exactly. (Derived for this project.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planviz.task import Bools, Ints, Task
from planviz.theory import Floats, text_steps

EDGE_GROUPS = ("often", "seldom", "never")
"""How often the SFT texts take an edge, in the words of `edge_groups`."""


@dataclass(frozen=True)
class Probe:
    """What a model's weights answer wherever they are asked.

    Attributes:
        logits: float32 (T, n, n + 1) indexed [t, c, token]: for the first step of a path from c to t.
        temperature: softmax(logits / temperature) is the arm's policy.
        attention: (layers, heads, 4), how much the current token looks at each of `PLACES`, on average along SFT texts;
            None for a model without attention.
    """

    logits: npt.NDArray[np.float32]
    temperature: float
    attention: Floats | None


PLACES = ("source", "target", "current", "other")
"""What the current token can look at: the prompt's source and target, itself, and the path between."""


@dataclass(frozen=True)
class PathShares:
    """How probable each correct path of one pair is to M models, in the order of the paths from likely to unlikely.

    Attributes:
        paths: (u1, …, t) each.
        shares: (M, paths).
        others: (M,) of the correct paths that are not listed, together; 0 if all are.
        wrong: (M,) of all that is not correct. A row of all three adds up to 1.
        exact: all correct paths are listed; otherwise `others` and `wrong` are estimated from samples.
    """

    paths: tuple[tuple[int, ...], ...]
    shares: Floats
    others: Floats
    wrong: Floats
    exact: bool


def states(task: Task) -> Bools:
    """(n, n) indexed [t, c]: the states that a path can be in on its way, c ≠ t and c can reach t."""
    return np.asarray(task.distance.T > 0)


def factored_fit(table: npt.NDArray[np.floating], valid: Bools) -> tuple[Floats, Floats]:
    """The factored model W_M[c, k] + W_V[t, k] nearest to a table, by least squares over the valid states.

    A number added to all logits of a state changes no policy, so each state's logits are first centred over k. Then
    every k is a two-way table of its own, Σ_{valid (t, c)} (y[t, c] − M[c] − V[t])² to be least; all have the same
    normal equations, which are solved exactly. A function of k can be moved from V to M unseen: V[·, k] has mean 0.

    Args:
        table: (T, n, K).
        valid: (T, n) which states count; where none does for a c or a t, its row is NaN.

    Returns:
        W_M (n, n) indexed [c, k] and W_V (T, n) indexed [t, k]; each row has mean 0.
    """
    targets, nodes = valid.shape
    of_current, of_target = np.zeros((nodes, nodes)), np.zeros((targets, nodes))
    for index in range(targets):  # one target at a time: all of them again in float64 would be too much
        chosen = np.flatnonzero(valid[index])
        logits = table[index, chosen, :nodes].astype(np.float64)
        logits -= logits.mean(axis=1, keepdims=True)
        of_current[chosen] += logits
        of_target[index] = logits.sum(axis=0)
    weights = valid.astype(np.float64)
    per_current = np.maximum(weights.sum(axis=0), 1)[:, None]
    # M = (of_current − validᵀ V) / per_current, put into the equations of V.
    normal = np.diag(weights.sum(axis=1)) - weights @ (weights.T / per_current)
    right = of_target - weights @ (of_current / per_current)
    by_target = np.linalg.lstsq(normal, right, rcond=1e-10)[0]  # the shortest solution: the mean is 0
    by_current = (of_current - weights.T @ by_target) / per_current
    by_current[~valid.any(axis=0)] = np.nan
    by_target[~valid.any(axis=1)] = np.nan
    return by_current, by_target


def interaction(weights: Floats) -> Floats:
    """Weights less the means of their rows and columns: what is left depends on no gauge, and rows are comparable.

    Rows that are NaN stay so, and count in no mean.
    """
    known = ~np.isnan(weights).any(axis=1)
    rows = weights[known] - weights[known].mean(axis=1, keepdims=True)
    result = np.full_like(weights, np.nan)
    if len(rows):
        result[known] = rows - rows.mean(axis=0)
    return result


def edge_counts(task: Task) -> Ints:
    """(n, n): how often the SFT texts take each edge."""
    (_, current, following), counts = text_steps(task)
    edges = np.zeros((task.nodes, task.nodes), dtype=np.int64)
    np.add.at(edges, (current, following), counts)
    return edges


def edge_groups(task: Task) -> dict[str, Bools]:
    """The edges in groups (n, n): those that the SFT texts take often, seldom and never.

    Seldom is at most as often as the median of the edges that are taken at all.
    """
    counts = edge_counts(task)
    taken = counts[task.adjacency & (counts > 0)]
    median = np.median(taken) if taken.size else 0
    return {
        "often": task.adjacency & (counts > median),
        "seldom": task.adjacency & (counts > 0) & (counts <= median),
        "never": task.adjacency & (counts == 0),
    }


def roc(scores: Floats, positives: Bools, negatives: Bools) -> tuple[Floats, Floats]:
    """The ROC curve of scores that should be higher on positives than on negatives.

    Args:
        scores: of any shape; NaN is left out.
        positives, negatives: of the same shape, at least one of each with a score.

    Returns:
        The false and the true positive rate, (M,) each, from (0, 0) to (1, 1): one point a distinct score.
    """
    good, bad = _scored(scores, positives), _scored(scores, negatives)
    values = np.unique(np.concatenate([good, bad]))
    above = [
        1 - np.searchsorted(np.sort(part), values, side="left")[::-1] / len(part) for part in (bad, good)
    ]
    false_positive, true_positive = (np.concatenate([[0.0], part]) for part in above)
    return false_positive, true_positive


def auc(scores: Floats, positives: Bools, negatives: Bools) -> float:
    """The area under the ROC curve: the chance that a positive has a higher score than a negative, ties half.

    NaN if there are no positives or no negatives with a score.
    """
    good, bad = _scored(scores, positives), np.sort(_scored(scores, negatives))
    if not good.size or not bad.size:
        return float("nan")
    below = np.searchsorted(bad, good, side="left") + np.searchsorted(bad, good, side="right")
    return float(below.mean() / 2 / bad.size)


def edge_scores(task: Task, table: npt.NDArray[np.floating], targets: Sequence[int] | Ints) -> Floats:
    """(n, n): how much a table of the given targets speaks for each edge; NaN in rows of which it says nothing.

    It is the `interaction` of W_M, so that neither a node that is often next, whatever the current one, nor the
    choice of a gauge speaks for an edge.

    Args:
        table: (T, n, K), for the T targets.
    """
    return interaction(factored_fit(table, states(task)[np.asarray(targets, dtype=int)])[0])


def edge_candidates(task: Task) -> tuple[dict[str, Bools], Bools]:
    """The edges by group, "all" first, and the non-edges, (n, n) each, that scores should tell apart.

    A non-edge is any (c, k) with c ≠ k: also a step back, which a model must have learned not to take.
    """
    nothing = ~task.adjacency & ~np.eye(task.nodes, dtype=bool)
    return {"all": task.adjacency, **edge_groups(task)}, nothing


def auc_by_group(scores: Floats, groups: Mapping[str, Bools], nothing: Bools) -> dict[str, float]:
    """The AUC of scores (n, n), each group of edges against the non-edges; NaN of an empty one."""
    return {name: auc(scores, edges, nothing) for name, edges in groups.items()}


def edge_auc(task: Task, table: npt.NDArray[np.floating], targets: Sequence[int] | Ints) -> dict[str, float]:
    """The AUC of `edge_scores`, edges against non-edges: of all edges, and of each of `EDGE_GROUPS`; NaN of none."""
    return auc_by_group(edge_scores(task, table, targets), *edge_candidates(task))


def _scored(scores: Floats, chosen: Bools) -> Floats:
    values = scores[chosen]
    return np.asarray(values[~np.isnan(values)])
