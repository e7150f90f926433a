"""The plain, picklable events that training yields, in the order in which things happen.

They know no thread, no database and no screen: the app, the command line, the tests and the store all
consume the same stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Split = Literal["train", "test"]


@dataclass(frozen=True)
class Started:
    """A run begins, or goes on from a checkpoint at `step`."""

    method: str
    step: int
    total_steps: int


@dataclass(frozen=True)
class StepMetrics:
    """What the steps since the last such event did; `values` holds means over them.

    `samples` counts the texts or paths trained on so far, `seconds` the time spent training and evaluating so
    far, `tokens` the tokens trained on so far. The seeds that train together share their seconds.
    """

    step: int
    samples: int
    tokens: int
    seconds: float
    values: dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """All metrics of `planviz.metrics` on one split."""

    step: int
    samples: int
    seconds: float
    split: Split
    values: dict[str, float]


@dataclass(frozen=True)
class QueryPaths:
    """The paths sampled for one query, most frequent first; a path is the tokens after s, up to its
    end (EOS is n, the number of nodes)."""

    source: int
    target: int
    paths: tuple[tuple[int, ...], ...]
    counts: tuple[int, ...]
    outcomes: tuple[str, ...]


@dataclass(frozen=True)
class SampledPaths:
    """The sampled paths behind one `Evaluation`."""

    step: int
    split: Split
    queries: tuple[QueryPaths, ...]


@dataclass(frozen=True)
class QueryInspection:
    """One model's answer to one query.

    Attributes:
        paths: the sampled paths.
        prefixes: every beginning of a path that this model, or one asked with it, sampled; the empty one first.
        probabilities: (prefixes, n + 1) the policy's next-token probabilities after each, EOS last.
    """

    paths: QueryPaths
    prefixes: tuple[tuple[int, ...], ...]
    probabilities: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Checkpoint:
    """Weights at an evaluation; with `resume`, also optimizer and random states, to go on bit for bit.

    `weights` and `resume` are safetensors files as bytes.
    """

    step: int
    weights: bytes
    resume: bytes


@dataclass(frozen=True)
class Paused:
    """The run waits; training goes on after "resume" or, for one step, after "step"."""

    step: int


@dataclass(frozen=True)
class Changed:
    """Some settings are others from here on: the steps after `step` are made with them.

    `settings` holds all that changed at this step, by name, such as `reward` or `discount`.
    """

    step: int
    settings: dict[str, float | str]


@dataclass(frozen=True)
class Finished:
    """The run has ended: all its steps were done, or it was stopped."""

    step: int
    stopped: bool = False


@dataclass(frozen=True)
class Failed:
    """The run has ended, because it cannot go on; the message says why."""

    step: int
    message: str


Event = Started | StepMetrics | Evaluation | SampledPaths | Checkpoint | Paused | Changed | Finished | Failed


@dataclass(frozen=True)
class RunEvent:
    """An event, and the run that it belongs to: an arm, or the base, with one seed."""

    arm: str
    seed: int
    event: Event


@dataclass(frozen=True)
class Change:
    """A command: go on with other settings, those that `planviz.config.with_changes` allows."""

    settings: tuple[tuple[str, float | str], ...]


Command = Literal["pause", "resume", "step", "stop"] | Change
