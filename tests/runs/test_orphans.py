"""However a server ends, nothing that it started outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from benchmarks.procs import descendants, fork_server, is_running, workers
from planviz.runs.store import Store
from tests.runs.conftest import FAKE, Managers, experiment, states, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes through /proc")

SERVER = f"""
import signal
import sys
from pathlib import Path
from planviz.config import parse
from planviz.runs.manager import RunManager
from planviz.runs.store import Store

signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background of a shell ignores it
manager = RunManager(Store(Path(sys.argv[1])), 2, train_seeds="{FAKE}:compute_forever")
manager.start(parse(eval(sys.argv[2])))
sys.stdin.read()
"""


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda end: end.name)
def test_nothing_outlives_a_server_not_even_in_the_middle_of_a_step(
    store: Store, end: signal.Signals
) -> None:
    config = experiment(seeds=(0, 1)).model_dump()
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(store.home), repr(config)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with server:
        wait_for(lambda: [run.started for each in store.experiments() for run in store.runs(each.id)][:2])
        (experiment_id,) = [each.id for each in store.experiments()]
        wait_for(lambda: all(run.started for run in store.runs(experiment_id)[:2]))
        started = descendants(server.pid)
        assert len(workers(server.pid)) == 2
        assert len(started) >= 4, "two workers, the fork server, and the resource tracker"
        server.send_signal(end)
        server.wait(timeout=20)
        began = time.monotonic()
    wait_for(lambda: not any(map(is_running, started)), seconds=10)
    assert time.monotonic() - began < 5
    store.interrupt_orphans()
    assert set(states(store, experiment_id).values()) == {"interrupted"}


def test_workers_end_with_their_manager_even_if_the_fork_server_was_killed(
    store: Store, managers: Managers
) -> None:
    manager = managers(train_seeds=f"{FAKE}:compute_forever")
    experiment_id = manager.start(experiment(seeds=(0, 1)))
    wait_for(lambda: all(run.started for run in store.runs(experiment_id)[:2]))
    forks = fork_server(os.getpid())
    assert forks is not None
    mine = workers(os.getpid())
    assert len(mine) >= 2
    os.kill(forks, signal.SIGKILL)
    wait_for(lambda: not is_running(forks))
    later = manager.start(experiment(seeds=(2,)))  # starts another fork server
    manager.delete(later)
    manager.shutdown()
    wait_for(lambda: not any(map(is_running, mine)), seconds=10)
