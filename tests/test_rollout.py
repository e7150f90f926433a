from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.plain_loop import generate
from planviz import rollout
from planviz.models import PlanningModel
from planviz.packing import Paths
from planviz.rollout import draw_tokens, sample_paths
from planviz.task import Bools, Ints
from tests.engine_helpers import MODELS, Text, as_lists, generators, next_logits, plain, strong_model

NODES, EOS, MAX_STEPS, SEEDS = 6, 6, 5, 3
RAISED = {"table", "adjacency_logits", "head_bias"}
"""Weights that can raise one token's logit everywhere."""

kinds = pytest.mark.parametrize("kind", MODELS)


def queries(seeds: int = SEEDS) -> Ints:
    """(S, P, 2): half of all pairs, other ones for each seed."""
    pairs = np.argwhere(~np.eye(NODES, dtype=bool))
    return np.array([np.random.default_rng(seed).permutation(pairs)[::2] for seed in range(seeds)])


def model_of(kind: str, std: float = 0.3, seed: int = 0, seeds: int = SEEDS) -> PlanningModel:
    return strong_model(kind, NODES, MAX_STEPS, std=std, seed=seed, seeds=seeds)


def prefer(model: PlanningModel, seed: int, token: int, by: float = 50.0) -> None:
    """Raise the logit of one token, whatever the path."""
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if name in RAISED:
                weights[seed, ..., token] += by


def sampled(model: PlanningModel, pairs: Ints, *, seed: int = 0, steps: int = MAX_STEPS, **how: Any) -> Paths:
    """Paths drawn with the generators `seed`, `seed` + 1, …, one for each seed of the model."""
    return sample_paths(model, pairs, steps, generators(*range(seed, seed + model.seeds)), **how)


def of_all_seeds(paths: Paths) -> list[list[Text]]:
    return [as_lists(paths, seed) for seed in range(len(paths.pairs))]


def step_by_step(
    model: nn.Module,
    source: int,
    target: int,
    uniforms: Sequence[float],
    temperature: float,
    exploration: float,
) -> list[int]:
    """One path, by inverting the distribution function in double precision, without cache or batch."""
    path: list[int] = []
    for uniform in uniforms:
        logits = model(torch.tensor([[source, target, source, *path]]))[0, -1].double().detach()
        policy = (1 - exploration) * torch.softmax(logits / temperature, dim=0)
        policy[:-1] += exploration / NODES
        path.append(int((policy.cumsum(0) <= uniform).sum()))
        if path[-1] in (target, EOS):
            break
    return path


# One by one


@kinds
@pytest.mark.parametrize(
    ("samples", "temperature", "exploration"), [(1, 1.0, 0.0), (3, 1.0, 0.0), (2, 0.5, 0.3)]
)
def test_every_path_is_the_one_that_its_own_random_numbers_give_alone(
    kind: str, samples: int, temperature: float, exploration: float
) -> None:
    """Neither the batch, nor shared beginnings, nor the cache change what a path becomes."""
    model, pairs = model_of(kind), queries()
    paths = sampled(model, pairs, samples=samples, temperature=temperature, exploration=exploration)
    for seed, draw in enumerate(generators(*range(SEEDS))):
        uniforms = torch.rand(len(pairs[seed]) * samples, MAX_STEPS, generator=draw).tolist()
        same, texts = plain(model, seed), as_lists(paths, seed)
        assert len({len(path) for *_, path in texts}) > 2
        for (source, target, path), own in zip(texts, uniforms, strict=True):
            assert path == step_by_step(same, source, target, own, temperature, exploration)


@kinds
@pytest.mark.parametrize("samples", [1, 4])
def test_many_queries_give_the_paths_of_each_query_alone(kind: str, samples: int) -> None:
    model, pairs = model_of(kind), queries()
    together = of_all_seeds(sampled(model, pairs, samples=samples))
    for seed in range(SEEDS):
        alone, (draw,), texts = model.alone(seed), generators(seed), []
        for query in range(pairs.shape[1]):  # the generator goes on from one query to the next
            one = sample_paths(alone, pairs[[seed], [query]][None], MAX_STEPS, [draw], samples=samples)
            texts += as_lists(one)
        assert texts == together[seed]


@kinds
@pytest.mark.parametrize("how", [{}, {"samples": 4}, {"temperature": 0}, {"exploration": 0.3}])
def test_seeds_together_give_the_paths_of_each_seed_alone(kind: str, how: dict[str, Any]) -> None:
    """Also where all paths of one seed end long before those of the others."""
    model, pairs = model_of(kind), queries()
    prefer(model, 1, EOS)
    together = sampled(model, pairs, **how)
    for seed in range(SEEDS):
        alone = sampled(model.alone(seed), pairs[seed : seed + 1], seed=seed, **how)
        assert as_lists(alone) == as_lists(together, seed)


@kinds
@pytest.mark.parametrize("how", [{}, {"samples": 3}, {"temperature": 0}])
def test_when_rows_are_given_up_changes_no_path(
    kind: str, how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, found = model_of(kind), []
    for share in (0.0, 0.8, 1.0):
        monkeypatch.setattr(rollout, "RELAY_BELOW", share)
        found.append(of_all_seeds(sampled(model, queries(), **how)))
    assert found[0] == found[1] == found[2]


@kinds
def test_a_seed_that_is_no_number_any_more_does_not_touch_the_others(kind: str) -> None:
    pairs = queries()
    for broken in range(SEEDS):
        model = model_of(kind)
        before = of_all_seeds(sampled(model, pairs, samples=2))
        with torch.no_grad():
            for weights in model.parameters():
                weights[broken] = float("nan")
        after = sampled(model, pairs, samples=2)
        assert after.tokens.min() >= 0 and after.tokens.max() <= EOS
        for seed in {*range(SEEDS)} - {broken}:
            assert as_lists(after, seed) == before[seed]


# Where paths end


@kinds
def test_greedy_paths_are_the_best_tokens_one_query_at_a_time(kind: str) -> None:
    """With paths of all lengths, rows leave the batch at different times."""
    ends = set()
    for seed in (0, 3, 6):
        model = model_of(kind, std=0.6, seed=seed)
        paths = sampled(model, queries(), temperature=0)
        for index in range(SEEDS):
            same = plain(model, index)
            for source, target, path in as_lists(paths, index):
                assert path == generate(same, source, target, MAX_STEPS, temperature=0)
                ends.add("target" if path[-1] == target else "eos" if path[-1] == EOS else "limit")
    assert ends == {"target", "eos", "limit"}


@kinds
def test_a_path_ends_at_its_target_at_eos_or_at_the_limit_and_nowhere_else(kind: str) -> None:
    paths = sampled(model_of(kind, std=0.2), queries(), samples=10, exploration=0.1)
    for texts in of_all_seeds(paths):
        for _, target, path in texts:
            assert all(token not in (target, EOS) for token in path[:-1])
            assert path[-1] in (target, EOS) or len(path) == MAX_STEPS


@pytest.mark.parametrize("limit", [1, MAX_STEPS])
def test_behind_a_path_there_is_eos_up_to_the_longest(limit: int) -> None:
    model = model_of("tabular")
    for seed in range(SEEDS):
        prefer(model, seed, EOS, by=2)  # so that the longest path is shorter than the limit
    paths = sampled(model, queries()[:, :3], steps=limit)
    behind = np.arange(paths.tokens.shape[2]) >= paths.lengths[:, :, None]
    assert (paths.tokens[behind] == EOS).all()
    assert paths.tokens.shape[2] == paths.lengths.max() < max(2, limit)


@kinds
@pytest.mark.parametrize("how", [{}, {"samples": 3}, {"temperature": 0}])
def test_until_broken_cuts_paths_behind_their_first_step_that_is_no_edge(
    kind: str, how: dict[str, Any]
) -> None:
    """And changes nothing else."""
    adjacency: Bools = np.random.default_rng(0).random((NODES, NODES)) < 0.5
    model, pairs = model_of(kind), queries()
    whole, cut = (sampled(model, pairs, until_broken=edges, **how) for edges in (None, adjacency))
    assert cut.lengths.sum() < whole.lengths.sum()
    for texts, shorter in zip(of_all_seeds(whole), of_all_seeds(cut), strict=True):
        for (source, target, path), found in zip(texts, shorter, strict=True):
            steps = pairwise([source, *path])
            broken = [step[1] == EOS or not adjacency[step] for step in steps]
            end = broken.index(True) + 1 if True in broken else len(path)
            assert found == (source, target, path[:end])
    behind = np.arange(cut.tokens.shape[2]) >= cut.lengths[:, :, None]
    assert (cut.tokens[behind] == EOS).all()


def test_samples_of_a_query_stand_next_to_each_other() -> None:
    pairs = queries()
    paths = sampled(model_of("transformer"), pairs, samples=4)
    assert (paths.pairs == np.repeat(pairs, 4, axis=1)).all()
    assert paths.tokens.shape[:2] == paths.lengths.shape == (SEEDS, 4 * pairs.shape[1])


# How paths are drawn


@kinds
def test_the_seed_decides_the_paths(kind: str) -> None:
    first, again, other = (
        of_all_seeds(sampled(model_of(kind, std=0.1), queries(), seed=seed, samples=5)) for seed in (0, 0, 7)
    )
    assert first == again != other


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
    how: dict[str, Any] = {"samples": 20_000, "temperature": temperature, "exploration": exploration}
    paths = sampled(model, np.array([[pair]]), steps=limit, **how)
    assert_frequencies(Counter(tuple(path) for *_, path in as_lists(paths)), expected)


@kinds
def test_exploration_alone_takes_every_node_equally_often(kind: str) -> None:
    paths = sampled(model_of(kind), np.zeros((SEEDS, 1, 2), int), samples=3000, steps=1, exploration=1.0)
    for texts in of_all_seeds(paths):
        counts = Counter(tuple(path) for *_, path in texts)
        assert_frequencies(counts, {(node,): 1 / NODES for node in range(NODES)})


def test_exploration_never_ends_a_path_by_eos() -> None:
    model = model_of("tabular", seeds=1)
    prefer(model, 0, EOS)
    assert (sampled(model, queries(1), samples=20).tokens[:, :, 0] == EOS).all()
    explored = sampled(model, queries(1), samples=20, exploration=1.0)
    assert all(EOS not in path for *_, path in as_lists(explored))


def test_what_has_no_probability_is_never_drawn() -> None:
    """With the smallest and the greatest uniform number that there is, in the first row and in the last."""
    logits = torch.full((3, 5), -1000.0)
    logits[:, [1, 3]] = 0
    smallest, greatest = np.float32(0), np.nextafter(np.float32(1), np.float32(0))
    uniforms = np.array([smallest, greatest] * 3)
    assert draw_tokens(logits, np.array([0, 0, 1, 1, 2, 2]), uniforms, 1.0, 0.0).tolist() == [1, 3] * 3


def test_sampling_leaves_no_gradients_behind() -> None:
    model = model_of("transformer")
    sampled(model, queries(), samples=2)
    assert all(parameter.grad is None for parameter in model.parameters())
