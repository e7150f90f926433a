"""The tests of C1 to C4: what SFT learns, what policy gradient adds, and what it loses.

Thresholds are the smallest effects that a reader would call an effect, not the sizes that the paper finds.
"""

from __future__ import annotations

import networkx as nx

from planviz.claims.evidence import Evidence
from planviz.claims.statistics import SMALL, Test, interval
from planviz.config import BASE
from planviz.discovery import existing

VARIED = 1.2
"""Distinct correct paths a pair below which there is no diversity that could be lost."""


# C1


def looks_further(evidence: Evidence) -> str:
    """On graphs with cycles a transformer can learn more of the texts than the table holds."""
    if evidence.config.model.kind != "transformer" or nx.is_directed_acyclic_graph(evidence.task.graph):
        return ""
    return (
        "The texts visit no node twice, so on a graph with cycles what follows depends on the whole path. A "
        "transformer sees it, and learns more than the table N(t, c, k) / ΣN: expect it to come near the table first, "
        "and to leave it again. The tabular model, which sees only the current node and the target, converges to it."
    )


def memorises(evidence: Evidence) -> list[Test]:
    before = evidence.first(BASE, "train", "kl_to_cooccurrence")
    after = evidence.final("sft", "train", "kl_to_cooccurrence")
    gap = evidence.final("sft", "train", "sampled_accuracy") - evidence.final(
        "sft", "test", "sampled_accuracy"
    )
    return [
        Test(
            "Share of the way to the co-occurrence table", interval(1 - after / before), "above", 0.8,
            "An untrained model has gone none of the way from its first guess to N(t, c, k) / ΣN, a model that has "
            "learned the table by heart all of it.", share=True,
        ),
        Test(
            "Train minus test accuracy (sampled)", interval(gap), "above", SMALL,
            "A model that had learned to plan, and not the table, would do as well on test pairs.", share=True,
        ),
    ]  # fmt: skip


# C2


def all_known(evidence: Evidence) -> str:
    known, exist = (
        len(set(evidence.task.texts)),
        existing(evidence.task, evidence.correct_paths)["paths_found"],
    )
    if known < exist:
        return ""
    return (
        f"The texts already hold all {known:,} correct paths of the training pairs, so exploration has nothing to "
        "find. Expect policy gradient to do as well as SFT; with fewer paths a pair it has something left to find."
    )


def explores(evidence: Evidence) -> list[Test]:
    better = evidence.average("pg", "test", "sampled_accuracy") - evidence.average(
        "sft", "test", "sampled_accuracy"
    )
    found = evidence.final("pg", "train", "paths_found") / len(set(evidence.task.texts))
    at_the_end = evidence.final("pg", "test", "sampled_accuracy") - evidence.final(
        "sft", "test", "sampled_accuracy"
    )
    greedy = evidence.average("pg", "test", "greedy_accuracy") - evidence.average(
        "sft", "test", "greedy_accuracy"
    )
    return [
        Test(
            "Test accuracy (sampled), PG minus continual SFT", interval(better), "above", SMALL,
            "The mean over all evaluations after the start, so that no lucky moment is picked; both begin at the same "
            "base.", share=True,
        ),
        Test(
            "Correct paths that PG found, over those in the texts", interval(found), "above", 1.1,
            "SFT never meets a path that is not in its texts; exploration shows in a tenth more, at least.",
        ),
        Test(
            "The same at the end", interval(at_the_end), "above", SMALL,
            "Later on the collapse of diversity may have cost what was gained.", share=True, decides=False,
        ),
        Test(
            "Test accuracy (greedy), PG minus continual SFT", interval(greedy), "above", SMALL,
            "The most likely path alone shows less of what was explored.", share=True, decides=False,
        ),
    ]  # fmt: skip


# C3, C4


def nothing_to_lose(evidence: Evidence) -> str:
    diversity = float(evidence.final(BASE, "train", "distinct_paths").mean())
    if diversity >= VARIED:
        return ""
    return (
        f"The base has {diversity:.2f} distinct correct paths a training pair, so there is no diversity to lose. "
        "Graphs where most pairs have several paths, and more than one text a pair, have some."
    )


def collapses(evidence: Evidence) -> list[Test]:
    left = (evidence.final("pg", "train", "distinct_paths") - 1) / (
        evidence.first("pg", "train", "distinct_paths") - 1
    )
    gained = evidence.final("pg", "train", "sampled_accuracy") - evidence.first(
        "pg", "train", "sampled_accuracy"
    )
    return [
        Test(
            "Diversity left, beyond one path a pair", interval(left), "below", 0.5,
            "0 is a single path for each pair, 1 the diversity at the start; less than half of it is a collapse.",
            share=True,
        ),
        Test(
            "Train accuracy (sampled), end minus start", interval(gained), "above", 0,
            "Diversity is also lost when a model fails; this one must get better all the while.", share=True,
        ),
        Test(
            "Fall of test accuracy (sampled) from its peak", interval(evidence.fall("pg", "test", "sampled_accuracy")),
            "above", 0,
            "The paper sees a rise and then a fall. It comes later than the collapse, often after these steps; the "
            "peak is read off the other seeds.", share=True, decides=False,
        ),
    ]  # fmt: skip


def kl_keeps(evidence: Evidence) -> list[Test]:
    kept = evidence.final("pg-kl", "train", "distinct_paths") / evidence.final(
        "pg", "train", "distinct_paths"
    )
    cost = evidence.final("pg", "train", "sampled_accuracy") - evidence.final(
        "pg-kl", "train", "sampled_accuracy"
    )
    tests = [
        Test(
            "Distinct paths with KL, over those without", interval(kept), "above", 1.2,
            "A fifth more correct paths among the samples than without KL, at least.",
        ),
        Test(
            "Train accuracy (sampled), without KL minus with", interval(cost), "above", 0,
            "Staying near the base means keeping some of its mistakes.", share=True,
        ),
    ]  # fmt: skip
    if "pg-kl-strong" in evidence.config.arms and evidence.seeds(["pg-kl-weak", "pg-kl-strong"]):
        more = evidence.final("pg-kl-strong", "train", "distinct_paths") / evidence.final(
            "pg-kl-weak", "train", "distinct_paths"
        )
        tests.append(
            Test(
                "Distinct paths with 100 times the λ",
                interval(more),
                "above",
                1.2,
                "The larger λ is, the more is kept.",
                decides=False,
            )
        )
    return tests
