"""The experiment that a command is about, from its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from planviz.cli_graph import with_files
from planviz.cli_output import messages
from planviz.config import ExperimentConfig, SettingError, parse, preset, read_toml, with_settings

ConfigFile = Annotated[Path | None, typer.Argument(help="A TOML file of settings.", show_default=False)]
Graphs = Annotated[
    list[Path] | None,
    typer.Option(help="Train on the graph in this file; three times for ALPINE's files, with their texts."),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Change a setting, as KEY=VALUE; may be repeated.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Runs at once; as many as cores by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the results as JSON.")]


def experiment_from(
    config: Path | None,
    preset_name: str | None,
    graph: list[Path] | None,
    settings: list[str] | None,
    *,
    seeds: str | None = None,
    arms: str | None = None,
) -> ExperimentConfig:
    """The settings of a file or a preset, with what the other options change.

    Raises:
        SettingError: there are both or neither of the two, or a setting is not allowed.
        GraphError, TaskError: a file holds no usable graph.
    """
    if (config is None) == (preset_name is None):
        raise SettingError("name either a TOML file or a --preset")
    experiment = read_toml(config) if config is not None else preset(preset_name or "")
    if graph:
        experiment, notes = with_files(experiment, graph)
        for note in notes:
            messages.print(escape(note), soft_wrap=True, highlight=False)
    changes: dict[str, Any] = {}
    for setting in settings or []:
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
