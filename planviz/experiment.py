"""`train(config)`: an experiment as a stream of plain events.

It knows no thread, no database and no screen, so the same function serves the app, the command line and the
tests. One experiment is one task, one SFT base for each seed, and arms that branch from that base.
"""

from __future__ import annotations

import copy
import time
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Generator, Tensor

from planviz.config import BASE, ExperimentConfig, PolicyGradientConfig, QLearningConfig
from planviz.evaluation import evaluate, policy_temperature
from planviz.events import (
    Checkpoint,
    Command,
    Evaluation,
    Event,
    Finished,
    Paused,
    SampledPaths,
    Split,
    Started,
    StepMetrics,
)
from planviz.methods.base import Method
from planviz.methods.policy_gradient import PolicyGradient
from planviz.methods.q_learning import QLearning
from planviz.methods.sft import Sft
from planviz.models import build_model
from planviz.task import build_task
from planviz.theory import count_correct_paths

Control = Callable[[bool], Command | None]
"""Polled between steps: with False it returns at once, with True (while paused) it waits for a command."""

REPORT_SECONDS = 0.25
"""Step metrics are averaged over about this long."""

SPLITS: tuple[Split, Split] = ("train", "test")


def train(config: ExperimentConfig, control: Control | None = None) -> Iterator[Event]:
    """All runs of an experiment, one after another: for every seed the SFT base, then each arm.

    `Started` begins a run and `Finished` ends it. "stop" ends the run in progress and all that would follow.

    Raises:
        TaskError, GraphError, ModelError: the settings fit no task or model.
        TrainingError: a loss became infinite or NaN.
    """
    for seed in config.seeds:
        base: bytes | None = None
        for arm in (BASE, *config.arms):
            for event in train_run(config, arm, seed, base, control=control):
                if arm == BASE and isinstance(event, Checkpoint):
                    base = event.weights
                yield event
            if isinstance(event, Finished) and event.stopped:
                return


def train_run(
    config: ExperimentConfig,
    arm: str,
    seed: int,
    base: bytes | None,
    resume: Checkpoint | None = None,
    control: Control | None = None,
) -> Iterator[Event]:
    """One run: one arm with one seed.

    Args:
        base: final weights of this seed's SFT base, from its last `Checkpoint`; None for the base itself.
        resume: go on from this checkpoint of the same run; the numbers are those of a run that never stopped.
    """
    run = Run(config, arm, seed, base)
    if resume is not None:
        run.load(resume.resume)
    yield Started(arm, run.config.method, seed, run.step, run.config.steps)
    if resume is None:
        yield from run.evaluate()
    commands = _Commands(control)
    while run.step < run.config.steps:
        if commands.must_pause():
            yield from run.report()
            yield Paused(run.step)
            run.pause_clock()
            commands.wait()
            run.start_clock()
        if commands.stopped:
            if run.step != run.evaluated:
                yield from run.report()
                yield from run.evaluate()
            break
        run.train_step()
        if run.step in run.evaluation_steps:
            yield from run.report()
            yield from run.evaluate()
        elif run.report_is_due() or commands.stepping:
            yield from run.report()
    yield Finished(run.step, commands.stopped)


class _Commands:
    """What the control has asked for so far."""

    def __init__(self, control: Control | None) -> None:
        self.control = control
        self.paused = self.stepping = self.stopped = False

    def must_pause(self) -> bool:
        """Take in a command if there is one; whether to wait before the next step."""
        if self.control is not None and not self.stepping:
            self._take(self.control(False))
        self.paused, self.stepping = self.paused or self.stepping, False
        return self.paused and not self.stopped

    def wait(self) -> None:
        """Wait until the pause ends, for good or for one step."""
        assert self.control is not None
        while self.paused:
            self._take(self.control(True))

    def _take(self, command: Command | None) -> None:
        if command == "pause":
            self.paused = True
        elif command == "step":
            self.paused, self.stepping = False, True
        elif command == "resume":
            self.paused = False
        elif command == "stop":
            self.paused, self.stopped = False, True


class Run:
    """The state of one run: task, model, method, counters and clock."""

    def __init__(self, config: ExperimentConfig, arm: str, seed: int, base: bytes | None) -> None:
        self.arm, self.seed, self.evaluation = arm, seed, config.evaluation
        self.config = config.arm(arm)
        self.task = build_task(config)
        self.correct_paths = count_correct_paths(self.task.adjacency, self.task.max_steps)
        self.model = build_model(config.model, self.task.nodes, self.task.max_steps, self._generator("model"))
        if base is not None:
            self.model.load_state_dict(load(base))
        self.base = self.model if arm == BASE else copy.deepcopy(self.model).requires_grad_(False)
        self.method = self._build_method()
        self.evaluation_steps = evaluation_steps(self.config.steps, config.evaluation.evaluations)
        self.step = self.samples = self.tokens = 0
        self.evaluated = -1
        self.seconds = self.evaluation_seconds = 0.0
        self.recent: list[dict[str, float]] = []
        self.reported = (0.0, 0)
        self.start_clock()

    def _build_method(self) -> Method:
        generator = self._generator("training")
        if isinstance(self.config, PolicyGradientConfig):
            return PolicyGradient(self.model, self.base, self.task, self.config, generator)
        if isinstance(self.config, QLearningConfig):
            return QLearning(self.model, self.base, self.task, self.config, generator)
        return Sft(self.model, self.task, self.config, generator)

    def _generator(self, purpose: str) -> Generator:
        """A random stream of its own for each purpose, so that evaluating does not change training."""
        entropy = [self.seed, zlib.crc32(self.arm.encode()), zlib.crc32(purpose.encode())]
        state = np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]
        return Generator().manual_seed(int(state >> 1))

    # The clock counts training and evaluation, not pauses.

    def start_clock(self) -> None:
        self._started = time.perf_counter()

    def pause_clock(self) -> None:
        self.seconds += time.perf_counter() - self._started

    def elapsed(self) -> float:
        return self.seconds + time.perf_counter() - self._started

    def train_step(self) -> None:
        """One optimizer step."""
        result = self.method.step()
        self.step += 1
        self.samples += result.samples
        self.tokens += result.tokens
        self.recent.append(result.values)

    def report_is_due(self) -> bool:
        return self.elapsed() - self.reported[0] >= REPORT_SECONDS

    def report(self) -> Iterator[StepMetrics]:
        """The means over the steps since the last report, if there were any."""
        if not self.recent:
            return
        seconds = self.elapsed()
        since, tokens = self.reported
        values = {key: float(np.mean([step[key] for step in self.recent])) for key in self.recent[0]}
        values["tokens_per_second"] = (self.tokens - tokens) / max(seconds - since, 1e-9)
        values["evaluation_share"] = self.evaluation_seconds / max(seconds, 1e-9)
        self.recent, self.reported = [], (seconds, self.tokens)
        yield StepMetrics(self.step, self.samples, self.tokens, seconds, values)

    def evaluate(self) -> Iterator[Event]:
        """All metrics on both splits, the paths behind them, and a checkpoint."""
        began = self.elapsed()
        generator = self._generator(f"evaluation {self.step}")
        events: list[Event] = []
        for split in SPLITS:
            values, paths = evaluate(
                self.model,
                self.base,
                self.task,
                self.task.pairs(split)[: self.evaluation.pairs],
                self.correct_paths,
                temperature=policy_temperature(self.config),
                samples=self.evaluation.samples,
                generator=generator,
            )
            events.append(Evaluation(self.step, self.samples, self.elapsed(), split, values))
            events.append(SampledPaths(self.step, split, paths))
        self.evaluation_seconds += self.elapsed() - began
        self.reported = (self.elapsed(), self.tokens)
        self.evaluated = self.step
        yield from events
        yield self.checkpoint()

    def checkpoint(self) -> Checkpoint:
        counters = [self.step, self.samples, self.tokens, self.elapsed(), self.evaluation_seconds]
        state = self.method.state() | {"counters": torch.tensor(counters, dtype=torch.float64)}
        return Checkpoint(self.step, save_tensors(self.model.state_dict()), save_tensors(state))

    def load(self, resume: bytes) -> None:
        """Go on from a checkpoint's `resume`."""
        state = load(resume)
        self.method.load_state(state)
        step, samples, tokens, self.seconds, self.evaluation_seconds = state["counters"].tolist()
        self.step, self.samples, self.tokens = int(step), int(samples), int(tokens)
        self.reported = (self.seconds, self.tokens)
        self.evaluated = self.step
        self.start_clock()


def evaluation_steps(steps: int, evaluations: int) -> frozenset[int]:
    """The steps after which a run is evaluated, evenly spread, the last one included; step 0 comes on top."""
    count = min(steps, evaluations)
    return frozenset(round(steps * (index + 1) / count) for index in range(count))


def save_tensors(tensors: dict[str, Tensor]) -> bytes:
    """Tensors as a safetensors file."""
    return save({name: tensor.contiguous() for name, tensor in tensors.items()})
