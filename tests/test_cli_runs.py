"""`planviz runs`: finding, marking, comparing, exporting, importing and deleting what was trained."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from planviz.cli import main
from planviz.config import preset, with_settings
from planviz.runs.demo import DemoError, demo_id
from planviz.runs.store import Store
from tests.runs import bundles

Runs = Callable[..., tuple[int, str, str]]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runs:
    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["planviz", "runs", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    store = Store(home)
    yield store
    store.close()


def refused(answer: tuple[int, str, str], *words: str) -> None:
    code, out, err = answer
    assert (code, out) == (1, "")
    assert err.startswith("planviz:") and err.count("\n") == 1
    assert all(word in err for word in words), err


def test_experiments_are_marked_and_found_again(runs: Runs, store: Store) -> None:
    first, second = (store.create_experiment(preset(name), name) for name in ("quick", "blocksworld"))
    assert runs("rename", first, "My  [red] <b>run") == (0, "", "")
    assert runs("tag", first, "thesis", "figure 3") == (0, "", "")
    assert runs("star", first) == (0, "", "")
    record = store.experiment(first)
    assert (record.name, record.tags, record.starred) == ("My  [red] <b>run", ("thesis", "figure 3"), True)

    _, listed, _ = runs("list")
    assert first in listed and second in listed and "★" in listed and "[red] <b>run" in listed
    assert "thesis" in listed
    _, listed, _ = runs("list", "--search", "Thesis [red]")
    assert first in listed and second not in listed
    assert json.loads(runs("list", "--search", "nowhere", "--json")[1]) == []

    assert runs("archive", second) == (0, "", "")
    assert second not in runs("list")[1]
    told = json.loads(runs("list", "--archived", "--json")[1])
    assert [(each["id"], each["graph"], each["states"]) for each in told] == [
        (second, "Blocksworld, 73 nodes", {"queued": 7})
    ]
    assert told[0]["headline"]["accuracy"] is None
    for command in (("unarchive", second), ("unstar", first), ("untag", first, "thesis")):
        assert runs(*command) == (0, "", "")
    record = store.experiment(first)
    assert (record.starred, record.tags, store.experiment(second).archived) == (False, ("figure 3",), False)


def test_the_demo_stays_as_it_is(runs: Runs, store: Store) -> None:
    demo = store.create_experiment(preset("quick"), experiment_id=demo_id())
    for command in (
        ("rename", demo, "Mine"), ("tag", demo, "mine"), ("star", demo), ("archive", demo), ("delete", demo, "--yes"),
    ):  # fmt: skip
        refused(runs(*command), "The demo ships with planviz")
    with pytest.raises(DemoError):
        store.update_experiment(demo, name="Mine")
    record = store.experiment(demo)
    assert (record.name, record.tags, record.starred, record.archived) == ("quick", (), False, False)


def test_what_is_not_allowed_is_one_line(runs: Runs, store: Store) -> None:
    key = store.create_experiment(preset("quick"))
    for command in ("show", "star", "unstar", "archive", "unarchive", "resume", "delete"):
        refused(runs(command, "nothing"), "'nothing'")
    refused(runs("rename", key, "x" * 81), "81 characters", "1 to 80")
    refused(runs("tag", key, "a", "b" * 31), "31 characters")
    refused(runs("untag", key, "a"), "the tag 'a' is not there", "none")
    refused(runs("diff", key), "two experiments")
    refused(runs("diff", key, "nothing"), "'nothing'")
    refused(runs("delete", key, "--yes"), "still being trained")
    refused(runs("import", "nowhere.zip"), "nowhere.zip")
    assert store.experiment(key).tags == ()


def test_only_what_differs_is_shown(runs: Runs, store: Store) -> None:
    quick = preset("quick")
    other = with_settings(quick, {"name": "other", "arms.pg.kl": 0.25})
    keys = [store.create_experiment(config) for config in (quick, other, quick)]
    code, shown, _ = runs("diff", keys[0], keys[1])
    assert code == 0 and "arms.pg.kl" in shown and "0.25" in shown and "model.width" not in shown
    assert json.loads(runs("diff", keys[0], keys[1], "--json")[1]) == {
        "arms.pg.kl": {keys[0]: "0", keys[1]: "0.25"}
    }
    assert runs("diff", keys[0], keys[2])[1] == "All their settings are the same.\n"


@pytest.mark.parametrize("out", ["one.zip", "folder"])
def test_an_export_is_imported_again(runs: Runs, store: Store, tmp_path: Path, out: str) -> None:
    key = bundles.trained(store)
    store.update_experiment(key, name="renamed", tags=["a"], starred=True)
    assert runs("export", key, "-o", tmp_path / out) == (0, "", "")
    refused(runs("export", key, "-o", tmp_path / out), out, "exists")
    code, told, _ = runs("import", tmp_path / out)
    imported = store.experiment(told.split()[-1])
    assert (code, imported.name, imported.tags, imported.starred) == (0, "renamed", ("a",), True)
    assert len(store.evaluations(imported.id)) == len(store.evaluations(key)) == 8

    shown = json.loads(runs("show", imported.id, "--json")[1])
    assert (shown["name"], shown["config"]["graph"]["nodes"]) == ("renamed", 12)
    assert [row["arm"] for row in shown["results"]] == ["base", "NA"]

    assert runs("export", key, "-o", tmp_path / "small.zip", "--compact")[0] == 0


def test_a_file_that_holds_no_experiment(runs: Runs, store: Store, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"no archive")
    refused(runs("import", tmp_path / "x.zip"), "no .zip archive")
    refused(runs("import", tmp_path), "config.toml")
    assert store.experiments() == []


@pytest.mark.parametrize(("answer", "left"), [("n\n", 1), ("y\n", 0)])
def test_deleting_asks_first(
    runs: Runs, store: Store, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    key = bundles.trained(store)
    for run in store.runs(key):
        store.set_state(run.id, "finished")
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    code, asked, _ = runs("delete", key)
    assert code == 0 and "Delete experiment" in asked and "3 runs" in asked
    assert len(store.experiments()) == left
