"""The RunManager: which run is worked on when, and every command to a run.

There is one in a server, shared by all its sessions. It works on the runs that it owns; other processes with
the same store have managers and runs of their own.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import math
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from planviz.config import BASE, ExperimentConfig
from planviz.events import Change, Command
from planviz.runs import memory, processes
from planviz.runs.changes import changed_until, check_change
from planviz.runs.demo import must_not_be_demo
from planviz.runs.inspections import Inspections
from planviz.runs.ownership import Lease
from planviz.runs.records import ACTIVE, RESUMABLE, RunError, RunRecord
from planviz.runs.schema import StoreError
from planviz.runs.store import Store
from planviz.runs.supervisor import Supervisor
from planviz.runs.trouble import Unwritable, why_unwritable
from planviz.runs.worker import Job

MAX_TOGETHER = 8
"""At most so many seeds train in one process; fewer if they would take too much memory."""

log = logging.getLogger(__name__)


class RunManager(Inspections):
    """Works on experiments in the background, with at most `workers` processes at once.

    Seeds of one arm train together in one process, where there are more runs than processes; commands to one of
    them are for all. Sessions take turns, however many experiments each has started. An arm waits until the base of
    its seed is finished. A paused run keeps its process, but leaves its place to others; when it goes on, one more
    than `workers` may be at work for a while.

    Args:
        workers: how many processes at once; by default one for each core.
        run_seconds: how long a run may train before it is stopped; by default as long as it takes.
        worker_bytes: how much memory a worker may take; by default a share of the machine's, where that is known.
        train_seeds: where the training function is, as `module:function`.
        inspect_query: where the function behind `inspect` is; see `Inspections`.

    Raises:
        StoreError: the data folder cannot be written.
    """

    def __init__(
        self,
        store: Store,
        workers: int | None = None,
        *,
        worker_bytes: int | None = None,
        run_seconds: float | None = None,
        train_seeds: str = "planviz.experiment:train_seeds",
        inspect_query: str = "planviz.inspection:inspect_query",
    ) -> None:
        self.store = store
        self.workers = max(1, workers or processes.cores())
        self.threads = max(1, processes.cores() // self.workers)
        self.run_seconds = run_seconds
        self.worker_bytes = worker_bytes or memory.default_limit(self.workers)
        super().__init__(self.workers, self.threads, inspect_query)
        self._train_seeds = train_seeds
        self._lock = threading.RLock()
        self._live: dict[str, Supervisor] = {}
        self._turns: dict[str, int] = {}
        self._held: set[str] = set()
        self._closed = False
        try:
            self._lease = Lease(store.home)
            store.interrupt_orphans()
        except Unwritable as error:
            raise StoreError(why_unwritable(error, store.home)) from error
        self.owner = self._lease.name
        processes.preload(train_seeds.partition(":")[0])
        atexit.register(self.shutdown)

    def warm_up(self) -> None:
        """Load torch in the background, so that the first run starts at once. Returns at once."""
        processes.warm_up()

    def start(self, config: ExperimentConfig, preset: str | None = None, session: str | None = None) -> str:
        """Put a new experiment in the queue, and start what there is room for; the experiment's id.

        Args:
            session: who starts it, to take turns with others; by itself every experiment takes turns with all others.

        Raises:
            RunError: it cannot be written, one of its runs would take too much memory, or planviz is closing.
            GraphError, TaskError: the settings make no graph or no texts.
        """
        memory.must_fit(config, self.worker_bytes)
        with self._lock, self._writing():
            if self._closed:
                raise RunError("planviz is closing, so nothing new can be started")
            experiment_id = self.store.create_experiment(config, preset, owner=self.owner, session=session)
            self._schedule()
        return experiment_id

    def queue(self) -> list[str]:
        """The ids of the runs that wait here, in the order in which they will have their turn."""
        with self._lock:
            return [run.id for run in self._in_turn()]

    # Commands

    def send(self, run_ids: Sequence[str], command: Command) -> None:
        """Command some runs, and those that train together with them. A queued run can only be stopped; one that
        has ended takes no notice, but cannot be changed.

        Raises:
            KeyError: there is no such run.
            RunError: another planviz process works on one of them, the store cannot be written, or a run that does not
                train shall be changed.
            SettingError: a change asks for what cannot be.
        """
        with self._lock:
            runs = [self.store.run(run_id) for run_id in run_ids]
            if command == "resume":
                self._held -= {run.experiment_id for run in runs}
            with self._writing():
                self._command(runs, command)
                self._schedule()

    def send_all(self, experiment_id: str, command: Command) -> None:
        """Command all runs of an experiment. "pause" also holds back those that wait, until "resume".

        Raises:
            RunError, SettingError: as in `send`.
        """
        with self._lock, self._writing():
            if command == "pause":
                self._held.add(experiment_id)
            elif command != "step":
                self._held.discard(experiment_id)
            self._command(self.store.runs(experiment_id), command)
            self._schedule()

    def is_held(self, experiment_id: str) -> bool:
        """Whether the waiting runs of this experiment are held back, because all of it was paused."""
        return experiment_id in self._held

    def trouble(self, experiment_id: str) -> str:
        """Why runs of this experiment wait although nobody paused them, or nothing; "resume" lets them try again."""
        with self._lock:
            waiting = [live for live in self._live.values() if live.runs[0].experiment_id == experiment_id]
            return next((live.trouble for live in waiting if live.trouble), "")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Tell whoever wants something why it cannot be written."""
        try:
            yield
        except Unwritable as error:
            raise RunError(why_unwritable(error, self.store.home)) from error

    def _command(self, runs: Sequence[RunRecord], command: Command) -> None:
        active = [run for run in runs if run.state in ACTIVE]
        for run in active:
            if run.owner != self.owner:
                raise RunError(f"the run {run.arm} with seed {run.seed} belongs to another planviz process")
        if isinstance(command, Change):
            check_change(self.store, runs, command)
        for supervisor in {self._live[run.id] for run in active if run.id in self._live}:
            supervisor.send(command)
        for run in active:
            if command == "stop" and run.id not in self._live:
                self.store.set_state(run.id, "stopped", "Stopped before it began.")

    def resume(self, run_id: str) -> None:
        """Queue a run that was interrupted or stopped, or failed, to go on from its last checkpoint.

        The base of an arm is queued with it, if that was not finished either.

        Raises:
            KeyError: there is no such run.
            RunError: the run is in no state to be resumed, would take too much memory, or the store cannot be written.
        """
        with self._lock, self._writing():
            run = self.store.run(run_id)
            if run.state not in RESUMABLE:
                allowed = " or ".join(sorted(RESUMABLE))
                raise RunError(f"a run can be resumed if it is {allowed}; this one is {run.state}")
            base = self._base_of(run)
            self._requeue([run] if base is None else [run, base])

    def resume_all(self, experiment_id: str) -> None:
        """Queue every run of an experiment that ended early, to go on from its last checkpoint.

        Raises:
            RunError: one of them would take too much memory, or the store cannot be written.
        """
        with self._lock, self._writing():
            self._requeue(self.store.runs(experiment_id))

    def _requeue(self, runs: Sequence[RunRecord]) -> None:
        """Queue those of an experiment's runs that ended early once more, if each of them fits into memory."""
        early = [run for run in runs if run.state in RESUMABLE]
        if early:
            config = self.store.experiment(early[0].experiment_id).config
            memory.must_fit(config, self.worker_bytes, dict.fromkeys(run.arm for run in early))
        self._held -= {run.experiment_id for run in runs}
        for run in early:
            self.store.requeue(run.id, self.owner)
        self._schedule()

    def delete(self, experiment_id: str) -> None:
        """End all runs of an experiment, and remove it from the store.

        Raises:
            RunError: another living planviz process works on it.
            DemoError: it is the demo.
        """
        must_not_be_demo(experiment_id)
        self.store.interrupt_orphans()
        with self._lock:
            runs = [run for run in self.store.runs(experiment_id) if run.state in ACTIVE]
            self._command(runs, "stop")
            live = {self._live[run.id] for run in runs if run.id in self._live}
        _end(live)
        self.store.delete_experiment(experiment_id)

    def shutdown(self) -> None:
        """End all workers, within seconds; what was in work becomes interrupted, and can be resumed."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            live = set(self._live.values())
        atexit.unregister(self.shutdown)
        _end(live)
        try:
            self.store.interrupt(self.owner)
        except Unwritable as error:  # whoever opens the store next does it
            log.info("the runs could not be marked as interrupted (%s)", error)
        finally:
            self._lease.release()

    # Scheduling

    def _changed(self, supervisor: Supervisor) -> None:
        with self._lock:
            if supervisor.ended:
                for run in supervisor.runs:
                    if self._live.get(run.id) is supervisor:
                        del self._live[run.id]
            try:
                self._schedule()
            except Exception:
                log.exception("the queue could not be read")

    def _schedule(self) -> None:
        """Start what may start, and give up arms whose base will not be finished."""
        if self._closed:
            return
        ready: list[RunRecord] = []
        for run in self._in_turn():
            base = self._base_of(run)
            if base is not None and base.state in RESUMABLE:
                self.store.set_state(run.id, "stopped", f"Not begun, because its SFT base is {base.state}.")
            elif base is None or base.state == "finished":
                ready.append(run)
        while (places := self._places()) > 0:
            # A run that is resumed at once may still be winding up.
            free = [r for r in ready if r.id not in self._live and r.experiment_id not in self._held]
            if not free:
                return
            together = self._together(free, places)
            ready = [run for run in ready if run not in together]
            self._launch(together)

    def _in_turn(self) -> list[RunRecord]:
        return in_turn(self.store.queued(self.owner), self._turns, self.store.sessions())

    def _places(self) -> int:
        """How many processes may be started; negative if paused runs have gone on meanwhile."""
        return self.workers - sum(not live.paused for live in set(self._live.values()))

    def _together(self, free: Sequence[RunRecord], places: int) -> list[RunRecord]:
        """The first of the runs, and as many other seeds of its arm as leave work for every place."""
        first = free[0]
        siblings = [run for run in free if run.experiment_id == first.experiment_id]
        size = min(MAX_TOGETHER, math.ceil(len(siblings) / places))
        if size > 1 and self.worker_bytes is not None:
            config = self.store.experiment(first.experiment_id).config
            size = memory.most_seeds(config, first.arm, size, self.worker_bytes)
        begins = self._beginning(first)
        same = (r for r in siblings if r.arm == first.arm and self._beginning(r) == begins)
        return list(itertools.islice(same, size))

    def _beginning(self, run: RunRecord) -> object:
        """From which step a run goes on, and with what changes: only runs that agree in that can train together."""
        step = self.store.resume_step(run.id)
        return step, changed_until(self.store, run.id, step)

    def _launch(self, runs: Sequence[RunRecord]) -> None:
        """Start one process for runs of one arm that begin, or go on from, the same step."""
        experiment_id, arm = runs[0].experiment_id, runs[0].arm
        config = self.store.experiment(experiment_id).config
        ready, bases, resume = [], {}, {}
        for run in runs:
            try:
                base = self._base_of(run)
                if base is not None:
                    bases[run.seed] = self.store.weights(base.id, base.step)
                checkpoint = self.store.resume_point(run.id)
            except (KeyError, OSError) as error:
                self.store.set_state(run.id, "failed", f"A checkpoint that it needs is missing ({error}).")
                continue
            if checkpoint is not None:
                resume[run.seed] = checkpoint
            ready.append(run)
        if not ready:
            return
        self._turns[self.store.sessions().get(experiment_id, experiment_id)] = 1 + max(
            self._turns.values(), default=0
        )
        seeds = tuple(run.seed for run in ready)
        job = Job(config, arm, seeds, bases if arm != BASE else None, resume or None)
        for run in ready:
            # A run whose state cannot be written meets the same trouble at its first event, and waits there.
            with suppress(*Unwritable):
                self.store.set_state(run.id, "running")
        supervisor = Supervisor(
            self.store,
            ready,
            job,
            self._train_seeds,
            self.threads,
            self.worker_bytes,
            self.run_seconds,
            self._changed,
        )
        self._live |= dict.fromkeys((run.id for run in ready), supervisor)
        supervisor.start()

    def _base_of(self, run: RunRecord) -> RunRecord | None:
        if run.arm == BASE:
            return None
        siblings = self.store.runs(run.experiment_id)
        return next(other for other in siblings if other.arm == BASE and other.seed == run.seed)


def in_turn(
    queued: Sequence[RunRecord], turns: Mapping[str, int], sessions: Mapping[str, str]
) -> list[RunRecord]:
    """Queued runs in a fair order: one of each session after the other, the one that waited longest first.

    Args:
        queued: runs in the order in which their experiments came in.
        turns: when each session last had its turn, as a number that grows.
        sessions: who started each experiment; one that is not in it stands for itself.
    """
    rounds: dict[str, int] = defaultdict(int)
    places = []
    for run in queued:
        session = sessions.get(run.experiment_id, run.experiment_id)
        places.append((rounds[session], turns.get(session, 0)))
        rounds[session] += 1
    pairs = zip(places, queued, strict=True)
    return [run for _, run in sorted(pairs, key=lambda pair: pair[0])]


def _end(supervisors: Collection[Supervisor], grace: float = 3.0) -> None:
    """End workers: ask, then kill those that still live."""
    for supervisor in supervisors:
        supervisor.interrupt()
    deadline = time.monotonic() + grace
    for supervisor in supervisors:
        supervisor.join(max(0.0, deadline - time.monotonic()))
    for supervisor in supervisors:
        if supervisor.is_alive():
            supervisor.interrupt(kill=True)
            supervisor.join(grace)
