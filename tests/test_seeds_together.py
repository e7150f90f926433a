"""Several seeds of an arm in one `train_seeds`: each has the numbers that it would have alone, whatever becomes of
the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from planviz import experiment
from planviz.config import BASE
from planviz.events import Checkpoint, Event, Failed, Finished, Paused, Started, StepMetrics
from planviz.experiment import train
from planviz.methods.base import Method
from tests.experiment_helpers import (
    CONFIG,
    RUNS,
    Script,
    assert_same_up_to_rounding,
    by_seed,
    checkpoint_at,
    events_after,
    every_run,
    of_type,
    run_alone,
    run_together,
    weights_at_end,
    without_clock,
)

SEEDS = (0, 1, 2)
Bases = dict[int, bytes]
Runs = dict[str, dict[int, list[Event]]]


@pytest.fixture(scope="module", autouse=True)
def _every_step_is_reported() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "REPORT_SECONDS", 0)
        yield


@pytest.fixture(scope="module")
def bases() -> Bases:
    return {seed: weights_at_end(events) for seed, events in run_together(BASE, None, SEEDS).items()}


@pytest.fixture(scope="module")
def together(bases: Bases) -> Runs:
    """The events of all seeds of every arm, which nobody disturbed."""
    return {arm: run_together(arm, bases, SEEDS) for arm in RUNS}


def checkpoints(runs: dict[int, list[Event]], step: int) -> dict[int, Checkpoint]:
    return {seed: checkpoint_at(events, step) for seed, events in runs.items()}


@every_run
def test_each_seed_has_the_numbers_that_it_has_alone(arm: str, bases: Bases, together: Runs) -> None:
    for seed in SEEDS:
        assert len(of_type(together[arm][seed], StepMetrics)) == 12
        assert_same_up_to_rounding(together[arm][seed], run_alone(arm, bases, seed))


@every_run
def test_the_seeds_differ(arm: str, together: Runs) -> None:
    assert len({weights_at_end(events) for events in together[arm].values()}) == 3


# Going on


@every_run
def test_resumed_together_they_are_as_if_they_had_never_stopped(
    arm: str, bases: Bases, together: Runs
) -> None:
    points = checkpoints(together[arm], 8)
    for seed, (start, *rest) in run_together(arm, bases, SEEDS, resume=points).items():
        assert start == Started(CONFIG.arm(arm).method, 8, 12)
        np.testing.assert_equal(
            without_clock(rest), without_clock(events_after(together[arm][seed], points[seed]))
        )


@every_run
def test_one_may_go_on_alone_and_the_others_catch_up(arm: str, bases: Bases, together: Runs) -> None:
    points = checkpoints(together[arm], 4)
    ahead = run_alone(arm, bases, seed=1, resume={1: points[1]})
    assert_same_up_to_rounding(ahead[1:], events_after(together[arm][1], points[1]))
    met = checkpoints(together[arm], 8) | {1: checkpoint_at(ahead, 8)}
    for seed, (_, *rest) in run_together(arm, bases, SEEDS, resume=met).items():
        expected = events_after(together[arm][seed], checkpoint_at(together[arm][seed], 8))
        assert_same_up_to_rounding(rest, expected)


def test_checkpoints_of_different_steps_do_not_go_on_together(bases: Bases, together: Runs) -> None:
    points = {seed: checkpoint_at(together["pg"][seed], step) for seed, step in enumerate((4, 4, 8))}
    with pytest.raises(ValueError, match="from the same step"):
        run_together("pg", bases, SEEDS, resume=points)


# Commands


def test_a_command_is_for_all_of_them(bases: Bases, together: Runs) -> None:
    control = Script({6: "pause"}, ["step", "step", "resume"])
    for seed, events in run_together("pg", bases, SEEDS, control=control).items():
        assert of_type(events, Paused) == [Paused(5), Paused(6), Paused(7)]
        np.testing.assert_equal(without_clock(events), without_clock(together["pg"][seed]))
    stopped = run_together("pg", bases, SEEDS, control=Script({6: "stop"}))
    assert [events[-1] for events in stopped.values()] == [Finished(5, stopped=True)] * 3


# Diverging


def spoil(monkeypatch: pytest.MonkeyPatch, after: int, seeds: Sequence[int], of: int = 3) -> None:
    """The weights of some seeds become NaN with an update of models of so many seeds."""

    def update(self: Method, losses: Tensor) -> None:
        update_as_ever(self, losses)
        if self.updates == after and self.model.seeds == of:
            with torch.no_grad():
                for weights in self.model.parameters():
                    weights[list(seeds)] = float("nan")

    update_as_ever = Method.update
    monkeypatch.setattr(Method, "update", update)


@pytest.mark.parametrize("rarely_reported", [False, True])
@every_run
def test_one_that_diverges_fails_and_the_others_go_on_undisturbed(
    arm: str, rarely_reported: bool, bases: Bases, together: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found out with a report, by its loss if that has become NaN too, or before an evaluation."""
    spoil(monkeypatch, 5, [1])
    if rarely_reported:
        monkeypatch.setattr(experiment, "REPORT_SECONDS", 1e9)
    runs = run_together(arm, bases, SEEDS)
    failed = runs[1][-1]
    assert isinstance(failed, Failed) and "try a smaller learning rate" in failed.message
    has_a_loss_anyway = arm not in ("pg-plain", "pg-groups")  # there, without a correct path, it is 0
    assert failed.step == (5 if not rarely_reported else 6 if has_a_loss_anyway else 8)
    assert [event.step for event in of_type(runs[1], Checkpoint)] == [0, 4]
    for seed in (0, 2):
        assert_same_up_to_rounding(runs[seed], together[arm][seed])


@pytest.mark.parametrize("after", [4, 5], ids=["at an evaluation", "between evaluations"])
def test_all_of_them_may_diverge(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, after, SEEDS)
    for events in run_together(BASE, None, SEEDS).values():
        assert isinstance(events[-1], Failed) and events[-1].step == after
        assert not of_type(events, Finished)


def test_two_may_diverge_one_after_the_other(together: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, 3, [0])
    spoil(monkeypatch, 6, [0], of=2)  # the first of those left: seed 1
    runs = run_together(BASE, None, SEEDS)
    ends = [(type(events[-1]), events[-1].step) for events in runs.values()]
    assert ends == [(Failed, 3), (Failed, 6), (Finished, 12)]
    assert_same_up_to_rounding(runs[2], together[BASE][2])


def test_a_seed_whose_base_failed_has_no_arms(together: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, 5, [1])
    config = CONFIG.model_copy(update={"seeds": SEEDS, "arms": {"sft": CONFIG.arms["sft"]}})
    told = list(train(config))
    assert [(each.arm, each.seed) for each in told if isinstance(each.event, Failed)] == [(BASE, 1)]
    arms = by_seed(each for each in told if each.arm == "sft")
    assert arms.keys() == {0, 2}
    for seed, events in arms.items():
        assert_same_up_to_rounding(events, together["sft"][seed])
