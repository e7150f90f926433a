"""What the demo shows, in numbers read off its evaluations."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from planviz.config import BASE


@dataclass(frozen=True)
class Finding:
    """One finding of the paper, as it came out."""

    title: str
    value: str
    change: str
    sentence: str


def findings(values: pd.DataFrame) -> list[Finding]:
    """The four findings that a comparison of all arms shows, from its final values, a row an arm."""
    final = values.set_index("arm")
    base, pg = final.loc[BASE], final.loc["pg"]
    outcome, process = final.loc["q-outcome"], final.loc["q-process"]
    return [
        Finding(
            "SFT on unseen pairs", f"{base['test greedy']:.0%}", f"{base['train greedy']:.0%} on training pairs",
            "Fine-tuning memorises which step followed which. It does not learn that reachability is transitive.",
        ),
        Finding(
            "Paths left by policy gradient", f"{pg['distinct paths']:.1f}",
            f"from {base['distinct paths']:.1f} per pair",
            "It gets the training pairs right, and goes on narrowing down until one path per pair is left.",
        ),
        Finding(
            "Q-learning, outcome reward", f"{outcome['train greedy']:.0%}", "accuracy on training pairs",
            "Rewarded only for arriving, it learns that every step is worth the same, and gets lost.",
        ),
        Finding(
            "Q-learning, process reward", f"{process['test greedy']:.0%}",
            f"on unseen pairs, {process['distinct paths']:.1f} paths each",
            "Told which steps are no edges, it plans well, generalises, and keeps its diversity.",
        ),
    ]  # fmt: skip
