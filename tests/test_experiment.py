from __future__ import annotations

import pickle
from collections.abc import Mapping
from itertools import count, pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load

from planviz import experiment
from planviz.config import (
    BASE,
    EvaluationConfig,
    SftConfig,
    SplitConfig,
)
from planviz.events import (
    Checkpoint,
    Command,
    Evaluation,
    Event,
    Finished,
    Paused,
    SampledPaths,
    Started,
    StepMetrics,
)
from planviz.experiment import evaluation_steps, train
from planviz.methods.base import Method, StepResult, scheduled
from planviz.methods.sft import Sft
from planviz.packing import Paths
from planviz.task import TaskError, build_task
from tests.experiment_helpers import (
    CONFIG,
    EVALUATED,
    RUNS,
    SIZE,
    Script,
    checkpoint_at,
    events_after,
    every_run,
    of_type,
    run_alone,
    weights_at_end,
    without_clock,
)

Bases = Mapping[int, bytes]


@pytest.fixture(scope="module")
def bases() -> Bases:
    """The weights of the base of seeds 0 and 1."""
    return {seed: weights_at_end(run_alone(BASE, None, seed)) for seed in (0, 1)}


@pytest.fixture(scope="module")
def finished(bases: Bases) -> dict[str, list[Event]]:
    """The events of every run that nobody disturbed."""
    return {arm: run_alone(arm, bases) for arm in RUNS}


# The stream of events


@every_run
def test_a_run_starts_is_evaluated_evenly_and_finishes(arm: str, finished: dict[str, list[Event]]) -> None:
    events = finished[arm]
    assert events[0] == Started(CONFIG.arm(arm).method, 0, 12)
    assert events[-1] == Finished(12)
    assert len(of_type(events, Started)) == len(of_type(events, Finished)) == 1
    steps = [event.step for event in events]
    assert steps == sorted(steps)
    for measured in (of_type(events, Evaluation), of_type(events, SampledPaths)):
        seen = [(event.step, event.split) for event in measured]
        assert seen == [(step, split) for step in EVALUATED for split in ("train", "test")]
    assert [event.step for event in of_type(events, Checkpoint)] == EVALUATED
    for before, after in pairwise(events):
        if isinstance(after, Checkpoint):
            assert isinstance(before, Evaluation | SampledPaths) and before.step == after.step


@every_run
def test_every_value_of_the_contract_is_there(arm: str, finished: dict[str, list[Event]]) -> None:
    columns = (
        "greedy_accuracy sampled_accuracy distinct_paths coverage path_entropy path_stretch pass_at_1 "
        "pass_at_2 invalid_edge stopped_early never_arrived kl_to_base"
    )
    of_q = {"q_error", "q_error_max", "q_spread"}
    to_theory = of_q if CONFIG.arm(arm).method == "q" else {"kl_to_cooccurrence"}
    found = {"paths_found", "triples_found"}
    for evaluation in of_type(finished[arm], Evaluation):
        on_train = to_theory | found if evaluation.split == "train" else set()
        assert evaluation.values.keys() == set(columns.split()) | on_train
    needed = {"loss", "tokens_per_second", "evaluation_share"}
    if CONFIG.arm(arm).method != "sft":
        needed |= {"reward"}
    for metrics in of_type(finished[arm], StepMetrics):
        assert metrics.values.keys() >= needed
        assert 0 <= metrics.values["evaluation_share"] <= 1 and metrics.values["tokens_per_second"] > 0


@every_run
def test_counters_count(arm: str, finished: dict[str, list[Event]]) -> None:
    reports = of_type(finished[arm], StepMetrics)
    assert {report.step for report in reports} >= {4, 8, 12}
    for report in reports:
        assert report.samples == 16 * report.step
        assert report.samples <= report.tokens <= report.samples * 9
    for events in (reports, of_type(finished[arm], Evaluation)):
        seconds = [event.seconds for event in events]
        assert seconds == sorted(seconds) and seconds[0] > 0


@every_run
def test_the_sampled_paths_are_those_that_were_measured(arm: str, finished: dict[str, list[Event]]) -> None:
    task = build_task(CONFIG)
    evaluations, samples = of_type(finished[arm], Evaluation), of_type(finished[arm], SampledPaths)
    for evaluation, sampled in zip(evaluations, samples, strict=True):
        queries = sampled.queries
        asked = [(query.source, query.target) for query in queries]
        assert asked == [tuple(pair) for pair in task.pairs(sampled.split)[:6].tolist()]
        correct = [c for q in queries for c, o in zip(q.counts, q.outcomes, strict=True) if o == "correct"]
        assert evaluation.values["sampled_accuracy"] == pytest.approx(sum(correct) / (3 * len(queries)))


def test_events_travel_between_processes(finished: dict[str, list[Event]]) -> None:
    for events in finished.values():
        again = pickle.loads(pickle.dumps(events))
        assert list(map(type, again)) == list(map(type, events))
        np.testing.assert_equal(without_clock(again), without_clock(events))


def test_an_experiment_is_the_base_and_then_each_arm_with_all_seeds() -> None:
    arms: dict[str, Any] = {name: CONFIG.arms[name] for name in ("sft", "q-process-offpolicy")}
    told = list(train(CONFIG.model_copy(update={"seeds": (3, 5), "arms": arms})))
    started = [(each.arm, each.seed) for each in told if isinstance(each.event, Started)]
    assert started == [(arm, seed) for arm in (BASE, *arms) for seed in (3, 5)]
    first: dict[tuple[str, int], bytes] = {}
    last: dict[tuple[str, int], bytes] = {}
    for each in told:
        if isinstance(each.event, Checkpoint):
            first.setdefault((each.arm, each.seed), each.event.weights)
            last[each.arm, each.seed] = each.event.weights
    for seed in (3, 5):
        assert {first[arm, seed] for arm in arms} == {last[BASE, seed]}
    assert len(set(last.values())) == 6


def test_the_weights_of_a_checkpoint_are_those_of_the_run(finished: dict[str, list[Event]]) -> None:
    for events in finished.values():
        for checkpoint in of_type(events, Checkpoint):
            weights, resume = load(checkpoint.weights), load(checkpoint.resume)
            assert weights
            for name, tensor in weights.items():
                assert torch.equal(tensor, resume[f"model.{name}"])


# Repeatability


@every_run
def test_the_same_seed_gives_the_same_numbers(
    arm: str, bases: Bases, finished: dict[str, list[Event]]
) -> None:
    again = run_alone(arm, bases)
    np.testing.assert_equal(without_clock(again), without_clock(finished[arm]))


@every_run
def test_another_seed_gives_other_numbers(arm: str, bases: Bases, finished: dict[str, list[Event]]) -> None:
    other = run_alone(arm, bases, seed=1)
    assert weights_at_end(other) != weights_at_end(finished[arm])


@every_run
@pytest.mark.parametrize("step", [0, 8])
def test_a_resumed_run_gives_the_numbers_of_one_that_never_stopped(
    arm: str, step: int, bases: Bases, finished: dict[str, list[Event]]
) -> None:
    events = finished[arm]
    checkpoint = checkpoint_at(events, step)
    start, *rest = run_alone(arm, bases, resume={0: checkpoint})
    assert start == Started(CONFIG.arm(arm).method, step, 12)
    np.testing.assert_equal(without_clock(rest), without_clock(events_after(events, checkpoint)))
    seconds = [event.seconds for event in of_type(rest, StepMetrics)]
    counted = load(checkpoint.resume)["counters"][3]
    assert seconds == sorted(seconds) and all(value >= counted for value in seconds)


@every_run
def test_how_often_a_run_is_evaluated_does_not_change_it(
    arm: str, bases: Bases, finished: dict[str, list[Event]]
) -> None:
    often = CONFIG.model_copy(update={"evaluation": EvaluationConfig(evaluations=12, pairs=2, samples=5)})
    events = run_alone(arm, bases, config=often)
    assert weights_at_end(events) == weights_at_end(finished[arm])


def test_the_other_arms_do_not_change_a_run(bases: Bases, finished: dict[str, list[Event]]) -> None:
    alone = CONFIG.model_copy(update={"arms": {"pg": CONFIG.arms["pg"]}})
    np.testing.assert_equal(
        without_clock(run_alone("pg", bases, config=alone)), without_clock(finished["pg"])
    )


@pytest.mark.parametrize("arm", ["sft", "pg", "pg-plain"])
def test_the_learning_rate_follows_the_schedule_also_after_a_resume(
    arm: str, bases: Bases, finished: dict[str, list[Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []

    def update(self: Method, losses: torch.Tensor) -> None:
        update_as_ever(self, losses)
        rates.append(self.optimizer.param_groups[0]["lr"])

    update_as_ever = Method.update
    monkeypatch.setattr(Method, "update", update)
    run_alone(arm, bases)
    schedule = CONFIG.arm(arm).schedule
    done = np.arange(12) / 12
    factor = {"cosine": (1 + np.cos(np.pi * done)) / 2, "linear": 1 - done, "constant": 0 * done + 1}[
        schedule
    ]
    assert rates == pytest.approx(SIZE["learning_rate"] * factor)
    run_alone(arm, bases, resume={0: checkpoint_at(finished[arm], 8)})
    assert rates[12:] == rates[8:12]


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_schedule_falls_all_the_way_to_nothing(schedule: str) -> None:
    rates = [scheduled(schedule, 0.5, 100, updates) for updates in range(101)]
    assert rates[0] == 0.5 and rates[50] == pytest.approx(0.25) and rates[100] == 0
    assert all(later < earlier for earlier, later in pairwise(rates))
    assert scheduled(schedule, 0.5, 100, 101) == 0


# Control


def test_pausing_stepping_and_resuming(bases: Bases, finished: dict[str, list[Event]]) -> None:
    """Paused after 5 steps; then three single steps; then on to the end, as if nothing had happened."""
    script = Script({6: "pause"}, ["step", "step", "step", "resume"])
    events = run_alone("pg", bases, control=script)
    assert [event.step for event in of_type(events, Paused)] == [5, 6, 7, 8]
    for before, after in pairwise(events):
        if isinstance(after, Paused):
            assert before.step == after.step and isinstance(before, StepMetrics | Checkpoint)
    assert {5, 6, 7, 8} <= {report.step for report in of_type(events, StepMetrics)}
    np.testing.assert_equal(without_clock(events), without_clock(finished["pg"]))


def test_single_steps_lead_to_the_end(bases: Bases) -> None:
    events = run_alone("sft", bases, control=Script({1: "pause"}, ["step"] * 12))
    assert [event.step for event in of_type(events, Paused)] == list(range(12))
    assert events[-1] == Finished(12)


def test_only_step_resume_and_stop_end_a_pause(bases: Bases) -> None:
    events = run_alone("sft", bases, control=Script({3: "pause"}, ["pause", "pause", "stop"]))
    assert of_type(events, Paused) == [Paused(2)]
    assert events[-1] == Finished(2, stopped=True)


@pytest.mark.parametrize("steps", [0, 3, 4])
def test_a_stopped_run_is_measured_once_and_kept(
    steps: int, bases: Bases, finished: dict[str, list[Event]]
) -> None:
    events = run_alone("sft", bases, control=Script({steps + 1: "stop"}))
    assert events[-1] == Finished(steps, stopped=True)
    measured = [(event.step, event.split) for event in of_type(events, Evaluation)]
    expected = sorted({step for step in EVALUATED if step <= steps} | {steps})
    assert measured == [(step, split) for step in expected for split in ("train", "test")]
    checkpoint = of_type(events, Checkpoint)[-1]
    assert checkpoint.step == steps
    if steps:
        assert of_type(events, StepMetrics)[-1].step == steps
    rest = run_alone("sft", bases, resume={0: checkpoint})
    assert weights_at_end(rest) == weights_at_end(finished["sft"])


def test_stop_ends_the_whole_experiment() -> None:
    told = list(train(CONFIG, Script({3: "stop"})))
    assert {each.arm for each in told} == {BASE}
    assert told[-1].event == Finished(2, stopped=True)


class Clock:
    """A clock on which every look at it takes a hundredth of a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        self.now += 0.01
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(experiment, "time", SimpleNamespace(perf_counter=clock.perf_counter))
    return clock


def test_the_clock_stands_still_during_a_pause(clock: Clock, bases: Bases) -> None:
    script = Script({6: "pause"}, ["resume"])

    def slow_control(wait: bool) -> Command | None:
        clock.now += 1000 * wait
        return script(wait)

    events = run_alone("sft", bases, control=slow_control)
    assert of_type(events, Paused)
    assert 0 < of_type(events, Evaluation)[-1].seconds < 100 < clock.now


def test_step_metrics_come_several_times_a_second_and_leave_out_no_step(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step's loss is its number here, so that a mean tells which steps it is about."""
    numbers = count(1)
    nothing = Paths(np.zeros((1, 0, 2), int), np.zeros((1, 0, 1), int), np.zeros((1, 0), int))

    def step(_: Sft) -> StepResult:
        return StepResult(16, np.array([80]), nothing, {"loss": np.array([float(next(numbers))])})

    monkeypatch.setattr(Sft, "step", step)
    config = CONFIG.model_copy(update={"base": SftConfig(**SIZE | {"steps": 400})})
    reports = of_type(run_alone(BASE, None, config=config), StepMetrics)
    assert reports[-1].step == 400
    for before, after in pairwise(reports):
        assert after.seconds - before.seconds < 0.5
    for first, report in zip([0, *(report.step for report in reports)], reports, strict=False):
        assert report.values["loss"] == (first + 1 + report.step) / 2


# Evaluation steps


@given(st.integers(1, 2000), st.integers(1, 500))
def test_evaluations_are_spread_evenly_up_to_the_last_step(steps: int, evaluations: int) -> None:
    chosen = sorted(evaluation_steps(steps, evaluations))
    assert chosen[0] >= 1 and chosen[-1] == steps
    assert len(chosen) == min(steps, evaluations)
    gaps = [after - before for before, after in pairwise([0, *chosen])]
    assert max(gaps) - min(gaps) <= 1


def test_a_run_shorter_than_its_evaluations_is_evaluated_at_its_end() -> None:
    config = CONFIG.model_copy(update={"base": SftConfig(steps=2), "evaluation": EvaluationConfig(pairs=2)})
    events = run_alone(BASE, None, config=config)
    assert [event.step for event in of_type(events, Checkpoint)] == [0, 1, 2]


def test_settings_that_make_no_task_are_an_ordinary_error() -> None:
    config = CONFIG.model_copy(update={"split": SplitConfig(train_share=1e-6)})
    with pytest.raises(TaskError, match="leaves no training pairs"):
        list(train(config))
