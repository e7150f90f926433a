"""Paths as arrays, and the same paths without padding: their steps laid end to end.

Paths are short and of unequal length, so most of a padded batch would be padding. Models are trained on
`PackedPaths` instead. All arrays have a leading axis for the seeds that train together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from planviz.task import Bools, Ints

Number = TypeVar("Number", bound=np.generic)

ROW_TOKENS = 16
"""A row of `Rows` has room for at least so many tokens, so that short paths share one."""


class Paths(NamedTuple):
    """Paths of S seeds, B each: pairs (S, B, 2), tokens (S, B, L) with any filler, lengths (S, B) with the last
    token (t, EOS, or where the length limit cut the path off) counted."""

    pairs: Ints
    tokens: Ints
    lengths: Ints

    def flat(self) -> tuple[Ints, Ints, Ints]:
        """Pairs (S·B, 2), tokens (S·B, L) and lengths (S·B,): the seeds one after another."""
        return self.pairs.reshape(-1, 2), self.tokens.reshape(-1, self.tokens.shape[-1]), self.lengths.ravel()


class Rows(NamedTuple):
    """Whole token sequences ``s t s u1 …`` side by side in R rows of C tokens, for models with attention.

    Attributes:
        tokens: (S, R, C).
        positions: (S, R, C) places in the token's own sequence.
        sequence: (S, R, C) which sequence a token belongs to, -1 for none.
        steps: (S, N) where in the flattened row each step of the `PackedPaths` is predicted.
    """

    tokens: Ints
    positions: Ints
    sequence: Ints
    steps: Ints


@dataclass(frozen=True)
class PackedPaths:
    """The steps of paths, one path after another; (S, N) arrays unless noted.

    Seeds with fewer steps than others are filled up at their end with copies of a step, where `inside` is False.

    Attributes:
        paths: the paths, in arrays with padding.
        cell: where a step is found in the flattened (B, L) arrays of its seed.
        current: the node that the step goes from.
        token: the token that it goes to.
        inside: the step is real.
    """

    paths: Paths
    cell: Ints
    current: Ints
    token: Ints
    inside: Bools

    @property
    def path(self) -> Ints:
        """(S, N): the path, 0 … B - 1, that each step belongs to."""
        return np.asarray(self.cell // self.paths.tokens.shape[2])

    @property
    def target(self) -> Ints:
        """(S, N): the t of each step."""
        return np.take_along_axis(self.paths.pairs[:, :, 1], self.path, axis=1)

    @property
    def is_last(self) -> Bools:
        """(S, N): the step ends its path."""
        lengths = np.take_along_axis(self.paths.lengths, self.path, axis=1)
        return np.asarray(self.cell % self.paths.tokens.shape[2] == lengths - 1)

    @cached_property
    def rows(self) -> Rows:
        """The sequences behind the steps, each whole in one row; several share a row where they fit."""
        seeds, count = self.paths.lengths.shape
        position = self.cell % self.paths.tokens.shape[2]
        used = np.zeros((seeds, count), dtype=bool)
        used[self.inside.nonzero()[0], self.path[self.inside]] = True
        used[~used.any(axis=1), 0] = True  # a seed without any step has copies of its first one
        sizes = np.where(used, self.paths.lengths + 2, 0)
        width = max(ROW_TOKENS, int(sizes.max()))
        placed = [best_fit(row, width) for row in sizes.tolist()]
        height = round_up(max(rows for rows, _ in placed), 4)
        start = np.array([starts for _, starts in placed])
        tokens, positions = np.zeros((2, seeds, height * width), dtype=np.int64)
        sequence = np.full((seeds, height * width), -1)
        steps = np.take_along_axis(start, self.path, axis=1) + 2 + position
        seed, path = used.nonzero()
        for place in (0, 1):
            slots = start[seed, path] + place
            tokens[seed, slots] = self.paths.pairs[seed, path, place]
            positions[seed, slots] = place
            sequence[seed, slots] = path
        for array, values in ((tokens, self.current), (positions, position + 2), (sequence, self.path)):
            np.put_along_axis(array, steps, values, axis=1)
        shape = seeds, height, width
        return Rows(tokens.reshape(shape), positions.reshape(shape), sequence.reshape(shape), steps)


def pack(paths: Paths, used: Bools | None = None) -> PackedPaths:
    """Paths without their padding.

    Args:
        used: (S, B) leave out the paths where this is False.
    """
    seeds, _, longest = paths.tokens.shape
    lengths = paths.lengths if used is None else np.where(used, paths.lengths, 0)
    is_step = np.arange(longest) < lengths[:, :, None]
    steps = lengths.sum(axis=1)
    inside = np.arange(round_up(steps.max(), 32)) < steps[:, None]
    cell = np.zeros(inside.shape, dtype=np.int64)
    cell[inside] = is_step.reshape(seeds, -1).nonzero()[1]
    if not inside.all():  # copies of the seed's first step that is used
        cell = np.where(inside, cell, cell[:, :1])
    previous = np.concatenate([paths.pairs[:, :, :1], paths.tokens[:, :, :-1]], axis=2)
    return PackedPaths(
        paths,
        cell,
        current=at_cells(previous, cell),
        token=at_cells(paths.tokens, cell),
        inside=inside,
    )


def round_up(count: int, multiple: int) -> int:
    """The next multiple, at least one. Tensors of few different sizes spare the memory from being fragmented."""
    return max(1, -(-int(count) // multiple)) * multiple


def at_cells(values: npt.NDArray[Number], cell: Ints) -> npt.NDArray[Number]:
    """The values (S, B, L) of the steps at the given cells, (S, N)."""
    return np.take_along_axis(values.reshape(len(values), -1), cell, axis=1)


def best_fit(sizes: list[int], room: int) -> tuple[int, list[int]]:
    """Place things of the given sizes in rows with the given room, longest first, each where it leaves least.

    Returns:
        The number of rows, and where each thing begins, counted through all rows. Things of size 0 take no place.
    """
    rows_with: list[list[int]] = [[] for _ in range(room + 1)]
    rows, starts = 0, [0] * len(sizes)
    for index in sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True):
        size = sizes[index]
        if size == 0:
            break
        for left in range(size, room + 1):
            if rows_with[left]:
                row = rows_with[left].pop()
                break
        else:
            row, left, rows = rows, room, rows + 1
        starts[index] = row * room + room - left
        rows_with[left - size].append(row)
    return rows, starts
