"""Q-learning with the logits as Q-values: Q(t, c, k) = logit of k.

    L(θ) = E [ (Q_θ(t, c, k) − r − γ · max_k' Q_target(t, k, k'))² ],   no bootstrap where the path ends

A path ends when k = t, at EOS, and at the length limit: a path that was cut off has failed, so its last step is
worth its reward and no more. (Bootstrapping past the cut-off lets values feed on themselves and diverge.)

The paths are the model's own, drawn from softmax(Q / τ), or off-policy those of the frozen base; either way a
share ε of the steps is random. Off-policy that share matters more: what nobody tries, nobody corrects.

Three things make a transformer converge fast; the first two the paper does not have. On the `paper` preset, after
200 steps on five seeds (docs/LOG.md):

- The calibrated head. SFT logits are not on the scale of Q-values: starting from them unchanged, accuracy is 0.02.
- The target network, a moving average of the weights with a decay of 0.9. Without it some seeds end at 0.97 and others
  at 0; a decay of 0.97 follows too slowly.
- A small rollout temperature τ where there are many nodes. With 100 nodes, τ = 0.3 samples so many bad ones that few
  rollouts arrive: 0.79 against 1.00 with τ = 0.1. With 30 nodes τ = 0.3 explores more and generalises better.

Huber loss, replay and a schedule are there to be tried; the defaults do without them.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from planviz.config import QLearningConfig
from planviz.methods.base import Floats, Method, StepResult, per_seed, with_prefix, without_prefix
from planviz.models.base import PlanningModel
from planviz.packing import PackedPaths, Paths, at_cells, pack
from planviz.rewards import Reward, reward_of, steps_of
from planviz.rollout import sample_paths
from planviz.task import Task, text_arrays


def path_rewards(task: Task, paths: Paths, reward: Reward) -> Floats:
    """The reward of every step of the paths, (S, B, L), 0 after the end of a path."""
    pairs, tokens, lengths = paths.flat()
    inside = np.arange(tokens.shape[1]) < lengths[:, None]
    rewards = reward(steps_of(task, pairs, tokens))
    return np.where(inside, rewards, 0.0).reshape(paths.tokens.shape)


def step_rewards(task: Task, batch: PackedPaths, reward: Reward) -> Tensor:
    """The reward of every step, (S, N) float."""
    return torch.from_numpy(at_cells(path_rewards(task, batch.paths, reward), batch.cell)).float()


def q_targets(state_values: Tensor, batch: PackedPaths, rewards: Tensor, discount: float) -> Tensor:
    """r + γ · max_k' Q_target(next state), or r alone at the end of a path, (S, N).

    Args:
        state_values: (S, N) max_k' Q_target in the state that each step goes *from*; the state that it leads to
            is the one that the next step of the path goes from.
    """
    next_values = state_values.roll(-1, dims=1)
    return rewards + discount * torch.where(torch.from_numpy(batch.is_last), 0.0, next_values)


class QLearning(Method):
    """Q-learning on whole sampled paths, every step of them."""

    def __init__(
        self,
        model: PlanningModel,
        base: PlanningModel,
        task: Task,
        config: QLearningConfig,
        generators: Sequence[Generator],
    ) -> None:
        super().__init__(model, config, generators)
        self.base, self.task = base, task
        self.change(config)
        if config.calibrate_head:
            calibrate_head(model, task)
        self.target = copy.deepcopy(model).requires_grad_(False)
        self.memory: Paths | None = None

    def change(self, config: QLearningConfig) -> None:
        """Go on with other settings of those that `CHANGEABLE` names; paths in the memory get the new rewards."""
        self.config, self.reward = config, reward_of(config)

    def step(self) -> StepResult:
        sampled = self._sample()
        paths = self._remember(sampled) if self.config.replay > 0 else sampled
        batch = pack(paths)
        rewards = step_rewards(self.task, batch, self.reward)
        with torch.no_grad():
            targets = q_targets(self.target(batch).amax(dim=2), batch, rewards, self.config.discount)
        taken = torch.from_numpy(batch.token)[:, :, None]
        errors = self.model(batch).gather(2, taken)[:, :, 0] - targets
        penalties = (
            2 * F.huber_loss(errors, torch.zeros_like(errors), reduction="none")
            if self.config.loss == "huber"
            else errors.square()
        )
        losses = per_seed(penalties, batch) / torch.from_numpy(paths.lengths.sum(axis=1))
        self.update(losses)
        self._follow()
        values = {
            "loss": losses.detach().double().numpy(),
            "reward": path_rewards(self.task, sampled, self.reward).sum(axis=2).mean(axis=1),
        }
        return StepResult(self.config.batch_size, sampled.lengths.sum(axis=1), sampled, values)

    def _sample(self) -> Paths:
        config = self.config
        queries = self.task.train_pairs[self.draw(config.batch_size, len(self.task.train_pairs))]
        behaviour, temperature = (
            (self.base, 1.0) if config.off_policy else (self.model, config.rollout_temperature)
        )
        return sample_paths(
            behaviour,
            queries,
            self.task.max_steps,
            self.generators,
            temperature=temperature,
            exploration=config.exploration,
        )

    def _remember(self, paths: Paths) -> Paths:
        """Add a batch of paths to the memory; as many drawn from it, each seed's from its own."""
        room = self.task.max_steps - paths.tokens.shape[2]
        new = paths._replace(tokens=np.pad(paths.tokens, ((0, 0), (0, 0), (0, room))))
        old = (
            new
            if self.memory is None
            else Paths(*(np.concatenate(arrays, axis=1) for arrays in zip(self.memory, new, strict=True)))
        )
        kept = self.config.replay * self.config.batch_size
        self.memory = Paths(*(array[:, -kept:] for array in old))
        drawn = self.draw(self.config.batch_size, self.memory.lengths.shape[1])
        seed = np.arange(len(drawn))[:, None]
        return Paths(*(array[seed, drawn] for array in self.memory))

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the target network towards the model; with decay 0 it is the model itself."""
        followers: list[Tensor] = [*self.target.parameters()]
        weights: list[Tensor] = [*self.model.parameters()]
        torch._foreach_lerp_(followers, weights, 1 - self.config.target_decay)

    def states(self) -> list[dict[str, Tensor]]:
        targets = with_prefix("target.", self.target.states())
        states = [own | target for own, target in zip(super().states(), targets, strict=True)]
        if self.memory is not None:
            for seed, state in enumerate(states):
                for name, array in self.memory._asdict().items():
                    state[f"memory.{name}"] = torch.from_numpy(array[seed])
        return states

    def load_states(self, states: Sequence[dict[str, Tensor]]) -> None:
        super().load_states(states)
        self.target.load_states(without_prefix("target.", states))
        memories = without_prefix("memory.", states)
        self.memory = None
        if memories[0]:
            names = Paths._fields
            self.memory = Paths(*(np.stack([m[name].numpy() for m in memories]) for name in names))


@torch.no_grad()
def calibrate_head(model: PlanningModel, task: Task, texts: int = 2000) -> None:
    """Scale and shift the logits once, so that along the SFT texts their mean maximum is 1, the value of a good
    step, and their mean median -1, the value of a step that is no good for anything."""
    of_one = (array[:texts] for array in text_arrays(task))
    batch = pack(Paths(*(np.repeat(array[None], model.seeds, axis=0) for array in of_one)))
    before_arrival = batch.inside[0] & ~batch.is_last[0]  # the same texts for every seed
    logits = model(batch)[:, torch.from_numpy(before_arrival)]
    top = logits.amax(dim=2).mean(dim=1)
    middle = logits.median(dim=2).values.mean(dim=1)
    scale = 2 / (top - middle).clamp(min=1e-3)
    model.rescale_logits(scale, 1 - scale * top)
