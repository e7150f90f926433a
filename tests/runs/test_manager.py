"""The manager with real worker processes, which train with tests.runs.fake_experiment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from planviz.config import ExperimentConfig, parse
from planviz.events import Command, Evaluation
from planviz.runs.manager import RunManager, in_turn
from planviz.runs.records import ACTIVE, RunError, RunRecord
from planviz.runs.store import Store
from tests.runs.conftest import FAKE, FOREVER, experiment, states, wait_for

Managers = Callable[..., RunManager]


def wait_for_states(store: Store, experiment_id: str, *expected: str) -> None:
    def reached() -> bool:
        now = list(states(store, experiment_id).values())
        return now == list(expected) or not ACTIVE & set(now)

    wait_for(reached)
    runs = store.runs(experiment_id)
    assert [run.state for run in runs] == list(expected), [run.message for run in runs]


def wait_until_done(store: Store, experiment_id: str) -> None:
    wait_for(lambda: not ACTIVE & set(states(store, experiment_id).values()))


def wait_for_step(store: Store, run_id: str, step: int) -> None:
    wait_for(lambda: store.run(run_id).step >= step)


def is_paused_at(store: Store, run_id: str, step: int) -> bool:
    run = store.run(run_id)
    return (run.state, run.step) == ("paused", step)


def worker_pid(store: Store, run: RunRecord) -> int:
    """The process that works on a run, as the fake experiment reports it."""

    def pid() -> int:
        table = store.steps(run.experiment_id)
        mine = table[table["run"] == run.id]
        return int(mine["pid"].iloc[-1]) if len(mine) else 0

    return wait_for(pid)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def undisturbed(store: Store, managers: Managers, config: ExperimentConfig) -> pd.DataFrame:
    """The evaluations of an experiment that runs from its start to its end."""
    experiment_id = managers().start(config)
    wait_until_done(store, experiment_id)
    return store.evaluations(experiment_id).drop(columns="run")


# Running an experiment


def test_an_experiment_runs_to_its_end(store: Store, manager: RunManager) -> None:
    experiment_id = manager.start(experiment(8, ("pg", "sft"), seeds=(0, 1)), preset="quick")
    wait_until_done(store, experiment_id)

    assert set(states(store, experiment_id).values()) == {"finished"}
    assert store.experiment(experiment_id).preset == "quick"
    table = store.evaluations(experiment_id)
    assert list(table.groupby("arm")["step"].agg(lambda step: sorted(set(step)))) == [[0, 2, 4, 6, 8]] * 3
    for run in store.runs(experiment_id):
        assert (run.step, run.total_steps, run.message) == (8, 8, "")
        assert store.weight_steps(run.id) == [0, 2, 4, 6, 8]
        assert [paths.step for paths in store.all_paths(run.id)] == [0, 0, 2, 2, 4, 4, 6, 6, 8, 8]
    assert manager.queue() == []


def test_an_arm_starts_from_the_final_weights_of_its_seeds_base(store: Store, manager: RunManager) -> None:
    experiment_id = manager.start(experiment(8, seeds=(0, 1)))
    wait_until_done(store, experiment_id)
    bases = {run.seed: run for run in store.runs(experiment_id) if run.arm == "base"}
    for run in store.runs(experiment_id):
        if run.arm != "base":
            base = store.weights(bases[run.seed].id, 8)
            assert store.weights(run.id, 8) == b"weights at 8, base: " + base
            assert run.started is not None
            assert run.started >= (bases[run.seed].finished or 0)


def test_no_more_runs_than_workers_at_once(store: Store, managers: Managers) -> None:
    manager = managers(workers=1)
    experiment_id = manager.start(experiment(20, ("pg", "sft")))
    seen = []

    def done() -> bool:
        seen.append(list(states(store, experiment_id).values()))
        return not ACTIVE & set(seen[-1])

    wait_for(done)
    assert max(row.count("running") for row in seen) == 1
    base, first, second = store.runs(experiment_id)
    assert (base.finished or 0) <= (first.started or 0) < (first.finished or 0) <= (second.started or 0)


def test_the_queue_lets_experiments_take_turns(store: Store, managers: Managers) -> None:
    manager = managers(workers=1)
    first = manager.start(experiment(FOREVER, seeds=(0, 1, 2)))
    second = manager.start(experiment(FOREVER, seeds=(0, 1)))
    a, b = store.runs(first), store.runs(second)
    assert manager.queue() == [
        b[0].id, a[1].id, b[1].id, a[2].id, b[2].id, a[3].id, b[3].id, a[4].id, a[5].id
    ]  # fmt: skip
    manager.send(a[0].id, "stop")
    wait_for(lambda: store.run(b[0].id).state == "running")
    # The arm of the base that was stopped is gone from the queue.
    assert manager.queue() == [a[1].id, b[1].id, a[2].id, b[2].id, a[4].id, b[3].id, a[5].id]


def test_who_had_a_turn_longest_ago_is_next(store: Store) -> None:
    ids = [store.create_experiment(experiment(), owner="me") for _ in range(3)]
    order = [run.experiment_id for run in in_turn(store.queued("me"), {ids[0]: 3, ids[1]: 2})]
    assert order == [ids[2], ids[1], ids[0]] * 2


# Commands


def test_pause_step_and_resume_are_exact(store: Store, manager: RunManager) -> None:
    experiment_id = manager.start(experiment(FOREVER))
    run = store.runs(experiment_id)[0]
    wait_for_step(store, run.id, 5)

    manager.send(run.id, "pause")
    wait_for(lambda: store.run(run.id).state == "paused")
    paused_at = store.run(run.id).step
    for step in range(paused_at + 1, paused_at + 4):
        manager.send(run.id, "step")
        wait_for(partial(is_paused_at, store, run.id, step))
    manager.send(run.id, "resume")
    wait_for_step(store, run.id, paused_at + 10)
    assert store.run(run.id).state == "running"

    assert list(store.steps(experiment_id, None)["step"][: paused_at + 10]) == [*range(1, paused_at + 11)]


def test_a_run_can_be_stopped_while_paused_and_goes_on_later(store: Store, managers: Managers) -> None:
    config = experiment(200)
    manager = managers()
    experiment_id = manager.start(config)
    base, arm = store.runs(experiment_id)
    wait_for_step(store, base.id, 5)
    manager.send(base.id, "pause")
    wait_for(lambda: store.run(base.id).state == "paused")
    manager.send(base.id, "stop")
    wait_for_states(store, experiment_id, "stopped", "stopped")
    assert "its SFT base is stopped" in store.run(arm.id).message
    stopped_at = store.run(base.id).step
    assert stopped_at < 200
    assert store.weight_steps(base.id)[-1] == stopped_at

    manager.resume(arm.id)  # takes the base with it
    wait_for_states(store, experiment_id, "finished", "finished")

    table = store.evaluations(experiment_id).drop(columns="run")
    table = table[table["step"].isin([0, 50, 100, 150, 200])].reset_index(drop=True)
    pd.testing.assert_frame_equal(table, undisturbed(store, managers, config))


def test_a_queued_run_can_be_stopped(store: Store, managers: Managers) -> None:
    manager = managers(workers=1)
    experiment_id = manager.start(experiment(FOREVER, ("pg", "sft")))
    base, pg, sft = store.runs(experiment_id)
    manager.send(pg.id, "pause")  # does nothing: it has not begun
    manager.send(pg.id, "stop")
    assert store.run(pg.id).state == "stopped"
    assert manager.queue() == [sft.id]
    assert store.run(base.id).state == "running"


def test_commands_to_runs_that_ended_do_nothing(store: Store, manager: RunManager) -> None:
    experiment_id = manager.start(experiment(4))
    wait_until_done(store, experiment_id)
    before = store.runs(experiment_id)
    commands: tuple[Command, ...] = ("pause", "resume", "step", "stop")
    for command in commands:
        manager.send(before[0].id, command)
    manager.send_all(experiment_id, "stop")
    assert store.runs(experiment_id) == before
    with pytest.raises(KeyError):
        manager.send("../..", "stop")


def test_pausing_an_experiment_holds_its_queue_and_leaves_room_for_others(
    store: Store, managers: Managers
) -> None:
    manager = managers(workers=1)
    first = manager.start(experiment(60, seeds=(0, 1)))
    wait_for_step(store, store.runs(first)[0].id, 3)
    manager.send_all(first, "pause")
    wait_for(lambda: states(store, first)["base0"] == "paused")
    assert manager.is_held(first)

    second = manager.start(experiment(4))
    wait_for_states(store, second, "finished", "finished")
    assert list(states(store, first).values()) == ["paused", "queued", "queued", "queued"]

    manager.send_all(first, "resume")
    wait_for_states(store, first, *["finished"] * 4)


def test_stopping_an_experiment_stops_all_of_it(store: Store, manager: RunManager) -> None:
    experiment_id = manager.start(experiment(FOREVER, ("pg", "sft"), seeds=(0, 1, 2)))
    manager.send_all(experiment_id, "stop")
    wait_for_states(store, experiment_id, *["stopped"] * 9)
    assert manager.queue() == []
    for run in store.runs(experiment_id):
        manager.send(run.id, "resume")
    manager.resume_all(experiment_id)
    wait_for(lambda: list(states(store, experiment_id).values()).count("running") == 2)


def test_only_what_ended_early_can_be_resumed(store: Store, manager: RunManager) -> None:
    experiment_id = manager.start(experiment(4))
    wait_until_done(store, experiment_id)
    with pytest.raises(RunError, match="this one is finished"):
        manager.resume(store.runs(experiment_id)[0].id)


def test_deleting_ends_the_workers(store: Store, manager: RunManager) -> None:
    experiment_id = manager.start(experiment(FOREVER, seeds=(0, 1, 2)))
    pids = [worker_pid(store, run) for run in store.runs(experiment_id)[:2]]
    manager.delete(experiment_id)
    wait_for(lambda: not any(map(is_running, pids)))
    assert store.experiments() == []
    wait_until_done(store, manager.start(experiment(4)))


def test_a_run_deleted_by_another_process_is_ended(store: Store, manager: RunManager) -> None:
    experiment_id = manager.start(experiment(FOREVER))
    pid = worker_pid(store, store.runs(experiment_id)[0])
    store.delete_experiment(experiment_id)
    wait_for(lambda: not is_running(pid))


# What goes wrong


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
    experiment_id = managers(train_run="no_such_module:train_run").start(experiment())
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
    real = {"train_run": "planviz.experiment:train_run", "inspect_query": "planviz.inspection:inspect_query"}
    manager = managers(2, **real)
    experiment_id = manager.start(config)
    _, pg, q = store.runs(experiment_id)
    wait_for(lambda: len(store.weight_steps(pg.id)) > 1)
    manager.shutdown()
    manager = managers(2, **real)
    manager.resume_all(experiment_id)
    wait_for_states(store, experiment_id, "finished", "finished", "finished")

    torch.set_num_threads(1)
    expected = [event for event in train(config) if isinstance(event, Evaluation)]
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
    manager.send(bases[1].id, "pause")
    wait_for(lambda: store.run(bases[1].id).state == "paused")
    for run in bases:
        wait_for(partial(store.weight_steps, run.id))

    begin = time.monotonic()
    manager.shutdown()
    assert time.monotonic() - begin < 5

    assert not any(map(is_running, pids))
    assert set(states(store, experiment_id).values()) == {"interrupted"}
    assert all("can be resumed" in run.message for run in store.runs(experiment_id))
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
        other.send(base.id, "stop")
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
manager = RunManager(Store(Path(sys.argv[1])), 2, train_run="{FAKE}:train_run")
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
    assert set(states(store, experiment_id).values()) == {"interrupted"}
    manager.resume_all(experiment_id)
    wait_for_states(store, experiment_id, *["finished"] * 4)
    table = store.evaluations(experiment_id).drop(columns="run")
    pd.testing.assert_frame_equal(table, undisturbed(store, managers, config))


# Inspection


def test_inspection_runs_in_a_process_of_its_own(managers: Managers) -> None:
    manager = managers(inspect_query=f"{FAKE}:echo")
    answer: Any = manager.inspect(experiment(), [("pg", b"weights")], 1, 2, 20)
    pid, arguments = answer
    assert pid != os.getpid()
    assert arguments == (experiment(), [("pg", b"weights")], 1, 2, 20, 0)
    assert not is_running(pid)


@pytest.mark.parametrize(
    ("function", "message"),
    [("fail", "there is no such node"), ("hang", "longer than 1 seconds"), ("die", "killed")],
)
def test_inspection_that_fails_says_why(managers: Managers, function: str, message: str) -> None:
    manager = managers(workers=1, inspect_query=f"{FAKE}:{function}")
    manager.warm_up()
    for _ in range(2):
        with pytest.raises(RuntimeError, match=message):
            manager.inspect(experiment(), [], 1, 2, 20, timeout=1 if function == "hang" else 30)


def test_the_server_does_not_load_torch(tmp_path: Path) -> None:
    script = "import sys, planviz.runs.manager, planviz.runs.bundle; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
