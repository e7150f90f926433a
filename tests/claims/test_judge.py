"""Each claim on made-up runs where the answer is known, and its negative controls."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from planviz.claims import report
from planviz.claims.judge import CLAIMS, judge
from planviz.config import GraphConfig, with_settings
from tests.claims.made_up import AS_IN_THE_PAPER, evidence, settings


def verdicts(**options: Any) -> dict[str, str]:
    return {judged.claim.id: judged.verdict for judged in judge(evidence(**options))}


def changed(arm: str, **curves: Any) -> dict[str, dict[str, Any]]:
    return {arm: AS_IN_THE_PAPER[arm] | curves}


def test_runs_as_in_the_paper_show_all_claims() -> None:
    assert verdicts() == {claim.id: "shown" for claim in CLAIMS}


CONTROLS = {
    "C1: an untrained model": ("C1", changed("sft", kl=(3.0, 3.0))),
    "C1: as good on test pairs": ("C1", changed("sft", accuracy=((0.8, 0.95), (0.45, 0.95)))),
    "C2: learning rate 0": ("C2", changed("pg", accuracy=((0.8, 0.8), (0.45, 0.45)))),
    "C2: no path that is not in the texts": ("C2", changed("pg", found=(0, 60))),
    "C3: learning rate 0": ("C3", changed("pg", distinct=(2.5, 2.5))),
    "C3: it fails": ("C3", changed("pg", accuracy=((0.8, 0.1), (0.45, 0.1)))),
    "C4: KL without effect": ("C4", changed("pg-kl", distinct=(2.5, 1.1))),
    "C4: KL for nothing": ("C4", changed("pg-kl", accuracy=((0.8, 1.05), (0.45, 0.6)))),
    "C5: an arm that plans": ("C5", changed("q-outcome", accuracy=((0.99, 0.99), (0.5, 0.9)))),
    "C5: learning rate 0": ("C5", changed("q-outcome", spread=(0.5, 0.5), accuracy=((0.99, 0.99), (0.5, 0.5)))),
    "C6: an untrained model": ("C6", changed("q-process", accuracy=((0.0, 0.0), (0.0, 0.0)))),
    "C6: one path is left": ("C6", changed("q-process", distinct=(1.6, 1.0))),
    "C7: off-policy fails": ("C7", changed("q-process-offpolicy", accuracy=((0.99, 0.5), (0.5, 0.4)))),
}  # fmt: skip


@pytest.mark.parametrize("control", CONTROLS)
def test_a_negative_control_is_not_shown(control: str) -> None:
    claim, curves = CONTROLS[control]
    assert verdicts(curves=curves)[claim] == "not shown"


def test_values_that_say_nothing_are_not_shown() -> None:
    assert verdicts(explained=0.0)["C6"] == "not shown"


def test_shuffled_labels_do_not_show_that_edges_are_recovered() -> None:
    guessing = {"sft": 0.5, "pg": 0.5, "q-process": 0.5}
    assert verdicts(edges=guessing)["C8"] == "not shown"


def test_a_single_seed_decides_nothing() -> None:
    assert set(verdicts(seeds=range(1)).values()) == {"undecided"}


def test_large_differences_between_seeds_leave_it_open() -> None:
    assert verdicts(noise=0.6)["C2"] == "undecided"


def test_runs_that_are_not_finished_count_for_nothing() -> None:
    found = evidence()
    steps = found.evaluations["step"]
    cut = found.evaluations[steps < steps.groupby(found.evaluations["arm"]).transform("max")]
    early = type(found)(found.config, found.task, found.correct_paths, cut, found.weights)
    for judged in judge(early):
        assert judged.verdict == "undecided" and "finished" in judged.reason


def test_an_arm_that_is_not_trained_is_named() -> None:
    config = settings()
    arms = {name: arm for name, arm in config.arms.items() if name != "pg"}
    found = evidence()
    without = type(found)(
        config.model_copy(update={"arms": arms}),
        found.task,
        found.correct_paths,
        found.evaluations,
        found.weights,
    )
    for judged in judge(without):
        assert (judged.verdict == "not applicable") == ("pg" in judged.claim.arms)
        assert judged.verdict == "shown" or "pg" in judged.reason


def test_an_arm_that_is_something_else_says_nothing() -> None:
    config = with_settings(settings(), {"arms.pg.kl": 5, "arms.q-outcome.reward": "process"})
    found = {judged.claim.id: judged for judged in judge(evidence(config=config))}
    for claim, what in (("C2", "pg is not"), ("C3", "pg is not"), ("C5", "q-outcome is not")):
        assert found[claim].verdict == "not applicable" and what in found[claim].reason
    assert found["C6"].verdict == "shown"


def test_a_base_that_knows_nothing_has_nothing_to_forget() -> None:
    curves = changed("base", accuracy=((0.0, 0.1), (0.0, 0.1)))
    found = {judged.claim.id: judged for judged in judge(evidence(curves=curves))}
    assert found["C5"].verdict == "not applicable" and "10%" in found["C5"].reason


def test_numbers_that_are_none_leave_it_open() -> None:
    """A base without a single correct path would make the ratio of paths infinite."""
    found = {
        judged.claim.id: judged for judged in judge(evidence(curves=changed("base", distinct=(0.0, 0.0))))
    }
    assert found["C6"].verdict == "undecided"
    json.dumps(report.as_json(list(found.values()), "e"), allow_nan=False)


def test_a_seed_with_one_evaluation_more_counts_like_the_others() -> None:
    found = evidence(noise=0.0)
    rows = found.evaluations
    one = rows[(rows["seed"] == 0) & (rows["step"] > 0)].groupby(["arm", "split"]).first().reset_index()
    more = pd.concat([rows, one.assign(step=1, sampled_accuracy=9.0)], ignore_index=True)
    stopped = type(found)(found.config, found.task, found.correct_paths, more, found.weights)
    for arm in ("pg", "sft"):
        assert stopped.average(arm, "test", "sampled_accuracy").equals(
            found.average(arm, "test", "sampled_accuracy")
        )
    assert stopped.fall("pg", "test", "sampled_accuracy").equals(found.fall("pg", "test", "sampled_accuracy"))


def test_an_import_without_test_pairs_can_still_be_judged() -> None:
    found = evidence()
    rows = found.evaluations[found.evaluations["split"] == "train"]
    half = type(found)(found.config, found.task, found.correct_paths, rows, found.weights.iloc[:0])
    assert {judged.claim.id: judged.verdict for judged in judge(half)}["C3"] == "shown"


def test_without_paths_to_discover_the_second_claim_does_not_apply() -> None:
    edges = tuple((node, node + 1) for node in range(11))
    line = with_settings(settings(), {"split.paths_per_pair": 2}).model_copy(
        update={"graph": GraphConfig(kind="file", labels=tuple(map(str, range(12))), edges=edges)}
    )
    found = {judged.claim.id: judged for judged in judge(evidence(config=line))}
    assert found["C2"].verdict == "not applicable" and "already hold all" in found["C2"].reason


def test_without_diversity_there_is_none_to_lose() -> None:
    curves = changed("base", distinct=(0.2, 1.0))
    found = {judged.claim.id: judged for judged in judge(evidence(curves=curves))}
    for claim in ("C3", "C4"):
        assert found[claim].verdict == "not applicable" and "no diversity to lose" in found[claim].reason


def test_on_a_cyclic_graph_without_discount_a_random_walk_is_best() -> None:
    cyclic = with_settings(settings(), {"graph.kind": "blocksworld", "graph.blocks": 3})
    found = {judged.claim.id: judged for judged in judge(evidence(config=cyclic))}
    for claim in ("C6", "C7"):
        assert found[claim].verdict == "not applicable" and "random walk" in found[claim].reason
    discounted = with_settings(
        cyclic, {"arms.q-process.discount": 0.9, "arms.q-process-offpolicy.discount": 0.9}
    )
    assert verdicts(config=discounted)["C7"] == "shown"


def test_where_the_peak_is_is_read_off_the_other_seeds() -> None:
    """With pure noise the highest value lies above the last; the fall must be 0 on average nevertheless."""
    flat = changed("pg", accuracy=((0.9, 0.9), (0.5, 0.5)))
    falls = evidence(curves=flat, noise=0.1, seeds=range(40)).fall("pg", "test", "sampled_accuracy")
    assert abs(falls.mean()) < 0.02
