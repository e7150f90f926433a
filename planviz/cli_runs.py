"""The command line's `planviz runs`: what was trained."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from planviz.cli_output import messages, must_be_free, output, print_summary, wait

runs_commands = typer.Typer(
    help="List, show, resume, export and delete what was trained.", no_args_is_help=True
)


@runs_commands.command("list")
def runs_list() -> None:
    """List all experiments, newest first."""
    store = _store()
    table = Table()
    for name in ("id", "name", "preset", "created", "runs"):
        table.add_column(name, no_wrap=name == "id")
    for record in store.experiments():
        created = datetime.datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M")
        states = ", ".join(f"{count} {state}" for state, count in sorted(record.states.items()))
        table.add_row(record.id, escape(record.name), record.preset or "", created, states)
    output.print(table)


@runs_commands.command("show")
def runs_show(experiment_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show the results of an experiment."""
    from planviz.summary import summarize

    store = _store()
    record = store.experiment(experiment_id)
    print_summary(record.config, summarize(store.evaluations(experiment_id)))
    for each in store.runs(experiment_id):
        if each.state != "finished":
            line = f"{each.arm} (seed {each.seed}): {each.state} at step {each.step}. {each.message}"
            output.print(escape(line), highlight=False)


@runs_commands.command("resume")
def runs_resume(
    experiment_id: Annotated[str, typer.Argument(metavar="ID")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes at once; as many as cores by default.")
    ] = None,
) -> None:
    """Train on what was interrupted, stopped or failed, from the last checkpoints, and show the results."""
    from planviz.runs.manager import RunManager
    from planviz.runs.records import RESUMABLE

    store = _store()
    states = store.experiment(experiment_id).states
    if not RESUMABLE & states.keys():
        said = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        allowed = ", ".join(sorted(RESUMABLE))
        raise RuntimeError(f"experiment {experiment_id} has no run that is {allowed}; it has {said}")
    manager = RunManager(store, workers)
    try:
        manager.resume_all(experiment_id)
        wait(store, experiment_id, quiet=not messages.is_terminal)
    finally:
        manager.shutdown()
    runs_show(experiment_id)


@runs_commands.command("export")
def runs_export(
    experiment_id: Annotated[str, typer.Argument(metavar="ID")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder to write.")],
    compact: Annotated[
        bool, typer.Option(help="Fewer weights, in half precision, and only the last sampled paths.")
    ] = False,
) -> None:
    """Write an experiment's config, metrics, paths and checkpoints to a folder."""
    from planviz.runs.bundle import export_experiment

    must_be_free(out)
    export_experiment(_store(), experiment_id, out, compact=compact)


@runs_commands.command("delete")
def runs_delete(
    experiment_id: Annotated[str, typer.Argument(metavar="ID")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete an experiment with all it stored."""
    from planviz.runs.records import ACTIVE

    store = _store()
    record = store.experiment(experiment_id)
    if ACTIVE & record.states.keys():
        raise RuntimeError(f"experiment {experiment_id} is still being trained; stop it in the app first")
    if yes or typer.confirm(f"Delete experiment {record.name} with {sum(record.states.values())} runs?"):
        store.delete_experiment(experiment_id)


def _store() -> Any:
    from planviz.runs.store import Store, default_home

    store = Store(default_home())
    store.interrupt_orphans()
    return store
