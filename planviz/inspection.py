"""Looking into stored weights: what a model answers to one query, path by path and node by node."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from safetensors.torch import load
from torch import Generator

from planviz.config import ExperimentConfig
from planviz.evaluation import policy_temperature
from planviz.events import QueryInspection
from planviz.metrics import group_paths
from planviz.models import build_model
from planviz.packing import Paths, pack
from planviz.rollout import sample_paths
from planviz.task import build_task


@torch.no_grad()
def inspect_query(
    config: ExperimentConfig,
    models: Sequence[tuple[str, bytes]],
    source: int,
    target: int,
    samples: int,
    seed: int = 0,
) -> list[QueryInspection]:
    """What each of some models, given as (arm, weights), answers to the query (source, target).

    Every model draws with the same random numbers, so that differences are the models' own.

    Raises:
        ValueError: source or target is no node of the graph.
    """
    torch.set_num_threads(1)
    task = build_task(config)
    for node in (source, target):
        if not 0 <= node < task.nodes:
            raise ValueError(f"node {node} is not in the graph; its nodes are 0 to {task.nodes - 1}")
    pairs = np.array([[[source, target]]])
    loaded, answers = [], []
    for arm, weights in models:
        model = build_model(config.model, task.nodes, task.max_steps, [Generator()])
        model.load_states([load(weights)])
        temperature = policy_temperature(config.arm(arm))
        generator = Generator().manual_seed(seed)
        sampled = sample_paths(
            model, pairs, task.max_steps, [generator], samples=samples, temperature=temperature
        )
        loaded.append((model, temperature))
        answers.append(group_paths(task, *sampled.flat(), samples)[0])
    # One pass over whole paths gives the distributions after all their beginnings, for every model alike.
    paths = sorted({path for answer in answers for path in answer.paths})
    lengths = np.array([[len(path) for path in paths]])
    tokens = np.full((1, len(paths), lengths.max()), task.eos)
    for row, path in zip(tokens[0], paths, strict=True):
        row[: len(path)] = path
    batch = pack(Paths(np.repeat(pairs, len(paths), axis=1), tokens, lengths))
    before = [path[:end] for path in paths for end in range(len(path))]
    first = {prefix: step for step, prefix in reversed([*enumerate(before)])}
    prefixes = tuple(sorted(first, key=lambda prefix: (len(prefix), prefix)))
    steps = [first[prefix] for prefix in prefixes]
    inspections = []
    for answer, (model, temperature) in zip(answers, loaded, strict=True):
        probabilities = torch.softmax(model(batch)[0, steps] / temperature, dim=1)
        inspections.append(QueryInspection(answer, prefixes, probabilities.numpy()))
    return inspections
