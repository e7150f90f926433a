"""C1 to C8: what each claim says, when it applies, and the tests that it has to pass.

The arms are those of the presets, and what `planviz.claims.study` adds to them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from planviz.claims import policy_tests, value_tests
from planviz.claims.evidence import Evidence
from planviz.claims.statistics import Test, Verdict, together
from planviz.config import BASE, ExperimentConfig

NATURES: dict[str, tuple[str, dict[str, Any]]] = {
    BASE: ("SFT", {"method": "sft"}),
    "sft": ("SFT", {"method": "sft"}),
    "pg": ("policy gradient without KL", {"method": "pg", "with_kl": False}),
    "pg-kl": ("policy gradient with KL", {"method": "pg", "with_kl": True}),
    "q-outcome": ("Q-learning on the outcome", {"method": "q", "reward": "outcome"}),
    "q-process": ("on-policy Q-learning on the process", {"method": "q", "reward": "process", "off_policy": False}),
    "q-process-offpolicy": ("off-policy Q-learning on the process", {"method": "q", "reward": "process",
                                                                     "off_policy": True}),
}  # fmt: skip
"""What an arm of this name must be for the claims to be about it: in words, and its settings."""


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Attributes:
        arms: those whose runs it is judged by.
        where: where the paper makes it.
    """

    id: str
    title: str
    sentence: str
    where: str
    arms: tuple[str, ...]
    tests: Callable[[Evidence], Sequence[Test]]
    obstacle: Callable[[Evidence], str]


@dataclass(frozen=True)
class Judged:
    """A claim with what came out.

    Attributes:
        tests: where the claim does not apply, none of them decides anything.
        reason: why the claim does not apply, or why there is nothing to judge it by yet; otherwise empty.
    """

    claim: Claim
    verdict: Verdict
    tests: tuple[Test, ...]
    reason: str = ""


def judge(evidence: Evidence) -> list[Judged]:
    """The verdict on each of the eight claims."""
    return [_judge(claim, evidence) for claim in CLAIMS]


def _judge(claim: Claim, evidence: Evidence) -> Judged:
    absent = [arm for arm in claim.arms if arm != BASE and arm not in evidence.config.arms]
    if absent:
        return Judged(claim, "not applicable", (), f"This experiment does not train {' and '.join(absent)}.")
    other = _other_arms(evidence.config, claim.arms)
    if other:
        return Judged(claim, "not applicable", (), f"In this experiment {' and '.join(other)}.")
    if not evidence.seeds(claim.arms):
        return Judged(claim, "undecided", (), f"No seed of {', '.join(claim.arms)} has finished yet.")
    tests, reason = tuple(claim.tests(evidence)), claim.obstacle(evidence)
    if reason:
        return Judged(claim, "not applicable", tuple(replace(test, decides=False) for test in tests), reason)
    return Judged(claim, together(tests), tests)


def _other_arms(config: ExperimentConfig, arms: Sequence[str]) -> list[str]:
    """What arms are not what their names say, in words: anybody may change their settings."""
    told = []
    for arm in arms:
        settings: dict[str, Any] = config.arm(arm).model_dump()
        settings["with_kl"] = settings.get("kl", 0) > 0
        words, needed = NATURES[arm]
        if any(settings.get(key) != value for key, value in needed.items()):
            told.append(f"{arm} is not {words}")
    return told


CLAIMS = (
    Claim(
        "C1", "SFT memorises which step followed which",
        "Fine-tuning converges to a table of co-occurrences in its texts. It gets the training pairs right, and falls "
        "short on pairs that no text shows.",
        "section 3", (BASE, "sft"), policy_tests.memorises, policy_tests.looks_further,
    ),
    Claim(
        "C2", "Policy gradient generalises better, because it explores",
        "From the same base, policy gradient does better on unseen pairs than more fine-tuning: it trains on correct "
        "paths that no text holds.",
        "section 4", (BASE, "sft", "pg"), policy_tests.explores, policy_tests.all_known,
    ),
    Claim(
        "C3", "Without KL, diversity collapses",
        "Policy gradient narrows down to one path a pair, also when it gets nearly everything right already.",
        "section 4", (BASE, "pg"), policy_tests.collapses, policy_tests.nothing_to_lose,
    ),
    Claim(
        "C4", "KL keeps diversity, and costs accuracy",
        "A penalty for leaving the base keeps its different paths alive, and some of its mistakes.",
        "section 4", (BASE, "pg", "pg-kl"), policy_tests.kl_keeps, policy_tests.nothing_to_lose,
    ),
    Claim(
        "C5", "Q-learning on the outcome alone fails",
        "Rewarded only for arriving, all next nodes become worth the same, and the model is lost.",
        "section 5.1", (BASE, "q-outcome"), value_tests.outcome_fails, value_tests.nothing_to_forget,
    ),
    Claim(
        "C6", "Q-learning on the process plans, and keeps diversity",
        "Also told which steps are no edges, it learns the exact values: it gets the training pairs right and "
        "keeps all good next nodes equally good.",
        "section 5.2", (BASE, "q-process"), value_tests.process_plans,
        lambda evidence: value_tests.random_walk_is_best(evidence, "q-process"),
    ),
    Claim(
        "C7", "Q-learning also works off-policy",
        "Trained on the paths of the frozen base instead of its own, it ends where it ends on-policy.",
        "section 5.2", (BASE, "q-process", "q-process-offpolicy"), value_tests.off_policy_too,
        lambda evidence: value_tests.random_walk_is_best(evidence, "q-process", "q-process-offpolicy"),
    ),
    Claim(
        "C8", "RL recovers edges that SFT under-weights",
        "Edges that are rare in the texts are hard to read out of a fine-tuned model, easier after policy gradient, "
        "and easiest after Q-learning.",
        "sections 4 and 5", (BASE, "sft", "pg", "q-process"), value_tests.recovers, value_tests.no_rare_edge,
    ),
)  # fmt: skip
