from __future__ import annotations

import pickle
from collections.abc import Iterable
from itertools import count, pairwise
from types import SimpleNamespace
from typing import Any, TypeVar

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
    ExperimentConfig,
    GraphConfig,
    ModelConfig,
    PolicyGradientConfig,
    QLearningConfig,
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
from planviz.experiment import evaluation_steps, train, train_run
from planviz.methods.base import StepResult
from planviz.methods.sft import Sft
from planviz.task import TaskError, build_task

SIZE: dict[str, Any] = {"steps": 12, "batch_size": 16, "learning_rate": 0.02}
CONFIG = ExperimentConfig(
    graph=GraphConfig(nodes=9, density=0.4),
    split=SplitConfig(train_share=0.4, paths_per_pair=3),
    model=ModelConfig(width=8, heads=2),
    base=SftConfig(**SIZE),
    arms={
        "sft": SftConfig(**SIZE),
        "pg": PolicyGradientConfig(**SIZE, baseline="moving average", kl=0.01),
        "q-process": QLearningConfig(**SIZE),
        "q-process-offpolicy": QLearningConfig(**SIZE, off_policy=True, calibrate_head=False),
    },
    evaluation=EvaluationConfig(evaluations=3, pairs=6, samples=3),
)
EVALUATED = [0, 4, 8, 12]
RUNS = (BASE, *CONFIG.arms)
every_run = pytest.mark.parametrize("arm", RUNS)

E = TypeVar("E")


def of_type(events: Iterable[Event], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def weights_at_end(events: Iterable[Event]) -> bytes:
    return of_type(events, Checkpoint)[-1].weights


@pytest.fixture(scope="module")
def base() -> bytes:
    return weights_at_end(train_run(CONFIG, BASE, 0, None))


@pytest.fixture(scope="module")
def finished(base: bytes) -> dict[str, list[Event]]:
    """The events of every run that nobody disturbed."""
    return {arm: list(train_run(CONFIG, arm, 0, None if arm == BASE else base)) for arm in RUNS}


def without_clock(events: Iterable[Event]) -> list[object]:
    """All that does not depend on how fast the machine is."""
    kept: list[object] = []
    for event in events:
        match event:
            case Evaluation():
                kept.append((event.step, event.samples, event.split, event.values))
            case Checkpoint():
                resume = load(event.resume)
                step, samples, tokens, *_ = resume.pop("counters").tolist()
                tensors = {name: tensor.numpy() for name, tensor in resume.items()}
                kept.append((event.step, event.weights, tensors, step, samples, tokens))
            case SampledPaths() | Started() | Finished():
                kept.append(event)
    return kept


# The stream of events


@every_run
def test_a_run_starts_is_evaluated_evenly_and_finishes(arm: str, finished: dict[str, list[Event]]) -> None:
    events = finished[arm]
    assert events[0] == Started(arm, CONFIG.arm(arm).method, 0, 0, 12)
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
    for evaluation in of_type(finished[arm], Evaluation):
        assert evaluation.values.keys() == set(columns.split())
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


def test_an_experiment_is_the_base_and_all_arms_for_every_seed() -> None:
    arms: dict[str, Any] = {name: CONFIG.arms[name] for name in ("sft", "q-process-offpolicy")}
    config = CONFIG.model_copy(update={"seeds": (3, 5), "arms": arms})
    started: list[tuple[int, str]] = []
    first: dict[tuple[int, str], bytes] = {}
    last: dict[tuple[int, str], bytes] = {}
    for event in train(config):
        if isinstance(event, Started):
            started.append((event.seed, event.arm))
        if isinstance(event, Checkpoint):
            first.setdefault(started[-1], event.weights)
            last[started[-1]] = event.weights
    assert started == [(seed, arm) for seed in (3, 5) for arm in (BASE, *arms)]
    for seed in (3, 5):
        assert {first[seed, arm] for arm in arms} == {last[seed, BASE]}
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
    arm: str, base: bytes, finished: dict[str, list[Event]]
) -> None:
    again = train_run(CONFIG, arm, 0, None if arm == BASE else base)
    np.testing.assert_equal(without_clock(again), without_clock(finished[arm]))


@every_run
def test_another_seed_gives_other_numbers(arm: str, base: bytes, finished: dict[str, list[Event]]) -> None:
    other = train_run(CONFIG, arm, 1, None if arm == BASE else base)
    assert weights_at_end(other) != weights_at_end(finished[arm])


@every_run
@pytest.mark.parametrize("step", [0, 8])
def test_a_resumed_run_gives_the_numbers_of_one_that_never_stopped(
    arm: str, step: int, base: bytes, finished: dict[str, list[Event]]
) -> None:
    events = finished[arm]
    index = next(i for i, e in enumerate(events) if isinstance(e, Checkpoint) and e.step == step)
    checkpoint = events[index]
    assert isinstance(checkpoint, Checkpoint)
    start, *rest = train_run(CONFIG, arm, 0, None if arm == BASE else base, resume=checkpoint)
    assert start == Started(arm, CONFIG.arm(arm).method, 0, step, 12)
    np.testing.assert_equal(without_clock(rest), without_clock(events[index + 1 :]))
    seconds = [event.seconds for event in of_type(rest, StepMetrics)]
    counted = load(checkpoint.resume)["counters"][3]
    assert seconds == sorted(seconds) and all(value >= counted for value in seconds)


@every_run
def test_how_often_a_run_is_evaluated_does_not_change_it(
    arm: str, base: bytes, finished: dict[str, list[Event]]
) -> None:
    often = CONFIG.model_copy(update={"evaluation": EvaluationConfig(evaluations=12, pairs=2, samples=5)})
    events = list(train_run(often, arm, 0, None if arm == BASE else base))
    assert weights_at_end(events) == weights_at_end(finished[arm])


def test_the_other_arms_do_not_change_a_run(base: bytes, finished: dict[str, list[Event]]) -> None:
    alone = CONFIG.model_copy(update={"arms": {"pg": CONFIG.arms["pg"]}})
    np.testing.assert_equal(without_clock(train_run(alone, "pg", 0, base)), without_clock(finished["pg"]))


# Control


class Script:
    """A control that gives commands at certain polls (counted from 1), and others while the run is paused."""

    def __init__(self, running: dict[int, Command], paused: Iterable[Command] = ()) -> None:
        self.running, self.paused, self.polls = running, iter(paused), 0

    def __call__(self, wait: bool) -> Command | None:
        if wait:
            return next(self.paused)
        self.polls += 1
        return self.running.get(self.polls)


def test_pausing_stepping_and_resuming(base: bytes, finished: dict[str, list[Event]]) -> None:
    """Paused after 5 steps; then three single steps; then on to the end, as if nothing had happened."""
    events = list(
        train_run(CONFIG, "pg", 0, base, control=Script({6: "pause"}, ["step", "step", "step", "resume"]))
    )
    assert [event.step for event in of_type(events, Paused)] == [5, 6, 7, 8]
    for before, after in pairwise(events):
        if isinstance(after, Paused):
            assert before.step == after.step and isinstance(before, StepMetrics | Checkpoint)
    assert {5, 6, 7, 8} <= {report.step for report in of_type(events, StepMetrics)}
    np.testing.assert_equal(without_clock(events), without_clock(finished["pg"]))


def test_single_steps_lead_to_the_end(base: bytes) -> None:
    events = list(train_run(CONFIG, "sft", 0, base, control=Script({1: "pause"}, ["step"] * 12)))
    assert [event.step for event in of_type(events, Paused)] == list(range(12))
    assert events[-1] == Finished(12)


def test_only_step_resume_and_stop_end_a_pause(base: bytes) -> None:
    events = list(train_run(CONFIG, "sft", 0, base, control=Script({3: "pause"}, ["pause", "pause", "stop"])))
    assert of_type(events, Paused) == [Paused(2)]
    assert events[-1] == Finished(2, stopped=True)


@pytest.mark.parametrize("steps", [0, 3, 4])
def test_a_stopped_run_is_measured_once_and_kept(
    steps: int, base: bytes, finished: dict[str, list[Event]]
) -> None:
    events = list(train_run(CONFIG, "sft", 0, base, control=Script({steps + 1: "stop"})))
    assert events[-1] == Finished(steps, stopped=True)
    measured = [(event.step, event.split) for event in of_type(events, Evaluation)]
    expected = sorted({step for step in EVALUATED if step <= steps} | {steps})
    assert measured == [(step, split) for step in expected for split in ("train", "test")]
    checkpoint = of_type(events, Checkpoint)[-1]
    assert checkpoint.step == steps
    if steps:
        assert of_type(events, StepMetrics)[-1].step == steps
    rest = list(train_run(CONFIG, "sft", 0, base, resume=checkpoint))
    assert weights_at_end(rest) == weights_at_end(finished["sft"])


def test_stop_ends_the_whole_experiment() -> None:
    events = list(train(CONFIG, Script({3: "stop"})))
    assert [event.arm for event in of_type(events, Started)] == [BASE]
    assert events[-1] == Finished(2, stopped=True)


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


def test_the_clock_stands_still_during_a_pause(clock: Clock, base: bytes) -> None:
    script = Script({6: "pause"}, ["resume"])

    def slow_control(wait: bool) -> Command | None:
        clock.now += 1000 * wait
        return script(wait)

    events = list(train_run(CONFIG, "sft", 0, base, control=slow_control))
    assert of_type(events, Paused)
    assert 0 < of_type(events, Evaluation)[-1].seconds < 100 < clock.now


def test_step_metrics_come_several_times_a_second_and_leave_out_no_step(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step's loss is its number here, so that a mean tells which steps it is about."""
    numbers = count(1)
    monkeypatch.setattr(Sft, "step", lambda self: StepResult(16, 80, {"loss": float(next(numbers))}))
    config = CONFIG.model_copy(update={"base": SftConfig(**SIZE | {"steps": 400})})
    reports = of_type(train_run(config, BASE, 0, None), StepMetrics)
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
    events = list(train_run(config, BASE, 0, None))
    assert [event.step for event in of_type(events, Checkpoint)] == [0, 1, 2]


def test_settings_that_make_no_task_are_an_ordinary_error() -> None:
    config = CONFIG.model_copy(update={"split": SplitConfig(train_share=1e-6)})
    with pytest.raises(TaskError, match="leaves no training pairs"):
        list(train(config))


# Small runs that must learn


def small_world(kind: str, **arms: Any) -> ExperimentConfig:
    return ExperimentConfig(
        graph=GraphConfig(nodes=12, density=0.6),
        split=SplitConfig(train_share=0.5, paths_per_pair=5),
        model=ModelConfig(kind=kind),
        base=SftConfig(steps=150, learning_rate=0.05),
        arms=arms,
        evaluation=EvaluationConfig(evaluations=1, samples=10),
    )


def measured(events: Iterable[Event]) -> dict[tuple[str, int], dict[str, float]]:
    """The metrics on the train pairs of every arm, before (0) and after (1) training."""
    values: dict[tuple[str, int], dict[str, float]] = {}
    arm = ""
    for event in events:
        if isinstance(event, Started):
            arm = event.arm
        if isinstance(event, Evaluation) and event.split == "train":
            values[arm, int(event.step > 0)] = event.values
    return values


def test_sft_learns_to_find_paths() -> None:
    values = measured(train(small_world("factored")))
    assert values[BASE, 0]["greedy_accuracy"] < 0.3
    assert values[BASE, 1]["greedy_accuracy"] >= 0.9


def test_policy_gradient_collapses_onto_few_paths_and_q_learning_keeps_them() -> None:
    pg = PolicyGradientConfig(steps=300, learning_rate=0.1)
    q = QLearningConfig(steps=300, learning_rate=0.03, exploration=0.3)
    values = measured(train(small_world("factored", pg=pg, q=q)))
    distinct = values[BASE, 1]["distinct_paths"]
    assert distinct > 2
    assert values["pg", 1]["sampled_accuracy"] >= 0.98
    assert values["pg", 1]["distinct_paths"] <= 0.65 * distinct
    assert values["q", 1]["greedy_accuracy"] >= 0.98
    assert values["q", 1]["distinct_paths"] >= 0.9 * distinct
