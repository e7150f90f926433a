"""What every kind of model promises, and what the Markov models promise on top."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from benchmarks.plain_loop import path_logits
from planviz.config import ModelConfig
from planviz.models import ModelError, PlanningModel, build_model
from planviz.models.tabular import TabularModel
from planviz.packing import Paths, pack
from planviz.task import Ints
from tests.engine_helpers import (
    MODELS,
    Text,
    as_lists,
    as_paths,
    assert_gradients,
    generators,
    log_likelihood,
    next_logits,
    plain,
    strong_model,
)

NODES, MAX_STEPS, SEEDS = 7, 6, 3
SHAPES = MODELS | {
    "two heads": ModelConfig(width=16, heads=2),
    "two layers": ModelConfig(width=16, layers=2),
}
kinds = pytest.mark.parametrize("kind", MODELS)
shapes = pytest.mark.parametrize("kind", SHAPES)


def model_of(kind: str, seeds: int = SEEDS) -> PlanningModel:
    return strong_model(SHAPES[kind], NODES, MAX_STEPS, seeds=seeds)


def random_paths(count: int, *, mixed: bool = True, seeds: int = SEEDS) -> Paths:
    """Paths of random tokens: of all lengths, or all of the greatest."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, MAX_STEPS + 1, size=(seeds, count))
    return Paths(
        rng.integers(NODES, size=(seeds, count, 2)),
        rng.integers(NODES + 1, size=(seeds, count, MAX_STEPS)),
        lengths if mixed else np.full_like(lengths, MAX_STEPS),
    )


def assert_equal(logits: Tensor, expected: Tensor) -> None:
    """Up to rounding."""
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def first_steps(model: PlanningModel, paths: Paths, steps: int) -> Tensor:
    """(S, P, steps, V) logits of the first steps of paths that are at least so long."""
    batch = pack(paths._replace(lengths=np.full_like(paths.lengths, steps)))
    logits: Tensor = model(batch)
    of_paths: Tensor = logits[:, batch.inside[0]].unflatten(1, (-1, steps))
    return of_paths


def last_logits(model: PlanningModel, paths: Paths, steps: int) -> Tensor:
    """(S, P, V) logits of the last of the first steps, without a cache."""
    return first_steps(model, paths, steps).select(2, -1)


def every_query() -> Ints:
    """(1, n², 2): all pairs (s, t), s slowest."""
    return np.indices((NODES, NODES)).reshape(2, 1, -1).transpose(1, 2, 0)


def packed_alone(model: PlanningModel, seed: int, text: Text) -> Tensor:
    """(L, V) logits of one path of one seed."""
    logits: Tensor = model.alone(seed)(pack(as_paths([text])))
    return logits[0, : len(text[2])]


# Packed paths


@shapes
def test_packed_paths_of_all_lengths_have_the_logits_of_the_plain_model(kind: str) -> None:
    model, paths = model_of(kind), random_paths(20)
    batch = pack(paths)
    logits = model(batch)
    for seed in range(SEEDS):
        same = plain(model, seed)
        expected = [path_logits(same, *text) for text in as_lists(paths, seed)]
        assert_equal(logits[seed, batch.inside[seed]], torch.cat(expected))


@shapes
def test_packed_paths_have_the_logits_of_every_path_packed_alone(kind: str) -> None:
    """Also where some are left out, and a seed has none at all."""
    model, paths = model_of(kind), random_paths(20)
    used = np.random.default_rng(1).random((SEEDS, 20)) < 0.5
    used[1] = False
    for batch in (pack(paths), pack(paths, used)):
        logits = model(batch)
        assert torch.isfinite(logits).all()
        for seed in range(SEEDS):
            texts = as_lists(paths, seed)
            for path in np.unique(batch.path[seed, batch.inside[seed]]):
                found = logits[seed, batch.inside[seed] & (batch.path[seed] == path)]
                alone = packed_alone(model, seed, texts[path])
                assert_equal(found, alone)


@shapes
def test_gradients_are_those_of_the_plain_model(kind: str) -> None:
    model, paths = model_of(kind), random_paths(10)
    batch = pack(paths)
    log_policy = model(batch).log_softmax(dim=2).gather(2, torch.from_numpy(batch.token)[:, :, None])
    log_policy[torch.from_numpy(batch.inside)].sum().backward()
    for seed in range(SEEDS):
        same = plain(model, seed)
        expected = torch.stack([log_likelihood(same, *text) for text in as_lists(paths, seed)]).sum()
        assert_gradients(model, seed, expected, same)


@kinds
def test_logits_do_not_see_what_comes_later(kind: str) -> None:
    model, paths = model_of(kind), random_paths(5, mixed=False)
    before = first_steps(model, paths, MAX_STEPS)
    for step in range(MAX_STEPS - 1):
        changed = paths.tokens.copy()
        changed[:, :, step:] = (changed[:, :, step:] + 1) % NODES
        after = first_steps(model, paths._replace(tokens=changed), MAX_STEPS)
        torch.testing.assert_close(before[:, :, : step + 1], after[:, :, : step + 1])
        assert not torch.allclose(before[:, :, step + 1], after[:, :, step + 1], atol=1e-2)


@kinds
def test_logits_depend_on_source_and_target(kind: str) -> None:
    model, paths = model_of(kind), random_paths(5)
    for side in (0, 1):
        changed = paths.pairs.copy()
        changed[:, :, side] = (changed[:, :, side] + 1) % NODES
        before, after = (
            last_logits(model, paths._replace(pairs=pairs), 1) for pairs in (paths.pairs, changed)
        )
        assert not torch.allclose(before, after, atol=1e-2)


@kinds
def test_shapes(kind: str) -> None:
    model, batch = model_of(kind), pack(random_paths(5))
    assert model(batch).shape == (*batch.token.shape, NODES + 1)
    assert model.begin(batch.paths.pairs)[0].shape == (SEEDS, 5, NODES + 1)


# Step by step


@shapes
@settings(max_examples=10)
@given(data=st.data())
def test_step_by_step_with_a_cache_gives_the_logits_of_the_whole_path(kind: str, data: st.DataObject) -> None:
    """Between the steps, rows are dropped, repeated and put in another order, in each seed differently."""
    model, paths = model_of(kind), random_paths(5)
    with torch.no_grad():
        logits, cache = model.begin(paths.pairs)
        for step in range(MAX_STEPS):
            assert_equal(logits, last_logits(model, paths, step + 1))
            if data.draw(st.booleans()):
                row = st.integers(0, paths.lengths.shape[1] - 1)
                width = data.draw(st.integers(1, 6))
                rows = np.array(
                    [data.draw(st.lists(row, min_size=width, max_size=width)) for _ in range(SEEDS)]
                )
                paths = Paths(*(array[np.arange(SEEDS)[:, None], rows] for array in paths))
                cache = cache.select(torch.from_numpy(rows))
            logits = model.advance(torch.from_numpy(paths.tokens[:, :, step]), cache)


@kinds
def test_a_selected_cache_has_a_life_of_its_own(kind: str) -> None:
    """Two caches that go on in turns, with different tokens."""
    model, paths = model_of(kind), random_paths(4)
    other = paths._replace(tokens=(paths.tokens + 1) % NODES)
    with torch.no_grad():
        cache = model.begin(paths.pairs)[1]
        caches = cache, cache.select(torch.arange(4).expand(SEEDS, 4))
        for step in range(3):
            for its_cache, its_paths in zip(caches, (paths, other), strict=True):
                logits = model.advance(torch.from_numpy(its_paths.tokens[:, :, step]), its_cache)
                assert_equal(logits, last_logits(model, its_paths, step + 2))


# Several seeds


@kinds
def test_a_seeds_model_alone_gives_its_logits_and_follows_its_weights(kind: str) -> None:
    model, paths = model_of(kind), random_paths(6)
    alone = [model.alone(seed) for seed in range(SEEDS)]
    assert not any(weights.requires_grad for one in alone for weights in one.parameters())
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(1.5)  # as an optimizer would, in place
    logits = model(pack(paths))
    for seed, one in enumerate(alone):
        assert one.seeds == 1
        batch = pack(Paths(*(array[seed : seed + 1] for array in paths)))
        steps = batch.inside.sum()
        assert_equal(one(batch)[0, :steps], logits[seed, :steps])


@kinds
def test_weights_go_from_one_model_to_another_seed_by_seed(kind: str) -> None:
    model, other, paths = model_of(kind), model_of(kind, seeds=2), random_paths(6, seeds=1)
    states = model.states()
    other.load_states([states[2], states[0]])
    assert (model.seeds, other.seeds) == (3, 2)
    for seed, origin in enumerate((2, 0)):
        given_on, kept = other.alone(seed), model.alone(origin)
        torch.testing.assert_close(given_on(pack(paths)), kept(pack(paths)), rtol=0, atol=0)
        torch.testing.assert_close(other.states()[seed], states[origin], rtol=0, atol=0)


@kinds
def test_a_seed_that_is_no_number_any_more_does_not_touch_the_others(kind: str) -> None:
    batch, results = pack(random_paths(10)), []
    for broken in (False, True):
        model = model_of(kind)
        with torch.no_grad():
            for weights in model.parameters():
                weights[1] = float("nan") if broken else weights[1]
        logits = model(batch)
        logits.square().sum().backward()
        begun = model.begin(batch.paths.pairs)[0]
        gradients = [weights.grad for weights in model.parameters() if weights.grad is not None]
        results.append([values[[0, 2]] for values in (logits, begun, *gradients)])
        assert logits[1].isnan().all() == broken
    torch.testing.assert_close(*results, rtol=0, atol=0)


@kinds
def test_rescaling_changes_all_logits_of_a_seed_alike(kind: str) -> None:
    model, batch = model_of(kind), pack(random_paths(5))
    before = model(batch)
    scale, shift = torch.tensor([1.7, 0.2, -3.0]), torch.tensor([-0.6, 2.0, 0.0])
    model.rescale_logits(scale, shift)
    expected = scale[:, None, None] * before + shift[:, None, None]
    assert_equal(model(batch), expected)


@kinds
def test_the_seed_decides_the_first_weights(kind: str) -> None:
    def weights(*seeds: int) -> list[dict[str, Tensor]]:
        return build_model(SHAPES[kind], NODES, MAX_STEPS, generators(*seeds)).states()

    torch.manual_seed(1)
    together = weights(0, 1)
    torch.manual_seed(2)  # the global generator must not matter
    for seed, state in enumerate(together):
        torch.testing.assert_close([state], weights(seed), rtol=0, atol=0)
    assert not torch.equal(*(torch.cat([value.flatten() for value in state.values()]) for state in together))


@kinds
def test_fresh_models_know_nothing_yet(kind: str) -> None:
    model = build_model(SHAPES[kind], NODES, MAX_STEPS, generators(0, 1, 2))
    probabilities = model(pack(random_paths(5))).softmax(dim=2)
    torch.testing.assert_close(
        probabilities, torch.full_like(probabilities, 1 / (NODES + 1)), atol=0.1, rtol=0
    )


# Single kinds


@pytest.mark.parametrize("kind", ["factored", "tabular"])
def test_a_markov_model_sees_only_the_current_node_and_the_target(kind: str) -> None:
    model = model_of(kind, seeds=1)
    first, second = (
        model(pack(as_paths([text])))[0, 3] for text in ((0, 3, [1, 2, 5, 0]), (4, 3, [6, 6, 5, 0]))
    )
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_the_factored_model_adds_what_it_knows_of_both_nodes() -> None:
    table = model_of("factored", seeds=1).begin(every_query())[0].view(NODES, NODES, NODES + 1)
    mixed = table - table[:1] - table[:, :1] + table[:1, :1]
    torch.testing.assert_close(mixed, torch.zeros_like(mixed), atol=1e-5, rtol=0)


def test_the_tabular_model_has_a_free_logit_for_every_target_current_and_next() -> None:
    logits = model_of("tabular", seeds=1).begin(every_query())[0]
    assert len(logits.unique()) == logits.numel() == NODES * NODES * (NODES + 1)


def test_the_table_is_indexed_by_target_current_and_next() -> None:
    model = model_of("tabular", seeds=1)
    assert isinstance(model, TabularModel)
    torch.testing.assert_close(model.table[0, 5, 2], next_logits(model, (4, 5), [3, 2]))
    torch.testing.assert_close(model.begin(np.array([[[2, 5]]]))[0][0, 0], model.table[0, 5, 2])


def test_a_table_too_large_is_refused_with_the_limit() -> None:
    with pytest.raises(ModelError, match=r"400 nodes has 64,320,400 entries; at most 20,000,000 are allowed"):
        build_model(ModelConfig(kind="tabular"), 400, 10, [Generator()])
