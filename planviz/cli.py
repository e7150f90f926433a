"""The command line: the app, training without a browser, graphs, and stored runs.

Errors are one line on stderr and a non-zero exit; `--debug` shows the traceback.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from planviz import __version__
from planviz.cli_graph import graph_commands, with_files
from planviz.config import (
    ExperimentConfig,
    SettingError,
    parse,
    preset,
    read_toml,
    with_settings,
)
from planviz.folders import app_folder, make_benchmarks_importable, provide_plotly
from planviz.limits import PUBLIC, Limits

app = typer.Typer(
    help="A lab for the training dynamics of planning in language models.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
)
runs_commands = typer.Typer(
    help="List, show, resume, export and delete what was trained.", no_args_is_help=True
)
app.add_typer(graph_commands, name="graph")
app.add_typer(runs_commands, name="runs")

output = Console(width=None if sys.stdout.isatty() else 110)
messages = Console(stderr=True)


def main() -> None:
    """Run the command line; an error becomes one line on stderr and exit code 1."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(arguments, prog_name="planviz")
    except Exception as error:
        if debug:
            raise
        text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
        messages.print(
            f"[bold red]planviz:[/] {escape(' '.join(text.splitlines()))}", soft_wrap=True, highlight=False
        )
        sys.exit(1)


def _version(wanted: bool) -> None:
    if wanted:
        output.print(f"planviz {__version__}", highlight=False)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def default(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Without a command, open the app."""
    if context.invoked_subcommand is None:
        open_app()


@app.command("app")
def open_app(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the server.")] = 8501,
    public: Annotated[
        bool,
        typer.Option(
            "--public",
            help="Listen on all addresses: anyone who can reach this machine can train, within limits.",
        ),
    ] = False,
) -> None:
    """Open planviz in the browser, on localhost."""
    import streamlit.web.cli
    from streamlit.runtime.pages_manager import PagesManager

    folder = app_folder()
    address = "0.0.0.0" if public else "localhost"
    os.environ[PUBLIC] = "1" if public else "0"
    if public:
        output.print(f"Open to everyone who can reach port {port} of this machine. {Limits().in_words()}")
    os.chdir(folder)  # Streamlit reads .streamlit/config.toml from here
    provide_plotly()
    # Until app.py has called st.navigation once, Streamlit would take pages/ for pages of their own, and a link to
    # one of them, the first thing opened after a start, would run without the frame.
    PagesManager.uses_pages_directory = False
    arguments = ["run", "app.py", f"--server.port={port}", f"--server.address={address}"]
    streamlit.web.cli.main(arguments, prog_name="streamlit")


@app.command()
def run(
    config: Annotated[
        Path | None, typer.Argument(help="A TOML file of settings.", show_default=False)
    ] = None,
    preset_name: Annotated[str | None, typer.Option("--preset", help="quick, paper or blocksworld.")] = None,
    graph: Annotated[
        list[Path] | None,
        typer.Option(
            help="Train on the graph in this file; three times for ALPINE's files, with their texts."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting, as KEY=VALUE; may be repeated.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds of every arm, such as 0,1,2.")] = None,
    arms: Annotated[str | None, typer.Option(help="Only these arms, such as pg,q-process.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write config, metrics, paths and checkpoints there.")
    ] = None,
    compact: Annotated[
        bool,
        typer.Option(help="In --out, fewer weights, in half precision, and only the last sampled paths."),
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at once; as many as cores by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Train an experiment without a browser and print its results."""
    experiment = _experiment(config, preset_name, graph or [], settings or [], seeds, arms)
    if out is not None:
        _must_be_free(out)
    from planviz.runs.bundle import export_experiment
    from planviz.runs.manager import RunManager
    from planviz.runs.store import Store, default_home
    from planviz.summary import summarize

    store = Store(default_home())
    manager = RunManager(store, workers)
    try:
        experiment_id = manager.start(experiment, preset_name)
        _wait(store, experiment_id, quiet=as_json or not messages.is_terminal)
    finally:
        manager.shutdown()
    table = summarize(store.evaluations(experiment_id))
    failed = [r for r in store.runs(experiment_id) if r.state != "finished"]
    if out is not None:
        export_experiment(store, experiment_id, out, compact=compact)
    if as_json:
        print(json.dumps({"experiment": experiment_id, "runs": json.loads(table.to_json(orient="records"))}))
    else:
        _print_summary(experiment, table)
        output.print(f"Experiment {experiment_id}" + (f", written to {out}" if out else ""), highlight=False)
    if failed:
        raise RuntimeError("; ".join(f"{r.arm} (seed {r.seed}) {r.state}: {r.message}" for r in failed))


def _must_be_free(out: Path) -> None:
    """Refuse to write over anything."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingError(f"{out}: exists and is not an empty folder; name another one")


def _experiment(
    config: Path | None,
    preset_name: str | None,
    graph: list[Path],
    settings: list[str],
    seeds: str | None,
    arms: str | None,
) -> ExperimentConfig:
    if (config is None) == (preset_name is None):
        raise SettingError("name either a TOML file or a --preset")
    experiment = read_toml(config) if config is not None else preset(preset_name or "")
    if graph:
        experiment, notes = with_files(experiment, graph)
        for note in notes:
            messages.print(escape(note), soft_wrap=True, highlight=False)
    changes: dict[str, Any] = {}
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator:
            raise SettingError(f"--set {setting}: write it as KEY=VALUE")
        changes[key.strip()] = value.strip()
    if seeds is not None:
        changes["seeds"] = seeds
    experiment = with_settings(experiment, changes)
    if arms is not None:
        names = [name.strip() for name in arms.split(",")]
        chosen = {name: experiment.arm(name).model_dump() for name in names}
        experiment = parse(experiment.model_dump() | {"arms": chosen})
    return experiment


def _wait(store: Any, experiment_id: str, *, quiet: bool) -> None:
    """Wait until all runs have ended, with a progress bar a run."""
    import time

    from planviz.runs.records import ACTIVE

    columns = (
        TextColumn("{task.description:<32}"),
        BarColumn(),
        TextColumn("{task.completed:>6.0f} / {task.total:.0f} steps"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=messages, disable=quiet) as progress:
        total = progress.add_task("all runs", total=None)
        bars: dict[str, Any] = {}
        while True:
            runs = store.runs(experiment_id)
            progress.update(
                total, total=sum(r.total_steps for r in runs), completed=sum(r.step for r in runs)
            )
            for record in runs:
                if record.state == "running" and record.id not in bars:
                    name = f"{record.arm} (seed {record.seed})"
                    bars[record.id] = progress.add_task(name, total=record.total_steps)
                if record.id in bars:
                    done = record.state not in ACTIVE
                    progress.update(bars[record.id], completed=record.step, visible=not done)
            if not any(record.state in ACTIVE for record in runs):
                return
            time.sleep(0.2)


def _print_summary(experiment: ExperimentConfig, table: Any) -> None:
    """Final values: a row a run, and the mean of every arm that has several seeds."""
    from planviz.summary import KEPT, SUMMARY, over_seeds

    shown = Table(title=f"{experiment.name}: final values (distinct correct paths a train pair)")
    for name in ("arm", "seed", *SUMMARY, KEPT, "seconds"):
        shown.add_column(name, justify="left" if name == "arm" else "right")

    def add(row: Any, seed: str, style: str | None = None) -> None:
        cells = [f"{row[name]:.2f}" for name in SUMMARY]
        kept = f"{row[KEPT]:.0%}"
        shown.add_row(row["arm"], seed, *cells, kept, f"{row['seconds']:.1f}", style=style)

    means = over_seeds(table) if len(table) else table
    for _, mean in means.iterrows():
        for _, row in table[table["arm"] == mean["arm"]].iterrows():
            add(row, str(row["seed"]))
        if len(experiment.seeds) > 1:
            add(mean, "mean", "bold")
        shown.add_section()
    output.print(shown)


@app.command()
def bench(
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch; a worker of the app has one.")] = 1,
    repeats: Annotated[
        int, typer.Option(min=1, help="Repetitions of each step, of which the median counts.")
    ] = 15,
    out: Annotated[Path | None, typer.Option(help="A folder for results.json and README.md.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Measure the engine on this machine: steps against their floor, and against a plain loop."""
    make_benchmarks_importable()
    import torch
    from rich.markdown import Markdown

    from benchmarks.report import markdown
    from benchmarks.suite import measure

    torch.set_num_threads(threads)
    results: dict[str, Any] = {}
    for name, found in measure(repeats):
        results[name] = found
        messages.print(f"measured: {name.replace('_', ' ')}", highlight=False)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "results.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
        (out / "README.md").write_text(markdown(results), "utf-8")
    if as_json:
        print(json.dumps(results))
    else:
        output.print(Markdown(markdown(results)))


@runs_commands.command("list")
def runs_list() -> None:
    """List all experiments, newest first."""
    store = _store()
    table = Table()
    for name in ("id", "name", "preset", "created", "runs"):
        table.add_column(name, no_wrap=name == "id")
    for record in store.experiments():
        import datetime

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
    _print_summary(record.config, summarize(store.evaluations(experiment_id)))
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
        _wait(store, experiment_id, quiet=not messages.is_terminal)
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

    _must_be_free(out)
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


if __name__ == "__main__":
    main()
