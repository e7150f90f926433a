"""The command line's `planviz runs`: what was trained."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from planviz.cli_output import messages, must_be_free, output, print_summary, wait

if TYPE_CHECKING:
    from planviz.runs.library import Headline
    from planviz.runs.records import ExperimentRecord

runs_commands = typer.Typer(
    help="List, show, mark, compare, resume, export, import and delete what was trained.",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="An experiment, as `planviz runs list` shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


@runs_commands.command("list")
def runs_list(
    search: Annotated[
        str, typer.Option(help="Only those with these words in name, tags, preset, graph, arms or id.")
    ] = "",
    archived: Annotated[bool, typer.Option("--archived", help="Those in the archive instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """List all experiments but those in the archive, newest first."""
    from planviz.runs.library import found, headlines

    store = _store()
    records = [record for record in found(store.experiments(), search) if record.archived == archived]
    if as_json:
        numbers = headlines(store)
        print(json.dumps([_as_json(record, numbers[record.id]) for record in records]))
        return
    names = ["id", "name", "preset", "created", "runs"] + ["tags"] * any(record.tags for record in records)
    table = Table()
    for name in names:
        table.add_column(name, no_wrap=name == "id")
    for record in records:
        created = datetime.datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M")
        states = ", ".join(f"{count} {state}" for state, count in sorted(record.states.items()))
        name = ("★ " if record.starred else "") + record.name
        row = (record.id, name, record.preset or "", created, states, ", ".join(record.tags))
        table.add_row(*map(escape, row[: len(names)]))
    output.print(table)


def _as_json(record: ExperimentRecord, headline: Headline) -> dict[str, Any]:
    """What is said about an experiment in a list, as plain values; the numbers are those of `Headline`."""
    from dataclasses import asdict

    from planviz.graphs.kinds import graph_in_words

    return {
        "id": record.id, "name": record.name, "preset": record.preset, "created": record.created,
        "states": record.states, "starred": record.starred, "archived": record.archived,
        "tags": list(record.tags), "graph": graph_in_words(record.config.graph),
        "arms": list(record.config.arms), "seeds": list(record.config.seeds), "headline": asdict(headline),
    }  # fmt: skip


@runs_commands.command("show")
def runs_show(experiment_id: Id, as_json: AsJson = False) -> None:
    """Show the results of an experiment."""
    from planviz.runs.library import headlines
    from planviz.summary import summarize

    store = _store()
    record = store.experiment(experiment_id)
    summary = summarize(store.evaluations(experiment_id))
    if as_json:
        told = _as_json(record, headlines(store)[record.id])
        told |= {"config": record.config.model_dump(mode="json")}
        told |= {"results": json.loads(summary.to_json(orient="records"))}
        print(json.dumps(told))
        return
    print_summary(record.config, summary)
    for each in store.runs(experiment_id):
        if each.state != "finished":
            line = f"{each.arm} (seed {each.seed}): {each.state} at step {each.step}. {each.message}"
            output.print(escape(line), highlight=False)


@runs_commands.command("rename")
def runs_rename(experiment_id: Id, name: Annotated[str, typer.Argument(help="The new name.")]) -> None:
    """Give an experiment another name."""
    _store().update_experiment(experiment_id, name=name)


Tags = Annotated[list[str], typer.Argument(metavar="TAG…", help="One tag or several.")]


@runs_commands.command("tag")
def runs_tag(experiment_id: Id, tags: Tags) -> None:
    """Add tags to an experiment."""
    store = _store()
    store.update_experiment(experiment_id, tags=[*store.experiment(experiment_id).tags, *tags])


@runs_commands.command("untag")
def runs_untag(experiment_id: Id, tags: Tags) -> None:
    """Take tags off an experiment."""
    store = _store()
    there = store.experiment(experiment_id).tags
    if missing := [tag for tag in tags if tag not in there]:
        raise ValueError(f"the tag {missing[0]!r} is not there; the tags are: {', '.join(there) or 'none'}")
    store.update_experiment(experiment_id, tags=[tag for tag in there if tag not in tags])


@runs_commands.command("star")
def runs_star(experiment_id: Id) -> None:
    """Mark an experiment with a star."""
    _store().update_experiment(experiment_id, starred=True)


@runs_commands.command("unstar")
def runs_unstar(experiment_id: Id) -> None:
    """Take the star off an experiment."""
    _store().update_experiment(experiment_id, starred=False)


@runs_commands.command("archive")
def runs_archive(experiment_id: Id) -> None:
    """Put an experiment into the archive: it is kept, but no longer listed."""
    _store().update_experiment(experiment_id, archived=True)


@runs_commands.command("unarchive")
def runs_unarchive(experiment_id: Id) -> None:
    """Take an experiment out of the archive."""
    _store().update_experiment(experiment_id, archived=False)


@runs_commands.command("diff")
def runs_diff(
    experiment_ids: Annotated[list[str], typer.Argument(metavar="ID ID…", help="Two experiments or more.")],
    as_json: AsJson = False,
) -> None:
    """Show the settings in which experiments differ, and only these."""
    from planviz.runs.library import differing

    if len(experiment_ids) < 2:
        raise ValueError("name two experiments or more")
    store = _store()
    records = [store.experiment(experiment_id) for experiment_id in experiment_ids]
    rows = differing([record.config for record in records])
    if as_json:
        print(json.dumps({key: dict(zip(experiment_ids, row, strict=True)) for key, row in rows.items()}))
        return
    if not rows:
        output.print("All their settings are the same.")
        return
    table = Table("setting", *(escape(f"{record.name}\n{record.id}") for record in records))
    for key, row in rows.items():
        table.add_row(key, *map(escape, row))
    output.print(table)


@runs_commands.command("resume")
def runs_resume(
    experiment_id: Id,
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
        wait(manager, experiment_id, quiet=not messages.is_terminal)
    finally:
        manager.shutdown()
    runs_show(experiment_id)


@runs_commands.command("export")
def runs_export(
    experiment_id: Id,
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder or the .zip file to write.")],
    compact: Annotated[
        bool, typer.Option(help="Fewer weights, in half precision, and only the last sampled paths.")
    ] = False,
) -> None:
    """Write an experiment's config, metrics, paths and checkpoints to a folder, or to one .zip file."""
    from planviz.runs.bundle import export_experiment
    from planviz.runs.bundle_zip import export_zip

    must_be_free(out)
    export = export_zip if out.suffix.lower() == ".zip" else export_experiment
    export(_store(), experiment_id, out, compact=compact)


@runs_commands.command("import")
def runs_import(
    source: Annotated[Path, typer.Argument(metavar="FILE.zip|FOLDER", help="What was exported.")],
) -> None:
    """Bring an exported experiment back, as a new one."""
    from planviz.runs.bundle import import_experiment
    from planviz.runs.bundle_zip import import_zip

    imported = import_experiment(_store(), source) if source.is_dir() else import_zip(_store(), source)
    output.print(f"Experiment {imported}", highlight=False)


@runs_commands.command("delete")
def runs_delete(
    experiment_id: Id, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Delete an experiment with all it stored."""
    from planviz.runs.demo import must_not_be_demo
    from planviz.runs.records import ACTIVE

    store = _store()
    record = store.experiment(experiment_id)
    must_not_be_demo(experiment_id)
    if ACTIVE & record.states.keys():
        raise RuntimeError(f"experiment {experiment_id} is still being trained; stop it in the app first")
    if yes or typer.confirm(f"Delete experiment {record.name} with {sum(record.states.values())} runs?"):
        store.delete_experiment(experiment_id)


def _store() -> Any:
    from planviz.runs.store import Store, default_home

    store = Store(default_home())
    store.interrupt_orphans()
    return store
