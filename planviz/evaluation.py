"""Measuring a model: greedy and sampled paths of many queries at once, and its distance to the base and to theory."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from planviz.config import ArmConfig, EvaluationConfig, QLearningConfig
from planviz.events import QueryPaths, Split
from planviz.methods.base import Floats
from planviz.methods.policy_gradient import step_kl
from planviz.metrics import group_paths, sampled_metrics
from planviz.models.base import PlanningModel
from planviz.packing import PackedPaths, Paths, pack
from planviz.rewards import reward_of
from planviz.rollout import sample_paths
from planviz.task import Bools, Ints, Task, judge, text_arrays
from planviz.theory import count_correct_paths, optimal_q, text_steps

MAX_ROWS = 8192
"""At most so many paths are sampled at once, which bounds the memory of an evaluation."""

KL_SAMPLES = 2
"""Samples of each query that the KL to the base is estimated on."""

THEORY_TEXTS = 128
"""So many SFT texts, evenly spread, are where a model is compared with theory."""

SPLITS: tuple[Split, Split] = ("train", "test")


def policy_temperature(arm: ArmConfig) -> float:
    """The temperature at which an arm's logits are a policy: 1, or for Q-values the small τ of softmax(Q / τ)."""
    return arm.policy_temperature if isinstance(arm, QLearningConfig) else 1.0


class Evaluator:
    """Measures the models of one arm, which all have S = 1 here."""

    def __init__(self, task: Task, arm: ArmConfig, settings: EvaluationConfig) -> None:
        self.task, self.settings = task, settings
        self.correct_paths = count_correct_paths(task.adjacency, task.max_steps)
        self.texts = some_texts(task)
        self.change(arm)

    def change(self, arm: ArmConfig) -> None:
        """Measure by other settings of the arm from now on."""
        self.arm = arm
        self.temperature = policy_temperature(arm)
        self.optimum = (
            optimal_values(self.task, self.texts, arm)
            if isinstance(arm, QLearningConfig)
            else cooccurrences(self.task, self.texts)
        )

    @torch.no_grad()
    def evaluate(
        self, model: PlanningModel, base: PlanningModel | None, generator: Generator
    ) -> dict[Split, tuple[dict[str, float], tuple[QueryPaths, ...]]]:
        """All metrics of a model on some queries of each split, and the paths behind them.

        Args:
            base: the model that `kl_to_base` refers to, at temperature 1; None if it is the model itself.
        """
        parts = [self.task.pairs(split)[: self.settings.pairs] for split in SPLITS]
        # Both splits at once: two small batches cost more than a large one.
        queries = np.concatenate(parts)[None]
        is_test = np.arange(queries.shape[1]) >= len(parts[0])
        correct = self._greedily_correct(model, queries)
        paths, divergences = self._sampled(model, base, queries, generator)
        found: dict[Split, tuple[dict[str, float], tuple[QueryPaths, ...]]] = {}
        for split, chosen in zip(SPLITS, (~is_test, is_test), strict=True):
            of_split = tuple(query for query, wanted in zip(paths, chosen, strict=True) if wanted)
            values = {
                "greedy_accuracy": float(correct[chosen].mean()),
                **sampled_metrics(self.task, of_split, self.correct_paths),
                "kl_to_base": float(divergences[chosen].mean()),
            }
            found[split] = values, of_split
        found["train"][0].update(self.distance_to_theory(model))
        return found

    def _greedily_correct(self, model: PlanningModel, queries: Ints) -> Bools:
        """(P,): whether the greedy path of each query is correct."""
        greedy = sample_paths(
            model,
            queries,
            self.task.max_steps,
            [Generator()],
            temperature=0,
            until_broken=self.task.adjacency,
        )
        return np.asarray(judge(self.task, *greedy.flat()) == 0)

    def _sampled(
        self, model: PlanningModel, base: PlanningModel | None, queries: Ints, generator: Generator
    ) -> tuple[list[QueryPaths], Floats]:
        """The paths sampled for each query, each up to its first step that is no edge, and (P,) estimates of the KL to
        the base along them."""
        samples = self.settings.samples
        grouped: list[QueryPaths] = []
        divergences: list[Floats] = []
        at_once = max(1, MAX_ROWS // samples)
        for first in range(0, queries.shape[1], at_once):
            sampled = sample_paths(
                model,
                queries[:, first : first + at_once],
                self.task.max_steps,
                [generator],
                samples=samples,
                temperature=self.temperature,
                # Lost whatever follows; to see where a lost policy wanders would cost more than all the rest.
                until_broken=self.task.adjacency,
            )
            grouped += group_paths(self.task, *sampled.flat(), samples)
            if base is None:
                divergences.append(np.zeros((len(sampled.lengths[0]) // samples, 1)))
                continue
            some = np.arange(sampled.lengths.size).reshape(-1, samples)[:, :KL_SAMPLES]
            some_paths = Paths(*(array[:, some.ravel()] for array in sampled))
            divergences.append(kl_to_base(model, base, some_paths, self.temperature).reshape(some.shape))
        return grouped, np.concatenate(divergences).mean(axis=1)

    @torch.no_grad()
    def distance_to_theory(self, model: PlanningModel) -> dict[str, float]:
        """How far a model is from what its method should converge to, at the states (t, c) of SFT texts.

        For Q-learning `q_error`, the mean over all next nodes of |Q − Q*|, `q_error_max`, and `q_spread`, the mean
        standard deviation of Q over the next nodes, 0 if Q does not tell them apart; otherwise
        `kl_to_cooccurrence`, KL(N(t,c,·) / ΣN ‖ π) in nats, 0 exactly at the optimum of SFT.
        """
        logits = model(self.texts)[0, torch.from_numpy(self.texts.inside[0])]
        if isinstance(self.arm, QLearningConfig):
            errors = (logits[:, :-1] - self.optimum).abs()
            spread = logits[:, :-1].std(dim=1).mean()
            return {
                "q_error": errors.mean().item(),
                "q_error_max": errors.max().item(),
                "q_spread": spread.item(),
            }
        log_policy = logits.log_softmax(dim=1)[:, :-1]
        divergence = torch.where(self.optimum > 0, self.optimum * (self.optimum.log() - log_policy), 0)
        return {"kl_to_cooccurrence": divergence.sum(dim=1).mean().item()}


@torch.no_grad()
def kl_to_base(model: PlanningModel, base: PlanningModel, paths: Paths, temperature: float) -> Floats:
    """Σ_j KL(π(·|u_<j) ‖ π_base(·|u_<j)) along paths sampled from π, (B,), in nats; their mean estimates
    KL(π ‖ π_base) of whole paths. π is softmax(logits / temperature), π_base has temperature 1; S = 1."""
    batch = pack(paths)
    per_step = step_kl(model(batch) / temperature, base(batch))
    of_steps = per_step[0].double().numpy() * batch.inside[0]
    count = paths.lengths.shape[1]
    return np.bincount(batch.path[0], weights=of_steps, minlength=count).astype(np.float64)


def some_texts(task: Task) -> PackedPaths:
    """The steps of some SFT texts, without the EOS after t; S = 1."""
    pairs, tokens, lengths = text_arrays(task)
    chosen = np.linspace(0, len(lengths) - 1, min(THEORY_TEXTS, len(lengths))).round().astype(int)
    return pack(Paths(pairs[None, chosen], tokens[None, chosen], lengths[None, chosen] - 1))


def cooccurrences(task: Task, steps: PackedPaths) -> Tensor:
    """(N, n): the SFT optimum N(t,c,·) / ΣN at the state of each step."""
    target, current = steps.target[steps.inside], steps.current[steps.inside]
    states, state_of = np.unique(target * task.nodes + current, return_inverse=True)
    (target, current, following), counts = text_steps(task)
    known = np.isin(target * task.nodes + current, states)
    row = np.searchsorted(states, (target * task.nodes + current)[known])
    table = np.zeros((len(states), task.nodes))
    table[row, following[known]] = counts[known]
    table /= table.sum(axis=1, keepdims=True)
    return torch.from_numpy(table[state_of]).float()


def optimal_values(task: Task, steps: PackedPaths, arm: QLearningConfig) -> Tensor:
    """(N, n): Q*(t, c, ·) for the arm's reward and discount at the state of each step; NaN where it has no end."""
    target, current = steps.target[steps.inside], steps.current[steps.inside]
    values = np.empty((len(target), task.nodes), dtype=np.float32)
    for each in np.unique(target):  # one at a time: all targets at once are n³ numbers
        of_target = target == each
        try:
            q = optimal_q(task, reward_of(arm), arm.discount, targets=[int(each)])[0]
        except ValueError:
            values[of_target] = np.nan
        else:
            values[of_target] = q[current[of_target]]
    return torch.from_numpy(values)
