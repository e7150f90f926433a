"""Start, stop, pause, resume, inspect and delete without end, and look whether the server grows.

    python -m benchmarks.soak [--minutes 8]

Everything happens in one process with one RunManager, as in the app. Prints a line every so often: threads, worker
processes, open files and resident memory of the server, while nothing runs. They must not grow beyond the bounds
below once the first rounds are over; exit code 1 if they do.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chaos import config
from benchmarks.procs import open_files, wait_for, workers
from planviz.config import with_settings
from planviz.runs.manager import RunManager
from planviz.runs.memory import resident_bytes
from planviz.runs.records import ACTIVE
from planviz.runs.store import Store

PATIENCE = 120.0
WARM_UP = 3
"""Rounds after which the first measurement is taken that the others are compared with."""


@dataclass(frozen=True)
class Usage:
    """What the server holds at one moment while nothing runs."""

    seconds: float
    rounds: int
    threads: int
    processes: int
    files: int
    mib: float


BOUNDS = {"threads": 2.0, "processes": 0.0, "files": 8.0, "mib": 60.0}
"""By how much each may be larger in the end than after the first rounds."""


def usage(began: float, rounds: int) -> Usage:
    """What this process holds."""
    gc.collect()
    mib = (resident_bytes(os.getpid()) or 0) / 2**20
    return Usage(
        time.monotonic() - began,
        rounds,
        threading.active_count(),
        len(workers(os.getpid())),
        open_files(),
        mib,
    )


def soak(home: Path, seconds: float, seed: int = 0) -> Iterator[Usage]:
    """Use a manager for so long; what the server holds after the first rounds, and then after every round."""
    chance = random.Random(seed)
    manager = RunManager(Store(home), 2)
    began, rounds = time.monotonic(), 0
    try:
        while rounds <= WARM_UP or time.monotonic() - began < seconds:
            one_round(manager, chance)
            rounds += 1
            if rounds >= WARM_UP:
                yield usage(began, rounds)
    finally:
        manager.shutdown()
        manager.store.close()


def one_round(manager: RunManager, chance: random.Random) -> None:
    """Two experiments at once, with all that one can do to them, in a random order; nothing runs afterwards.

    Raises:
        TimeoutError: something that was asked for did not happen.
    """
    short = {"base.steps": 10, "arms.pg.steps": 10, "arms.q.steps": 10, "evaluation.evaluations": 2}
    first = manager.start(with_settings(config(), short))
    second = manager.start(with_settings(config(), short | {"base.steps": 100_000, "seeds": "0,1"}))
    base = manager.store.runs(second)[0]
    wait_for(lambda: manager.store.run(base.id).step > 0, PATIENCE, "a first step")
    for action in chance.sample(("pause", "step", "inspect", "delete the first", "stop and resume"), k=4):
        if action == "pause":
            manager.send_all(second, "pause")
            wait_for(lambda: manager.store.run(base.id).state == "paused", PATIENCE, "a pause")
            manager.send_all(second, "resume")
        elif action == "step":
            manager.send([base.id], "pause")
            manager.send([base.id], "step")
            manager.send([base.id], "resume")
        elif action == "inspect":
            weights = manager.store.weights(base.id, 0)
            manager.inspect(config(), [("base", weights)], 0, 9, samples=5)
        elif action == "delete the first":
            manager.delete(first)
        else:
            manager.send_all(second, "stop")
            wait_for(lambda: is_done(manager, second), PATIENCE, "a stop")
            manager.resume(base.id)
            wait_for(lambda: manager.store.run(base.id).state == "running", PATIENCE, "a resumed run")
    manager.store.evaluations(second), manager.store.steps(second)
    manager.delete(second)
    wait_for(lambda: is_done(manager, first), PATIENCE, "the end of the first experiment")
    manager.delete(first)
    wait_for(lambda: not workers(os.getpid()), PATIENCE, "the end of all workers")
    wait_for(lambda: not supervisors(), PATIENCE, "the end of all threads")


def is_done(manager: RunManager, experiment_id: str) -> bool:
    """Whether none of an experiment's runs is in work."""
    return not any(run.state in ACTIVE for run in manager.store.runs(experiment_id))


def supervisors() -> list[str]:
    """The threads that drive workers."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("planviz-")]


def grown(measured: Sequence[Usage]) -> list[str]:
    """In words, what has grown beyond its bound since the first measurement."""
    first, last = measured[0], measured[-1]
    return [
        f"{name}: {getattr(first, name):.0f} became {getattr(last, name):.0f}; {bound:.0f} more are allowed"
        for name, bound in BOUNDS.items()
        if getattr(last, name) > getattr(first, name) + bound
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    measured: list[Usage] = []
    shown = 0.0
    print("| seconds | rounds | threads | processes | open files | MiB |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for now in soak(Path(folder), 60 * options.minutes, options.seed):
            measured.append(now)
            if len(measured) == 1 or now.seconds > shown + 6 * options.minutes:
                show(now)
                shown = now.seconds
    show(measured[-1])
    found = grown(measured)
    for sentence in found:
        print(sentence)
    return 1 if found else 0


def show(now: Usage) -> None:
    """Print a measurement as a row."""
    print(
        f"| {now.seconds:.0f} | {now.rounds} | {now.threads} | {now.processes} | {now.files} | {now.mib:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
