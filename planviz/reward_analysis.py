"""What a reward asks for, before anything is trained: the policy that its exact Q* implies, and where that leads.

The policy takes the next nodes of the greatest Q*, and shares ties alike. Q* has no EOS, nor has this policy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planviz.exact import policy_table
from planviz.rewards import Reward
from planviz.task import Ints, Task
from planviz.theory import MANY, Floats, optimal_q

TIE = 1e-7
"""Values that differ by less are worth the same."""

SURE, NEVER = 1 - 1e-9, 1e-12
"""An arrival at least so probable is sure, one at most so probable never happens."""

MAX_ENTRIES = 4_000_000
"""At most so many Q-values are computed for the shares of a split; that bounds their time on large graphs."""


def greedy_policy(q_values: Floats) -> Floats:
    """(…, n): the greatest values share the probability alike, from values (…, n)."""
    best = q_values >= q_values.max(axis=-1, keepdims=True) - TIE
    return np.asarray(best / best.sum(axis=-1, keepdims=True))


@dataclass(frozen=True)
class Arrivals:
    """Where a policy leads on the way to one target, from every source; arrays (n,).

    Attributes:
        probability: of a correct path, within the length limit of the task.
        steps: the mean length of the correct paths, NaN where there is none.
        paths: how many correct paths the policy can take, at most `theory.MANY`.
    """

    probability: Floats
    steps: Floats
    paths: Floats


def arrivals(task: Task, policy: Floats, target: int) -> Arrivals:
    """Where a policy leads, by recursion over the steps left (see `planviz.exact`).

    Args:
        policy: (n, n) probabilities of the next node (column) at each node (row).
    """
    edges = np.where(task.adjacency, policy, 0.0)
    arriving, onward = edges[:, target].copy(), edges
    onward[:, target] = 0.0
    taken, first = (onward > 0).astype(np.float64), (arriving > 0).astype(np.float64)
    probability, length, paths = (np.zeros(task.nodes) for _ in range(3))
    for _ in range(task.max_steps):
        length = arriving + onward @ (probability + length)
        probability = arriving + onward @ probability
        paths = first + np.minimum(taken @ paths, MANY)
    steps = np.divide(length, probability, out=np.full(task.nodes, np.nan), where=probability > 0)
    return Arrivals(probability, steps, paths)


@dataclass(frozen=True)
class Shares:
    """What becomes of the pairs of a split under the policy of a reward.

    Attributes:
        pairs, of: how many pairs were looked at, and how many there are.
        sure, possible, never: shares of pairs that surely, possibly and never get a correct path.
        arrival: mean probability of a correct path.
        sampled: the same where paths are drawn from softmax(Q* / τ).
        stretch: mean length of the correct paths over the shortest, NaN if there are none.
    """

    pairs: int
    of: int
    sure: float
    possible: float
    never: float
    arrival: float
    sampled: float
    stretch: float


def reward_shares(task: Task, reward: Reward, discount: float, pairs: Ints, temperature: float) -> Shares:
    """What becomes of the pairs (P, 2) of a split; on large graphs of those of some targets, evenly spread.

    Raises:
        ValueError: Q* has no end (`theory.optimal_q`).
    """
    targets = np.unique(pairs[:, 1])
    most = max(1, MAX_ENTRIES // task.nodes**2)
    if len(targets) > most:
        targets = targets[np.linspace(0, len(targets) - 1, most).round().astype(int)]
    chosen = pairs[np.isin(pairs[:, 1], targets)]
    arrival, sampled, stretch = (np.empty(len(chosen)) for _ in range(3))
    for target in targets.tolist():
        rows = chosen[:, 1] == target
        sources = chosen[rows, 0]
        (q_values,) = optimal_q(task, reward, discount, targets=[target])
        found = arrivals(task, greedy_policy(q_values), target)
        arrival[rows] = found.probability[sources]
        stretch[rows] = found.steps[sources] / task.distance[sources, target]
        sampled[rows] = arrivals(task, policy_table(q_values, temperature), target).probability[sources]
    sure, never = arrival >= SURE, arrival <= NEVER
    some = ~np.isnan(stretch)
    return Shares(
        len(chosen), len(pairs), float(sure.mean()), float((~sure & ~never).mean()), float(never.mean()),
        float(arrival.mean()), float(sampled.mean()), float(stretch[some].mean()) if some.any() else float("nan"),
    )  # fmt: skip


@dataclass(frozen=True)
class Implied:
    """What a reward implies for one query.

    Attributes:
        q_values: (n, n) Q*(t, ·, ·) of its target t.
        policy: (n, n) the greedy policy.
        flow: (n, n) how often a path from s takes each step, on average; nothing follows a step that is no edge.
        arrival: the probability of a correct path.
        steps: the mean length of the correct paths, NaN if there are none.
        paths: how many correct paths the policy can take.
        verdict: a sentence about all this.
    """

    q_values: Floats
    policy: Floats
    flow: Floats
    arrival: float
    steps: float
    paths: float
    verdict: str


def implied(
    task: Task, reward: Reward, discount: float, source: int, target: int, correct_paths: float
) -> Implied:
    """What a reward implies for the query from `source` to `target`.

    Args:
        correct_paths: how many correct paths there are.

    Raises:
        ValueError: Q* has no end (`theory.optimal_q`).
    """
    (q_values,) = optimal_q(task, reward, discount, targets=[target])
    policy = greedy_policy(q_values)
    found = arrivals(task, policy, target)
    flow = expected_steps(task, policy, source, target)
    arrival, steps, paths = (
        float(values[source]) for values in (found.probability, found.steps, found.paths)
    )
    said = verdict(task, q_values, flow, source, target, arrival, steps, paths, correct_paths)
    return Implied(q_values, policy, flow, arrival, steps, paths, said)


def expected_steps(task: Task, policy: Floats, source: int, target: int) -> Floats:
    """(n, n): how often each step is taken by a path from s, which ends at t, at a step that is no edge, and at the
    length limit."""
    at = np.zeros(task.nodes)
    at[source] = 1.0
    visits = np.zeros(task.nodes)
    edges = np.where(task.adjacency, policy, 0.0)
    for _ in range(task.max_steps):
        visits += at
        at = at @ edges
        at[target] = 0.0
    return np.asarray(visits[:, None] * policy)


def verdict(
    task: Task,
    q_values: Floats,
    flow: Floats,
    source: int,
    target: int,
    arrival: float,
    steps: float,
    paths: float,
    correct_paths: float,
) -> str:
    """What the policy of a reward does with a query, and why, in one or two sentences."""
    best = float(q_values[source].max())
    visited = np.flatnonzero(flow.sum(axis=1) > 0)
    good = task.adjacency & task.reachable[:, target]
    tied = q_values >= q_values.max(axis=1, keepdims=True) - TIE
    shortest = int(task.distance[source, target])
    if arrival >= SURE:
        if paths >= correct_paths * (1 - 1e-9):
            if correct_paths == 1:
                return f"The one correct path is worth most ({best:.2f}): it arrives always."
            every = _count(correct_paths)
            return f"All correct next nodes tie at {best:.2f}: it arrives always, by any of {every} paths."
        if steps < shortest + TIE:
            return (
                f"Shorter paths are worth more: it arrives always, by {_paths(paths)} of {_steps(shortest)}, "
                f"the fewest, and leaves out {_others(correct_paths - paths)}."
            )
        return (
            f"It arrives always, by {_paths(paths)} of the {_count(correct_paths)} correct ones, "
            f"{steps:.1f} steps long on average."
        )
    wrong = [node for node in visited if (tied[node] & ~good[node]).any()]
    if arrival > NEVER:
        if not wrong:
            return (
                f"Going on is worth as much as arriving ({best:.2f}): it wanders among good edges, and arrives within "
                f"{task.max_steps} steps with probability {share_in_words(arrival)}."
            )
        ties, right = int(tied[wrong[0]].sum()), int((tied & good)[wrong[0]].sum())
        lead = "Every next node is" if ties == task.nodes else f"{ties} of {task.nodes} next nodes are"
        return (
            f"{lead} worth the same, {q_values[wrong[0]].max():.2f}, but only {_edges(right)} there {_leads(right)} to "
            f"the target: this policy wanders, and arrives with probability {share_in_words(arrival)}."
        )
    if not wrong:
        return "Going on is worth more than arriving: it follows edges for ever, and never arrives in time."
    node = wrong[0]
    away = tied[node] & ~task.adjacency[node]
    if away[target]:
        return (
            f"Jumping to the target along no edge is worth most ({best:.2f}): it never takes a correct path."
        )
    if away.any():
        return (
            f"A step along no edge is worth most ({q_values[node].max():.2f}): it never takes a correct path."
        )
    return f"Dead ends are worth most ({q_values[node].max():.2f}): it never arrives."


def share_in_words(share: float, decimals: int = 0) -> str:
    """A share in per cent, which says 0 and 100 only of none and all."""
    least = 0.5 * 10.0 ** -(decimals + 2)
    if 0 < share < least:
        return f"<{least:.{decimals + 1}%}"
    return f">{1 - least:.{decimals + 1}%}" if 1 - least < share < SURE else f"{share:.{decimals}%}"


def _count(number: float) -> str:
    return f"{number:,.0f}" if number < 1e6 else "millions"


def _others(count: float) -> str:
    return f"the other {_count(count)}" if count < 1e6 else "millions of others"


def _paths(count: float) -> str:
    return "one path" if count == 1 else f"{_count(count)} paths"


def _steps(count: int) -> str:
    return "one step" if count == 1 else f"{count} steps"


def _edges(count: int) -> str:
    return "one edge" if count == 1 else f"{count or 'no'} edges"


def _leads(count: int) -> str:
    return "leads" if count == 1 else "lead"
