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

from planviz.events import Change, Command, Evaluation, Failed, Finished, Paused, RunEvent, StepMetrics
from planviz.runs import memory, processes, worker
from planviz.runs.records import RunRecord, State
from planviz.runs.store import Store
from planviz.runs.trouble import Unwritable, is_full, why_unwritable

FLUSH_SECONDS = 0.5
"""Step metrics are written in batches, at least this often; everything else at once."""

GRACE_SECONDS = 5.0
"""A worker that has said its last word has so long to end."""

TRIES, TRY_AGAIN_SECONDS = 3, 1.0
"""So often, and so far apart, it is tried to write to a store that is not full before the runs are paused."""

LOOK_SECONDS = 0.5
"""How often it is looked how much memory a worker takes."""

log = logging.getLogger(__name__)


class Supervisor(threading.Thread):
    """Drives the runs that one worker trains together from their start to their end, whatever that is.

    While the store cannot be written, because the disk is full, the runs wait: what the worker has reported is kept
    here and in its pipe, and written once a command other than "pause" asks to go on.

    Args:
        runs: runs of one arm with different seeds.
        max_bytes: how much memory the worker may take, or None for as much as there is.
        on_change: called, from this thread, when the runs pause or go on and when they have ended.

    Attributes:
        paused: the runs wait for a command, and their worker with them.
        trouble: why the store cannot be written, or nothing.
        ended: nothing more will come.
    """

    def __init__(
        self,
        store: Store,
        runs: Sequence[RunRecord],
        job: worker.Job,
        train_seeds: str,
        threads: int,
        max_bytes: int | None,
        max_seconds: float | None,
        on_change: Callable[[Supervisor], None],
    ) -> None:
        super().__init__(name=f"planviz-{runs[0].id}", daemon=True)
        self.runs = runs
        self.paused = self.ended = False
        self.trouble = ""
        self._store, self._on_change = store, on_change
        self._connection, self._workers_end = processes.CONTEXT.Pipe()
        self._arguments = (train_seeds, job, threads)
        self._going = {run.seed: run.id for run in runs}
        self._sending = threading.RLock()
        self._process: BaseProcess | None = None
        self._interrupted = False
        self._asked: Command = "resume"
        self._ask = threading.Event()
        self._max_bytes, self._look_at, self._outgrown = max_bytes, 0.0, ""
        self._max_seconds, self._overtime = max_seconds, False

    def send(self, command: Command) -> None:
        """Hand a command to the worker. One that has ended meanwhile takes no notice."""
        with self._sending:
            if not self.trouble or isinstance(
                command, Change
            ):  # a worker takes changes while it is paused, too
                self._tell(command)
            elif command != "pause":
                self._asked = command
                self._ask.set()

    def _tell(self, command: Command) -> None:
        with self._sending, suppress(OSError):
            self._connection.send(command)

    def interrupt(self, *, kill: bool = False) -> None:
        """End the worker now, without a word in the store: who interrupts says what became of the runs."""
        self._interrupted = True
        self._ask.set()
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
            self._fail(self._outgrown or explain_exit(exit_code))

    def _receive(self) -> worker.Failure | None:
        """Write down what the worker reports until every run has ended, or the worker; the `Failure` if it sent one."""
        batch: list[RunEvent] = []
        due = 0.0
        while self._going:
            told = None
            self._look_at_memory()
            if self._connection.poll(max(0.0, due - time.monotonic()) if batch else LOOK_SECONDS):
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
            waits = told is None or isinstance(told.event, StepMetrics)
            if batch and (not waits or self.paused or time.monotonic() >= due):
                self._write(batch)
                batch = []
        return None

    def _look_at_memory(self) -> None:
        """End a worker that has grown beyond its limit."""
        if self._max_bytes is None or time.monotonic() < self._look_at or self._process is None:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        taken = memory.resident_bytes(self._process.pid or 0)
        if taken is not None and taken > self._max_bytes and not self._outgrown:
            self._outgrown = (
                f"Ended because it took {memory.in_words(taken)} of memory; a worker may take "
                f"{memory.in_words(self._max_bytes)} here, so choose a smaller model, batch or number of samples."
            )
            self._process.kill()

    def _look_at_time(self, batch: list[RunEvent]) -> None:
        """Stop runs that have trained as long as they may; what was measured is kept."""
        trained = [told.event.seconds for told in batch if isinstance(told.event, StepMetrics | Evaluation)]
        if self._max_seconds is not None and max(trained, default=0.0) > self._max_seconds:
            self._overtime = True
            self._tell("stop")

    def _said_of_time(self) -> str:
        return f"Stopped after {(self._max_seconds or 0) / 60:g} minutes of training, the most that are allowed here."

    def _write(self, batch: list[RunEvent]) -> None:
        self._until_written(lambda: self._record(batch))
        self._look_at_time(batch)
        for told in batch:
            paused = isinstance(told.event, Paused)
            if paused != self.paused and isinstance(told.event, Paused | StepMetrics | Evaluation):
                self.paused = paused
                self._on_change(self)

    def _record(self, batch: list[RunEvent]) -> None:
        """Write what is told of the runs that go on; once more if it was cut off, which changes nothing."""
        for seed in dict.fromkeys(told.seed for told in batch):
            if seed not in self._going:
                continue
            events = [told.event for told in batch if told.seed == seed]
            self._store.record_all(self._going[seed], events)
            if isinstance(events[-1], Finished | Failed):
                if self._overtime and isinstance(events[-1], Finished) and events[-1].stopped:
                    self._store.set_state(self._going[seed], "stopped", self._said_of_time())
                del self._going[seed]

    def _until_written(self, write: Callable[[], None]) -> None:
        """Write, and if that cannot be done now, let the runs wait and try again each time somebody asks for it.

        A disk that is not full is tried some times more before that: it may just have been busy.
        """
        tries = 0
        while True:
            try:
                if self.trouble:
                    self._mark("running")
                write()
            except Unwritable as error:
                tries += 1
                if self._interrupted:
                    return
                if tries < TRIES and not is_full(error, self._store.home):
                    time.sleep(TRY_AGAIN_SECONDS)
                    continue
                self._wait(why_unwritable(error, self._store.home))
            else:
                break
        with self._sending:
            if self.trouble:
                self.trouble = ""
                self._tell(self._asked)

    def _wait(self, trouble: str) -> None:
        """Let the runs wait until a command asks to go on."""
        if not self.trouble:
            log.warning("%s: %s", self.name, trouble)
            self._tell("pause")
        self._ask.clear()
        self.trouble = trouble
        with suppress(*Unwritable):  # where not even that can be written, `trouble` still says it
            self._mark("paused", f"{trouble}, then press Resume.")
        if not self._interrupted:
            self._ask.wait()

    def _mark(self, state: State, message: str = "") -> None:
        for run_id in self._going.values():
            self._store.set_state(run_id, state, message)

    def _fail(self, message: str, details: str = "") -> None:
        def mark_failed() -> None:
            for run_id in self._going.values():
                self._store.set_state(run_id, "failed", message, details)

        if not self._interrupted:
            with suppress(KeyError):  # deleted meanwhile
                self._until_written(mark_failed)


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
