"""Policy gradient on the model's own samples.

    J(θ) = E_{u ~ π_θ} [ R(u) ] − λ · KL(π_θ ‖ π_base),   R(u) = 1 if u is correct, else 0
    ∇J = E_{u ~ π_θ} [ (R(u) − b) · ∇ log π_θ(u) ] − λ · E_{u ~ π_θ} [ Σ_j ∇ KL(π_θ(·|u_<j) ‖ π_base(·|u_<j)) ]

With λ = 0 and no baseline b (the paper, section 4) one step is exactly an SFT step on the correct samples: what
it adds is exploration. Once every sample is correct the expected gradient is 0, but its noise is not: π
random-walks until one path a pair is left. A baseline makes the advantage 0 there, so it changes the collapse.

The KL term is exact over the next tokens at every visited prefix, which has far less noise than log(π / π_base)
of the sampled tokens; its gradient through the choice of prefixes is left out, as is usual.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from planviz.config import PolicyGradientConfig
from planviz.methods.base import Method, StepResult
from planviz.methods.sft import negative_log_likelihood
from planviz.models.base import PlanningModel
from planviz.rollout import Paths, sample_paths
from planviz.task import Task, judge

MOVING_AVERAGE = 0.95
"""Decay of the moving-average baseline."""


def policy_gradient_loss(logits: Tensor, paths: Paths, advantages: Tensor) -> Tensor:
    """−mean(A(u) · log π(u)); its gradient is minus the policy gradient. Logits (B, L or L + 1, V), A (B,)."""
    return (advantages * negative_log_likelihood(logits, paths)).mean()


def path_kl(logits: Tensor, reference_logits: Tensor, lengths: Tensor) -> Tensor:
    """Σ_j KL(π(·|u_<j) ‖ π_ref(·|u_<j)) along each path, (B,), in nats; logits (B, L, V), lengths (B,)."""
    log_policy = logits.log_softmax(dim=2)
    log_reference = reference_logits.log_softmax(dim=2)
    per_step = (log_policy.exp() * (log_policy - log_reference)).sum(dim=2)
    return (per_step * (torch.arange(logits.shape[1]) < lengths[:, None])).sum(dim=1)


class PolicyGradient(Method):
    """REINFORCE, with an optional KL penalty to the base model and an optional baseline."""

    def __init__(
        self,
        model: PlanningModel,
        base: PlanningModel,
        task: Task,
        config: PolicyGradientConfig,
        generator: Generator,
    ) -> None:
        super().__init__(model, config.learning_rate, generator)
        self.base, self.task, self.config = base, task, config
        self.queries = torch.from_numpy(task.train_pairs)
        self.average_reward = torch.zeros(())

    def step(self) -> StepResult:
        paths = self._sample()
        rewards = self._rewards(paths)
        advantages = rewards - self._baseline(rewards)
        useful = advantages != 0 if self.config.kl == 0 else torch.ones_like(rewards, dtype=torch.bool)
        values = {"loss": 0.0, "reward": rewards.mean().item(), "kl": 0.0}
        if useful.any():  # a path with advantage 0 has no gradient: leave it out
            share = useful.float().mean()
            loss, values["kl"] = self._loss(paths.select(useful.nonzero()[:, 0]), advantages[useful])
            values["loss"] = (share * loss).item()
            self.update(share * loss)
        return StepResult(len(rewards), int(paths.lengths.sum()), values)

    def _sample(self) -> Paths:
        samples = self.config.group_size if self.config.baseline == "group mean" else 1
        count = max(1, self.config.batch_size // samples)
        queries = self.queries[torch.randint(len(self.queries), (count,), generator=self.generator)]
        return sample_paths(self.model, queries, self.task.max_steps, self.generator, samples=samples)

    def _rewards(self, paths: Paths) -> Tensor:
        outcomes = judge(self.task, *paths.arrays())
        return torch.from_numpy(outcomes == 0).float()

    def _baseline(self, rewards: Tensor) -> Tensor:
        if self.config.baseline == "group mean":
            groups = rewards.view(-1, self.config.group_size)
            return groups.mean(dim=1, keepdim=True).expand_as(groups).reshape(-1)
        if self.config.baseline == "moving average":
            before = self.average_reward.clone()
            self.average_reward.lerp_(rewards.mean(), 1 - MOVING_AVERAGE)
            return before
        return torch.zeros(())

    def _loss(self, paths: Paths, advantages: Tensor) -> tuple[Tensor, float]:
        logits = self.model(paths.pairs, paths.tokens[:, :-1])
        loss = policy_gradient_loss(logits, paths, advantages)
        if self.config.kl == 0:
            return loss, 0.0
        with torch.no_grad():
            reference = self.base(paths.pairs, paths.tokens[:, :-1])
        divergence = path_kl(logits, reference, paths.lengths).mean()
        return loss + self.config.kl * divergence, divergence.item()

    def state(self) -> dict[str, Tensor]:
        return super().state() | {"average_reward": self.average_reward}

    def load_state(self, state: dict[str, Tensor]) -> None:
        super().load_state(state)
        self.average_reward = state["average_reward"].clone()
