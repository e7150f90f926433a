"""The command line's `planviz claims`: the paper's eight claims, tested by training."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from planviz.cli_experiment import AsJson, ConfigFile, Graphs, Settings, Workers, experiment_from
from planviz.cli_output import messages, must_be_finished, must_be_free, output, wait

if TYPE_CHECKING:
    from planviz.claims.evidence import Evidence
    from planviz.claims.judge import Judged

COLORS = {"shown": "green", "not shown": "red", "undecided": "yellow", "not applicable": "bright_black"}


def claims(
    config: ConfigFile = None,
    preset_name: Annotated[
        str | None, typer.Option("--preset", help="quick, paper or blocksworld; quick by default.")
    ] = None,
    graph: Graphs = None,
    settings: Settings = None,
    seeds: Annotated[int, typer.Option(min=1, max=50, help="How many seeds every arm has.")] = 5,
    out: Annotated[
        Path | None, typer.Option(help="Write verdicts, figures, settings and metrics there.")
    ] = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Test the paper's eight claims: train every arm with several seeds, and judge.

    Runs of the same settings that are stored already are not trained again, and those that were interrupted go on.
    """
    if config is None and preset_name is None:
        preset_name = "quick"
    experiment = experiment_from(config, preset_name, graph, settings)
    if out is not None:
        must_be_free(out)
    from planviz.claims import report
    from planviz.claims.judge import judge
    from planviz.claims.study import gather, study, take_up
    from planviz.runs.manager import RunManager
    from planviz.runs.store import Store, default_home

    store = Store(default_home())
    manager = RunManager(store, workers)
    began = time.monotonic()
    try:
        experiment_id = take_up(store, manager, study(experiment, range(seeds)), preset_name)
        wait(manager, experiment_id, quiet=as_json or not messages.is_terminal)
        evidence = gather(store, manager, experiment_id)
    finally:
        manager.shutdown()
    judged = judge(evidence)
    told = report.as_json(judged, experiment_id) | {"seconds": time.monotonic() - began}
    if out is not None:
        publish(out, evidence, judged, told)
    if as_json:
        print(json.dumps(told))
    else:
        _print(judged)
        output.print(f"Experiment {experiment_id}" + (f", written to {out}" if out else ""), highlight=False)
    must_be_finished(store.runs(experiment_id))


def _print(judged: list[Judged]) -> None:
    from planviz.claims import report

    table = Table(title="The paper's claims, on these runs")
    for name in ("claim", "verdict", "measured", "mean (95 % interval)", "needed"):
        table.add_column(name)
    for each in judged:
        color = COLORS[each.verdict]
        verdict = f"[{color}]{report.MARKS[each.verdict]} {each.verdict}[/]"
        title = escape(f"{each.claim.id} {each.claim.title}")
        if each.reason:
            table.add_row(title, verdict, escape(each.reason), "", "")
        for place, test in enumerate(test for test in each.tests if test.decides):
            first = (title, verdict) if place == 0 else ("", "")
            mark = report.MARKS[test.verdict]
            table.add_row(*first, f"{mark} {test.name}", report.with_interval(test), report.needed(test))
        table.add_section()
    output.print(table)


def publish(folder: Path, evidence: Evidence, judged: Sequence[Judged], told: dict[str, Any]) -> None:
    """Write claims.json, claims.html, config.toml, metrics.csv and weights.csv.

    Args:
        told: what goes into claims.json, from `report.as_json`; the figures of claims.html are listed there too.

    Raises:
        OSError: the folder cannot be written.
    """
    from planviz.config import to_toml
    from planviz.figures import style
    from planviz.figures.claims import claim_figures
    from planviz.figures.export import page_html
    from planviz.runs.bundle import metrics_csv

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
