from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from planviz.packing import ROW_TOKENS, PackedPaths, Paths, best_fit, pack
from planviz.task import Bools

TOKENS = 9


@st.composite
def batches(draw: st.DrawFn) -> tuple[Paths, Bools]:
    """Paths with random filler, and which of them are used: in some seeds none at all."""
    seeds, count, longest = draw(st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 12)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    paths = Paths(
        rng.integers(TOKENS, size=(seeds, count, 2)),
        rng.integers(TOKENS, size=(seeds, count, longest)),
        rng.integers(1, longest + 1, size=(seeds, count)),
    )
    share = np.array(draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=seeds, max_size=seeds)))
    return paths, rng.random((seeds, count)) < share[:, None]


def fields(batch: PackedPaths, seed: int) -> list[list[int]]:
    """Every step of a seed as (path, cell, current, token, target, is_last)."""
    arrays = (batch.path, batch.cell, batch.current, batch.token, batch.target, batch.is_last)
    steps: list[list[int]] = np.stack([array[seed] for array in arrays], axis=1).astype(int).tolist()
    return steps


def steps_one_by_one(paths: Paths, used: Bools, seed: int) -> list[list[int]]:
    """The same from a loop over the paths that are used."""
    found = []
    for path in range(used.shape[1]):
        current, target = paths.pairs[seed, path].tolist()
        length = int(paths.lengths[seed, path]) if used[seed, path] else 0
        for position in range(length):
            token = int(paths.tokens[seed, path, position])
            cell = path * paths.tokens.shape[2] + position
            found.append([path, cell, current, token, target, int(position == length - 1)])
            current = token
    return found


@given(batches())
def test_the_steps_of_the_used_paths_are_laid_end_to_end(drawn: tuple[Paths, Bools]) -> None:
    paths, used = drawn
    batch = pack(paths, used)
    for seed in range(len(used)):
        steps, inside = fields(batch, seed), batch.inside[seed].tolist()
        expected = steps_one_by_one(paths, used, seed)
        assert [step for step, real in zip(steps, inside, strict=True) if real] == expected
        assert inside == sorted(inside, reverse=True), "real steps come first"
    longest = max(len(steps_one_by_one(paths, used, seed)) for seed in range(len(used)))
    assert len(batch.inside) == len(used) and batch.inside.shape[1] >= max(1, longest)


@given(batches())
def test_a_seed_with_fewer_steps_is_filled_up_with_copies_of_one_of_its_own(
    drawn: tuple[Paths, Bools],
) -> None:
    paths, used = drawn
    batch = pack(paths, used)
    for seed in range(len(used)):
        possible = steps_one_by_one(paths, used if used[seed].any() else ~used, seed)
        for step in fields(batch, seed):
            assert step in possible


@given(batches())
def test_without_a_choice_all_paths_are_used(drawn: tuple[Paths, Bools]) -> None:
    paths, used = drawn
    every, chosen = pack(paths), pack(paths, np.ones_like(used))
    assert [fields(every, seed) for seed in range(len(used))] == [
        fields(chosen, seed) for seed in range(len(used))
    ]
    assert (every.inside == chosen.inside).all()


@given(batches())
def test_every_used_path_stands_whole_in_one_row_and_alone_with_its_number(
    drawn: tuple[Paths, Bools],
) -> None:
    paths, used = drawn
    batch = pack(paths, used)
    rows = batch.rows
    seeds, height, width = rows.tokens.shape
    assert rows.positions.shape == rows.sequence.shape == (seeds, height, width) and width >= ROW_TOKENS
    for seed in range(seeds):
        assert set(rows.sequence[seed].ravel().tolist()) - {-1} == set(batch.path[seed].tolist())
        for path in np.flatnonzero(used[seed]):
            row, places = np.nonzero(rows.sequence[seed] == path)
            (source, target), length = paths.pairs[seed, path], paths.lengths[seed, path]
            sequence = [source, target, source, *paths.tokens[seed, path, : length - 1]]
            assert len(set(row)) == 1
            assert (places == np.arange(places[0], places[0] + len(sequence))).all()
            assert rows.tokens[seed, row[0], places].tolist() == sequence
            assert rows.positions[seed, row[0], places].tolist() == [*range(len(sequence))]
    flat = rows._replace(**{name: getattr(rows, name).reshape(seeds, -1) for name in rows._fields[:3]})
    for read, expected in (
        (flat.sequence, batch.path),
        (flat.positions, batch.cell % paths.tokens.shape[2] + 2),
        (flat.tokens, batch.current),
    ):
        assert (np.take_along_axis(read, flat.steps, axis=1) == expected).all()


def test_short_paths_share_a_row() -> None:
    """Four sequences of ROW_TOKENS / 4 tokens each fit side by side."""
    shape = 1, 8, ROW_TOKENS // 4 - 2
    paths = Paths(np.zeros((1, 8, 2), int), np.zeros(shape, int), np.full((1, 8), shape[2]))
    rows = pack(paths).rows
    assert rows.tokens.shape[2] == ROW_TOKENS
    assert (rows.sequence >= 0).any(axis=2).sum() == 2


@st.composite
def sizes_and_room(draw: st.DrawFn) -> tuple[list[int], int]:
    room = draw(st.integers(1, 40))
    return draw(st.lists(st.integers(0, room), max_size=60)), room


@given(sizes_and_room())
def test_best_fit_places_everything_in_one_row_each_without_overlap(drawn: tuple[list[int], int]) -> None:
    sizes, room = drawn
    rows, starts = best_fit(sizes, room)
    taken = np.zeros(rows * room, dtype=int)
    for size, start in zip(sizes, starts, strict=True):
        if size > 0:
            assert start // room == (start + size - 1) // room
            assert start + size <= len(taken)
            taken[start : start + size] += 1
    assert taken.max(initial=0) <= 1
    filled = taken.reshape(rows, room).sum(axis=1).tolist()
    assert sum(filled) == sum(sizes)
    assert 0 not in filled
    assert all(one + other > room for one, other in combinations(filled, 2)), "two rows would fit in one"


@given(sizes_and_room())
def test_best_fit_gives_no_place_to_what_has_no_size(drawn: tuple[list[int], int]) -> None:
    sizes, room = drawn
    rows, starts = best_fit(sizes, room)
    placed = [start for size, start in zip(sizes, starts, strict=True) if size]
    assert best_fit([size for size in sizes if size], room) == (rows, placed)


def test_best_fit_takes_the_row_with_the_least_room_left() -> None:
    """6 and 7 open rows with 4 and 3 left; 3 belongs behind the 7, and 4 behind the 6."""
    assert best_fit([6, 3, 7, 4], room=10) == (2, [10, 7, 0, 16])
