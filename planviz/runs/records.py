"""What the store says about experiments and runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from planviz.config import ExperimentConfig

State = Literal["queued", "running", "paused", "finished", "stopped", "failed", "interrupted"]

ACTIVE: frozenset[State] = frozenset({"queued", "running", "paused"})
"""States of a run that a manager will still work on."""

RESUMABLE: frozenset[State] = frozenset({"stopped", "failed", "interrupted"})
"""States of a run that ended before all its steps were done."""


class RunError(ValueError):
    """A run cannot do what was asked of it; the message says why in one sentence."""


@dataclass(frozen=True)
class ExperimentRecord:
    """An experiment, and how many of its runs are in which state."""

    id: str
    name: str
    preset: str | None
    created: float
    """Unix time in seconds."""
    config: ExperimentConfig
    states: dict[State, int]


@dataclass(frozen=True)
class RunRecord:
    """One run: an arm, or the base, with one seed."""

    id: str
    experiment_id: str
    arm: str
    method: str
    seed: int
    state: State
    step: int
    total_steps: int
    samples: int
    seconds: float
    """Time spent training and evaluating, without pauses."""
    message: str
    """One sentence on why the run ended early, or nothing."""
    details: str
    """The traceback of a run that failed, or nothing."""
    started: float | None
    """Unix time at which the run first began."""
    finished: float | None
    """Unix time at which the run ended, however it ended."""
    owner: str | None
    """The manager that works on the run, or did so last."""
