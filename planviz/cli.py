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
from rich.markup import escape

from planviz import __version__
from planviz.cli_claims import claims
from planviz.cli_experiment import AsJson, ConfigFile, Graphs, Settings, Workers, experiment_from
from planviz.cli_graph import graph_commands
from planviz.cli_output import messages, must_be_finished, must_be_free, output, print_summary, wait
from planviz.cli_runs import runs_commands
from planviz.folders import app_folder, make_benchmarks_importable, provide_plotly
from planviz.limits import PUBLIC, Limits

MAX_UPLOAD = 1000
"""Megabytes of a file that the app takes on one's own machine; for a public server .streamlit/config.toml says it."""

app = typer.Typer(
    help="A lab for the training dynamics of planning in language models.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("claims")(claims)
app.add_typer(graph_commands, name="graph")
app.add_typer(runs_commands, name="runs")


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

    from planviz.runs.store import Store, default_home

    Store(default_home()).close()  # a folder that cannot be used is better said here than on a page
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
    if not public:  # the runs that one exported oneself are large; strangers send graphs, which are small
        arguments.append(f"--server.maxUploadSize={MAX_UPLOAD}")
    streamlit.web.cli.main(arguments, prog_name="streamlit")


@app.command()
def run(
    config: ConfigFile = None,
    preset_name: Annotated[str | None, typer.Option("--preset", help="quick, paper or blocksworld.")] = None,
    graph: Graphs = None,
    settings: Settings = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds of every arm, such as 0,1,2.")] = None,
    arms: Annotated[str | None, typer.Option(help="Only these arms, such as pg,q-process.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write config, metrics, paths and checkpoints there.")
    ] = None,
    compact: Annotated[
        bool,
        typer.Option(help="In --out, fewer weights, in half precision, and only the last sampled paths."),
    ] = False,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Train an experiment without a browser and print its results."""
    experiment = experiment_from(config, preset_name, graph, settings, seeds=seeds, arms=arms)
    if out is not None:
        must_be_free(out)
    from planviz.runs.bundle import export_experiment
    from planviz.runs.manager import RunManager
    from planviz.runs.store import Store, default_home
    from planviz.summary import summarize

    store = Store(default_home())
    manager = RunManager(store, workers)
    try:
        experiment_id = manager.start(experiment, preset_name)
        wait(manager, experiment_id, quiet=as_json or not messages.is_terminal)
    finally:
        manager.shutdown()
    table = summarize(store.evaluations(experiment_id))
    if out is not None:
        export_experiment(store, experiment_id, out, compact=compact)
    if as_json:
        print(json.dumps({"experiment": experiment_id, "runs": json.loads(table.to_json(orient="records"))}))
    else:
        print_summary(experiment, table)
        output.print(f"Experiment {experiment_id}" + (f", written to {out}" if out else ""), highlight=False)
    must_be_finished(store.runs(experiment_id))


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


if __name__ == "__main__":
    main()
