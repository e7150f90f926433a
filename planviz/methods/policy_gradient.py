"""Policy gradient on the model's own samples.

    J(θ) = E_{u ~ π_θ} [ R(u) ] − λ · KL(π_θ ‖ π_base),   R(u) = 1 if u is correct, else 0
    ∇J = E_{u ~ π_θ} [ (R(u) − b) · ∇ log π_θ(u) ] − λ · E_{u ~ π_θ} [ Σ_j ∇ KL(π_θ(·|u_<j) ‖ π_base(·|u_<j)) ]

With λ = 0 and no baseline b (the paper, section 4) one step is exactly an SFT step on the correct samples: what
it adds is exploration. Once every sample is correct the expected gradient is 0, but its noise is not: π
random-walks until one path a pair is left. A baseline makes the advantage 0 there, so it changes the collapse.

The KL term is exact over the next tokens at every visited prefix, which has far less noise than log(π / π_base)
of the sampled tokens; its gradient through the choice of prefixes is left out, as is usual.

Step size and λ decide how fast the collapse comes (docs/LOG.md, `paper` preset, five seeds, 800 steps of 128): from
6.9 distinct paths a pair to 5.0 at a learning rate of 1e-4, 2.4 at 3e-4 and 1.3 at 1e-3, where accuracy on test pairs
falls below the base's. At 3e-4 test accuracy first rises (sampled, 0.72 to 0.87; continual SFT: 0.78). λ = 0.1 keeps
5.5 distinct paths for 0.03 of accuracy. Baselines lessen the noise and collapse a little later, with the best accuracy
on test pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor

from planviz.config import PolicyGradientConfig
from planviz.methods.base import Floats, Method, StepResult, per_seed
from planviz.methods.sft import negative_log_likelihood
from planviz.models.base import PlanningModel
from planviz.packing import PackedPaths, Paths, pack
from planviz.rollout import sample_paths
from planviz.task import Task, judge

MOVING_AVERAGE = 0.95
"""Decay of the moving-average baseline."""


def policy_gradient_loss(logits: Tensor, batch: PackedPaths, advantages: Floats) -> Tensor:
    """−Σ_u A(u) · log π(u) / B of each seed, (S,); its gradient is minus the policy gradient.

    Args:
        logits: (S, N, V).
        advantages: (S, B), one for each of the paths, those that were left out of the batch included.
    """
    of_steps = torch.from_numpy(np.take_along_axis(advantages, batch.path, axis=1)).float()
    losses = per_seed(of_steps * negative_log_likelihood(logits, batch), batch)
    return losses / float(advantages.shape[1])


def step_kl(logits: Tensor, reference_logits: Tensor) -> Tensor:
    """KL(π(·|u_<j) ‖ π_ref(·|u_<j)) at each step, (S, N), in nats, from logits (S, N, V)."""
    log_policy: Tensor = logits.log_softmax(dim=2)
    log_reference: Tensor = reference_logits.log_softmax(dim=2)
    divergence: Tensor = (log_policy.exp() * (log_policy - log_reference)).sum(dim=2)
    return divergence


class PolicyGradient(Method):
    """REINFORCE, with an optional KL penalty to the base model and an optional baseline."""

    def __init__(
        self,
        model: PlanningModel,
        base: PlanningModel,
        task: Task,
        config: PolicyGradientConfig,
        generators: Sequence[Generator],
    ) -> None:
        super().__init__(model, config, generators)
        self.base, self.task, self.config = base, task, config
        self.plain = config.kl == 0 and config.baseline == "none"
        self.average_reward = np.zeros(len(generators))

    def step(self) -> StepResult:
        paths = self._sample()
        rewards = self._rewards(paths)
        advantages = rewards - self._baseline(rewards)
        # A path with advantage 0 has no gradient, unless it feels the KL: leave it out.
        batch = pack(paths, used=advantages != 0 if self.config.kl == 0 else None)
        logits = self.model(batch)
        losses = policy_gradient_loss(logits, batch, advantages)
        divergence = torch.zeros(len(losses))
        if self.config.kl > 0:
            with torch.no_grad():
                reference = self.base(batch)
            divergence = per_seed(step_kl(logits, reference), batch) / rewards.shape[1]
            losses = losses + self.config.kl * divergence
        self.update(losses)
        values = {
            "loss": losses.detach().double().numpy(),
            "reward": rewards.mean(axis=1),
            "kl": divergence.detach().double().numpy(),
        }
        return StepResult(rewards.shape[1], paths.lengths.sum(axis=1), paths, values)

    def _sample(self) -> Paths:
        samples = self.config.group_size if self.config.baseline == "group mean" else 1
        count = max(1, self.config.batch_size // samples)
        queries = self.task.train_pairs[self.draw(count, len(self.task.train_pairs))]
        return sample_paths(
            self.model,
            queries,
            self.task.max_steps,
            self.generators,
            samples=samples,
            # Without a baseline and KL a broken path has no gradient: there is no need to know how it ends.
            until_broken=self.task.adjacency if self.plain else None,
        )

    def _rewards(self, paths: Paths) -> Floats:
        outcomes = judge(self.task, *paths.flat()).reshape(paths.lengths.shape)
        return np.asarray(outcomes == 0, dtype=np.float64)

    def _baseline(self, rewards: Floats) -> Floats:
        """What is subtracted from the rewards (S, B), in a shape that fits."""
        if self.config.baseline == "group mean":
            groups = rewards.reshape(len(rewards), -1, self.config.group_size)
            return np.broadcast_to(groups.mean(axis=2, keepdims=True), groups.shape).reshape(rewards.shape)
        before = self.average_reward
        if self.config.baseline == "moving average":
            self.average_reward = MOVING_AVERAGE * before + (1 - MOVING_AVERAGE) * rewards.mean(axis=1)
        return before[:, None]

    def states(self) -> list[dict[str, Tensor]]:
        average = torch.from_numpy(self.average_reward)
        return [
            state | {"average_reward": value} for state, value in zip(super().states(), average, strict=True)
        ]

    def load_states(self, states: Sequence[dict[str, Tensor]]) -> None:
        super().load_states(states)
        self.average_reward = torch.stack([state["average_reward"] for state in states]).double().numpy()
