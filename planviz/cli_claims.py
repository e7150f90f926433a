"""The command line's `planviz claims`: the paper's eight claims, tested by training."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from planviz.cli_experiment import AsJson, ConfigFile, Graphs, Settings, Workers, experiment_from
from planviz.cli_output import messages, must_be_free, output, wait

if TYPE_CHECKING:
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
        from planviz.claims.publish import publish

        publish(out, evidence, judged, told)
    if as_json:
        print(json.dumps(told))
    else:
        _print(judged)
        output.print(f"Experiment {experiment_id}" + (f", written to {out}" if out else ""), highlight=False)
    failed = [run for run in store.runs(experiment_id) if run.state != "finished"]
    if failed:
        raise RuntimeError("; ".join(f"{r.arm} (seed {r.seed}) {r.state}: {r.message}" for r in failed))


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
