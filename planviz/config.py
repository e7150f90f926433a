"""ExperimentConfig: the one typed table of all settings.

Widgets, share links, TOML files, the store and the command line all read and write this table. To add a
setting, add one line to a section below, or in `planviz.arms` for those of a method: its title, help, bounds and the
paper's value go with it.
Settings are addressed by dotted keys, such as ``graph.nodes`` or ``arms.pg.learning_rate``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import Field, ValidationError, field_validator, model_validator

from planviz.arms import CHANGEABLE, ArmConfig, PolicyGradientConfig, QLearningConfig, SftConfig, Training
from planviz.setting import Section, SettingError, setting, shown

__all__ = [
    "BASE", "PRESETS", "ArmConfig", "EvaluationConfig", "ExperimentConfig", "GraphConfig", "GraphKind", "ModelConfig",
    "PolicyGradientConfig", "QLearningConfig", "Section", "SettingError", "SftConfig", "SplitConfig", "SplitKind",
    "Training", "differences", "flatten", "parse", "preset", "read_toml", "setting", "to_toml", "with_changes",
    "with_settings",
]  # fmt: skip

PRESETS = ("quick", "paper", "blocksworld")
BASE = "base"
"""Name under which the shared SFT checkpoint, from which every arm branches, is recorded."""


GraphKind = Literal[
    "acyclic", "directed", "staged", "grid", "maze", "tree", "small-world", "preferential", "blocksworld", "hanoi",
    "file",
]  # fmt: skip


SplitKind = Literal["random", "edges", "distance", "target", "stages", "pairs", "texts"]


class GraphConfig(Section):
    """The graph, reproducible from these settings alone; only one's own graph (kind "file") carries its edges."""

    kind: GraphKind = setting(
        "acyclic", "Kind of graph", "How the graph is made.", paper="Erdős–Rényi and Blocksworld"
    )
    nodes: int = setting(24, "Nodes", "How many nodes the graph has.", paper=100, ge=2, le=1600)
    density: float = setting(0.2, "Density", "The probability of each possible edge.", paper=0.15, gt=0, le=1)
    stages: int = setting(3, "Stages", "How many stages the nodes are divided into.", ge=2, le=12)
    rows: int = setting(5, "Rows", "How many rows the grid or maze has.", ge=2, le=20)
    columns: int = setting(5, "Columns", "How many columns the grid or maze has.", ge=2, le=20)
    openings: float = setting(
        0.1, "Openings", "Share of the walls that are opened. 0: one way only; 1: no walls.", ge=0, le=1
    )
    tree: Literal["regular", "random"] = setting(
        "regular", "Tree", "Regular: every node has the same number of children, level by level. "
        "Random: each labelled tree is equally likely.",
    )  # fmt: skip
    children: int = setting(2, "Children", "How many children a node has.", ge=1, le=10)
    both_ways: bool = setting(False, "Both ways", "Edges also lead back: all nodes can be reached from all.")
    neighbours: int = setting(
        4, "Neighbours", "How many edges each node has, at first to the nearest on the ring.", ge=1, le=20
    )
    rewiring: float = setting(
        0.1, "Rewiring", "The probability that an edge becomes a shortcut to any other node.", ge=0, le=1
    )
    links: int = setting(2, "Links", "With how many earlier nodes each new node is linked.", ge=1, le=20)
    blocks: int = setting(
        4, "Blocks", "How many blocks are stacked: 2 to 5 have 3, 13, 73 and 501 states.", paper=4, ge=2, le=5
    )
    disks: int = setting(3, "Disks", "How many disks lie on the three pegs: n have 3ⁿ states.", ge=1, le=6)
    seed: int = setting(0, "Graph seed", "Another seed draws another graph.", ge=0, le=2**31 - 1)
    labels: tuple[str, ...] = setting((), "Labels", "Node names of one's own graph.")
    edges: tuple[tuple[int, int], ...] = setting((), "Edges", "Edges of one's own graph.")
    positions: tuple[tuple[float, float], ...] = setting(
        (), "Positions", "Where each node is drawn, x to the right, y upwards, in [0, 1]; empty: laid out."
    )


Stage = Annotated[int, Field(ge=1, le=12)]


class SplitConfig(Section):
    """Which pairs are trained on, and how many texts each one gets."""

    kind: SplitKind = setting("random", "Kind of split", "Which pairs are trained on.", paper="random")
    train_share: float = setting(
        0.2, "Share of training pairs", "Share of the reachable pairs (s, t) that are trained on.",
        paper=0.2, gt=0, lt=1,
    )  # fmt: skip
    trained_distance: int = setting(
        2, "Longest training distance", "Pairs at most so many steps apart are trained on.", ge=1, le=1000
    )
    tested_targets: float = setting(
        0.3, "Share of test targets", "Share of the targets that only test pairs have.", gt=0, lt=1
    )
    tested_stages: tuple[tuple[Stage, Stage], ...] = setting(
        (), "Test stages", "Pairs (from stage, to stage), counted from 1, that are only tested; empty: all that are "
        "two stages or more apart.",
    )  # fmt: skip
    train_pairs: tuple[tuple[int, int], ...] = setting((), "Training pairs", "Chosen pairs to train on.")
    test_pairs: tuple[tuple[int, int], ...] = setting((), "Test pairs", "Chosen pairs to test on.")
    texts: str = setting("", "Texts", "Texts to train on, one `s t s u1 … t` a line, in node numbers.")
    test_texts: str = setting("", "Test texts", "One text a line for each pair to test on.")
    paths_per_pair: int = setting(
        10, "Paths per pair (K)", "How many random-walk paths each training pair has in the SFT text.",
        paper=10, ge=1, le=100,
    )  # fmt: skip
    seed: int = setting(0, "Split seed", "Another seed draws another split.", ge=0, le=2**31 - 1)

    @field_validator("tested_stages", mode="before")
    @classmethod
    def _stages_from_text(cls, value: Any) -> Any:
        """Links and the command line write 1-3,2-4."""
        if not isinstance(value, str):
            return value
        pairs = tuple(tuple(part.strip().split("-")) for part in value.split(",")) if value.strip() else ()
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError("write 1-3,2-4 for the pairs from stage 1 to stage 3 and from 2 to 4")
        return pairs


class ModelConfig(Section):
    """What is trained."""

    kind: Literal["transformer", "factored", "tabular"] = setting(
        "transformer", "Model",
        "Transformer: the real thing. Factored: logits W_M[current] + W_V[target]. "
        "Tabular: one free logit for every (target, current, next).",
        paper="transformer",
    )  # fmt: skip
    width: int = setting(120, "Width (d)", "Size of the transformer's hidden state.", paper=120, ge=4, le=512)
    layers: int = setting(1, "Layers", "Number of transformer blocks.", paper=1, ge=1, le=6)
    heads: int = setting(
        1, "Heads", "Attention heads in a block; must divide the width.", paper=1, ge=1, le=16
    )

    @model_validator(mode="after")
    def _heads_divide_width(self) -> ModelConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
        return self


class EvaluationConfig(Section):
    """How often and on how much the runs are measured."""

    evaluations: int = setting(
        20, "Evaluations", "Evaluations of each run, after the one at step 0.", ge=1, le=500
    )
    pairs: int = setting(
        100, "Pairs", "At most this many train and this many test pairs are measured.", ge=1, le=10_000
    )
    samples: int = setting(
        20, "Samples a pair", "Paths sampled for every measured pair.", paper=100, ge=1, le=1000
    )


class ExperimentConfig(Section):
    """One task, one SFT base, and the arms that branch from it, each with every seed."""

    name: str = setting("experiment", "Name", "Shown in lists and legends.", min_length=1, max_length=80)
    graph: GraphConfig = GraphConfig()
    split: SplitConfig = SplitConfig()
    model: ModelConfig = ModelConfig()
    base: SftConfig = SftConfig()
    arms: dict[str, ArmConfig] = Field(default_factory=dict, max_length=12)
    evaluation: EvaluationConfig = EvaluationConfig()
    seeds: tuple[Annotated[int, Field(ge=0, le=2**31 - 1)], ...] = setting(
        (0,), "Seeds", "Every arm is trained once with each seed.", min_length=1, max_length=50
    )

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds_from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(","))
        return (value,) if isinstance(value, int) else value

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("every seed may be given only once")
        return seeds

    @field_validator("arms")
    @classmethod
    def _arm_names(cls, arms: dict[str, Any]) -> dict[str, Any]:
        for name in arms:
            if name == BASE or not name.replace("-", "").replace("_", "").isalnum() or len(name) > 40:
                raise ValueError(
                    f"arm name {name[:60]!r}: letters, digits, '-' and '_' only, at most 40 characters, not {BASE!r}"
                )
        return arms

    def arm(self, name: str) -> SftConfig | PolicyGradientConfig | QLearningConfig:
        """The settings of an arm, or of the SFT base.

        Raises:
            SettingError: no arm has this name.
        """
        if name == BASE:
            return self.base
        if name not in self.arms:
            raise SettingError(f"arm {shown(name)} is unknown; this experiment has {', '.join(self.arms)}")
        return self.arms[name]


def parse(values: Mapping[str, Any]) -> ExperimentConfig:
    """An ExperimentConfig from nested values.

    Raises:
        SettingError: naming the first offending key, its value and what is allowed.
    """
    try:
        return ExperimentConfig.model_validate(values)
    except ValidationError as error:
        raise SettingError(_explain(error)) from None


def preset(name: str) -> ExperimentConfig:
    """A preset that ships with planviz: quick, paper or blocksworld.

    Raises:
        SettingError: no such preset.
    """
    if name not in PRESETS:
        raise SettingError(f"preset {shown(name)} is unknown; there are {', '.join(PRESETS)}")
    return parse(tomllib.loads((resources.files("planviz") / "presets" / f"{name}.toml").read_text("utf-8")))


def read_toml(path: Path) -> ExperimentConfig:
    """An ExperimentConfig from a TOML file.

    Raises:
        SettingError: the file is missing, is no TOML, or has an unknown or bad setting.
    """
    try:
        return parse(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise SettingError(f"{path}: cannot be read ({error.strerror})") from None
    except SettingError:
        raise
    except (ValueError, RecursionError) as error:  # also for numbers and nesting beyond Python's limits
        raise SettingError(f"{path}: is no valid TOML ({error})") from None


def to_toml(config: ExperimentConfig) -> str:
    """The config as TOML text that `read_toml` reads back to an equal config."""
    return tomli_w.dumps(config.model_dump(mode="json"))


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values as one level of dotted keys, such as ``graph.nodes``."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def with_settings(config: ExperimentConfig, changes: Mapping[str, Any]) -> ExperimentConfig:
    """The config with some dotted keys changed; text is converted to the type of the setting.

    Raises:
        SettingError: a key is unknown or a value is not allowed.
    """
    values = config.model_dump()
    for key, value in changes.items():
        *parents, last = key.split(".")
        section = values
        for parent in parents:
            section = section.get(parent) if isinstance(section, dict) else None  # type: ignore[assignment]
            if not isinstance(section, dict):
                raise SettingError(f"{key[:80]}: there is no such setting")
        if last not in section or isinstance(section[last], dict):
            known = ", ".join(k for k, v in section.items() if not isinstance(v, dict)) or "none"
            raise SettingError(f"{key[:80]}: there is no such setting; known here: {known}")
        section[last] = value
    return parse(values)


def with_changes(config: ExperimentConfig, arm: str, changes: Mapping[str, Any]) -> ExperimentConfig:
    """The config with settings of an arm changed that may change while it trains.

    Raises:
        SettingError: the arm is unknown or does not learn Q-values, or a setting may not change or have this value.
    """
    if not isinstance(config.arm(arm), QLearningConfig):
        raise SettingError(f"arm {shown(arm)} has no reward to change; only arms of Q-learning have")
    for name in changes:
        if name not in CHANGEABLE:
            raise SettingError(
                f"{name[:80]}: cannot change while it trains; what can is {', '.join(CHANGEABLE)}"
            )
    return with_settings(config, {f"arms.{arm}.{name}": value for name, value in changes.items()})


def differences(config: ExperimentConfig, reference: ExperimentConfig) -> dict[str, Any]:
    """The dotted keys, with their values, in which the config differs from the reference."""
    old = flatten(reference.model_dump(mode="json"))
    return {k: v for k, v in flatten(config.model_dump(mode="json")).items() if k not in old or old[k] != v}


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    location = [str(part) for part in first["loc"]]
    if len(location) > 2 and location[0] == "arms":
        del location[2]  # pydantic puts the discriminator's value between the arm and its setting
    problem = {
        "extra_forbidden": "there is no such setting",
        "value_error": str(first.get("ctx", {}).get("error", first["msg"])),
    }.get(first["type"], first["msg"][:1].lower() + first["msg"][1:])
    key = ".".join(location) or "config"
    return f"{key[:80]} = {shown(first.get('input'))}: {problem}"
