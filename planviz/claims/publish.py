"""A tested set of claims as a folder: verdicts, figures, settings and metrics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from planviz.claims.evidence import Evidence
from planviz.claims.judge import Judged
from planviz.config import to_toml
from planviz.figures import style
from planviz.figures.claims import claim_figures
from planviz.figures.export import page_html
from planviz.runs.bundle import metrics_csv


def publish(folder: Path, evidence: Evidence, judged: Sequence[Judged], told: dict[str, Any]) -> None:
    """Write claims.json, claims.html, config.toml, metrics.csv and weights.csv.

    Args:
        told: what goes into claims.json, from `report.as_json`; the figures of claims.html are listed there too.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(to_toml(evidence.config), "utf-8")
    (folder / "metrics.csv").write_text(metrics_csv(evidence.evaluations), "utf-8")
    (folder / "weights.csv").write_text(evidence.weights.to_csv(index=False, lineterminator="\n"), "utf-8")
    by_claim = claim_figures(evidence)
    figures, words = [], []
    for each in judged:
        for make, explanation in by_claim[each.claim.id] if each.tests else ():
            figures.append(make())
            words.append(
                {"claim": each.claim.id, "title": style.title(figures[-1]), "explanation": explanation}
            )
    (folder / "claims.html").write_text(page_html(figures, f"The claims on {evidence.config.name}"), "utf-8")
    (folder / "claims.json").write_text(json.dumps(told | {"figures": words}, indent=1) + "\n", "utf-8")
