"""A small experiment of every method, the events of its runs, and what of them can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.torch import load

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
    Changed,
    Checkpoint,
    Command,
    Evaluation,
    Event,
    Failed,
    Finished,
    RunEvent,
    SampledPaths,
    Started,
    StepMetrics,
)
from planviz.experiment import Control, train_seeds
from planviz.models import PlanningModel
from planviz.models.factored import FactoredModel
from planviz.models.tabular import TabularModel

SIZE: dict[str, Any] = {"steps": 12, "batch_size": 16, "learning_rate": 0.02}
CONFIG = ExperimentConfig(
    graph=GraphConfig(nodes=9, density=0.4),
    split=SplitConfig(train_share=0.4, paths_per_pair=3),
    model=ModelConfig(width=8, heads=2),
    base=SftConfig(**SIZE),
    arms={
        "sft": SftConfig(**SIZE, schedule="cosine"),
        "pg": PolicyGradientConfig(**SIZE, baseline="moving average", kl=0.01, schedule="linear"),
        "pg-plain": PolicyGradientConfig(**SIZE),
        "pg-groups": PolicyGradientConfig(**SIZE, baseline="group mean", group_size=4),
        "q-process": QLearningConfig(**SIZE),
        "q-process-offpolicy": QLearningConfig(**SIZE, off_policy=True, calibrate_head=False),
        "q-replay": QLearningConfig(**SIZE, replay=3, loss="huber", schedule="linear"),
    },
    evaluation=EvaluationConfig(evaluations=3, pairs=6, samples=3),
)
EVALUATED = [0, 4, 8, 12]
RUNS = (BASE, *CONFIG.arms)
every_run = pytest.mark.parametrize("arm", RUNS)

E = TypeVar("E")


def run_together(
    arm: str,
    bases: Mapping[int, bytes] | None,
    seeds: Sequence[int] = (0,),
    *,
    config: ExperimentConfig = CONFIG,
    resume: Mapping[int, Checkpoint] | None = None,
    control: Control | None = None,
) -> dict[int, list[Event]]:
    """The events of each seed of an arm."""
    told = list(train_seeds(config, arm, seeds, None if arm == BASE else bases, resume, control))
    assert {each.arm for each in told} == {arm}
    return by_seed(told)


def run_alone(arm: str, bases: Mapping[int, bytes] | None, seed: int = 0, **how: Any) -> list[Event]:
    return run_together(arm, bases, [seed], **how)[seed]


def by_seed(told: Iterable[RunEvent]) -> dict[int, list[Event]]:
    events: dict[int, list[Event]] = {}
    for each in told:
        events.setdefault(each.seed, []).append(each.event)
    return events


def of_type(events: Iterable[Event], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def weights_at_end(events: Iterable[Event]) -> bytes:
    return of_type(events, Checkpoint)[-1].weights


def checkpoint_at(events: Iterable[Event], step: int) -> Checkpoint:
    return next(event for event in of_type(events, Checkpoint) if event.step == step)


def events_after(events: Sequence[Event], checkpoint: Checkpoint) -> Sequence[Event]:
    """The events that come after a checkpoint."""
    return events[events.index(checkpoint) + 1 :]


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
            case SampledPaths() | Started() | Changed() | Finished() | Failed():
                kept.append(event)
    return kept


def assert_same_up_to_rounding(events: Sequence[Event], expected: Sequence[Event]) -> None:
    """The same events with nearly the same numbers: rounding may decide a draw now and then, one in fifty here.

    Step metrics are compared if they were reported after the same steps.
    """
    kinds = (Started, Evaluation, SampledPaths, Checkpoint, Finished, Failed)
    outlines = [[(type(e), e.step) for e in some if isinstance(e, kinds)] for some in (events, expected)]
    assert outlines[0] == outlines[1]
    paths = zip(of_type(events, SampledPaths), of_type(expected, SampledPaths), strict=True)
    same = [
        one == other
        for found, before in paths
        for one, other in zip(found.queries, before.queries, strict=True)
    ]
    assert not same or np.mean(same) >= 0.98
    reported = [[event.step for event in of_type(some, StepMetrics)] for some in (events, expected)]
    for numbers in (_evaluations, _weights, *([_steps] if reported[0] == reported[1] else [])):
        values, wanted = numbers(events), numbers(expected)
        close = np.isclose(values, wanted, rtol=2e-3, atol=2e-4, equal_nan=True)
        assert not close.size or close.mean() >= 0.98, (numbers.__name__, values[~close], wanted[~close])


def _evaluations(events: Iterable[Event]) -> npt.NDArray[np.float64]:
    return np.array([value for each in of_type(events, Evaluation) for value in each.values.values()])


def _weights(events: Iterable[Event]) -> npt.NDArray[np.float64]:
    loaded = [load(each.weights) for each in of_type(events, Checkpoint)]
    tensors = [tensors[name].flatten() for tensors in loaded for name in sorted(tensors)]
    return np.concatenate([tensor.double().numpy() for tensor in tensors])


def _steps(events: Iterable[Event]) -> npt.NDArray[np.float64]:
    """The counters and values of the step metrics, without those of the clock."""
    clock = ("tokens_per_second", "evaluation_share")
    return np.array(
        [
            number
            for each in of_type(events, StepMetrics)
            for number in (
                each.step,
                each.samples,
                each.tokens,
                *(value for name, value in each.values.items() if name not in clock),
            )
        ]
    )


class Script:
    """A control that gives commands at certain polls (counted from 1), and others while the run is paused."""

    def __init__(self, running: dict[int, Command], paused: Iterable[Command] = ()) -> None:
        self.running, self.paused, self.polls = running, iter(paused), 0

    def __call__(self, wait: bool) -> Command | None:
        if wait:
            return next(self.paused)
        self.polls += 1
        return self.running.get(self.polls)


def logits_table(model: PlanningModel) -> npt.NDArray[np.float64]:
    """(n, n, n + 1) indexed [t, c, token]: all logits of the first seed of a model that looks at no more than that."""
    if isinstance(model, FactoredModel):
        logits = model.adjacency_logits[0, None, :-1] + model.reachability_logits[0, :, None]
    else:
        assert isinstance(model, TabularModel)
        logits = model.table[0, :, :-1]
    return logits.detach().double().numpy()
