"""What the tests of the runs share: a store, managers that end with the test, and waiting for conditions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from planviz.config import ExperimentConfig, parse
from planviz.runs.manager import RunManager
from planviz.runs.store import Store

FAKE = "tests.runs.fake_experiment"
FOREVER = 1_000_000
T = TypeVar("T")


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
        made.append(RunManager(store, workers, **{"train_run": f"{FAKE}:train_run", **options}))
        return made[-1]

    yield make
    for manager in made:
        manager.shutdown()


@pytest.fixture
def manager(managers: Callable[..., RunManager]) -> RunManager:
    return managers()
