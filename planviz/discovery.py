"""What training has come across so far: distinct correct paths, and distinct useful steps.

Exploration is what RL adds to SFT (paper, section 4): SFT never sees a path that is not in its texts, while PG and
Q-learning train on whatever they sample.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from planviz.packing import Paths
from planviz.task import Bools, Ints, Task, edges_taken

Codes = npt.NDArray[np.uint64]

MAX_FOUND = 2**20
"""More distinct things than this are not counted, which bounds memory and checkpoints to 8 MiB each."""

MAX_PENDING = 2**18
"""So many codes are gathered before those that are known already are thrown away."""


class Distinct:
    """A growing set of 64-bit codes, kept sorted."""

    def __init__(self, known: Codes | None = None) -> None:
        self.known = np.empty(0, np.uint64) if known is None else known
        self.pending: list[Codes] = []
        self.waiting = 0

    def add(self, codes: Codes) -> None:
        """Take in some codes, known or not."""
        if len(self.known) >= MAX_FOUND:
            return
        self.pending.append(codes)
        self.waiting += len(codes)
        if self.waiting > MAX_PENDING:
            self.settle()

    def settle(self) -> Codes:
        """All distinct codes so far, at most `MAX_FOUND`."""
        if self.pending:
            self.known = np.unique(np.concatenate([self.known, *self.pending]))[:MAX_FOUND]
            self.pending, self.waiting = [], 0
        return self.known


class Discovery:
    """The distinct correct paths and useful steps among all paths that each seed was trained on.

    A step (t, c, k) is useful if it follows an edge to a node from which t can be reached. Paths are told apart by a
    64-bit hash: among a million of them, two are taken for one with a probability below 1e-7.
    """

    def __init__(self, task: Task, seeds: int) -> None:
        self.task = task
        self.paths = [Distinct() for _ in range(seeds)]
        self.steps = [Distinct() for _ in range(seeds)]
        random = np.random.default_rng(0)  # the same multipliers wherever a run goes on
        self.multipliers = random.integers(2**64, size=task.max_steps + 3, dtype=np.uint64) | np.uint64(1)

    def add(self, paths: Paths) -> None:
        """Take in the paths (S, B) of one training step, none of them with an EOS after t."""
        pairs, tokens, lengths = paths.flat()
        inside = np.arange(tokens.shape[1]) < lengths[:, None]
        on_edge = edges_taken(self.task, pairs, tokens)
        arrived = np.take_along_axis(tokens, lengths[:, None] - 1, axis=1)[:, 0] == pairs[:, 1]
        correct = arrived & (on_edge | ~inside).all(axis=1)
        useful = on_edge & inside & self._reaches(tokens, pairs[:, 1:])
        hashes = self._hashes(pairs, np.where(inside, tokens, self.task.eos))
        steps = self._step_codes(pairs, tokens)
        rows = np.arange(len(tokens)) // paths.lengths.shape[1]
        for seed, (found_paths, found_steps) in enumerate(zip(self.paths, self.steps, strict=True)):
            own = rows == seed
            found_paths.add(hashes[own & correct])
            found_steps.add(steps[own][useful[own]])

    def counts(self, seed: int) -> dict[str, float]:
        """`paths_found` and `triples_found` of the seed in this place."""
        return {
            "paths_found": float(len(self.paths[seed].settle())),
            "triples_found": float(len(self.steps[seed].settle())),
        }

    def state(self, seed: int) -> dict[str, Ints]:
        """What has been found, to go on with later."""
        return {
            "found.paths": self.paths[seed].settle().view(np.int64),
            "found.steps": self.steps[seed].settle().view(np.int64),
        }

    def load(self, states: Sequence[dict[str, Ints]]) -> None:
        """Go on from what `state` gave for each seed; from nothing where an older version did not keep it."""
        nothing = np.empty(0, np.int64)
        self.paths = [Distinct(state.get("found.paths", nothing).view(np.uint64)) for state in states]
        self.steps = [Distinct(state.get("found.steps", nothing).view(np.uint64)) for state in states]

    def _reaches(self, tokens: Ints, targets: Ints) -> Bools:
        """Whether the target (B, 1) can be reached from each token (B, L); nothing can from EOS."""
        reachable = np.pad(self.task.reachable, ((0, 1), (0, 0)))
        return np.asarray(reachable[tokens, targets])

    def _hashes(self, pairs: Ints, tokens: Ints) -> Codes:
        whole = np.concatenate([pairs, tokens], axis=1).astype(np.uint64) + np.uint64(1)
        eos = np.uint64(self.task.eos + 1)  # filler adds nothing, however long the longest path of the batch
        terms = np.where(whole == eos, np.uint64(0), whole) * self.multipliers[: whole.shape[1]]
        mixed = terms.sum(axis=1, dtype=np.uint64)
        return np.asarray(mixed ^ (mixed >> np.uint64(32)))

    def _step_codes(self, pairs: Ints, tokens: Ints) -> Codes:
        nodes = self.task.nodes + 1
        current = np.concatenate([pairs[:, :1], tokens[:, :-1]], axis=1)
        return np.asarray(((pairs[:, 1:] * nodes + current) * nodes + tokens).astype(np.uint64))


def existing(task: Task, correct_paths: npt.NDArray[np.float64]) -> dict[str, float]:
    """How many correct paths of training pairs, and useful steps towards their targets, there are to be found.

    A node that no correct path visits counts too: a sampled path gets there by a step that is no edge.

    Args:
        correct_paths: (n, n) of `theory.count_correct_paths`.
    """
    source, target = task.train_pairs.T
    targets = np.unique(target)
    steps = task.adjacency.astype(np.int64) @ task.reachable[:, targets]
    steps[targets, np.arange(len(targets))] = 0  # nothing goes on from the target
    return {"paths_found": float(correct_paths[source, target].sum()), "triples_found": float(steps.sum())}
