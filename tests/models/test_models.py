"""What every kind of model promises, and what the Markov models promise on top."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from planviz.config import ModelConfig
from planviz.models import ModelError, PlanningModel, build_model
from tests.engine_helpers import MODELS, strong_model

NODES, MAX_STEPS = 7, 6
kinds = pytest.mark.parametrize("kind", MODELS)


def queries(rows: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random pairs (B, 2) and paths (B, MAX_STEPS)."""
    generator = Generator().manual_seed(seed)
    pairs = torch.randint(NODES, (rows, 2), generator=generator)
    return pairs, torch.randint(NODES, (rows, MAX_STEPS), generator=generator)


def model_of(kind: str) -> PlanningModel:
    return strong_model(kind, NODES, MAX_STEPS)


@kinds
@settings(max_examples=20)
@given(data=st.data())
def test_step_by_step_with_a_cache_gives_the_logits_of_the_whole_path(kind: str, data: st.DataObject) -> None:
    """Between the steps, rows are dropped, repeated and put in another order."""
    model, (pairs, paths) = model_of(kind), queries(5)
    with torch.no_grad():
        logits, cache = model.begin(pairs)
        for step in range(MAX_STEPS):
            torch.testing.assert_close(logits, model(pairs, paths[:, :step])[:, -1], rtol=1e-4, atol=1e-4)
            if data.draw(st.booleans()):
                rows = torch.tensor(
                    data.draw(st.lists(st.integers(0, len(pairs) - 1), min_size=1, max_size=6))
                )
                pairs, paths, cache = pairs[rows], paths[rows], cache.select(rows)
            logits = model.advance(paths[:, step], cache)
        torch.testing.assert_close(logits, model(pairs, paths)[:, -1], rtol=1e-4, atol=1e-4)


@kinds
def test_a_selected_cache_has_a_life_of_its_own(kind: str) -> None:
    model, (pairs, paths) = model_of(kind), queries(4)
    with torch.no_grad():
        cache = model.begin(pairs)[1]
        selected = cache.select(torch.arange(4))
        model.advance(torch.full((4,), NODES - 1), selected)
        logits = model.advance(paths[:, 0], cache)
    torch.testing.assert_close(logits, model(pairs, paths[:, :1])[:, -1], rtol=1e-4, atol=1e-4)


@kinds
def test_logits_do_not_see_what_comes_later(kind: str) -> None:
    model, (pairs, paths) = model_of(kind), queries(5)
    for step in range(MAX_STEPS):
        changed = paths.clone()
        changed[:, step:] = (changed[:, step:] + 1) % NODES
        before, after = model(pairs, paths), model(pairs, changed)
        torch.testing.assert_close(before[:, : step + 1], after[:, : step + 1])
        assert not torch.allclose(before[:, step + 1], after[:, step + 1], atol=1e-2)


@kinds
def test_logits_depend_on_source_and_target(kind: str) -> None:
    model, (pairs, paths) = model_of(kind), queries(5)
    for side in (0, 1):
        changed = pairs.clone()
        changed[:, side] = (changed[:, side] + 1) % NODES
        assert not torch.allclose(model(pairs, paths)[:, 0], model(changed, paths)[:, 0], atol=1e-2)


@kinds
def test_shapes(kind: str) -> None:
    model, (pairs, paths) = model_of(kind), queries(5)
    for length in (0, 1, MAX_STEPS):
        assert model(pairs, paths[:, :length]).shape == (5, length + 1, NODES + 1)
    assert model.begin(pairs)[0].shape == (5, NODES + 1)


@kinds
def test_a_batch_gives_the_logits_of_one_query_at_a_time(kind: str) -> None:
    model, (pairs, paths) = model_of(kind), queries(6)
    one_by_one = [model(pairs[row : row + 1], paths[row : row + 1])[0] for row in range(6)]
    torch.testing.assert_close(model(pairs, paths), torch.stack(one_by_one), rtol=1e-4, atol=1e-4)


@kinds
def test_rescaling_changes_all_logits_alike(kind: str) -> None:
    model, (pairs, paths) = model_of(kind), queries(5)
    before = model(pairs, paths)
    model.rescale_logits(1.7, -0.6)
    torch.testing.assert_close(model(pairs, paths), 1.7 * before - 0.6, rtol=1e-4, atol=1e-4)


@kinds
def test_the_seed_decides_the_first_weights(kind: str) -> None:
    def weights(seed: int) -> Tensor:
        model = build_model(MODELS[kind], NODES, MAX_STEPS, Generator().manual_seed(seed))
        return torch.cat([parameter.flatten() for parameter in model.parameters()])

    torch.manual_seed(1)
    first = weights(0)
    torch.manual_seed(2)  # the global generator must not matter
    torch.testing.assert_close(first, weights(0), rtol=0, atol=0)
    assert not torch.equal(first, weights(1))


@kinds
def test_fresh_models_know_nothing_yet(kind: str) -> None:
    model, (pairs, paths) = build_model(MODELS[kind], NODES, MAX_STEPS, Generator()), queries(5)
    probabilities = model(pairs, paths).softmax(dim=2)
    torch.testing.assert_close(
        probabilities, torch.full_like(probabilities, 1 / (NODES + 1)), atol=0.1, rtol=0
    )


@pytest.mark.parametrize("kind", ["factored", "tabular"])
def test_a_markov_model_sees_only_the_current_node_and_the_target(kind: str) -> None:
    model = model_of(kind)
    first = model(torch.tensor([[0, 3]]), torch.tensor([[1, 2, 5]]))[0, -1]
    second = model(torch.tensor([[4, 3]]), torch.tensor([[6, 6, 5]]))[0, -1]
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_the_factored_model_adds_what_it_knows_of_both_nodes() -> None:
    model = model_of("factored")
    pairs = torch.cartesian_prod(torch.arange(NODES), torch.arange(NODES))
    table = model(pairs, torch.empty(len(pairs), 0, dtype=torch.long)).view(NODES, NODES, NODES + 1)
    mixed = table - table[:1] - table[:, :1] + table[:1, :1]
    torch.testing.assert_close(mixed, torch.zeros_like(mixed), atol=1e-5, rtol=0)


def test_the_tabular_model_has_a_free_logit_for_every_target_current_and_next() -> None:
    model = model_of("tabular")
    pairs = torch.cartesian_prod(torch.arange(NODES), torch.arange(NODES))
    logits = model(pairs, torch.empty(len(pairs), 0, dtype=torch.long))
    assert len(logits.unique()) == logits.numel() == NODES * NODES * (NODES + 1)


def test_a_table_too_large_is_refused_with_the_limit() -> None:
    with pytest.raises(ModelError, match=r"400 nodes has 64,320,400 entries; at most 20,000,000 are allowed"):
        build_model(ModelConfig(kind="tabular"), 400, 10, Generator())
