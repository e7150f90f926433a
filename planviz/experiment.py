"""`train(config)`: an experiment as a stream of plain events.

It knows no thread, no database and no screen, so the same function serves the app, the command line and the
tests. One experiment is one task, one SFT base for each seed, and arms that branch from that base. The seeds of
an arm train together, as one model with stacked weights.
"""

from __future__ import annotations

import copy
import json
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Generator, Tensor

from planviz.config import BASE, ExperimentConfig, PolicyGradientConfig, QLearningConfig, with_changes
from planviz.discovery import Discovery
from planviz.evaluation import Evaluator
from planviz.events import (
    Change,
    Changed,
    Checkpoint,
    Command,
    Evaluation,
    Event,
    Failed,
    Finished,
    Paused,
    RunEvent,
    SampledPaths,
    Started,
    StepMetrics,
)
from planviz.methods.base import Floats, Method
from planviz.methods.policy_gradient import PolicyGradient
from planviz.methods.q_learning import QLearning
from planviz.methods.sft import Sft
from planviz.models import build_model
from planviz.task import build_task

Control = Callable[[bool], Command | None]
"""Polled between steps: with False it returns at once, with True (while paused) it waits for a command."""

REPORT_SECONDS = 0.25
"""Step metrics are averaged over about this long."""


def train(config: ExperimentConfig, control: Control | None = None) -> Iterator[RunEvent]:
    """All runs of an experiment: the SFT base of every seed, then one arm after another, each with all seeds.

    `Started` begins a run; `Finished` or `Failed` ends it. A seed whose base failed has no arms. "stop" ends
    the runs in progress and all that would follow.

    Raises:
        TaskError, GraphError, ModelError: the settings fit no task or model.
    """
    bases: dict[int, bytes] = {}
    seeds: Sequence[int] = config.seeds
    for arm in (BASE, *config.arms):
        stopped, failed = False, set()
        for told in train_seeds(config, arm, seeds, bases if arm != BASE else None, control=control):
            if arm == BASE and isinstance(told.event, Checkpoint):
                bases[told.seed] = told.event.weights
            if arm == BASE and isinstance(told.event, Failed):
                failed.add(told.seed)
            stopped |= isinstance(told.event, Finished) and told.event.stopped
            yield told
        seeds = [seed for seed in seeds if seed not in failed]
        if stopped or not seeds:
            return


def train_seeds(
    config: ExperimentConfig,
    arm: str,
    seeds: Sequence[int],
    bases: Mapping[int, bytes] | None,
    resume: Mapping[int, Checkpoint] | None = None,
    control: Control | None = None,
) -> Iterator[RunEvent]:
    """One arm with several seeds, which train together; commands are for all of them.

    The numbers of each seed are those that it would have alone, up to rounding. One that diverges fails, and
    the others go on.

    Args:
        bases: final weights of each seed's SFT base, from its last `Checkpoint`; None for the base itself.
        resume: go on from these checkpoints of the same runs, all at one step; the numbers are those of runs
            that never stopped.

    Raises:
        SettingError: a `Change` asks for what `with_changes` does not allow.
    """
    runs = Runs(config, arm, seeds, bases)
    if resume is not None:
        runs.load([resume[seed] for seed in seeds])
    yield from runs.tell_each(Started(runs.config.method, runs.step, runs.config.steps))
    yield from runs.tell_changes()
    if resume is None:
        yield from runs.evaluate()
    commands = _Commands(control)
    while runs.step < runs.config.steps and runs.seeds:
        must_pause = commands.must_pause()
        yield from runs.change(commands.changes())
        if must_pause:
            yield from runs.report()
            yield from runs.tell_each(Paused(runs.step))
            runs.pause_clock()
            while commands.wait():
                yield from runs.change(commands.changes())
            runs.start_clock()
        if commands.stopped:
            if runs.step != runs.evaluated:
                yield from runs.report()
                yield from runs.evaluate()
            break
        runs.train_step()
        yield from runs.drop_diverged()
        if runs.step in runs.evaluation_steps and runs.seeds:
            yield from runs.report()
            yield from runs.evaluate()
        elif runs.report_is_due() or commands.stepping:
            yield from runs.report()
    yield from runs.tell_each(Finished(runs.step, commands.stopped))


class _Commands:
    """What the control has asked for so far."""

    def __init__(self, control: Control | None) -> None:
        self.control = control
        self.paused = self.stepping = self.stopped = False
        self.changed: dict[str, float | str] = {}

    def must_pause(self) -> bool:
        """Take in a command if there is one; whether to wait before the next step."""
        if self.control is not None and not self.stepping:
            self._take(self.control(False))
        self.paused, self.stepping = self.paused or self.stepping, False
        return self.paused and not self.stopped

    def wait(self) -> bool:
        """Wait for the next command; whether it leaves the pause as it is."""
        assert self.control is not None
        self._take(self.control(True))
        return self.paused

    def changes(self) -> dict[str, float | str]:
        """The settings to go on with that have not been asked for yet."""
        changed, self.changed = self.changed, {}
        return changed

    def _take(self, command: Command | None) -> None:
        if command == "pause":
            self.paused = True
        elif command == "step":
            self.paused, self.stepping = False, True
        elif command == "resume":
            self.paused = False
        elif command == "stop":
            self.paused, self.stopped = False, True
        elif isinstance(command, Change):
            self.changed |= dict(command.settings)


class Runs:
    """The state of the runs of one arm, one a seed: task, models, method, counters and clock."""

    def __init__(
        self, config: ExperimentConfig, arm: str, seeds: Sequence[int], bases: Mapping[int, bytes] | None
    ) -> None:
        self.arm, self.seeds, self.bases = arm, list(seeds), bases
        self.experiment, self.config = config, config.arm(arm)
        self.task = build_task(config)
        self.evaluation_steps = evaluation_steps(self.config.steps, config.evaluation.evaluations)
        self.step = self.samples = 0
        self.tokens = np.zeros(len(seeds))
        self.evaluated = -1
        self.seconds = self.evaluation_seconds = 0.0
        self.recent: list[dict[str, Floats]] = []
        self.changes: dict[int, dict[str, float | str]] = {}
        self.reported, self.reported_tokens = 0.0, self.tokens
        self._build()
        self.start_clock()

    def _build(self) -> None:
        """The models and the method, as they are before the first step."""
        initial = self._generators("model")
        self.model = build_model(self.experiment.model, self.task.nodes, self.task.max_steps, initial)
        if self.bases is not None:
            self.model.load_states([load(self.bases[seed]) for seed in self.seeds])
        self.base = self.model if self.arm == BASE else copy.deepcopy(self.model).requires_grad_(False)
        self.method = self._build_method()
        self.discovery = Discovery(self.task, len(self.seeds))

    def _build_method(self) -> Method:
        generators = self._generators("training")
        if isinstance(self.config, PolicyGradientConfig):
            return PolicyGradient(self.model, self.base, self.task, self.config, generators)
        if isinstance(self.config, QLearningConfig):
            return QLearning(self.model, self.base, self.task, self.config, generators)
        return Sft(self.model, self.task, self.config, generators)

    def _generators(self, purpose: str) -> list[Generator]:
        """Random streams of each seed's own for each purpose, so that evaluating does not change training."""
        generators = []
        for seed in self.seeds:
            entropy = [seed, zlib.crc32(self.arm.encode()), zlib.crc32(purpose.encode())]
            state = np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]
            generators.append(Generator().manual_seed(int(state >> 1)))
        return generators

    @cached_property
    def evaluator(self) -> Evaluator:
        """Made when it is first needed: on large graphs, counting all correct paths takes seconds."""
        return Evaluator(self.task, self.config, self.experiment.evaluation)

    # The clock counts training and evaluation, not pauses.

    def start_clock(self) -> None:
        self._started = time.perf_counter()

    def pause_clock(self) -> None:
        self.seconds += time.perf_counter() - self._started

    def elapsed(self) -> float:
        return self.seconds + time.perf_counter() - self._started

    def change(self, settings: Mapping[str, float | str]) -> Iterator[RunEvent]:
        """Go on with other settings.

        Raises:
            SettingError: one of them cannot change, or not to this.
        """
        if settings:
            self._take_over(settings)
            self.changes[self.step] = {**self.changes.get(self.step, {}), **settings}
            yield from self.report()
            yield from self.tell_changes()

    def _take_over(self, settings: Mapping[str, float | str]) -> None:
        self.experiment = with_changes(self.experiment, self.arm, settings)
        self.config = self.experiment.arm(self.arm)
        assert isinstance(self.config, QLearningConfig) and isinstance(self.method, QLearning)
        self.method.change(self.config)
        if "evaluator" in self.__dict__:
            self.evaluator.change(self.config)

    def tell_changes(self) -> Iterator[RunEvent]:
        """What has changed at this step."""
        if self.step in self.changes:
            yield from self.tell_each(Changed(self.step, self.changes[self.step]))

    def train_step(self) -> None:
        """One optimizer step of every seed."""
        result = self.method.step()
        self.step += 1
        self.samples += result.samples
        self.tokens = self.tokens + result.tokens
        self.discovery.add(result.paths)
        self.recent.append(result.values)

    def drop_diverged(self) -> Iterator[RunEvent]:
        """Fail the runs whose loss or weights are no numbers any more; the others go on without them."""
        losses = self.recent[-1]["loss"]
        finite = np.isfinite(losses)
        if self.report_is_due() or self.step in self.evaluation_steps:
            finite &= self.model.is_finite().numpy()  # without a correct path, PG has loss 0 for any weights
        if finite.all():
            return
        yield from self.report()
        for index in (~finite).nonzero()[0]:
            message = f"The loss or the weights are no numbers any more after step {self.step}"
            failed = Failed(self.step, f"{message}; try a smaller learning rate.")
            yield RunEvent(self.arm, self.seeds[index], failed)
        alive = finite.nonzero()[0]
        states = self.method.states()
        found = [self.discovery.state(int(index)) for index in alive]
        self.seeds, self.tokens = [self.seeds[index] for index in alive], self.tokens[alive]
        self.reported_tokens = self.reported_tokens[alive]
        if self.seeds:
            self._build()
            self.method.load_states([states[index] for index in alive])
            self.discovery.load(found)

    def tell_each(self, event: Event) -> Iterator[RunEvent]:
        """The same event for every run."""
        for seed in self.seeds:
            yield RunEvent(self.arm, seed, event)

    def report_is_due(self) -> bool:
        return self.elapsed() - self.reported >= REPORT_SECONDS

    def report(self) -> Iterator[RunEvent]:
        """The means over the steps since the last report, if there were any."""
        if not self.recent:
            return
        seconds = self.elapsed()
        pace = (self.tokens - self.reported_tokens) / max(seconds - self.reported, 1e-9)
        share = self.evaluation_seconds / max(seconds, 1e-9)
        means = {key: np.mean([step[key] for step in self.recent], axis=0) for key in self.recent[0]}
        self.recent, self.reported, self.reported_tokens = [], seconds, self.tokens
        for index, seed in enumerate(self.seeds):
            values = {key: float(mean[index]) for key, mean in means.items()}
            values |= {"tokens_per_second": float(pace[index]), "evaluation_share": share}
            metrics = StepMetrics(self.step, self.samples, int(self.tokens[index]), seconds, values)
            yield RunEvent(self.arm, seed, metrics)

    def evaluate(self) -> Iterator[RunEvent]:
        """All metrics of every run on both splits, the paths behind them, and a checkpoint."""
        began = self.elapsed()
        told: list[RunEvent] = []
        for index, generator in enumerate(self._generators(f"evaluation {self.step}")):
            model = self.model.alone(index)
            base = None if self.arm == BASE else self.base.alone(index)
            seed, found = self.seeds[index], self.evaluator.evaluate(model, base, generator)
            found["train"][0].update(self.discovery.counts(index))
            for split, (values, paths) in found.items():
                evaluation = Evaluation(self.step, self.samples, self.elapsed(), split, values)
                told.append(RunEvent(self.arm, seed, evaluation))
                told.append(RunEvent(self.arm, seed, SampledPaths(self.step, split, paths)))
        self.evaluation_seconds += self.elapsed() - began
        self.reported, self.reported_tokens = self.elapsed(), self.tokens
        self.evaluated = self.step
        yield from told
        for seed, checkpoint in zip(self.seeds, self.checkpoints(), strict=True):
            yield RunEvent(self.arm, seed, checkpoint)

    def checkpoints(self) -> list[Checkpoint]:
        """A checkpoint of every run."""
        made = []
        states = zip(self.model.states(), self.method.states(), self.tokens, strict=True)
        for index, (weights, state, tokens) in enumerate(states):
            state |= {name: torch.from_numpy(codes) for name, codes in self.discovery.state(index).items()}
            if self.changes:
                state["changes"] = torch.frombuffer(
                    bytearray(json.dumps(self.changes).encode()), dtype=torch.uint8
                )
            counters = [self.step, self.samples, tokens, self.elapsed(), self.evaluation_seconds]
            state["counters"] = torch.tensor(counters, dtype=torch.float64)
            made.append(Checkpoint(self.step, save_tensors(weights), save_tensors(state)))
        return made

    def load(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Go on from a checkpoint of every run.

        Raises:
            ValueError: the checkpoints are of different steps, or the runs changed in different ways.
        """
        if len({checkpoint.step for checkpoint in checkpoints}) > 1:
            raise ValueError("runs that train together must go on from the same step")
        states = [load(checkpoint.resume) for checkpoint in checkpoints]
        changes = [state["changes"].numpy().tobytes() if "changes" in state else b"{}" for state in states]
        if len(set(changes)) > 1:
            raise ValueError("runs that train together must have changed in the same way")
        self.changes = {int(step): settings for step, settings in json.loads(changes[0]).items()}
        for settings in self.changes.values():
            self._take_over(settings)
        counters = np.array([state["counters"].tolist() for state in states])
        self.method.load_states(states)
        self.discovery.load([{name: codes.numpy() for name, codes in state.items()} for state in states])
        self.step, self.samples, self.tokens = int(counters[0, 0]), int(counters[0, 1]), counters[:, 2]
        self.seconds, self.evaluation_seconds = counters[:, 3:].max(axis=0).tolist()
        self.reported, self.reported_tokens = self.seconds, self.tokens
        self.evaluated = self.step
        self.start_clock()


def evaluation_steps(steps: int, evaluations: int) -> frozenset[int]:
    """The steps after which a run is evaluated, evenly spread, the last one included; step 0 comes on top."""
    count = min(steps, evaluations)
    return frozenset(round(steps * (index + 1) / count) for index in range(count))


def save_tensors(tensors: dict[str, Tensor]) -> bytes:
    """Tensors as a safetensors file."""
    return save({name: tensor.contiguous() for name, tensor in tensors.items()})
