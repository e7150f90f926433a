"""The manager with real worker processes, which train with tests.runs.fake_experiment."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from planviz.events import Command
from planviz.runs.manager import RunManager, in_turn
from planviz.runs.records import ACTIVE, RunError
from planviz.runs.store import Store
from tests.runs.conftest import (
    FAKE,
    FOREVER,
    Managers,
    experiment,
    is_paused_at,
    is_running,
    states,
    undisturbed,
    wait_for,
    wait_for_states,
    wait_for_step,
    wait_until_done,
    worker_pid,
)

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


def test_the_queue_lets_experiments_take_turns(
    store: Store, managers: Managers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("planviz.runs.manager.MAX_TOGETHER", 1)
    manager = managers(workers=1)
    first = manager.start(experiment(FOREVER, seeds=(0, 1, 2)))
    second = manager.start(experiment(FOREVER, seeds=(0, 1)))
    a, b = store.runs(first), store.runs(second)
    assert manager.queue() == [
        b[0].id, a[1].id, b[1].id, a[2].id, b[2].id, a[3].id, b[3].id, a[4].id, a[5].id
    ]  # fmt: skip
    manager.send([a[0].id], "stop")
    wait_for(lambda: store.run(b[0].id).state == "running")
    # The arm of the base that was stopped is gone from the queue.
    assert manager.queue() == [a[1].id, b[1].id, a[2].id, b[2].id, a[4].id, b[3].id, a[5].id]


def test_who_had_a_turn_longest_ago_is_next(store: Store) -> None:
    ids = [store.create_experiment(experiment(), owner="me") for _ in range(3)]
    order = [run.experiment_id for run in in_turn(store.queued("me"), {ids[0]: 3, ids[1]: 2}, {})]
    assert order == [ids[2], ids[1], ids[0]] * 2


def test_a_session_with_many_experiments_waits_no_less_than_one_with_one(store: Store) -> None:
    greedy = [store.create_experiment(experiment(), owner="me", session="greedy") for _ in range(3)]
    modest = store.create_experiment(experiment(), owner="me", session="modest")
    order = [run.experiment_id for run in in_turn(store.queued("me"), {}, store.sessions())]
    assert order[:4] == [greedy[0], modest, greedy[0], modest]
    assert store.active_runs() == 8 and store.active_runs("modest") == 2
    had_a_turn = [run.experiment_id for run in in_turn(store.queued("me"), {"greedy": 1}, store.sessions())]
    assert had_a_turn[0] == modest


def test_a_run_that_trained_as_long_as_it_may_is_stopped_with_its_data(
    store: Store, managers: Managers
) -> None:
    manager = managers(run_seconds=1.5)
    experiment_id = manager.start(experiment(FOREVER))
    wait_for(lambda: store.runs(experiment_id)[0].state == "stopped")
    base = store.runs(experiment_id)[0]
    assert base.message == "Stopped after 0.025 minutes of training, the most that are allowed here."
    assert base.step > 0 and len(store.evaluations(experiment_id)) >= 2


# Commands


def test_pause_step_and_resume_are_exact(store: Store, manager: RunManager) -> None:
    experiment_id = manager.start(experiment(FOREVER))
    run = store.runs(experiment_id)[0]
    wait_for_step(store, run.id, 5)

    manager.send([run.id], "pause")
    wait_for(lambda: store.run(run.id).state == "paused")
    paused_at = store.run(run.id).step
    for step in range(paused_at + 1, paused_at + 4):
        manager.send([run.id], "step")
        wait_for(partial(is_paused_at, store, run.id, step))
    manager.send([run.id], "resume")
    wait_for_step(store, run.id, paused_at + 10)
    assert store.run(run.id).state == "running"

    assert list(store.steps(experiment_id, None)["step"][: paused_at + 10]) == [*range(1, paused_at + 11)]


def test_a_run_can_be_stopped_while_paused_and_goes_on_later(store: Store, managers: Managers) -> None:
    config = experiment(200)
    manager = managers()
    experiment_id = manager.start(config)
    base, arm = store.runs(experiment_id)
    wait_for_step(store, base.id, 5)
    manager.send([base.id], "pause")
    wait_for(lambda: store.run(base.id).state == "paused")
    manager.send([base.id], "stop")
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
    manager.send([pg.id], "pause")  # does nothing: it has not begun
    manager.send([pg.id], "stop")
    assert store.run(pg.id).state == "stopped"
    assert manager.queue() == [sft.id]
    assert store.run(base.id).state == "running"


def test_commands_to_runs_that_ended_do_nothing(store: Store, manager: RunManager) -> None:
    experiment_id = manager.start(experiment(4))
    wait_until_done(store, experiment_id)
    before = store.runs(experiment_id)
    commands: tuple[Command, ...] = ("pause", "resume", "step", "stop")
    for command in commands:
        manager.send([before[0].id], command)
    manager.send_all(experiment_id, "stop")
    assert store.runs(experiment_id) == before
    with pytest.raises(KeyError):
        manager.send(["../.."], "stop")


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
    assert list(states(store, first).values()) == ["paused", "paused", "queued", "queued"]

    manager.send_all(first, "resume")
    wait_for_states(store, first, *["finished"] * 4)


def test_stopping_an_experiment_stops_all_of_it(store: Store, manager: RunManager) -> None:
    experiment_id = manager.start(experiment(FOREVER, ("pg", "sft"), seeds=(0, 1, 2)))
    manager.send_all(experiment_id, "stop")
    wait_for_states(store, experiment_id, *["stopped"] * 9)
    assert manager.queue() == []
    for run in store.runs(experiment_id):
        manager.send([run.id], "resume")
    manager.resume_all(experiment_id)
    wait_for(lambda: list(states(store, experiment_id).values()).count("running") >= 2)


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


# Seeds together


def groups(store: Store, experiment_id: str, arm: str = "base") -> list[set[int]]:
    """The seeds that trained in one process, by all that the processes reported."""
    table = store.steps(experiment_id, None)
    seeds = table[table["arm"] == arm].groupby("pid")["seed"].agg(set)
    return sorted(seeds.tolist(), key=min)


@pytest.mark.parametrize(
    ("workers", "seeds", "expected"),
    [
        (1, 3, [{0, 1, 2}]),
        (2, 4, [{0, 1}, {2, 3}]),
        (2, 3, [{0, 1}, {2}]),
        (2, 2, [{0}, {1}]),
        (1, 10, [{0, 1, 2, 3, 4, 5, 6, 7}, {8, 9}]),
    ],
)
def test_seeds_of_an_arm_share_the_processes_there_are(
    store: Store, managers: Managers, workers: int, seeds: int, expected: list[set[int]]
) -> None:
    experiment_id = managers(workers).start(experiment(8, (), seeds=tuple(range(seeds))))
    wait_for_states(store, experiment_id, *["finished"] * seeds)
    assert groups(store, experiment_id) == expected


def test_arms_go_on_with_the_bases_of_all_their_seeds(store: Store, managers: Managers) -> None:
    experiment_id = managers(1).start(experiment(8, ("pg", "sft"), seeds=(0, 1, 2)))
    wait_for_states(store, experiment_id, *["finished"] * 9)
    assert groups(store, experiment_id, "pg") == groups(store, experiment_id, "sft") == [{0, 1, 2}]


def test_a_command_acts_once_on_all_that_train_together(store: Store, managers: Managers) -> None:
    manager = managers(1)
    experiment_id = manager.start(experiment(FOREVER, (), seeds=(0, 1, 2)))
    ids = [run.id for run in store.runs(experiment_id)]

    def all_are(state: str) -> bool:
        return set(states(store, experiment_id).values()) == {state}

    def common_step() -> int:
        (step,) = {run.step for run in store.runs(experiment_id)}
        return step

    manager.send(ids[1:2], "pause")
    wait_for(partial(all_are, "paused"))
    paused_at = common_step()
    manager.send(ids, "step")
    manager.send(ids[2:], "step")
    manager.send(ids[:1], "stop")
    wait_for(partial(all_are, "stopped"))
    assert common_step() == paused_at + 2


def test_one_that_diverges_leaves_the_others_to_finish(store: Store, managers: Managers) -> None:
    experiment_id = managers(1).start(experiment(8, ("diverges", "pg"), seeds=(0, 1, 2)))
    wait_until_done(store, experiment_id)
    assert groups(store, experiment_id, "diverges") == [{0, 1, 2}]
    failed = {run.arm + str(run.seed): run for run in store.runs(experiment_id) if run.state != "finished"}
    assert [(name, run.state, run.step) for name, run in failed.items()] == [("diverges0", "failed", 3)]
    assert failed["diverges0"].message == "The loss became nan."
    table = store.evaluations(experiment_id)
    diverges, pg = (
        table[(table["arm"] == arm) & (table["seed"] > 0)].drop(columns=["arm", "run"]).reset_index(drop=True)
        for arm in ("diverges", "pg")
    )
    pd.testing.assert_frame_equal(diverges, pg)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_numbers_do_not_depend_on_who_trains_together(
    store: Store, managers: Managers, workers: int
) -> None:
    config = experiment(8, seeds=(0, 1, 2))
    experiment_id = managers(workers).start(config)
    wait_until_done(store, experiment_id)
    table = store.evaluations(experiment_id).drop(columns="run")
    assert len(table) == 3 * 2 * 5 * 2
    pd.testing.assert_frame_equal(table, undisturbed(store, managers, config))


def test_only_runs_that_go_on_from_the_same_step_train_together(store: Store, managers: Managers) -> None:
    config = experiment(200, (), seeds=(0, 1, 2))
    apart = managers(3)
    experiment_id = apart.start(config)
    ids = [run.id for run in store.runs(experiment_id)]
    apart.send_all(experiment_id, "pause")
    wait_for(lambda: list(states(store, experiment_id).values()) == ["paused"] * 3)
    reached = max(run.step for run in store.runs(experiment_id))
    for run_id, wanted in zip(ids, (reached, reached, reached + 1), strict=True):
        for step in range(store.run(run_id).step + 1, wanted + 1):
            apart.send([run_id], "step")
            wait_for(partial(is_paused_at, store, run_id, step))
    apart.send(ids, "stop")
    wait_for_states(store, experiment_id, *["stopped"] * 3)

    managers(1).resume_all(experiment_id)
    wait_for_states(store, experiment_id, *["finished"] * 3)
    table = store.steps(experiment_id, None)
    last = table[table["step"] == 200].set_index("seed")["pid"]
    assert last[0] == last[1] != last[2]
    table = store.evaluations(experiment_id).drop(columns="run")
    table = table[table["step"].isin([0, 50, 100, 150, 200])].reset_index(drop=True)
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
