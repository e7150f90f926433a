"""The command line's `planviz graph`: make graphs, and check files with graphs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from planviz.config import ExperimentConfig, with_settings

if TYPE_CHECKING:
    from planviz.graphs.files import ImportedGraph, ImportedTask

graph_commands = typer.Typer(help="Make and check graphs.", no_args_is_help=True)


@graph_commands.command("make")
def graph_make(
    kind: Annotated[
        str,
        typer.Argument(
            help="acyclic, directed, staged, grid, maze, tree, small-world, preferential, blocksworld or hanoi."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            help="The file to write: .graphml, .json, .dot, .csv (edges) or .adjacency.csv; or a picture: .svg, .png "
            "or .html.",
        ),
    ],
    nodes: Annotated[int | None, typer.Option(help="Number of nodes.")] = None,
    density: Annotated[float | None, typer.Option(help="Probability of each possible edge.")] = None,
    stages: Annotated[int | None, typer.Option(help="Number of stages.")] = None,
    rows: Annotated[int | None, typer.Option(help="Rows of a grid or maze.")] = None,
    columns: Annotated[int | None, typer.Option(help="Columns of a grid or maze.")] = None,
    openings: Annotated[float | None, typer.Option(help="Share of a maze's walls that are opened.")] = None,
    tree: Annotated[str | None, typer.Option(help="Kind of tree: regular or random.")] = None,
    children: Annotated[int | None, typer.Option(help="Children of a node of a regular tree.")] = None,
    both_ways: Annotated[
        bool | None, typer.Option("--both-ways", help="A tree's edges also lead back to the root.")
    ] = None,
    neighbours: Annotated[int | None, typer.Option(help="Edges of each node of a small world.")] = None,
    rewiring: Annotated[float | None, typer.Option(help="Share of shortcuts in a small world.")] = None,
    links: Annotated[int | None, typer.Option(help="Links of each new node (preferential).")] = None,
    blocks: Annotated[int | None, typer.Option(help="Number of blocks.")] = None,
    disks: Annotated[int | None, typer.Option(help="Number of disks of the Tower of Hanoi.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws another graph.")] = 0,
) -> None:
    """Make a graph and write it in the format that the file's ending says, or draw it."""
    from planviz.figures.picture import is_picture, write_picture
    from planviz.graphs.files import check_ending, write_graph
    from planviz.graphs.generate import build_graph

    given = {
        "kind": kind, "nodes": nodes, "density": density, "stages": stages, "rows": rows, "columns": columns,
        "openings": openings, "tree": tree, "children": children, "both_ways": both_ways,
        "neighbours": neighbours, "rewiring": rewiring, "links": links, "blocks": blocks, "disks": disks, "seed": seed,
    }  # fmt: skip
    if not is_picture(out.name):
        check_ending(out.name)
    changes = {f"graph.{key}": value for key, value in given.items() if value is not None}
    graph = build_graph(with_settings(ExperimentConfig(), changes).graph)
    out.write_bytes((write_picture if is_picture(out.name) else write_graph)(out.name, graph))
    _print_facts(graph)


@graph_commands.command("check")
def graph_check(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="A graph in GraphML, CSV, JSON or DOT; or ALPINE's three files: a graph, train_….txt and test.txt.",
        ),
    ],
) -> None:
    """Read a graph from a file, or a task from ALPINE's three files, and print its facts."""
    from planviz.graphs.files import ImportedTask
    from planviz.graphs.generate import build_graph

    found = read_files(files)
    _print_facts(build_graph(found.graph))
    if isinstance(found, ImportedTask):
        typer.echo(
            f"{len(found.texts):,} texts of {len(found.train_pairs):,} training pairs, "
            f"{len(found.test_pairs):,} test pairs"
        )
    for line in found.notes:
        typer.echo(line)


@graph_commands.command("pddl")
def graph_pddl(
    problem: Annotated[
        Path, typer.Argument(metavar="PROBLEM.pddl", help="A problem of Blocksworld in PDDL.")
    ],
) -> None:
    """Read a Blocksworld problem in PDDL as a query, and print it with a shortest plan."""
    import networkx as nx

    from planviz.graphs.blocksworld import blocksworld, stacks
    from planviz.graphs.pddl import MAX_PDDL_BYTES, find_query, read_problem, write_plan

    with problem.open("rb") as file:
        found = read_problem(file.read(MAX_PDDL_BYTES + 1))
    graph = blocksworld(len(found.names))
    source, target = find_query(found, graph)
    path = nx.shortest_path(graph, source, target)
    labels = [graph.nodes[node]["label"] for node in path]
    named = ", ".join(f"{letter} = {name}" for letter, name in found.letters.items())
    typer.echo(f"{len(found.names)} blocks: {named}")
    goals, states = len(found.goals), len(graph)
    typer.echo(f"goal: {goals} of {states} states satisfy it")
    typer.echo(
        f"query: from node {source} ({labels[0]}) to node {target} ({labels[-1]}), moves: {len(path) - 1}"
    )
    typer.echo(write_plan([stacks(label) for label in labels], found.letters), nl=False)


def read_files(files: list[Path]) -> ImportedGraph | ImportedTask:
    """A graph from one file of any format, or a task from ALPINE's three files.

    Raises:
        GraphFileError: the files hold no graph or no task that planviz can use.
    """
    from planviz.graphs.files import MAX_FILE_BYTES, MAX_TEXT_BYTES, import_graph, read_alpine

    contents: dict[str, bytes] = {}
    for path in files:
        with path.open("rb") as file:  # of a file that is too large, no more than shows it
            contents[path.name] = file.read(max(MAX_FILE_BYTES, MAX_TEXT_BYTES) + 1)
    return import_graph(*contents.popitem()) if len(files) == 1 else read_alpine(contents)


def with_files(experiment: ExperimentConfig, files: list[Path]) -> tuple[ExperimentConfig, tuple[str, ...]]:
    """The experiment on the graph of a file, or on the task of ALPINE's three files; and what was left out.

    Raises:
        GraphFileError: the files hold no graph or no task that planviz can use.
    """
    from planviz.graphs.files import ImportedTask
    from planviz.splits import imported_settings

    found = read_files(files)
    if not isinstance(found, ImportedTask):
        return experiment.model_copy(update={"graph": found.graph}), found.notes
    graph, split = imported_settings(found)
    return experiment.model_copy(update={"graph": graph, "split": split}), found.notes


def _print_facts(graph: Any) -> None:
    from planviz.graphs.facts import graph_facts

    facts = graph_facts(graph)
    typer.echo(
        f"{facts.nodes} nodes, {facts.edges} edges, {'acyclic' if facts.acyclic else 'with cycles'}, "
        f"{facts.reachable_pairs} reachable pairs"
    )
