"""Batched sampling of paths from any model.

A path ends when it reaches its target, emits EOS, or hits the length limit: the same for every method. Three
things make it fast, and change no number: keys and values are cached; samples of one query share a row as long
as their paths are the same, so that each distinct prefix is computed once; and paths that have ended leave.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor

from planviz.models.base import PlanningModel
from planviz.packing import Paths
from planviz.task import Bools, Ints

RELAY_BELOW = 0.8
"""Rows of paths that have ended are given up when fewer than this share of the rows is still in use."""


@torch.no_grad()
def sample_paths(
    model: PlanningModel,
    pairs: Ints,
    max_steps: int,
    generators: Sequence[Generator],
    *,
    samples: int = 1,
    temperature: float = 1.0,
    exploration: float = 0.0,
    until_broken: Bools | None = None,
) -> Paths:
    """Paths drawn from softmax(logits / temperature), `samples` in a row for each query.

    Every path has its own uniform random number for each step, drawn beforehand: what a path becomes does not
    depend on what else is in the batch.

    Args:
        pairs: (S, P, 2) queries (s, t) of S seeds.
        max_steps: length limit, in nodes after s.
        generators: one for each seed.
        temperature: 0 means greedy.
        exploration: probability that a step is a uniformly random node instead; greedy paths never explore.
        until_broken: (n, n) adjacency; if given, a path also ends with its first step that is no edge. For callers
            to whom such a path is lost, whatever follows.

    Returns:
        (S, P · samples) paths with EOS as filler, those of one query next to each other, cut to the longest.
    """
    seeds, queries, _ = pairs.shape
    pairs_sampled = np.repeat(pairs, samples, axis=1)
    targets = pairs_sampled[:, :, 1].ravel()
    uniforms = np.concatenate(
        [torch.rand(queries * samples, max_steps, generator=draw).numpy() for draw in generators]
    )
    logits, cache = model.begin(pairs)
    vocabulary = logits.shape[2]
    tokens = np.full((len(targets), max_steps), vocabulary - 1)
    lengths = np.zeros(len(targets), dtype=np.int64)
    path = np.arange(len(targets))  # the paths that go on
    row = np.repeat(np.arange(seeds * queries), samples)  # where in the flattened logits each of them reads
    current = pairs_sampled[:, :, 0].ravel()
    for step in range(max_steps):
        token = draw_tokens(logits.flatten(0, 1), row, uniforms[path, step], temperature, exploration)
        tokens[path, step] = token
        lengths[path] = step + 1
        goes_on = (token != targets[path]) & (token != vocabulary - 1)
        if until_broken is not None:
            goes_on[goes_on] = until_broken[current[goes_on], token[goes_on]]
            current = token[goes_on]
        path, row, token = path[goes_on], row[goes_on], token[goes_on]
        if len(path) == 0 or step + 1 == max_steps:
            break
        width = logits.shape[1]
        if samples > 1 or len(path) < RELAY_BELOW * seeds * width:
            parents, following, row = _next_rows(row, token, seeds, width, share=samples > 1)
            cache = cache.select(torch.from_numpy(parents))
        else:
            following = np.zeros((seeds, width), dtype=np.int64)
            following.ravel()[row] = token
        logits = model.advance(torch.from_numpy(following), cache)
    shape = seeds, queries * samples
    return Paths(pairs_sampled, tokens[:, : step + 1].reshape(*shape, -1), lengths.reshape(shape))


def draw_tokens(
    logits: Tensor, row: Ints, uniforms: npt.NDArray[np.float32], temperature: float, exploration: float
) -> Ints:
    """One token for each path, by inverting the distribution function of the row that it reads.

    Args:
        logits: (R, V).
        row: (B,) rows of the logits.
        uniforms: (B,) random numbers in [0, 1).
    """
    if temperature == 0:
        greedy: Ints = logits.argmax(dim=1).numpy()[row]
        return greedy
    probabilities = torch.softmax(logits / temperature, dim=1).numpy()
    if exploration > 0:
        probabilities *= 1 - exploration
        probabilities[:, :-1] += exploration / (probabilities.shape[1] - 1)
    cumulative = probabilities.cumsum(axis=1, dtype=np.float64)[row]
    passed = cumulative <= (uniforms * cumulative[:, -1])[:, None]
    return np.asarray(passed.sum(axis=1))  # of a seed that has diverged (NaN) nothing is passed


def _next_rows(row: Ints, token: Ints, seeds: int, width: int, *, share: bool) -> tuple[Ints, Ints, Ints]:
    """Rows for the paths that go on, without those that nobody needs any more.

    Args:
        row: (B,) the flattened row, of S · width, that each path has read.
        token: (B,) the token that it goes on with.
        share: paths with the same row and token go on in one.

    Returns:
        For each new row (S, W) the old row it comes from and its token, and (B,) the new row of each path.
    """
    beyond = int(token.max()) + 1
    branches, branch = row * beyond + token, np.arange(len(row))
    if share:
        branches, branch = np.unique(branches, return_inverse=True)
    parent, following = np.divmod(branches, beyond)
    seed = parent // width
    counts = np.bincount(seed, minlength=seeds)
    place = seed * counts.max() + np.arange(len(branches)) - (counts.cumsum() - counts)[seed]
    rows = np.zeros((2, seeds * int(counts.max())), dtype=np.int64)
    rows[0, place], rows[1, place] = parent % width, following
    parents, tokens = rows.reshape(2, seeds, -1)
    return parents, tokens, place[branch]
