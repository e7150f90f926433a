"""A stand-in for planviz.experiment: quick, exactly reproducible, and misbehaving if an arm is named so."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from planviz.config import BASE, ExperimentConfig
from planviz.events import (
    Checkpoint,
    Evaluation,
    Event,
    Finished,
    Paused,
    QueryPaths,
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


def train_run(
    config: ExperimentConfig,
    arm: str,
    seed: int,
    base: bytes | None,
    resume: Checkpoint | None = None,
    control: Control | None = None,
) -> Iterator[Event]:
    """Count steps. The accuracy is a chaotic function of all steps so far: one too many would show."""
    assert (base is None) == (arm == BASE)
    assert control is not None
    settings = config.arm(arm)
    step, state = 0, (seed + 1) / 997
    if resume is not None:
        step, state = resume.step, float.fromhex(resume.resume.decode())
    yield Started(arm, settings.method, seed, step, settings.steps)
    if resume is None:
        yield from evaluate(step, state, base)
    stepping = False
    while step < settings.steps:
        command = None if stepping else control(False)
        if command == "pause" or stepping:
            yield Paused(step)
            while (command := control(True)) == "pause":
                pass
        if command == "stop":
            yield from evaluate(step, state, base)
            break
        stepping = command == "step"
        misbehave(arm, step)
        time.sleep(0.002)  # the work of a step
        state = 3.99 * state * (1 - state)
        step += 1
        yield StepMetrics(step, step * 8, step * 40, step * 0.01, {"loss": 1 - state, "pid": os.getpid()})
        if step % max(1, settings.steps // config.evaluation.evaluations) == 0:
            yield from evaluate(step, state, base)
    yield Finished(step, stopped=step < settings.steps)


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


def echo(*arguments: object) -> object:
    return os.getpid(), arguments


def fail(*arguments: object) -> None:
    raise FakeError("there is no such node")


def hang(*arguments: object) -> None:
    signal.pause()


def die(*arguments: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
