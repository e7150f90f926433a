"""What the store says about experiments and runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from planviz.config import ExperimentConfig

State = Literal["queued", "running", "paused", "finished", "stopped", "failed", "interrupted"]

ACTIVE: frozenset[State] = frozenset({"queued", "running", "paused"})
"""States of a run that a manager will still work on."""

RESUMABLE: frozenset[State] = frozenset({"stopped", "failed", "interrupted"})
"""States of a run that ended before all its steps were done."""


MAX_NAME, MAX_TAG, MAX_TAGS = 80, 30, 12
"""Characters of a name and of a tag, and how many tags an experiment may have."""


class LabelError(ValueError):
    """A name or a tag is not allowed; the message says which, and what is."""


def checked_name(name: str) -> str:
    """The name of an experiment, without white space around it.

    Raises:
        LabelError: it is empty, too long, or holds a character that cannot be shown.
    """
    return _checked("name", name, MAX_NAME)


def checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags of an experiment, each once and in the given order.

    Raises:
        LabelError: one of them is not allowed, or they are too many.
    """
    kept = tuple(dict.fromkeys(_checked("tag", tag, MAX_TAG) for tag in tags))
    if len(kept) > MAX_TAGS:
        raise LabelError(f"an experiment has at most {MAX_TAGS} tags, and these are {len(kept)}")
    return kept


def _checked(what: str, text: str, most: int) -> str:
    text = text.strip()
    if not 1 <= len(text) <= most:
        raise LabelError(f"the {what} {text[:40]!r} has {len(text):,} characters; 1 to {most} are allowed")
    if not text.isprintable():
        raise LabelError(f"the {what} {text!r} holds characters that cannot be shown; leave them out")
    return text


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
    session: str | None = None
    """Who started it, if that is known."""
    starred: bool = False
    archived: bool = False
    tags: tuple[str, ...] = ()


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
