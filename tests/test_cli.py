"""The command line: what it writes, what it prints, and its errors of one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import networkx as nx
import pandas as pd
import pytest

from planviz import __version__
from planviz.cli import main
from planviz.config import GraphConfig, preset, read_toml, with_settings
from planviz.graphs.files import read_graph
from planviz.runs.store import Store
from planviz.task import build_task

TINY = [
    "run", "--preset", "quick", "--arms", "pg,q-process", "--set", "graph.nodes=12", "--set", "model.kind=factored",
    "--set", "base.steps=6", "--set", "arms.pg.steps=4", "--set", "arms.q-process.steps=4",
    "--set", "evaluation.evaluations=2", "--set", "evaluation.samples=4", "--seeds", "0,3",
]  # fmt: skip


@pytest.fixture
def planviz(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Planviz:
    return Planviz(monkeypatch, capsys)


class Planviz:
    """Runs the command line as a user does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments: str | Path) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        self.monkeypatch.setattr(sys, "argv", ["planviz", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = self.capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err


def test_version(planviz: Planviz) -> None:
    assert planviz("--version") == (0, f"planviz {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--preset", "nope"], ["'nope'", "quick, paper, blocksworld"]),
        (
            ["run", "--preset", "quick", "--set", "arms.pg.kl=-1"],
            ["arms.pg.kl", "'-1'", "greater than or equal to 0"],
        ),
        (["run", "--preset", "quick", "--set", "graph.size=3"], ["graph.size", "no such setting", "nodes"]),
        (["run", "--preset", "quick", "--set", "seeds"], ["--set seeds", "KEY=VALUE"]),
        (["run", "--preset", "quick", "--arms", "pg,none"], ["'none'", "q-process"]),
        (["run", "--preset", "quick", "--arms", "base"], ["'base'"]),
        (["run"], ["TOML file", "--preset"]),
        (["run", "--preset", "quick", "--graph", "missing.csv"], ["missing.csv"]),
        (
            ["run", "--preset", "quick", "--set", "split.tested_stages=1"],
            ["split.tested_stages = '1'", "1-3,2-4"],
        ),
        (["run", "missing.toml"], ["missing.toml", "cannot be read"]),
        (["graph", "check", "missing.graphml"], ["missing.graphml"]),
        (
            ["graph", "make", "grid", "-o", "grid.bmp"],
            ["'grid.bmp'", ".graphml, .adjacency.csv, .csv, .json, .dot"],
        ),
        (["runs", "show", "nothing"], ["'nothing'"]),
    ],
)
def test_an_error_is_one_line_that_names_the_value(
    planviz: Planviz, arguments: list[str], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = planviz(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith("planviz: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["planviz", "run", "--preset", "nope", "--debug"])
    with pytest.raises(ValueError, match="nope"):
        main()


def test_a_graph_made_is_a_graph_that_checks(planviz: Planviz, tmp_path: Path) -> None:
    file = tmp_path / "blocks.graphml"
    code, made, _ = planviz("graph", "make", "blocksworld", "--blocks", "3", "-o", file)
    assert (code, nx.read_graphml(file).number_of_nodes()) == (0, 13)
    assert planviz("graph", "check", file) == (0, made, "")
    assert made.startswith("13 nodes, 30 edges, with cycles, 156 reachable pairs")


@pytest.mark.parametrize("ending", [".graphml", ".csv", ".adjacency.csv", ".json", ".dot", ".gv"])
def test_a_graph_is_written_in_the_format_of_its_ending(
    ending: str, planviz: Planviz, tmp_path: Path
) -> None:
    file = tmp_path / f"hanoi{ending}"
    code, made, _ = planviz("graph", "make", "hanoi", "--disks", "2", "-o", file)
    assert code == 0 and made.startswith("9 nodes, 24 edges")
    assert planviz("graph", "check", file) == (0, made, "")
    assert read_graph(file.name, file.read_bytes()).labels.count("- - 21") == 1


def test_every_setting_of_a_graph_can_be_given(planviz: Planviz, tmp_path: Path) -> None:
    given = set(planviz("graph", "make", "--help")[1].split())
    settings = set(GraphConfig.model_fields) - {"kind", "labels", "edges", "positions"}
    assert {"--" + name.replace("_", "-") for name in settings} <= given
    file = tmp_path / "tree.json"
    assert planviz("graph", "make", "tree", "--nodes", "7", "--both-ways", "-o", file)[1].startswith(
        "7 nodes, 12 "
    )


def test_what_was_left_out_of_a_graph_is_told(planviz: Planviz, tmp_path: Path) -> None:
    file = tmp_path / "graph.txt"
    file.write_text("a b\nb b\n")
    code, printed, _ = planviz("graph", "check", file)
    assert (code, printed.splitlines()) == (
        0,
        [
            "2 nodes, 1 edges, acyclic, 1 reachable pairs",
            "1 edge was left out that led from a node to itself",
        ],
    )


def test_files_of_alpine_are_checked(planviz: Planviz, tmp_path: Path) -> None:
    contents = {
        "g.dot": "digraph { 0 -> 1 -> 2 }",
        "train.txt": "0 1 0 1\n0 1 0 1\n",
        "test.txt": "0 2 0 1 2\n",
    }
    paths = [tmp_path / name for name in contents]
    for path in paths:
        path.write_text(contents[path.name])
    code, printed, _ = planviz("graph", "check", *paths)
    assert code == 0 and printed.splitlines()[1] == "2 texts of 1 training pairs, 1 test pairs"
    assert "three files are expected" in planviz("graph", "check", *paths[:2])[2]
    paths[1].write_text("0 2 0 2\n")
    assert planviz("graph", "check", *paths)[2].strip() == (
        "planviz: 'train.txt', line 1 goes from '0' to '2', but the graph has no such edge"
    )


def test_a_run_writes_what_others_rely_on(planviz: Planviz, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, printed, _ = planviz(*TINY, "--out", out, "--json")
    assert code == 0
    result = json.loads(printed)
    assert [(run["arm"], run["seed"]) for run in result["runs"]] == [
        ("base", 0), ("base", 3), ("pg", 0), ("q-process", 0), ("pg", 3), ("q-process", 3),
    ]  # fmt: skip
    metrics = pd.read_csv(out / "metrics.csv")
    assert list(metrics.columns[:10]) == [
        "arm", "method", "seed", "step", "samples", "seconds", "split",
        "greedy_accuracy", "sampled_accuracy", "distinct_paths",
    ]  # fmt: skip
    assert len(metrics) == 6 * 3 * 2  # runs, evaluations, splits
    config = read_toml(out / "config.toml")
    assert (config.graph.nodes, config.seeds, list(config.arms)) == (12, (0, 3), ["pg", "q-process"])
    lines = [json.loads(line) for line in (out / "paths.jsonl").read_text().splitlines()]
    assert {sum(line["counts"]) for line in lines} == {4}
    assert (out / "checkpoints" / "pg-seed3" / "4.safetensors").exists()

    code, _, err = planviz(*TINY, "--out", out)
    assert code == 1
    assert "is not an empty folder" in err, "what is there is never written over"

    experiment = result["experiment"]
    code, listed, _ = planviz("runs", "list")
    assert experiment in listed
    code, shown, _ = planviz("runs", "show", experiment)
    assert (code, "q-process" in shown) == (0, True)
    assert planviz("runs", "export", experiment, "-o", tmp_path / "again", "--compact")[0] == 0
    assert (tmp_path / "again" / "metrics.csv").read_bytes() == (out / "metrics.csv").read_bytes()
    assert planviz("runs", "delete", experiment, "--yes")[0] == 0
    assert experiment not in planviz("runs", "list")[1]


@pytest.mark.parametrize("kind", ["one file", "ALPINE"])
def test_a_run_takes_its_graph_from_files(kind: str, planviz: Planviz, home: Path, tmp_path: Path) -> None:
    """From ALPINE's files the split and the texts too."""
    files = {"my.csv": "source,target\na,a\na,b\nb,c\na,c\nc,d\n"}
    if kind == "ALPINE":
        files |= {
            "train_2.txt": "a b a b\nb c b c\na c a b c\na b a b\n",
            "test.txt": "a d a c d\nb d b c d\n",
        }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    given = [part for name in files for part in ("--graph", tmp_path / name)]
    short = ["--arms", "pg", "--set", "base.steps=2", "--set", "arms.pg.steps=2", "--set", "model.width=8"]
    code, _, notes = planviz("run", "--preset", "quick", *given, *short, "--set", "evaluation.evaluations=1")
    assert code == 0 and "1 edge was left out that led from a node to itself" in notes
    store = Store(home)
    config = store.experiment(store.experiments()[0].id).config
    assert (config.graph.labels, config.graph.edges) == (
        ("a", "b", "c", "d"),
        ((0, 1), (1, 2), (0, 2), (2, 3)),
    )
    assert (config.split.kind, config.model.width) == ("texts" if kind == "ALPINE" else "random", 8)
    if kind == "ALPINE":
        task = build_task(config)
        assert task.texts == ((0, 1), (1, 2), (0, 1, 2), (0, 1))
        assert task.test_pairs.tolist() == [[0, 3], [1, 3]]
    store.close()


def test_a_setting_wins_over_the_files(planviz: Planviz, tmp_path: Path) -> None:
    file = tmp_path / "my.csv"
    file.write_text("a,b\nb,c\n")
    kind = ("--set", "split.kind=stages")
    code, _, err = planviz("run", "--preset", "quick", "--graph", file, *kind, "--set", "base.steps=1")
    assert code == 1 and "have no stages" in err


def test_the_presets_name_their_arms_as_others_expect() -> None:
    arms = ["sft", "pg", "pg-kl", "q-outcome", "q-process", "q-process-offpolicy"]
    assert all(list(preset(name).arms) == arms for name in ("quick", "paper", "blocksworld"))


def test_what_was_interrupted_is_resumed(planviz: Planviz, home: Path) -> None:
    store = Store(home)
    experiment = store.create_experiment(
        with_settings(
            preset("quick"), {"graph.nodes": 12, "model.kind": "factored", "base.steps": 4}
        ).model_copy(update={"arms": {}})
    )
    (base,) = store.runs(experiment)
    store.set_state(base.id, "interrupted", "planviz was closed")
    code, shown, _ = planviz("runs", "resume", experiment, "--workers", "1")
    assert code == 0 and "base" in shown
    assert [(run.state, run.step) for run in store.runs(experiment)] == [("finished", 4)]
    code, _, error = planviz("runs", "resume", experiment)
    assert code == 1 and "1 finished" in error and error.count("\n") == 1
    store.close()
