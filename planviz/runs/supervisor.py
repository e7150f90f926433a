"""Runs in work: a background thread that drives one worker process and writes down what it reports."""

from __future__ import annotations

import logging
import signal
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.process import BaseProcess
from typing import Any

from planviz.events import Command, Evaluation, Failed, Finished, Paused, RunEvent, StepMetrics
from planviz.runs import processes, worker
from planviz.runs.records import RunRecord
from planviz.runs.store import Store

FLUSH_SECONDS = 0.5
"""Step metrics are written in batches, at least this often; everything else at once."""

GRACE_SECONDS = 5.0
"""A worker that has said its last word has so long to end."""

log = logging.getLogger(__name__)


class Supervisor(threading.Thread):
    """Drives the runs that one worker trains together from their start to their end, whatever that is.

    Args:
        runs: runs of one arm with different seeds.
        on_change: called, from this thread, when the runs pause or go on and when they have ended.
    """

    def __init__(
        self,
        store: Store,
        runs: Sequence[RunRecord],
        job: worker.Job,
        train_seeds: str,
        threads: int,
        on_change: Callable[[Supervisor], None],
    ) -> None:
        super().__init__(name=f"planviz-{runs[0].id}", daemon=True)
        self.runs = runs
        self.paused = self.ended = False
        self._store, self._on_change = store, on_change
        self._connection, self._workers_end = processes.CONTEXT.Pipe()
        self._arguments = (train_seeds, job, threads)
        self._going = {run.seed: run.id for run in runs}
        self._sending = threading.Lock()
        self._process: BaseProcess | None = None
        self._interrupted = False

    def send(self, command: Command) -> None:
        """Hand a command to the worker. One that has ended meanwhile takes no notice."""
        with self._sending, suppress(OSError):
            self._connection.send(command)

    def interrupt(self, *, kill: bool = False) -> None:
        """End the worker now, without a word in the store: who interrupts says what became of the runs."""
        self._interrupted = True
        if self._process is not None:
            self._process.kill() if kill else self._process.terminate()

    def run(self) -> None:
        """The thread's work; called by `start`."""
        try:
            self._supervise()
        except KeyError:
            log.info("%s: deleted while in work", self.name)
        except Exception as error:
            log.exception("%s ended", self.name)
            self._fail(f"planviz could not go on with this run ({error}).", traceback.format_exc())
        finally:
            self.ended = True
            self._on_change(self)

    def _supervise(self) -> None:
        name = f"{self.runs[0].arm}-{'-'.join(str(run.seed) for run in self.runs)}"
        self._process = processes.start(worker.train, name, self._workers_end, *self._arguments)
        if self._interrupted:
            self._process.terminate()
        grace = 0.0
        try:
            last = self._receive()
            grace = GRACE_SECONDS
        finally:
            exit_code = processes.reap(self._process, grace)
            with self._sending:
                self._connection.close()
        if last is not None:
            self._fail(last.message, last.details)
        elif self._going:
            self._fail(explain_exit(exit_code))

    def _receive(self) -> worker.Failure | None:
        """Write down what the worker reports until every run has ended, or the worker; the `Failure` if it sent one."""
        batch: list[RunEvent] = []
        due = 0.0
        while self._going:
            told = None
            if self._connection.poll(max(0.0, due - time.monotonic()) if batch else None):
                try:
                    message = self._connection.recv()
                except (EOFError, OSError):
                    self._write(batch)
                    return None
                if isinstance(message, worker.Failure):
                    self._write(batch)
                    return message
                told = message
                if not batch:
                    due = time.monotonic() + FLUSH_SECONDS
                batch.append(told)
            waits = told is not None and isinstance(told.event, StepMetrics)
            if not waits or self.paused or time.monotonic() >= due:
                self._write(batch)
                batch = []
        return None

    def _write(self, batch: list[RunEvent]) -> None:
        for seed in dict.fromkeys(told.seed for told in batch):
            events = [told.event for told in batch if told.seed == seed]
            self._store.record_all(self._going[seed], events)
            if isinstance(events[-1], Finished | Failed):
                del self._going[seed]
        for told in batch:
            paused = isinstance(told.event, Paused)
            if paused != self.paused and isinstance(told.event, Paused | StepMetrics | Evaluation):
                self.paused = paused
                self._on_change(self)

    def _fail(self, message: str, details: str = "") -> None:
        if self._interrupted:
            return
        for run_id in self._going.values():
            try:
                self._store.set_state(run_id, "failed", message, details)
            except KeyError:
                pass  # deleted meanwhile
            except Exception:
                log.exception("run %s could not be marked as failed", run_id)


def call_in_worker(function: str, arguments: tuple[Any, ...], threads: int, timeout: float) -> Any:
    """What a function, given as `module:function`, returns when a worker process calls it.

    Raises:
        RuntimeError: it failed, or took longer than `timeout` seconds.
    """
    connection, workers_end = processes.CONTEXT.Pipe()
    with connection:
        process = processes.start(worker.call, "call", workers_end, function, arguments, threads)
        try:
            if not connection.poll(timeout):
                raise RuntimeError(f"This took longer than {timeout:g} seconds, and was given up.")
            result = connection.recv()
        except (EOFError, OSError):
            raise RuntimeError(explain_exit(processes.reap(process, grace=1.0))) from None
        finally:
            processes.reap(process, grace=0.0)
    if isinstance(result, worker.Failure):
        raise RuntimeError(result.message)
    return result


def explain_exit(exit_code: int) -> str:
    """Why a worker process ended without a word, as one sentence."""
    if exit_code == -signal.SIGTERM:
        return "The worker process was ended from outside."
    if exit_code < 0:
        with suppress(ValueError):
            name = signal.Signals(-exit_code).name
            return f"The worker process was killed ({name}); the machine may have run out of memory."
    return f"The worker process ended unexpectedly (exit code {exit_code})."
