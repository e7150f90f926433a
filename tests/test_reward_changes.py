"""Settings that change while an arm trains: the same numbers each time, interrupted or not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from planviz.config import BASE, QLearningConfig, SettingError
from planviz.events import Change, Changed, Checkpoint, Command, Evaluation, Event, StepMetrics
from planviz.experiment import Runs
from planviz.rewards import CustomReward
from tests.experiment_helpers import (
    CONFIG,
    Script,
    checkpoint_at,
    events_after,
    of_type,
    run_alone,
    run_together,
    weights_at_end,
    without_clock,
)

Bases = Mapping[int, bytes]
TO_OUTCOME = Change((("reward", "outcome"),))
TO_CUSTOM = Change((("reward", "custom"), ("step_reward", -0.5), ("discount", 0.5)))
ARMS = pytest.mark.parametrize("arm", ["q-process", "q-process-offpolicy", "q-replay"])


@pytest.fixture(scope="module")
def bases() -> Bases:
    return {seed: weights_at_end(run_alone(BASE, None, seed)) for seed in (0, 1)}


def changed_at(step: int, *changes: Change, paused: bool = False) -> Script:
    """A control that gives the changes once so many steps are done; one at a time, or during a pause."""
    if paused:
        return Script({step + 1: "pause"}, [*changes, "resume"])
    commands: dict[int, Command] = {step + 1 + place: change for place, change in enumerate(changes)}
    return Script(commands)


@ARMS
def test_the_same_change_at_the_same_step_gives_the_same_numbers(arm: str, bases: Bases) -> None:
    runs = [run_alone(arm, bases, control=changed_at(5, TO_OUTCOME)) for _ in range(2)]
    np.testing.assert_equal(without_clock(runs[0]), without_clock(runs[1]))
    unchanged = run_alone(arm, bases)
    assert checkpoint_at(runs[0], 4).weights == checkpoint_at(unchanged, 4).weights
    assert checkpoint_at(runs[0], 8).weights != checkpoint_at(unchanged, 8).weights
    assert of_type(runs[0], Changed) == [Changed(5, {"reward": "outcome"})]


@ARMS
@pytest.mark.parametrize("interrupted_at", [4, 8])
def test_a_run_that_is_resumed_after_a_change_gives_the_numbers_of_one_that_never_stopped(
    arm: str, interrupted_at: int, bases: Bases
) -> None:
    """From step 4 on, the change at step 2 is in the checkpoint; the one at step 4 comes again."""
    script = Script({3: TO_OUTCOME, 5: TO_CUSTOM})
    whole = run_alone(arm, bases, control=script)
    checkpoint = checkpoint_at(whole, interrupted_at)
    rest = run_alone(
        arm, bases, resume={0: checkpoint}, control=Script({1: TO_CUSTOM} if interrupted_at == 4 else {})
    )
    np.testing.assert_equal(without_clock(events_after(whole, checkpoint)), without_clock(rest[1:]))
    assert [change.step for change in of_type(whole, Changed)] == [2, 4]
    assert [change.step for change in of_type(rest, Changed)] == ([4] if interrupted_at == 4 else [])


def test_a_change_right_before_the_last_checkpoint_of_a_stopped_run_goes_on_with_it(bases: Bases) -> None:
    stopped = run_alone("q-process", bases, control=Script({6: "pause"}, [TO_OUTCOME, TO_CUSTOM, "stop"]))
    checkpoint = of_type(stopped, Checkpoint)[-1]
    assert checkpoint.step == 5
    rest = run_alone("q-process", bases, resume={0: checkpoint})
    both = dict(TO_OUTCOME.settings) | dict(TO_CUSTOM.settings)
    assert of_type(stopped, Changed)[-1] == Changed(5, both)
    assert of_type(rest, Changed) == [Changed(5, both)]  # told again: the checkpoint has it
    whole = run_alone("q-process", bases, control=changed_at(5, TO_OUTCOME, TO_CUSTOM, paused=True))
    assert weights_at_end(rest) == weights_at_end(whole)


def test_all_seeds_that_train_together_change_together(bases: Bases) -> None:
    told = run_together("q-process", bases, (0, 1), control=changed_at(5, TO_CUSTOM))
    for events in told.values():
        assert of_type(events, Changed) == [Changed(5, dict(TO_CUSTOM.settings))]


def test_what_was_trained_before_a_change_is_reported_before_it(bases: Bases) -> None:
    events = run_alone("q-process", bases, control=changed_at(6, TO_CUSTOM))
    place = events.index(of_type(events, Changed)[0])
    reports = [event.step for event in events[:place] if isinstance(event, StepMetrics)]
    assert reports[-1] == 6


def test_evaluations_compare_with_the_optimum_of_the_new_reward(bases: Bases) -> None:
    script = Script({5: Change((("reward", "custom"), ("step_reward", -4.0)))})
    changed, unchanged = run_alone("q-process", bases, control=script), run_alone("q-process", bases)

    def distance(events: list[Event]) -> float:
        return next(
            e.values["q_error"] for e in of_type(events, Evaluation) if e.step == 8 and e.split == "train"
        )

    assert distance(changed) > distance(unchanged) + 1


def test_runs_that_changed_in_different_ways_do_not_go_on_together(bases: Bases) -> None:
    checkpoints = {
        seed: checkpoint_at(run_alone("q-process", bases, seed, control=changed_at(2, change)), 4)
        for seed, change in enumerate((TO_OUTCOME, TO_CUSTOM))
    }
    with pytest.raises(ValueError, match="same way"):
        run_together("q-process", bases, (0, 1), resume=checkpoints)


def test_what_an_arm_does_not_have_cannot_change(bases: Bases) -> None:
    with pytest.raises(SettingError, match="no reward"):
        run_alone("pg", bases, control=changed_at(2, TO_OUTCOME))
    with pytest.raises(SettingError, match="cannot change"):
        run_alone("q-process", bases, control=changed_at(2, Change((("steps", 5.0),))))


def test_runs_go_on_with_the_changed_reward_when_one_diverges(bases: Bases) -> None:
    runs = Runs(CONFIG, "q-process", [0, 1], bases)
    runs.train_step()
    list(runs.change({"reward": "custom", "step_reward": -0.5}))
    runs.train_step()
    runs.recent[-1]["loss"][0] = float("nan")
    list(runs.drop_diverged())
    assert runs.seeds == [1]
    assert isinstance(runs.config, QLearningConfig) and runs.config.reward == "custom"
    assert runs.method.reward == CustomReward(1, -1, -0.5, 0, 0)  # type: ignore[attr-defined]
