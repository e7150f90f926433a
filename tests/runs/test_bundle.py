from __future__ import annotations

import json
import math
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load, save

from planviz.config import SettingError, read_toml
from planviz.events import Checkpoint, Evaluation, Finished, QueryPaths, SampledPaths, Split, StepMetrics
from planviz.runs.bundle import BundleError, export_experiment, import_experiment, metrics_csv
from planviz.runs.store import Store
from tests.runs.conftest import experiment, states

SPLITS: tuple[Split, ...] = ("train", "test")
PATHS = (QueryPaths(0, 2, ((1, 2), (2,), ()), (3, 1, 1), ("correct", "correct", "stopped_early")),)


@pytest.fixture
def trained(store: Store) -> str:
    """An experiment of four runs, of which the last one has not begun."""
    config = experiment(8, ("NA", "-2"), name='=1+1, "quoted"\n<b>', seeds=(5,))
    experiment_id = store.create_experiment(config, "quick")
    for run in store.runs(experiment_id)[:2]:
        for step in (0, 8):
            store.record(run.id, StepMetrics(step, step, step * 5, step / 3, {"loss": 0.1 + 0.2}))
            for split in SPLITS:
                values = {"kl_to_base": math.inf, "greedy_accuracy": 1 / 3, "path_stretch": math.nan}
                store.record(run.id, Evaluation(step, step * 8, step / 7, split, values))
                store.record(run.id, SampledPaths(step, split, PATHS))
            store.record(run.id, Checkpoint(step, b"weights %d" % step, b"state"))
        store.record(run.id, Finished(8))
    return experiment_id


def test_metrics_csv_has_the_promised_columns_first(store: Store, trained: str) -> None:
    table = pd.read_csv(StringIO(metrics_csv(store.evaluations(trained))), keep_default_na=False)
    assert list(table.columns) == [
        "arm", "method", "seed", "step", "samples", "seconds", "split",
        "greedy_accuracy", "sampled_accuracy", "distinct_paths", "kl_to_base", "path_stretch",
    ]  # fmt: skip
    assert len(table) == 2 * 2 * 2
    assert metrics_csv(store.evaluations("nothing")).count("\n") == 1


def test_an_export_is_plain_files(store: Store, trained: str, tmp_path: Path) -> None:
    export_experiment(store, trained, tmp_path / "deep" / "out")
    out = tmp_path / "deep" / "out"

    assert read_toml(out / "config.toml") == store.experiment(trained).config
    lines = [json.loads(line) for line in (out / "paths.jsonl").read_text().splitlines()]
    assert lines[0] == {
        "arm": "base", "seed": 5, "step": 0, "split": "train", "source": 0, "target": 2,
        "paths": [[1, 2], [2], []], "counts": [3, 1, 1], "outcomes": ["correct", "correct", "stopped_early"],
    }  # fmt: skip
    assert len(lines) == 8
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*.safetensors"))
    assert files == [
        f"checkpoints/{arm}-seed5/{step}.safetensors" for arm in ("NA", "base") for step in (0, 8)
    ]
    assert len(pd.read_csv(out / "steps.csv")) == 4


def test_a_compact_export_keeps_what_is_looked_at(store: Store, tmp_path: Path) -> None:
    experiment_id = store.create_experiment(experiment(90, ()))
    run = store.runs(experiment_id)[0]
    weights = {"head": np.linspace(-3, 3, 7, dtype=np.float32)}
    for step in range(0, 91, 10):
        store.record(run.id, SampledPaths(step, "test", PATHS))
        store.record(run.id, Checkpoint(step, save(weights), b""))
    store.record(run.id, Finished(90))

    export_experiment(store, experiment_id, tmp_path, compact=True)

    lines = (tmp_path / "paths.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [90]
    files = {int(path.stem): path for path in tmp_path.glob("checkpoints/base-seed0/*.safetensors")}
    assert len(files) == 6
    assert {0, 90} < set(files)
    np.testing.assert_allclose(load(files[90].read_bytes())["head"], weights["head"], rtol=1e-3)


def test_an_import_brings_back_what_was_exported(store: Store, trained: str, tmp_path: Path) -> None:
    export_experiment(store, trained, tmp_path / "out")
    other = Store(tmp_path / "other")
    imported = import_experiment(other, tmp_path / "out", preset="quick")

    record = other.experiment(imported)
    assert (record.config, record.preset) == (store.experiment(trained).config, "quick")
    assert states(other, imported) == {"base5": "finished", "NA5": "finished", "-25": "stopped"}
    for table in ("evaluations", "steps"):
        before: pd.DataFrame = getattr(store, table)(trained).drop(columns="run")
        after = getattr(other, table)(imported).drop(columns="run")
        pd.testing.assert_frame_equal(after[before.columns], before)
    for old, new in zip(store.runs(trained), other.runs(imported), strict=True):
        assert list(other.all_paths(new.id)) == list(store.all_paths(old.id))
        assert other.weight_steps(new.id) == store.weight_steps(old.id)
        assert (new.step, new.samples, new.seconds) == (old.step, old.samples, old.seconds)
    assert other.weights(other.runs(imported)[1].id, 8) == b"weights 8"
    other.close()


def test_an_import_under_a_name_is_done_once(store: Store, trained: str, tmp_path: Path) -> None:
    export_experiment(store, trained, tmp_path)
    assert import_experiment(store, tmp_path, "demo") == "demo"
    runs = store.runs("demo")
    assert import_experiment(store, tmp_path, "demo") == "demo"
    assert store.runs("demo") == runs
    assert import_experiment(store, tmp_path) != import_experiment(store, tmp_path)


def test_what_an_import_that_was_cut_off_left_is_replaced(store: Store, trained: str, tmp_path: Path) -> None:
    export_experiment(store, trained, tmp_path)
    store.create_experiment(store.experiment(trained).config, experiment_id="demo")
    import_experiment(store, tmp_path, "demo")
    assert states(store, "demo")["NA5"] == "finished"
    assert len(store.evaluations("demo")) == 8


def replace(name: str, old: str, new: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "metrics.csv").unlink(), "metrics.csv: cannot be read"),
        (lambda folder: (folder / "metrics.csv").write_bytes(b"\xff\xfe\x00"), "metrics.csv: cannot be read"),
        (lambda folder: (folder / "metrics.csv").write_text(""), "metrics.csv: cannot be read"),
        (replace("metrics.csv", "seconds", "minutes"), "the column seconds is missing"),
        (replace("metrics.csv", "test", "../test"), "'../test' is neither train nor test"),
        (replace("metrics.csv", "base,", "../../base,"), "no run of arm '../../base' with seed 5"),
        (replace("metrics.csv", ",5,", ",6,"), "no run of arm 'base' with seed 6"),
        (replace("metrics.csv", ",8,", ",-8,"), "whole numbers"),
        (replace("metrics.csv", ",8,", ",inf,"), "whole numbers"),
        (replace("metrics.csv", "0.333", "<script>0.333"), "the column greedy_accuracy"),
        (replace("steps.csv", "0.3", "zero"), "steps.csv: the column loss"),
        (replace("paths.jsonl", "[3,1,1]", "[3,1]"), "line 1 is not valid .*of one length"),
        (replace("paths.jsonl", '"source":0', '"source":-1'), "line 1 is not valid .*source"),
        (lambda folder: (folder / "paths.jsonl").write_text("[" * 10_000), "line 1 is not valid"),
    ],
)  # fmt: skip
def test_a_damaged_folder_is_refused_and_leaves_nothing(
    store: Store, trained: str, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    export_experiment(store, trained, tmp_path)
    damage(tmp_path)
    with pytest.raises(BundleError, match=message):
        import_experiment(store, tmp_path)
    assert [record.id for record in store.experiments()] == [trained]


def test_a_huge_file_is_refused(
    store: Store, trained: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_experiment(store, trained, tmp_path)
    (tmp_path / "checkpoints" / "NA-seed5" / "8.safetensors").write_bytes(b"x" * 20_000)
    monkeypatch.setattr("planviz.runs.bundle.MAX_BYTES", 10_000)
    with pytest.raises(BundleError, match="larger than"):
        import_experiment(store, tmp_path)
    assert [record.id for record in store.experiments()] == [trained]
    assert len(list((store.home / "checkpoints").iterdir())) == 2


def test_a_folder_without_config(store: Store, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"config\.toml"):
        import_experiment(store, tmp_path)


def test_links_out_of_the_folder_are_not_followed(store: Store, trained: str, tmp_path: Path) -> None:
    export_experiment(store, trained, tmp_path)
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "checkpoints" / "NA-seed5" / "9.safetensors").symlink_to(tmp_path / "secret")
    imported = import_experiment(store, tmp_path)
    assert store.weight_steps(store.runs(imported)[1].id) == [0, 8]
