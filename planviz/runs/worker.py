"""What runs inside a worker process. Torch is imported here, never in the server.

A worker sends events, or a `Failure`, through its pipe and takes commands from it. It ends when its server
does.
"""

from __future__ import annotations

import multiprocessing
import os
import pkgutil
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from planviz.config import ExperimentConfig
from planviz.events import Checkpoint, Command

NICENESS = 10
"""Pages come first: training takes what the server leaves, which on an idle server is everything."""


@dataclass(frozen=True)
class Failure:
    """Why a worker could not go on: one sentence, and the traceback."""

    message: str
    details: str


@dataclass(frozen=True)
class Job:
    """The arguments of `train_seeds`."""

    config: ExperimentConfig
    arm: str
    seeds: tuple[int, ...]
    bases: dict[int, bytes] | None
    resume: dict[int, Checkpoint] | None


def train(connection: Connection, train_seeds: str, job: Job, threads: int) -> None:
    """Train the runs of one arm with some seeds, sending their events.

    Args:
        train_seeds: where the training function is, as `module:function`.
        threads: how many threads torch may use.
    """

    def control(wait: bool) -> Command | None:
        return connection.recv() if wait or connection.poll() else None

    with _worker(connection, threads):
        function = pkgutil.resolve_name(train_seeds)
        for told in function(job.config, job.arm, job.seeds, job.bases, job.resume, control):
            connection.send(told)


def call(connection: Connection, function: str, arguments: tuple[Any, ...], threads: int) -> None:
    """Call a function, given as `module:function`, and send what it returns."""
    with _worker(connection, threads):
        connection.send(pkgutil.resolve_name(function)(*arguments))


@contextmanager
def _worker(connection: Connection, threads: int) -> Iterator[None]:
    """What every worker needs around its work: an end with its server, and a report of what failed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's affair: it ends its workers itself
    threading.Thread(target=_end_with_server, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    with suppress(OSError):  # if memory runs out, let Linux end a worker rather than the server
        Path("/proc/self/oom_score_adj").write_text("500")
    try:
        import torch

        torch.set_num_threads(threads)
        yield
    except Exception as error:
        with suppress(OSError):  # nobody listens any more
            connection.send(Failure(explain(error), traceback.format_exc()))


def _end_with_server() -> None:
    server = multiprocessing.parent_process()
    assert server is not None
    server.join()
    os._exit(1)


def explain(error: Exception) -> str:
    """An exception as one sentence. Those of planviz are written for people and are shown as they are."""
    text = " ".join(str(error).split())[:300]
    if isinstance(error, MemoryError) or "allocate memory" in text:
        return "Memory ran out: a smaller model, batch or number of samples needs less."
    if type(error).__module__.startswith("planviz."):
        return text
    return f"Failed with {type(error).__name__}: {text or 'no message'}"
