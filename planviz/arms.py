"""The settings of each method that an arm may train with: sections of the one table in `planviz.config`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from planviz.setting import Section, setting


class Training(Section):
    """What every arm has: how long, how many texts or queries a step, how fast."""

    steps: int = setting(300, "Steps", "Number of optimizer steps.", ge=1, le=1_000_000)
    batch_size: int = setting(128, "Batch size", "Texts or sampled paths a step.", ge=1, le=4096)
    learning_rate: float = setting(1e-3, "Learning rate", "Step size of AdamW.", ge=0, le=1)
    schedule: Literal["constant", "linear", "cosine"] = setting(
        "constant", "Schedule", "How the learning rate goes: it stays, or it falls to 0 at the last step.",
        paper="constant",
    )  # fmt: skip


class SftConfig(Training):
    """Supervised fine-tuning on the random-walk texts."""

    method: Literal["sft"] = "sft"


class PolicyGradientConfig(Training):
    """REINFORCE on sampled paths: reward 1 for a correct path, else 0."""

    method: Literal["pg"] = "pg"
    kl: float = setting(
        0.0, "KL weight (λ)", "Weight of the KL divergence to the base model; the paper tries several, and finds "
        "that about 1e-4 balances diversity and accuracy.", ge=0, le=100,
    )  # fmt: skip
    baseline: Literal["none", "moving average", "group mean"] = setting(
        "none", "Baseline", "What is subtracted from the reward. With a baseline the collapse changes too.",
        paper="none",
    )  # fmt: skip
    group_size: int = setting(
        8, "Group size", "Samples of one query that share a group-mean baseline.", ge=2, le=64
    )


class QLearningConfig(Training):
    """Q-learning with the logits as Q-values."""

    method: Literal["q"] = "q"
    reward: Literal["outcome", "process", "custom"] = setting(
        "process", "Reward",
        "Outcome: 1 for arriving by a correct path. Process: 1 for arriving, −1 for every step that is no edge. "
        "Custom: the sum of the terms below.",
    )  # fmt: skip
    arrive_reward: float = setting(
        1.0, "Reach the target", "For the step that goes to the target.", ge=-5, le=5
    )
    invalid_edge_reward: float = setting(
        -1.0, "Invalid edge", "For every step that follows no edge of the graph.", ge=-5, le=5
    )
    step_reward: float = setting(
        0.0, "Each step", "For every step; below 0, shorter paths are worth more.", ge=-5, le=5
    )
    dead_end_reward: float = setting(
        0.0, "Dead end", "For every step to a node from which the target cannot be reached.", ge=-5, le=5
    )
    repeat_reward: float = setting(
        0.0, "Repeat", "For every step to a node that the path has visited before.", ge=-5, le=5
    )
    off_policy: bool = setting(
        False, "Off-policy", "Paths are sampled from the frozen base instead of the model itself."
    )
    discount: float = setting(
        1.0, "Discount (γ)", "Below 1, shorter paths are worth more: use it on graphs with cycles.",
        paper=1.0, ge=0, le=1,
    )  # fmt: skip
    exploration: float = setting(
        0.1, "Exploration (ε)", "Share of steps that are drawn uniformly at random.", ge=0, le=1
    )
    rollout_temperature: float = setting(
        0.3, "Rollout temperature", "Temperature of softmax(Q/τ) while sampling training paths.", gt=0, le=10
    )
    policy_temperature: float = setting(
        0.1, "Policy temperature (τ)", "Temperature of softmax(Q/τ) in evaluations.", gt=0, le=10
    )
    target_decay: float = setting(
        0.9, "Target network decay", "EMA decay of the target network; 0 means no target network (the paper).",
        paper=0.0, ge=0, lt=1,
    )  # fmt: skip
    loss: Literal["squared", "huber"] = setting(
        "squared", "Loss", "Squared error, or Huber's: beyond an error of 1 it grows only linearly.",
        paper="squared",
    )  # fmt: skip
    replay: int = setting(
        0, "Replay", "Train on paths drawn from the last so many batches; 0 means on each batch once.",
        paper=0, ge=0, le=1000,
    )  # fmt: skip
    calibrate_head: bool = setting(
        True, "Calibrated head",
        "Scale and shift the SFT logits once, so that they start on the scale of Q-values.", paper=False,
    )  # fmt: skip


TERMS = ("arrive_reward", "invalid_edge_reward", "step_reward", "dead_end_reward", "repeat_reward")
"""The settings that make a custom reward."""

CHANGEABLE = ("reward", *TERMS, "discount", "exploration")
"""The settings of Q-learning that may change while it trains."""

ArmConfig = Annotated[SftConfig | PolicyGradientConfig | QLearningConfig, Field(discriminator="method")]
