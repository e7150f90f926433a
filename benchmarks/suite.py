"""What `planviz bench` measures, on one machine and in one process with as many threads as a worker has.

The floor of a step is the time that its floating-point operations would take at the machine's rate for a large
matrix product: those of real tokens only, forward for rollouts and for frozen models, forward and backward (three
times forward) for training. The prompt ``s t`` counts with its keys and values alone, since nothing else of it is
needed. Attention, norms, softmax and the optimizer are left out, so the ratio to the floor is an upper bound.

Machines are noisy: every figure is a median, and the matrix product is timed anew between the repetitions.
"""

from __future__ import annotations

import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

from benchmarks import plain_loop
from planviz.config import (
    BASE,
    EvaluationConfig,
    ExperimentConfig,
    PolicyGradientConfig,
    QLearningConfig,
    preset,
    with_settings,
)
from planviz.evaluation import Evaluator
from planviz.experiment import Runs, save_tensors
from planviz.models import PlanningModel
from planviz.packing import PackedPaths
from planviz.rollout import sample_paths

BATCHES = (32, 128, 256)
NODES = (50, 100, 200, 400, 800, 1600)
WIDTHS = (32, 64, 120, 256, 512)
SEEDS = (1, 2, 4, 8)
METHODS = {"sft": "sft", "pg": "pg", "pg-kl": "pg-kl", "q": "q-process"}
"""What the table calls a method, and the arm of the `paper` preset that stands for it."""

Result = dict[str, Any]


def measure(repeats: int = 15) -> Iterator[tuple[str, Any]]:
    """All measurements, one part after another: its name in `planviz bench --json`, and what was found."""
    config = preset("paper")
    base = trained_base(config)
    yield "machine", machine()
    yield "gemm_gflops", gemm_rate(repeats)
    yield "steps", list(steps(config, base, repeats))
    yield "loop_speedup", loop_speedup(config, base, repeats)
    yield "throughput", throughput(config, base)
    seeds = [
        {"seeds": count, "batch": batch, **timed_step(config, base, "pg-kl", batch, repeats, count)}
        for batch in (32, 128)
        for count in SEEDS
    ]
    yield "seeds", seeds
    yield "seeds8_over_1", seeds[len(SEEDS) - 1]["ms"] / seeds[0]["ms"]
    yield "nodes", [scaled(config, {"graph.nodes": n, "graph.density": 10 / n}, repeats) for n in NODES]
    yield "widths", [scaled(config, {"model.width": width}, repeats) for width in WIDTHS]
    yield "peak_memory_mb", peak_memory()


def machine() -> Result:
    """What was measured on."""
    return {
        "processor": processor(),
        "platform": platform.platform(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def gemm_seconds(size: int = 1024) -> Callable[[], object]:
    """A product of two square matrices."""
    left, right = torch.randn(size, size), torch.randn(size, size)
    return lambda: left @ right


def gemm_rate(repeats: int, size: int = 1024) -> float:
    """The machine's matrix-product rate in GFLOP/s."""
    return 2 * size**3 / seconds(gemm_seconds(size), repeats) / 1e9


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Median time of a call, after one that is not counted."""
    work()
    return statistics.median(elapsed(work) for _ in range(repeats))


def elapsed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def trained_base(config: ExperimentConfig, steps: int | None = None) -> bytes:
    """Weights of an SFT base with seed 0, trained as far as the settings say."""
    runs = Runs(config, BASE, [0], None)
    for _ in range(runs.config.steps if steps is None else steps):
        runs.method.step()
    return save_tensors(runs.model.states()[0])


def arm_runs(config: ExperimentConfig, base: bytes, method: str, batch: int, seeds: int = 1) -> Runs:
    """An arm ready to be stepped. It hardly learns, so that every repetition does the same work."""
    arm = METHODS[method]
    slow = with_settings(config, {f"arms.{arm}.batch_size": batch, f"arms.{arm}.learning_rate": 1e-6})
    return Runs(slow, arm, range(seeds), dict.fromkeys(range(seeds), base))


def steps(config: ExperimentConfig, base: bytes, repeats: int) -> Iterator[Result]:
    """One optimizer step of every method at every batch size."""
    for method in METHODS:
        for batch in BATCHES:
            yield {"method": method, "batch": batch, **timed_step(config, base, method, batch, repeats)}


def timed_step(
    config: ExperimentConfig, base: bytes, method: str, batch: int, repeats: int, seeds: int = 1
) -> Result:
    """A step's time, its floor, and what it gets through.

    Every step is timed next to a matrix product, and its own floor is made of its own tokens.
    """
    runs = arm_runs(config, base, method, batch, seeds)
    work: list[float] = []
    count_operations(runs, work)
    product, operations = gemm_seconds(), 2 * 1024**3
    times, floors, tokens = [], [], []
    for _ in range(repeats + 1):
        work.clear()
        rate = operations / elapsed(product)
        began = time.perf_counter()
        result = runs.method.step()
        times.append(time.perf_counter() - began)
        tokens.append(int(result.tokens.sum()))
        if method != "sft":
            work.append(forward_operations(runs, tokens[-1], seeds * result.samples))
        floors.append(sum(work) / rate)
    ms, floor_ms = 1e3 * statistics.median(times[1:]), 1e3 * statistics.median(floors[1:])
    return {
        "ms": ms,
        "floor_ms": floor_ms,
        "ratio": ms / floor_ms,
        "queries_per_second": seeds * batch / ms * 1e3,
        "tokens_per_second": statistics.mean(tokens[1:]) / ms * 1e3,
    }


def forward_operations(runs: Runs, steps: int, paths: int) -> float:
    """Floating-point operations of a forward pass over the steps of some paths."""
    width, layers = runs.experiment.model.width, runs.experiment.model.layers
    in_a_block = 24 * width**2 * steps + 8 * width**2 * paths
    return float(layers * in_a_block + 2 * width * (runs.task.nodes + 1) * steps)


def count_operations(runs: Runs, work: list[float]) -> None:
    """Add the operations of every pass over whole paths to `work`, when it happens."""

    def count(factor: int) -> Callable[[nn.Module, tuple[PackedPaths], Tensor], None]:
        def hook(model: nn.Module, inputs: tuple[PackedPaths], logits: Tensor) -> None:
            (batch,) = inputs
            paths = sum(len(np.unique(p[real])) for p, real in zip(batch.path, batch.inside, strict=True))
            work.append(factor * forward_operations(runs, int(batch.inside.sum()), paths))

        return hook

    runs.model.register_forward_hook(count(3))  # and backward
    for frozen in {runs.base, getattr(runs.method, "target", runs.base)} - {runs.model}:
        frozen.register_forward_hook(count(1))


def throughput(config: ExperimentConfig, base: bytes) -> Result:
    """Paths sampled in a second: one for each of 256 queries, and 20 for each of 1,000 in an evaluation."""
    runs = arm_runs(config, base, "pg", 256)
    queries = runs.task.train_pairs[None, :256]
    rollout = seconds(
        lambda: sample_paths(runs.model, queries, runs.task.max_steps, runs.method.generators), 15
    )
    return {
        "rollout_paths_per_second": 256 / rollout,
        "evaluation_paths_per_second": 1000 * 20 / seconds(evaluation(config, base), 3),
    }


def evaluation(config: ExperimentConfig, base: bytes) -> Callable[[], object]:
    """An evaluation of 1,000 pairs with 20 samples each, half of the pairs train and half test."""
    runs = arm_runs(config, base, "pg", 32)
    evaluator = Evaluator(runs.task, runs.config, EvaluationConfig(pairs=500, samples=20))
    model, frozen = runs.model.alone(0), runs.base.alone(0)
    return lambda: evaluator.evaluate(model, frozen, Generator().manual_seed(0))


def loop_speedup(config: ExperimentConfig, base: bytes, repeats: int) -> Result:
    """How many times faster than the plain loop: a PG step with KL and a Q step of 32 queries, and an evaluation
    of 1,000 pairs with 20 samples each (the loop's on 20 of the pairs, and scaled)."""
    pg, q = (timed_step(config, base, method, 32, repeats)["ms"] / 1e3 for method in ("pg-kl", "q"))
    return {
        "pg": seconds(plain_step(config, base, "pg-kl"), 3) / pg,
        "q": seconds(plain_step(config, base, "q"), 3) / q,
        "evaluation": 50 * elapsed(plain_evaluation(config, base)) / seconds(evaluation(config, base), 3),
    }


def plain_step(config: ExperimentConfig, base: bytes, method: str) -> Callable[[], float]:
    """The plain loop's step of 32 queries, from the same weights and with the same settings as the engine's."""
    runs = arm_runs(config, base, method, 32)
    model, other = plain_model(runs, runs.model), plain_model(runs, runs.model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, weight_decay=0.0)
    queries = runs.task.train_pairs[:32].tolist()
    adjacency, limit, arm = runs.task.adjacency, runs.task.max_steps, runs.config
    if isinstance(arm, QLearningConfig):
        tau, epsilon = arm.rollout_temperature, arm.exploration
        return lambda: plain_loop.q_learning_step(
            model, other, optimizer, adjacency, queries, limit, tau, epsilon
        )
    assert isinstance(arm, PolicyGradientConfig)
    kl = arm.kl
    return lambda: plain_loop.policy_gradient_step(model, other, optimizer, adjacency, queries, limit, kl)


def plain_evaluation(config: ExperimentConfig, base: bytes) -> Callable[[], object]:
    """The plain loop's evaluation of 20 test pairs with 20 samples each."""
    runs = arm_runs(config, base, "pg", 32)
    model, pairs = plain_model(runs, runs.model), runs.task.test_pairs[:20].tolist()
    return lambda: plain_loop.evaluate(model, runs.task.adjacency, pairs, 20, runs.task.max_steps)


def plain_model(runs: Runs, model: PlanningModel) -> plain_loop.PlainTransformer:
    """The plain loop's transformer with the weights of the model's first seed."""
    shape = runs.experiment.model
    context = model.get_parameter("position_embedding").shape[1]
    plain = plain_loop.PlainTransformer(runs.task.nodes, context, shape.width, shape.layers, shape.heads)
    plain.load_state_dict(model.states()[0])
    return plain


def scaled(config: ExperimentConfig, changes: Mapping[str, float], repeats: int) -> Result:
    """A PG step of 128 queries with some settings changed, from an untrained base."""
    changed = with_settings(config, {**changes, "split.train_share": 0.05, "split.paths_per_pair": 1})
    return {**changes, **timed_step(changed, trained_base(changed, steps=0), "pg-kl", 128, repeats)}


def peak_memory() -> float:
    """The most memory that this process ever held, in MiB."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / 1024 / (1024 if platform.system() == "Darwin" else 1)
