"""What the tests of the runs share: a store, managers that end with the test, and waiting for conditions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pytest

from planviz.config import ExperimentConfig, parse
from planviz.runs.manager import RunManager
from planviz.runs.records import ACTIVE, RunRecord
from planviz.runs.store import Store

FAKE = "tests.runs.fake_experiment"
FOREVER = 1_000_000
T = TypeVar("T")
Managers = Callable[..., RunManager]


def experiment(steps: int = 8, arms: tuple[str, ...] = ("pg",), **settings: Any) -> ExperimentConfig:
    """An experiment whose runs all have this many steps and four evaluations."""
    return parse(
        {
            "base": {"steps": steps},
            "arms": {arm: {"method": "pg", "steps": steps} for arm in arms},
            "evaluation": {"evaluations": 4},
            **settings,
        }
    )


def wait_for(condition: Callable[[], T], seconds: float = 60) -> T:
    """What the condition returns once that is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited for too long"
        time.sleep(0.01)
    return value


def states(store: Store, experiment_id: str) -> dict[str, str]:
    """The state of every run, under the name of its arm and seed."""
    return {f"{run.arm}{run.seed}": run.state for run in store.runs(experiment_id)}


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


def assert_interrupted(store: Store, experiment_id: str) -> None:
    """All that was not finished is interrupted, and says so."""
    runs = [run for run in store.runs(experiment_id) if run.state != "finished"]
    assert {run.state for run in runs} == {"interrupted"}
    assert all("can be resumed" in run.message for run in runs)


def undisturbed(store: Store, managers: Managers, config: ExperimentConfig) -> pd.DataFrame:
    """The evaluations of an experiment that runs from its start to its end."""
    experiment_id = managers().start(config)
    wait_until_done(store, experiment_id)
    return store.evaluations(experiment_id).drop(columns="run")


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    store = Store(home)
    yield store
    store.close()


@pytest.fixture
def managers(store: Store) -> Iterator[Callable[..., RunManager]]:
    """Makes managers that train with the fake experiment."""
    made: list[RunManager] = []

    def make(workers: int = 2, **options: Any) -> RunManager:
        made.append(RunManager(store, workers, **{"train_seeds": f"{FAKE}:train_seeds", **options}))
        return made[-1]

    yield make
    for manager in made:
        manager.shutdown()


@pytest.fixture
def manager(managers: Callable[..., RunManager]) -> RunManager:
    return managers()
