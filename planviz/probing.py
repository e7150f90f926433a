"""Asking stored weights everywhere: logits at all states, attention, and how probable the paths of a pair are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from safetensors.torch import load
from torch import Generator, Tensor

from planviz.config import ExperimentConfig
from planviz.evaluation import policy_temperature
from planviz.exact import path_probabilities
from planviz.mechanism import PLACES, PathShares, Probe
from planviz.metrics import group_paths
from planviz.models import PlanningModel, build_model
from planviz.models.base import look_up
from planviz.models.transformer import Transformer, row_mask
from planviz.packing import PackedPaths, Paths, pack
from planviz.rollout import sample_paths
from planviz.task import Ints, Task, build_task, text_arrays
from planviz.theory import Floats, count_correct_paths

MAX_ENTRIES = 4_000_000
"""At most so many logits are probed of one model, which is 16 MB: all targets of up to 158 nodes."""

MAX_QUERIES = 8192
"""So many queries are asked at once."""

ATTENTION_TEXTS, MAX_WEIGHTS = 128, 8_000_000
"""So many SFT texts, evenly spread, are where attention is averaged; fewer if it would take more weights at once."""

SAMPLES = 100
"""So many paths are sampled from each model where there are too many correct ones to list."""


def probe(
    config: ExperimentConfig, models: Sequence[tuple[str, bytes]], targets: Sequence[int]
) -> list[Probe]:
    """The logits and the attention of some models, given as (arm, weights), for some targets.

    Raises:
        ValueError: a target is no node of the graph, or there are so many that it would be more than `MAX_ENTRIES`.
    """
    torch.set_num_threads(1)
    task = build_task(config)
    _check_nodes(task, targets)
    entries = len(targets) * task.nodes * (task.nodes + 1)
    if entries > MAX_ENTRIES:
        raise ValueError(
            f"{len(targets)} targets make {entries:,} logits; at most {MAX_ENTRIES:,} can be probed"
        )
    texts = _attention_texts(task)
    answers = []
    for arm, weights in models:
        model = _build(config, task, weights)
        attention = mean_attention(model, texts) if isinstance(model, Transformer) else None
        answers.append(
            Probe(first_logits(model, task, targets), policy_temperature(config.arm(arm)), attention)
        )
    return answers


@torch.no_grad()
def first_logits(
    model: PlanningModel, task: Task, targets: Sequence[int]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """(T, n, n + 1): the logits after the prompts ``c t c``, for all current nodes c. S = 1."""
    nodes = task.nodes
    pairs = np.stack([np.tile(np.arange(nodes), len(targets)), np.repeat(targets, nodes)], axis=1)
    table = np.empty((len(pairs), nodes + 1), dtype=np.float32)
    for first in range(0, len(pairs), MAX_QUERIES):
        logits, _ = model.begin(pairs[None, first : first + MAX_QUERIES])
        table[first : first + MAX_QUERIES] = logits[0].numpy()
    return table.reshape(len(targets), nodes, nodes + 1)


@torch.no_grad()
def mean_attention(model: Transformer, batch: PackedPaths) -> Floats:
    """(layers, heads, 4): how much the token that predicts each step looks at `PLACES`, on average over the steps.

    The first step's current node is also the source, told apart by its place. S = 1.
    """
    tokens, positions, sequence, steps = (torch.from_numpy(array) for array in batch.rows)
    hidden = look_up(model.token_embedding, tokens.flatten(1))
    hidden = hidden + look_up(model.position_embedding, positions.flatten(1))
    mask = row_mask(sequence.flatten(0, 1))
    columns = tokens.shape[2]
    row, column = (
        part[torch.from_numpy(batch.inside[0])] for part in (steps[0] // columns, steps[0] % columns)
    )
    place = positions[0][row]
    mine = sequence[0][row] == sequence[0][row, column][:, None]
    itself = torch.arange(columns) == column[:, None]
    looked_at = torch.stack([mine & (place == 0), mine & (place == 1), itself, mine & (place > 1) & ~itself])
    shares = []
    for block in model.blocks:
        projected = block.project(hidden)
        weights = _attention(projected, mask, block.heads)[row, :, column]  # (steps, heads, columns)
        shares.append(torch.einsum("ihc,pic->hp", weights, looked_at.float()) / len(row))
        hidden = block.finish(hidden, block.attend_in_rows(projected, mask))
    found: Floats = torch.stack(shares).double().numpy()
    assert found.shape[2] == len(PLACES)
    return found


def _attention(projected: Tensor, mask: Tensor, heads: int) -> Tensor:
    """(R, heads, C, C): the weights with which each token looks at the others of its row; S = 1.

    Args:
        projected: (1, R · C, 3d) queries, keys and values.
        mask: (R, C, C), 0 to look and -inf not to.
    """
    rows, columns = mask.shape[:2]
    width = projected.shape[2] // 3 // heads
    queries, keys, _ = projected.view(rows, columns, 3, heads, width).permute(2, 0, 3, 1, 4)
    scores: Tensor = queries @ keys.transpose(2, 3) * width**-0.5 + mask[:, None]
    return scores.softmax(dim=3)


def path_shares(
    config: ExperimentConfig, models: Sequence[tuple[str, bytes]], source: int, target: int, limit: int
) -> PathShares:
    """How probable each correct path from `source` to `target` is to some models, given as (arm, weights).

    Up to `limit` paths are listed: all that there are, or else those that all models together sample most often.

    Raises:
        ValueError: source or target is no node of the graph, or they are the same.
    """
    torch.set_num_threads(1)
    task = build_task(config)
    _check_nodes(task, (source, target))
    if source == target:
        raise ValueError(f"a path leads from one node to another, not from {source} to itself")
    loaded = [(_build(config, task, weights), policy_temperature(config.arm(arm))) for arm, weights in models]
    # The bound on the paths that exist, before listing any: there may be more than could ever be listed.
    exact = bool(count_correct_paths(task.adjacency, task.max_steps)[source, target] <= limit)
    right = np.zeros(len(loaded))
    if exact:
        anywhere = np.broadcast_to(1.0, (task.nodes, task.nodes, task.nodes + 1))
        paths = [*path_probabilities(task.adjacency, anywhere, source, target, task.max_steps, limit=limit)]
    else:
        paths, right = _sampled(task, loaded, source, target, limit)
    shares = (
        np.stack([_probabilities(*each, task, source, target, paths) for each in loaded])
        if loaded
        else np.empty((0, len(paths)))
    )
    order = np.argsort(-shares.sum(axis=0), kind="stable")
    shares = shares[:, order]
    rest = np.maximum(1 - shares.sum(axis=1), 0)
    others = np.zeros(len(loaded)) if exact else np.clip(right - shares.sum(axis=1), 0, rest)
    return PathShares(tuple(paths[index] for index in order), shares, others, rest - others, exact)


@torch.no_grad()
def _probabilities(
    model: PlanningModel,
    temperature: float,
    task: Task,
    source: int,
    target: int,
    paths: Sequence[tuple[int, ...]],
) -> Floats:
    """(paths,): how probable each path is to a model."""
    if not paths:
        return np.empty(0)
    lengths = np.array([[len(path) for path in paths]])
    tokens = np.full((1, len(paths), lengths.max()), task.eos)
    for row, path in zip(tokens[0], paths, strict=True):
        row[: len(path)] = path
    batch = pack(Paths(np.tile([source, target], (1, len(paths), 1)), tokens, lengths))
    log_policy = (model(batch)[0].double() / temperature).log_softmax(dim=1)
    taken = log_policy.gather(1, torch.from_numpy(batch.token[0])[:, None])[:, 0].numpy()
    summed = np.bincount(batch.path[0], weights=np.where(batch.inside[0], taken, 0), minlength=len(paths))
    return np.asarray(np.exp(summed))


def _sampled(
    task: Task, models: Sequence[tuple[PlanningModel, float]], source: int, target: int, limit: int
) -> tuple[list[tuple[int, ...]], Floats]:
    """The `limit` correct paths that models sample most often, and (M,) how often each one's samples are correct."""
    counts: Counter[tuple[int, ...]] = Counter()
    right = np.zeros(len(models))
    for index, (model, temperature) in enumerate(models):
        sampled = sample_paths(
            model, np.array([[[source, target]]]), task.max_steps, [Generator().manual_seed(0)],
            samples=SAMPLES, temperature=temperature, until_broken=task.adjacency,
        )  # fmt: skip
        found = group_paths(task, *sampled.flat(), SAMPLES)[0]
        correct = {
            path: count
            for path, count, outcome in zip(found.paths, found.counts, found.outcomes, strict=True)
            if outcome == "correct"
        }
        counts.update(correct)
        right[index] = sum(correct.values()) / SAMPLES
    return [path for path, _ in counts.most_common(limit)], right


def _attention_texts(task: Task) -> PackedPaths:
    """The steps of some SFT texts, without the EOS after t; S = 1."""
    pairs, tokens, lengths = text_arrays(task)
    count = min(ATTENTION_TEXTS, len(lengths), max(1, MAX_WEIGHTS // (int(lengths.max()) + 2) ** 2))
    chosen = np.linspace(0, len(lengths) - 1, count).round().astype(int)
    return pack(Paths(pairs[None, chosen], tokens[None, chosen], lengths[None, chosen] - 1))


def _build(config: ExperimentConfig, task: Task, weights: bytes) -> PlanningModel:
    model = build_model(config.model, task.nodes, task.max_steps, [Generator()])
    model.load_states([load(weights)])
    return model


def _check_nodes(task: Task, nodes: Sequence[int] | Ints) -> None:
    for node in nodes:
        if not 0 <= node < task.nodes:
            raise ValueError(f"node {node} is not in the graph; its nodes are 0 to {task.nodes - 1}")
