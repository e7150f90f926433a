from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Generator, Tensor

from planviz.models import PlanningModel
from planviz.models.tabular import TabularModel
from planviz.rollout import Paths, sample_paths
from tests.engine_helpers import MODELS, as_lists, next_logits, strong_model

NODES, EOS, MAX_STEPS = 6, 6, 5
kinds = pytest.mark.parametrize("kind", MODELS)


def all_queries() -> Tensor:
    pairs = torch.cartesian_prod(torch.arange(NODES), torch.arange(NODES))
    return pairs[pairs[:, 0] != pairs[:, 1]]


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def rollout(
    model: PlanningModel, pairs: Tensor, seed: int = 0, steps: int = MAX_STEPS, **how: float
) -> Paths:
    return sample_paths(model, pairs, steps, seeded(seed), **how)  # type: ignore[arg-type]


def greedy_path(model: PlanningModel, pair: tuple[int, int]) -> list[int]:
    path: list[int] = []
    while len(path) < MAX_STEPS:
        path.append(int(next_logits(model, pair, path).argmax()))
        if path[-1] in (pair[1], EOS):
            break
    return path


@kinds
def test_greedy_paths_are_the_best_tokens_one_query_at_a_time(kind: str) -> None:
    """With paths of all lengths, rows leave the batch at different times."""
    ends = set()
    for seed in range(8):
        model = strong_model(kind, NODES, MAX_STEPS, seed=seed)
        paths = as_lists(rollout(model, all_queries(), temperature=0))
        for pair, path in paths:
            assert path == greedy_path(model, pair)
            ends.add("target" if path[-1] == pair[1] else "eos" if path[-1] == EOS else "limit")
    assert ends == {"target", "eos", "limit"}


@kinds
def test_a_path_ends_at_its_target_at_eos_or_at_the_limit_and_nowhere_else(kind: str) -> None:
    model = strong_model(kind, NODES, MAX_STEPS, std=0.2)
    paths = rollout(model, all_queries(), samples=10, exploration=0.1)
    for (_, target), path in as_lists(paths):
        assert all(token not in (target, EOS) for token in path[:-1])
        assert path[-1] in (target, EOS) or len(path) == MAX_STEPS
    behind = torch.arange(paths.tokens.shape[1]) >= paths.lengths[:, None]
    assert (paths.tokens[behind] == EOS).all()
    assert paths.tokens.shape[1] == paths.lengths.max()


def test_samples_of_a_query_stand_next_to_each_other() -> None:
    model, pairs = strong_model("transformer", NODES, MAX_STEPS), all_queries()
    paths = rollout(model, pairs, samples=4)
    assert torch.equal(paths.pairs, pairs.repeat_interleave(4, dim=0))
    assert len(paths.tokens) == len(paths.lengths) == 4 * len(pairs)


@kinds
def test_the_seed_decides_the_paths(kind: str) -> None:
    model = strong_model(kind, NODES, MAX_STEPS, std=0.1)
    first, again, other = (rollout(model, all_queries(), seed, samples=5) for seed in (0, 0, 1))
    assert torch.equal(first.tokens, again.tokens) and torch.equal(first.lengths, again.lengths)
    assert as_lists(first) != as_lists(other)


def assert_frequencies(counts: Counter[tuple[int, ...]], expected: dict[tuple[int, ...], float]) -> None:
    """Every frequency lies within five standard errors of its probability."""
    total = sum(counts.values())
    assert counts.keys() <= expected.keys()
    assert sum(expected.values()) == pytest.approx(1, abs=1e-5)
    for path, probability in expected.items():
        error = (probability * (1 - probability) / total) ** 0.5
        assert abs(counts[path] / total - probability) < 5 * error + 1 / total


@pytest.mark.parametrize(("temperature", "exploration"), [(1.0, 0.0), (0.5, 0.0), (2.0, 0.3), (0.1, 1.0)])
@pytest.mark.parametrize("kind", ["deep transformer", "tabular"])
def test_whole_paths_are_as_frequent_as_their_probability(
    kind: str, temperature: float, exploration: float
) -> None:
    """All paths of at most 3 nodes on 3 nodes, against the product of their steps' probabilities.

    A step is a uniformly random node with probability ε, else a draw from softmax(logits / τ)."""
    nodes, limit, pair = 3, 3, (0, 2)
    model = strong_model(kind, nodes, limit, seed=3, std=0.3)
    expected: dict[tuple[int, ...], float] = {}
    beginnings: list[tuple[list[int], float]] = [([], 1.0)]
    for path, probability in beginnings:  # grows while it is walked
        policy = (next_logits(model, pair, path) / temperature).softmax(0).tolist()
        for token, share in enumerate(policy):
            step = (1 - exploration) * share + exploration * (token < nodes) / nodes
            longer = [*path, token], probability * step
            if token in (pair[1], nodes) or len(path) + 1 == limit:
                expected[tuple(longer[0])] = longer[1]
            else:
                beginnings.append(longer)
    paths = rollout(
        model,
        torch.tensor([pair]),
        steps=limit,
        samples=20_000,
        temperature=temperature,
        exploration=exploration,
    )
    assert_frequencies(Counter(tuple(path) for _, path in as_lists(paths)), expected)


def test_exploration_never_ends_a_path_by_eos() -> None:
    model = TabularModel(NODES, seeded())
    model.rescale_logits(0, 0)
    with torch.no_grad():
        model.table[:, :, EOS] = 50
    assert (rollout(model, all_queries(), samples=20).tokens[:, 0] == EOS).all()
    explored = rollout(model, all_queries(), samples=20, exploration=1.0)
    inside = torch.arange(explored.tokens.shape[1]) < explored.lengths[:, None]
    assert (explored.tokens[inside] != EOS).all()


def test_sampling_leaves_no_gradients_behind() -> None:
    model = strong_model("transformer", NODES, MAX_STEPS)
    rollout(model, all_queries(), samples=2)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_chosen_rows_are_cut_to_the_longest_of_them() -> None:
    paths = Paths(
        torch.tensor([[0, 1], [2, 3], [4, 5]]),
        torch.tensor([[1, 6, 6], [0, 3, 6], [1, 2, 5]]),
        torch.tensor([1, 2, 3]),
    )
    chosen = paths.select(torch.tensor([1, 0]))
    assert as_lists(chosen) == [((2, 3), [0, 3]), ((0, 1), [1])]
    assert chosen.tokens.shape == (2, 2)
