"""Verdicts in words: as JSON, as a Markdown table, and number by number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from planviz.claims.judge import Judged
from planviz.claims.statistics import Test, deciding

MARKS = {"shown": "✓", "not shown": "✗", "undecided": "?", "not applicable": "–"}


def number(value: float, share: bool) -> str:
    """A statistic as it is read: a share in per cent."""
    if math.isnan(value):
        return "none"
    return f"{value:.1%}".replace("-", "−").replace("%", " %") if share else f"{value:.2f}".replace("-", "−")


def with_interval(test: Test) -> str:
    """The mean with its interval, such as 0.10 (0.06 to 0.15) or 10.3 % (5.7 to 14.9)."""
    found = test.interval
    mean = number(found.mean, test.share)
    if not math.isfinite(found.low):
        return f"{mean} (no interval: {found.seeds} seed{'s' * (found.seeds != 1)})"
    low, high = (number(bound, test.share).removesuffix(" %") for bound in (found.low, found.high))
    return f"{mean} ({low} to {high})"


def needed(test: Test) -> str:
    """What the whole interval must be, such as "above 0.02"."""
    limit = number(test.threshold, test.share)
    return f"within ±{limit}" if test.side == "within" else f"{test.side} {limit}"


def as_json(judged: Sequence[Judged], experiment_id: str) -> dict[str, Any]:
    """All verdicts as plain values. Statistic, interval and threshold of a claim are those of the test that its verdict
    hangs on; an interval without bounds is null."""
    return {"experiment": experiment_id, "claims": [_claim(each) for each in judged]}


def _claim(judged: Judged) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": judged.claim.id,
        "title": judged.claim.title,
        "verdict": judged.verdict,
        "reason": judged.reason,
    }
    tests = [test_as_json(test) for test in judged.tests]
    hinge = deciding(judged.tests)
    first = test_as_json(hinge) if hinge else {}
    return values | {
        "statistic": first.get("statistic"),
        "interval": first.get("interval"),
        "threshold": first.get("threshold"),
        "tests": tests,
    }


def test_as_json(test: Test) -> dict[str, Any]:
    """A test as plain values, with its numbers in words too."""
    found = test.interval
    bounded = math.isfinite(found.low) and math.isfinite(found.high)
    return {
        "name": test.name,
        "verdict": test.verdict,
        "found": with_interval(test),
        "needed": needed(test),
        "statistic": None if math.isnan(found.mean) else found.mean,
        "interval": [found.low, found.high] if bounded else None,
        "side": test.side,
        "threshold": test.threshold,
        "seeds": found.seeds,
        "decides": test.decides,
        "why": test.why,
    }


def markdown_tests(tests: Sequence[dict[str, Any]]) -> str:
    """The tests of one claim, as `as_json` gives them, as a table."""
    lines = ["| measured | mean (95 % interval) | needed | |", "| --- | --- | --- | --- |"]
    for test in tests:
        name = test["name"] + ("" if test["decides"] else " (told only)")
        verdict = f"{MARKS[test['verdict']]} {test['verdict']}"
        lines.append(f"| {name} | {test['found']} | {test['needed']} | {verdict} |")
    return "\n".join(lines)
