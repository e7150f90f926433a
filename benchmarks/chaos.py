"""Kill planviz at random moments while it trains, resume, and look whether anything was lost.

    python -m benchmarks.chaos [--kills 50] [--seed 0]

Prints one line a kill: what was killed, after how much of the training, how many evaluations the store held
before and after, and how many of them, and of the checkpoints, were lost or torn. An experiment is killed several
times; then its curves and final weights are compared with those of one that nobody disturbed. Exit code 1 if
anything was lost, torn or different.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from benchmarks.procs import fork_server, is_running, wait_for, workers_of_session
from benchmarks.store_check import Content, look, lost, only_experiment, outcome, states
from planviz.config import ExperimentConfig, parse
from planviz.runs.records import ACTIVE, RESUMABLE
from planviz.runs.store import Store

Victim = Literal["worker", "server", "both", "fork server"]
VICTIMS: tuple[Victim, ...] = ("worker", "server", "both", "fork server")

KILLS_EACH = 5
"""So many kills go to one experiment before it may end."""

WORKERS = 2
PATIENCE = 120.0
"""Seconds after which something that should happen has not."""


def config() -> ExperimentConfig:
    """A small experiment with real transformers: three runs of a few seconds."""
    training = {"steps": 60, "batch_size": 16}
    return parse(
        {
            "name": "chaos",
            "graph": {"nodes": 10, "density": 0.4},
            "model": {"width": 8},
            "base": training,
            "arms": {"pg": {"method": "pg", "kl": 0.01, **training}, "q": {"method": "q", **training}},
            "evaluation": {"evaluations": 12, "samples": 4, "pairs": 10},
        }
    )


# The server that is killed


def serve(home: Path, experiment_id: str | None = None) -> None:
    """Start the experiment, or resume it; resume it again for each line on stdin, and end with the last one."""
    from planviz.runs.manager import RunManager

    manager = RunManager(Store(home), WORKERS)
    if experiment_id is None:
        experiment_id = manager.start(config())
    else:
        manager.resume_all(experiment_id)
    for _ in sys.stdin:
        manager.resume_all(experiment_id)
    manager.shutdown()


@contextmanager
def server(home: Path, experiment_id: str | None = None) -> Iterator[subprocess.Popen[str]]:
    """A process that calls `serve`; it is gone when the block ends."""
    command = [sys.executable, "-m", "benchmarks.chaos", "--serve", str(home)]
    home.mkdir(parents=True, exist_ok=True)
    with (home / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command + ([experiment_id] if experiment_id else []),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.close()


def again(process: subprocess.Popen[str]) -> None:
    """Let a server resume what ended early."""
    assert process.stdin is not None
    process.stdin.write("again\n")
    process.stdin.flush()


# Killing


@dataclass
class Kill:
    """One kill, and what came of it."""

    victim: Victim
    when: str
    before: int
    after: int
    lost: int
    torn: int
    shown: str
    """The state in which the runs that were hit are shown."""
    identical: bool | None = None
    """Whether the whole experiment had the numbers of an undisturbed one in the end."""

    def is_clean(self) -> bool:
        return not self.lost and not self.torn and bool(self.identical)


def kill_often(home: Path, victims: Sequence[Victim], chance: random.Random) -> list[Kill]:
    """Train an experiment, kill these at random moments while it is at work, resume each time, and let it end.

    Returns:
        The kills; fewer than asked for if the experiment was finished before.

    Raises:
        TimeoutError: it does not go on any more.
    """
    waiting, kills = list(victims), list[Kill]()
    while True:
        with server(home, only_experiment(home)) as process:
            while process.poll() is None:
                before = wait_for_moment(home, process.pid, chance) if waiting else None
                if before is None:
                    finish(home, process)
                    return kills
                victim = waiting.pop(0)
                shown = strike(home, process, victim, chance)
                kills.append(judge(victim, before, look(home), shown))


def wait_for_moment(home: Path, server: int, chance: random.Random) -> Content | None:
    """What the store holds at a random moment at which workers are at work; None if all is finished before."""

    def is_done() -> bool:
        return states(home) == {"finished"}

    def has_grown(known: int) -> bool:
        return len(look(home).evaluations) > known or is_done()

    while not is_done():
        wait_for(lambda: workers_of_session(server) or is_done(), PATIENCE, "a worker")
        wait_for(partial(has_grown, len(look(home).evaluations)), PATIENCE, "an evaluation")
        time.sleep(chance.uniform(0, 0.5))
        content = look(home)
        if workers_of_session(server) and ACTIVE & set(content.states):
            return content
    return None


def strike(home: Path, process: subprocess.Popen[str], victim: Victim, chance: random.Random) -> str:
    """Kill, wait until what must end has ended, and let it go on; how the runs that were hit are shown."""
    hit, forks = workers_of_session(process.pid), fork_server(process.pid)
    if victim == "fork server" and forks is not None:
        os.kill(forks, signal.SIGKILL)
        return "going on"
    if victim in ("worker", "both"):
        with suppress(ProcessLookupError, IndexError):  # ended in this very moment: it is shown as nothing
            os.kill(chance.choice(hit), signal.SIGKILL)
    if victim == "worker":
        with suppress(TimeoutError):  # it may have been done already
            wait_for(lambda: "failed" in states(home), 5, "a run that failed")
        shown = states(home)
        again(process)
    else:
        process.kill()
        process.wait()
        wait_for(lambda: not any(map(is_running, hit)), PATIENCE, "the end of the workers")
        store = Store(home)
        store.interrupt_orphans()  # as every planviz does that opens the store
        store.close()
        shown = states(home)
        assert not shown & ACTIVE, shown
    return ", ".join(sorted(shown & {"failed", "interrupted"}))


def judge(victim: Victim, before: Content, after: Content, shown: str) -> Kill:
    """What a kill did."""
    done = sum(state == "finished" for state in before.states)
    when = f"{done} of {len(before.states)} runs done"
    counts = len(before.evaluations), len(after.evaluations)
    return Kill(victim, when, *counts, lost(before, after), after.torn, shown)


def finish(home: Path, process: subprocess.Popen[str]) -> None:
    """Let an experiment end, undisturbed."""
    while True:
        wait_for(lambda: states(home) and not states(home) & ACTIVE, PATIENCE, "the end of the experiment")
        if not states(home) & RESUMABLE:
            return
        again(process)
        wait_for(lambda: states(home) & ACTIVE or not states(home) & RESUMABLE, PATIENCE, "the resumed runs")


def chaos(folder: Path, kills: int, seed: int = 0, victims: Sequence[Victim] = VICTIMS) -> Iterator[Kill]:
    """Kill so many times, all victims in turn, and compare each experiment with an undisturbed one.

    Args:
        folder: where the data folders of the experiments are made.
    """
    chance = random.Random(seed)
    kill_often(folder / "undisturbed", [], chance)
    expected = outcome(folder / "undisturbed")
    done, number = 0, 0
    while done < kills:
        number += 1
        home = folder / f"{number}"
        planned = [victims[(done + index) % len(victims)] for index in range(min(KILLS_EACH, kills - done))]
        made = kill_often(home, planned, chance)
        identical = outcome(home) == expected
        for kill in made:
            kill.identical = identical
            yield kill
        done += len(made)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--serve", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        serve(Path(options.serve[0]), *options.serve[1:])
        return 0
    began, found = time.monotonic(), []
    print("| kill | victim | when | evaluations before | after | lost | torn | shown as | identical |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for kill in chaos(Path(folder), options.kills, options.seed):
            found.append(kill)
            print(
                f"| {len(found)} | {kill.victim} | {kill.when} | {kill.before} | {kill.after} | {kill.lost} "
                f"| {kill.torn} | {kill.shown} | {'yes' if kill.identical else 'NO'} |",
                flush=True,
            )
    wrong = sum(not kill.is_clean() for kill in found)
    print(f"\n{len(found)} kills in {time.monotonic() - began:.0f} s; {wrong} left something wrong.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
