"""A stand-in for planviz.experiment: quick, exactly reproducible, and misbehaving if an arm is named so."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from planviz.config import BASE, ExperimentConfig
from planviz.events import (
    Checkpoint,
    Evaluation,
    Event,
    Failed,
    Finished,
    Paused,
    QueryPaths,
    RunEvent,
    SampledPaths,
    Split,
    Started,
    StepMetrics,
)

if TYPE_CHECKING:
    from planviz.experiment import Control

SPLITS: tuple[Split, Split] = ("train", "test")


class FakeError(Exception):
    """What the arm named "raise" raises."""


def train_seeds(
    config: ExperimentConfig,
    arm: str,
    seeds: Sequence[int],
    bases: Mapping[int, bytes] | None,
    resume: Mapping[int, Checkpoint] | None = None,
    control: Control | None = None,
) -> Iterator[RunEvent]:
    """Count steps. The accuracy is a chaotic function of all steps so far: one too many would show."""
    assert (bases is None) == (arm == BASE)
    assert control is not None
    settings = config.arm(arm)
    step, states = 0, {seed: (seed + 1) / 997 for seed in seeds}
    if resume is not None:
        step = resume[seeds[0]].step
        states = {seed: float.fromhex(resume[seed].resume.decode()) for seed in seeds}

    def tell(event: Event) -> Iterator[RunEvent]:
        return (RunEvent(arm, seed, event) for seed in seeds)

    def evaluate_all() -> Iterator[RunEvent]:
        for seed, state in states.items():
            for event in evaluate(step, state, bases[seed] if bases else None):
                yield RunEvent(arm, seed, event)

    yield from tell(Started(settings.method, step, settings.steps))
    if resume is None:
        yield from evaluate_all()
    stepping = False
    while step < settings.steps:
        command = None if stepping else control(False)
        if command == "pause" or stepping:
            yield from tell(Paused(step))
            while (command := control(True)) == "pause":
                pass
        if command == "stop":
            yield from evaluate_all()
            break
        stepping = command == "step"
        misbehave(arm, step)
        time.sleep(0.002)  # the work of a step
        states = {seed: 3.99 * state * (1 - state) for seed, state in states.items()}
        step += 1
        for seed, state in states.items():
            values = {"loss": 1 - state, "pid": os.getpid()}
            yield RunEvent(arm, seed, StepMetrics(step, step * 8, step * 40, step * 0.01, values))
        if arm == "diverges" and step == 3:
            yield RunEvent(arm, seeds[0], Failed(step, "The loss became nan."))
            seeds = seeds[1:]
            states = {seed: states[seed] for seed in seeds}
        if step % max(1, settings.steps // config.evaluation.evaluations) == 0:
            yield from evaluate_all()
    yield from tell(Finished(step, stopped=step < settings.steps))


def evaluate(step: int, state: float, base: bytes | None) -> Iterator[Event]:
    for split in SPLITS:
        values = {"greedy_accuracy": state, "sampled_accuracy": state / 2, "distinct_paths": 2.0, "nats": 0.5}
        yield Evaluation(step, step * 8, step * 0.01, split, values)
        yield SampledPaths(
            step, split, (QueryPaths(0, 2, ((1, 2), (2,)), (3, step), ("correct", "invalid_edge")),)
        )
    weights = f"weights at {step}, base: ".encode() + (base or b"none")
    yield Checkpoint(step, weights, state.hex().encode())


def misbehave(arm: str, step: int) -> None:
    if step != 3:
        return
    if arm == "raises":
        raise FakeError("the reward\nis wrong")
    if arm == "exits":
        os._exit(7)
    if arm == "asks":
        bytearray(2**62)  # more than there is
    if arm == "hoards":
        hoard = b"x" * 2**29
        signal.pause()
        del hoard


def compute_forever(
    config: ExperimentConfig, arm: str, seeds: Sequence[int], *others: object
) -> Iterator[RunEvent]:
    """A step that never ends: in Python for even seeds, in compiled code for odd ones."""
    for seed in seeds:
        yield RunEvent(arm, seed, Started("sft", 0, 10))
    matrix = np.ones((3000, 3000))
    while True:
        if seeds[0] % 2:
            matrix = matrix @ matrix / 3000


def echo(*arguments: object) -> object:
    return os.getpid(), arguments


def fail(*arguments: object) -> None:
    raise FakeError("there is no such node")


def hang(*arguments: object) -> None:
    signal.pause()


def die(*arguments: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
