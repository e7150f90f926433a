"""The tests of C5 to C8: what Q-learning learns from which reward and whose paths, and which edges it recovers.

Thresholds are the smallest effects that a reader would call an effect, not the sizes that the paper finds.
"""

from __future__ import annotations

import networkx as nx

from planviz.claims.evidence import EXPLAINED, Evidence
from planviz.claims.statistics import SMALL, Test, interval
from planviz.config import BASE, QLearningConfig

CLOSE = 0.1
"""A tenth: accuracies no further apart than this end together."""

LEARNED = 0.5
"""A base that gets fewer of its training pairs right than this has not learned its texts."""


# C5, C6, C7


def nothing_to_forget(evidence: Evidence) -> str:
    accuracy = float(evidence.final(BASE, "train", "greedy_accuracy").mean())
    if accuracy >= LEARNED:
        return ""
    return (
        f"The base gets {accuracy:.0%} of the training pairs right, so there is little that could be lost. Train it "
        "for longer."
    )


def outcome_fails(evidence: Evidence) -> list[Test]:
    spread = evidence.final("q-outcome", "train", "q_spread") / evidence.first(
        "q-outcome", "train", "q_spread"
    )
    accuracy = evidence.final("q-outcome", "train", "greedy_accuracy")
    return [
        Test(
            "Train accuracy (greedy)", interval(accuracy), "below", CLOSE,
            "From a base that gets most training pairs right, to next to none.", share=True,
        ),
        Test(
            "Spread of Q over the next nodes, end over start", interval(spread), "below", 0.5,
            "Equal Q-values have no spread: the model cannot tell a good next node from a bad one.",
        ),
    ]  # fmt: skip


def random_walk_is_best(evidence: Evidence, *arms: str) -> str:
    settings = [evidence.config.arm(arm) for arm in arms]
    discounted = all(isinstance(arm, QLearningConfig) and arm.discount < 1 for arm in settings)
    if discounted or nx.is_directed_acyclic_graph(evidence.task.graph):
        return ""
    return (
        "This graph has cycles, and with γ = 1 every edge towards the target is worth the same, detours and ways back "
        "too: the ideal policy is a random walk, and A + R − 1 says nothing of arriving. With γ below 1 the shortest "
        "paths win."
    )


def process_plans(evidence: Evidence) -> list[Test]:
    kept = evidence.final("q-process", "train", "distinct_paths") / evidence.final(
        BASE, "train", "distinct_paths"
    )
    test = evidence.final("q-process", "test", "greedy_accuracy") - evidence.final(
        BASE, "test", "greedy_accuracy"
    )
    return [
        Test(
            "Train accuracy (greedy)",
            interval(evidence.final("q-process", "train", "greedy_accuracy")), "above", 0.9,
            "Optimal means all training pairs; a tenth is left to the noise of training.", share=True,
        ),
        Test(
            "Distinct paths, over the base's", interval(kept), "above", 0.9,
            "Diversity is kept if no more than a tenth of it is lost.",
        ),
        Test(
            "Share of the variance of Q* that is learned",
            interval(evidence.known("q-process", EXPLAINED)), "above", 0.5,
            "1 is the exact values, 0 a model for which all next nodes are equally good: more than half of the way.",
            share=True,
        ),
        Test(
            "Test accuracy (greedy), Q-learning minus the base", interval(test), "above", SMALL,
            "A model of adjacency and reachability also plans for pairs that it was never trained on.",
            share=True, decides=False,
        ),
    ]  # fmt: skip


def off_policy_too(evidence: Evidence) -> list[Test]:
    tests = []
    for split in ("train", "test"):
        on, off = (
            evidence.final(arm, split, "greedy_accuracy") for arm in ("q-process", "q-process-offpolicy")
        )
        tests.append(
            Test(
                f"{split.capitalize()} accuracy (greedy), on-policy minus off-policy",
                interval(on - off),
                "within",
                CLOSE,
                "They end together if they are surely no further apart than a tenth.",
                share=True,
            )
        )
    better = evidence.final("q-process-offpolicy", "test", "greedy_accuracy") - evidence.final(
        BASE, "test", "greedy_accuracy"
    )
    return [
        *tests,
        Test(
            "Test accuracy (greedy), off-policy minus the base", interval(better), "above", SMALL,
            "What it learns from the base's paths goes beyond the base.", share=True, decides=False,
        ),
    ]  # fmt: skip


# C8


def no_rare_edge(evidence: Evidence) -> str:
    if not evidence.weights.empty and evidence.known("sft", "rare").notna().any():
        return ""
    return "No edge of this graph is rare in the texts, so there is none that SFT could have under-weighted."


def recovers(evidence: Evidence) -> list[Test]:
    sft, pg, q = (evidence.known(arm, "rare") for arm in ("sft", "pg", "q-process"))
    never = evidence.known("q-process", "never")
    tests = [
        Test(
            "AUC of rare edges, Q-learning minus SFT", interval(q - sft), "above", SMALL,
            "How well the logits tell edges that the texts take seldom or never from non-edges: 0.5 is chance.",
        ),
        Test(
            "AUC of rare edges, PG minus SFT", interval(pg - sft), "above", SMALL,
            "Policy gradient recovers what it explores, and forgets what it no longer samples.",
        ),
        Test(
            "AUC of rare edges, Q-learning minus PG", interval(q - pg), "above", SMALL,
            "Q-learning learns from bad steps as well.",
        ),
    ]  # fmt: skip
    if never.notna().any():
        tests.append(
            Test(
                "AUC of edges that no text takes, Q-learning",
                interval(never),
                "above",
                0.5,
                "SFT cannot know them, and guesses.",
                decides=False,
            )
        )
    return tests
