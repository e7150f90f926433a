"""Memory: what a worker would take is estimated, what it takes is watched, and the others go on."""

from __future__ import annotations

import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from planviz.config import BASE, ExperimentConfig, preset, with_settings
from planviz.runs import memory, processes
from planviz.runs.records import RunError
from planviz.runs.store import Store
from tests.runs.conftest import Managers, experiment, states, wait_until_done

MIB = 2**20
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def peak(connection: Connection, config: ExperimentConfig, arm: str) -> None:
    """Train in this process, as a worker does, and tell how much memory that took at most."""
    import pickle

    import torch

    from planviz.experiment import Runs, train_seeds

    torch.set_num_threads(1)
    bases = None
    if arm != BASE:
        checkpoints = Runs(config, BASE, config.seeds, None).checkpoints()
        bases = {seed: made.weights for seed, made in zip(config.seeds, checkpoints, strict=True)}
    for told in train_seeds(config, arm, config.seeds, bases):
        pickle.dumps(told)
    status = Path("/proc/self/status").read_text()
    connection.send(int(status.partition("VmHWM:")[2].split()[0]) * 1024)


@linux
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arm", "changes"),
    [
        ("quick", BASE, {}),
        ("paper", "q-process", {"seeds": "0,1,2,3"}),
        ("paper", BASE, {"model.width": 512, "model.layers": 2}),
        ("paper", BASE, {"model.kind": "tabular", "graph.nodes": 200, "seeds": "0,1"}),
        ("blocksworld", "pg", {"arms.pg.batch_size": 1024}),
    ],
)
def test_the_estimate_is_near_what_a_process_takes(name: str, arm: str, changes: dict[str, Any]) -> None:
    short = {f"{key}.steps": 2 for key in ("base", "arms.pg", "arms.q-process")}
    config = with_settings(preset(name), {**short, "evaluation.evaluations": 1, **changes})
    processes.preload("planviz.experiment")
    connection, workers_end = processes.CONTEXT.Pipe()
    process = processes.start(peak, "peak", workers_end, config, arm)
    assert connection.poll(120)
    taken = connection.recv()
    assert processes.reap(process, grace=10) == 0
    estimated = memory.estimate(config, arm, len(config.seeds))
    assert taken / 3 < estimated < taken * 3
    if taken > 600 * MIB:  # more than half of it is what training takes, not Python and torch
        assert (taken - memory.EMPTY) / 3 < estimated - memory.EMPTY < (taken - memory.EMPTY) * 3


def test_the_estimate_grows_with_what_takes_memory() -> None:
    small = preset("paper")
    for changes in (
        {"model.width": 512},
        {"model.layers": 4},
        {"base.batch_size": 2048},
        {"graph.nodes": 400},
        {"evaluation.samples": 100},
        {"model.kind": "tabular", "graph.nodes": 200},
    ):
        large = with_settings(small, changes)
        assert memory.estimate(large, BASE) > memory.estimate(small, BASE), changes
    alike = with_settings(small, {"arms.sft.batch_size": 128, "arms.q-process.batch_size": 128})
    assert memory.estimate(alike, "q-process") > memory.estimate(alike, "sft")
    assert memory.estimate(small, BASE, seeds=8) > memory.estimate(small, BASE)


def test_a_run_that_would_not_fit_is_refused_before_the_start(store: Store, managers: Managers) -> None:
    manager = managers(worker_bytes=600 * MIB)
    large = with_settings(preset("paper"), {"model.width": 512, "model.layers": 6})
    with pytest.raises(RunError, match=r"base would take about .* GiB of memory, and a run may take 600 MiB"):
        manager.start(large)
    assert store.experiments() == []


def test_what_no_longer_fits_is_not_resumed(store: Store, managers: Managers) -> None:
    large = with_settings(preset("paper"), {"model.width": 512, "model.layers": 6})
    experiment_id = store.create_experiment(large)
    base, arm, *_ = store.runs(experiment_id)
    for run in (base, arm):
        store.set_state(run.id, "interrupted")
    manager = managers(worker_bytes=600 * MIB)
    too_much = r"would take about .* GiB of memory, and a run may take 600 MiB"
    with pytest.raises(RunError, match=too_much):
        manager.resume(arm.id)
    with pytest.raises(RunError, match=too_much):
        manager.resume_all(experiment_id)
    assert [store.run(run.id).state for run in (base, arm)] == ["interrupted", "interrupted"]


def test_fewer_seeds_train_together_where_all_would_not_fit() -> None:
    config = with_settings(preset("paper"), {"model.width": 512})
    of_one, of_four = memory.estimate(config, BASE), memory.estimate(config, BASE, 4)
    assert memory.most_seeds(config, BASE, 8, of_four) == 4
    assert memory.most_seeds(config, BASE, 8, of_one // 2) == 1
    assert memory.most_seeds(config, BASE, 3, 100 * of_four) == 3


@linux
def test_a_run_that_outgrows_the_limit_is_ended_alone(store: Store, managers: Managers) -> None:
    experiment_id = managers(worker_bytes=600 * MIB).start(experiment(8, ("hoards", "asks", "pg")))
    wait_until_done(store, experiment_id)
    assert states(store, experiment_id) == {
        "base0": "finished", "hoards0": "failed", "asks0": "failed", "pg0": "finished"
    }  # fmt: skip
    _, hoards, asks, _ = store.runs(experiment_id)
    assert "a worker may take 600 MiB here" in hoards.message
    assert asks.message.startswith("Memory ran out")
    assert store.weight_steps(hoards.id) == [0, 2]
    assert store.resume_point(hoards.id) is not None


@linux
def test_resident_memory_is_read() -> None:
    mine = memory.resident_bytes(os.getpid())
    assert mine is not None and 20 * MIB < mine < 10_000 * MIB
    assert memory.resident_bytes(2**22 + 1) is None
    total, limit = memory.machine_bytes(), memory.default_limit(2)
    assert total is not None and limit is not None
    assert memory.LEAST <= limit <= max(memory.LEAST, total / 2)
