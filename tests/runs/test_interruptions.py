"""Runs that fail, are killed or interrupted, and go on: with real processes, killed for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from planviz.config import parse
from planviz.events import Evaluation
from planviz.runs.manager import RunManager
from planviz.runs.records import RunError
from planviz.runs.store import Store
from tests.runs.conftest import (
    FAKE,
    FOREVER,
    Managers,
    assert_interrupted,
    experiment,
    is_running,
    states,
    undisturbed,
    wait_for,
    wait_for_states,
    wait_until_done,
    worker_pid,
)


def test_an_error_in_training_fails_that_run_alone(store: Store, manager: RunManager) -> None:
    experiment_id = manager.start(experiment(8, ("raises", "exits", "pg")))
    wait_until_done(store, experiment_id)
    base, raises, exits, pg = store.runs(experiment_id)
    assert (base.state, raises.state, exits.state, pg.state) == ("finished", "failed", "failed", "finished")
    assert raises.message == "Failed with FakeError: the reward is wrong"
    assert "in misbehave" in raises.details
    assert raises.step == 3
    assert exits.message == "The worker process ended unexpectedly (exit code 7)."
    assert store.resume_point(raises.id) is not None


def test_a_worker_that_is_killed_fails_its_run_alone(store: Store, managers: Managers) -> None:
    manager = managers()
    config = experiment(200, seeds=(0, 1))
    experiment_id = manager.start(config)
    base0 = store.runs(experiment_id)[0]
    manager.send([base0.id], "pause")
    manager.send([base0.id], "step")  # what it reports of this step names its process
    os.kill(worker_pid(store, base0), signal.SIGKILL)
    wait_until_done(store, experiment_id)

    failed = store.run(base0.id)
    assert failed.state == "failed"
    assert "killed (SIGKILL)" in failed.message
    assert "memory" in failed.message
    assert states(store, experiment_id) == {
        "base0": "failed", "base1": "finished", "pg0": "stopped", "pg1": "finished"
    }  # fmt: skip

    manager.resume_all(experiment_id)
    wait_for_states(store, experiment_id, *["finished"] * 4)
    table = store.evaluations(experiment_id).drop(columns="run")
    pd.testing.assert_frame_equal(table, undisturbed(store, managers, config))


def test_a_training_function_that_cannot_be_imported(store: Store, managers: Managers) -> None:
    experiment_id = managers(train_seeds="no_such_module:train_seeds").start(experiment())
    wait_for_states(store, experiment_id, "failed", "stopped")
    assert "no_such_module" in store.runs(experiment_id)[0].message


def test_missing_weights_of_the_base(store: Store, managers: Managers) -> None:
    manager = managers(workers=1)
    experiment_id = manager.start(experiment(60))
    base, arm = store.runs(experiment_id)
    wait_until_done(store, experiment_id)
    other = managers().start(experiment(FOREVER))
    store.set_state(arm.id, "interrupted")
    (store.home / "checkpoints" / base.id / "60.safetensors").unlink()
    manager.resume(arm.id)
    wait_for_states(store, experiment_id, "finished", "failed")
    assert "no weights at step 60" in store.run(arm.id).message
    assert states(store, other)["base0"] == "running"


# Real training


def test_real_training_interrupted_and_resumed_gives_the_numbers_of_train(
    store: Store, managers: Managers
) -> None:
    import torch

    from planviz.experiment import train

    training = {"steps": 60, "batch_size": 16}
    config = parse(
        {
            "graph": {"nodes": 10, "density": 0.4},
            "model": {"width": 8},
            "base": training,
            "arms": {"pg": {"method": "pg", "kl": 0.01, **training}, "q": {"method": "q", **training}},
            "evaluation": {"evaluations": 6, "samples": 4, "pairs": 10},
        }
    )
    real = {
        "train_seeds": "planviz.experiment:train_seeds",
        "inspect_query": "planviz.inspection:inspect_query",
    }
    manager = managers(2, **real)
    experiment_id = manager.start(config)
    _, pg, q = store.runs(experiment_id)
    wait_for(lambda: len(store.weight_steps(pg.id)) > 1)
    manager.shutdown()
    manager = managers(2, **real)
    manager.resume_all(experiment_id)
    wait_for_states(store, experiment_id, "finished", "finished", "finished")

    torch.set_num_threads(1)
    expected = [told.event for told in train(config) if isinstance(told.event, Evaluation)]
    table = store.evaluations(experiment_id)
    assert list(table["step"]) == [event.step for event in expected]
    assert list(table["split"]) == [event.split for event in expected]
    for event, row in zip(expected, table.to_dict("records"), strict=True):
        assert {key: row[key] for key in event.values} == pytest.approx(event.values, abs=0, nan_ok=True)

    (answer,) = manager.inspect(config, [("q", store.weights(q.id, 60))], 0, 9, samples=5)
    assert sum(answer.paths.counts) == 5
    with pytest.raises(RuntimeError, match="node 99"):
        manager.inspect(config, [("q", store.weights(q.id, 60))], 0, 99, samples=5)


# Closing and dying


def test_shutdown_ends_all_workers_and_marks_their_runs(store: Store, managers: Managers) -> None:
    manager = managers()
    config = experiment(300, seeds=(0, 1))
    experiment_id = manager.start(config)
    bases = store.runs(experiment_id)[:2]
    pids = [worker_pid(store, run) for run in bases]
    manager.send([bases[1].id], "pause")
    wait_for(lambda: store.run(bases[1].id).state == "paused")
    for run in bases:
        wait_for(partial(store.weight_steps, run.id))

    begin = time.monotonic()
    manager.shutdown()
    assert time.monotonic() - begin < 5

    assert not any(map(is_running, pids))
    assert_interrupted(store, experiment_id)
    with pytest.raises(RunError, match="closing"):
        manager.start(experiment())

    later = managers()
    later.resume_all(experiment_id)
    wait_for_states(store, experiment_id, *["finished"] * 4)
    table = store.evaluations(experiment_id).drop(columns="run")
    pd.testing.assert_frame_equal(table, undisturbed(store, managers, config))


def test_a_living_managers_runs_are_its_own(store: Store, managers: Managers) -> None:
    experiment_id = managers().start(experiment(FOREVER))
    base = store.runs(experiment_id)[0]
    other = managers()
    assert states(store, experiment_id) == {"base0": "running", "pg0": "queued"}
    assert other.queue() == []
    with pytest.raises(RunError, match="another planviz process"):
        other.send([base.id], "stop")
    with pytest.raises(RunError, match="another planviz process"):
        other.delete(experiment_id)
    with pytest.raises(RunError, match="this one is running"):
        other.resume(base.id)


SERVER = f"""
import sys
from pathlib import Path
from planviz.config import parse
from planviz.runs.manager import RunManager
from planviz.runs.store import Store

with open(sys.argv[2], "a") as file:  # there is no "if __name__ ...": a worker must not run this again
    file.write("started once\\n")
manager = RunManager(Store(Path(sys.argv[1])), 2, train_seeds="{FAKE}:train_seeds")
manager.start(parse(eval(sys.argv[3])))
sys.stdin.read()
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_workers_end_with_their_server_and_runs_are_resumed(
    store: Store, managers: Managers, tmp_path: Path, end: signal.Signals
) -> None:
    config = experiment(400, seeds=(0, 1))
    (tmp_path / "server.py").write_text(SERVER)
    arguments = [str(store.home), str(tmp_path / "log"), repr(config.model_dump())]
    server = subprocess.Popen(
        [sys.executable, str(tmp_path / "server.py"), *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with server:
        experiment_id = wait_for(store.experiments)[0].id
        bases = store.runs(experiment_id)[:2]
        pids = [worker_pid(store, run) for run in bases]
        if end is signal.SIGINT:
            os.killpg(server.pid, end)  # as a terminal does: to the workers, too
        else:
            server.send_signal(end)
    wait_for(lambda: not any(map(is_running, pids)), seconds=10)
    assert (tmp_path / "log").read_text() == "started once\n"

    manager = managers()
    assert_interrupted(store, experiment_id)
    manager.resume_all(experiment_id)
    wait_for_states(store, experiment_id, *["finished"] * 4)
    table = store.evaluations(experiment_id).drop(columns="run")
    pd.testing.assert_frame_equal(table, undisturbed(store, managers, config))
