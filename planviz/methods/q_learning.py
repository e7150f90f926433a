"""Q-learning with the logits as Q-values: Q(t, c, k) = logit of k.

    L(θ) = E [ (Q_θ(t, c, k) − r − γ · max_k' Q_target(t, k, k'))² ],   no bootstrap where the path ends

A path ends when k = t, at EOS, and at the length limit: a path that was cut off has failed, so its last step is
worth its reward and no more. (Bootstrapping past the cut-off lets values feed on themselves and diverge.)

The paths are the model's own, drawn from softmax(Q / τ), or off-policy those of the frozen base; either way a
share ε of the steps is random. Off-policy that share matters more: what nobody tries, nobody corrects.

Two things that the paper does not have make a transformer converge fast: the target network, an exponential
moving average of the weights; and the calibrated head. SFT logits are not on the scale of Q-values, and
starting from them unchanged costs a long, deep dip.
"""

from __future__ import annotations

import copy

import torch
from torch import Generator, Tensor

from planviz.config import QLearningConfig
from planviz.methods.base import Method, StepResult, with_prefix
from planviz.models.base import PlanningModel
from planviz.rewards import REWARDS, Steps
from planviz.rollout import Paths, sample_paths
from planviz.task import Task, edges_taken, text_arrays


def step_rewards(task: Task, paths: Paths, reward: str) -> Tensor:
    """The reward of every step of the paths, (B, L) float; steps past the end of a path mean nothing."""
    pairs, tokens, _ = paths.arrays()
    is_edge = edges_taken(task, pairs, tokens)
    steps = Steps(
        arrives=tokens == pairs[:, 1:],
        is_edge=is_edge,
        edges_so_far=is_edge.cumprod(axis=1).astype(bool),
    )
    return torch.from_numpy(REWARDS[reward](steps)).float()  # type: ignore[index]


def q_targets(next_values: Tensor, paths: Paths, rewards: Tensor, discount: float) -> Tensor:
    """r + γ · max_k' Q_target(next state), or r alone at the end of a path, (B, L).

    Args:
        next_values: (B, L) max_k' Q_target in the state that each step leads to.
    """
    last = torch.arange(rewards.shape[1]) == paths.lengths[:, None] - 1
    return rewards + discount * torch.where(last, 0.0, next_values)


class QLearning(Method):
    """Q-learning on whole sampled paths, every step of them."""

    def __init__(
        self,
        model: PlanningModel,
        base: PlanningModel,
        task: Task,
        config: QLearningConfig,
        generator: Generator,
    ) -> None:
        super().__init__(model, config.learning_rate, generator)
        self.base, self.task, self.config = base, task, config
        self.queries = torch.from_numpy(task.train_pairs)
        if config.calibrate_head:
            calibrate_head(model, task)
        self.target = copy.deepcopy(model).requires_grad_(False)

    def step(self) -> StepResult:
        count = self.config.batch_size
        paths = self._sample(
            self.queries[torch.randint(len(self.queries), (count,), generator=self.generator)]
        )
        rewards = step_rewards(self.task, paths, self.config.reward)
        with torch.no_grad():
            values = self.target(paths.pairs, paths.tokens[:, :-1]).amax(dim=2)
            next_values = torch.cat([values[:, 1:], torch.zeros(count, 1)], dim=1)
            targets = q_targets(next_values, paths, rewards, self.config.discount)
        q = self.model(paths.pairs, paths.tokens[:, :-1]).gather(2, paths.tokens[:, :, None])[:, :, 0]
        inside = torch.arange(q.shape[1]) < paths.lengths[:, None]
        loss = (q - targets)[inside].square().mean()
        self.update(loss)
        self._follow()
        tokens = int(paths.lengths.sum())
        total_reward = (rewards * inside).sum(dim=1).mean().item()
        return StepResult(count, tokens, {"loss": loss.item(), "reward": total_reward})

    def _sample(self, queries: Tensor) -> Paths:
        config = self.config
        behaviour, temperature = (
            (self.base, 1.0) if config.off_policy else (self.model, config.rollout_temperature)
        )
        return sample_paths(
            behaviour,
            queries,
            self.task.max_steps,
            self.generator,
            temperature=temperature,
            exploration=config.exploration,
        )

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the target network towards the model; with decay 0 it is the model itself."""
        for target, weight in zip(self.target.parameters(), self.model.parameters(), strict=True):
            target.lerp_(weight, 1 - self.config.target_decay)

    def state(self) -> dict[str, Tensor]:
        target = {f"target.{name}": value for name, value in self.target.state_dict().items()}
        return super().state() | target

    def load_state(self, state: dict[str, Tensor]) -> None:
        super().load_state(state)
        self.target.load_state_dict(with_prefix(state, "target."))


@torch.no_grad()
def calibrate_head(model: PlanningModel, task: Task, texts: int = 2000) -> None:
    """Scale and shift the logits once, so that along the SFT texts their mean maximum is 1, the value of a good
    step, and their mean median -1, the value of a step that is no good for anything."""
    pairs, tokens, lengths = (torch.from_numpy(array[:texts]) for array in text_arrays(task))
    logits = model(pairs, tokens[:, :-1])
    before_arrival = torch.arange(logits.shape[1]) < lengths[:, None] - 1
    logits = logits[before_arrival]
    top = logits.amax(dim=1).mean().item()
    middle = logits.median(dim=1).values.mean().item()
    scale = 2 / max(top - middle, 1e-3)
    model.rescale_logits(scale, 1 - scale * top)
