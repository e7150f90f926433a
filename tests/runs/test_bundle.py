from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from planviz.config import SettingError, read_toml
from planviz.events import Checkpoint, Evaluation, Finished, SampledPaths
from planviz.runs.bundle import BundleError, export_experiment, import_experiment, metrics_csv
from planviz.runs.store import Store
from planviz.runs.weights import WeightsError, check_weights
from planviz.sizes import weight_shapes
from planviz.task import build_task
from tests.runs import bundles
from tests.runs.bundles import PATHS
from tests.runs.conftest import experiment, states


@pytest.fixture
def trained(store: Store) -> str:
    return bundles.trained(store)


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
    assert other.weights(other.runs(imported)[1].id, 8) == bundles.weights(record.config, 8)
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
        (lambda folder: (folder / "metrics.csv").write_text("a\n1,2\n1,2,3\n"), "cannot be read .*saw 3.$"),
        (replace("metrics.csv", "seconds", "minutes"), "the column seconds is missing"),
        (replace("metrics.csv", "distinct_paths", "other"), "the column distinct_paths is missing"),
        (replace("metrics.csv", "test", "../test"), "'../test' is neither train nor test"),
        (replace("metrics.csv", "base,sft", "../../base,sft"), "no run of arm '../../base' with seed 5"),
        (replace("metrics.csv", ",5,", ",6,"), "no run of arm 'base' with seed 6"),
        (replace("metrics.csv", ",8,", ",-8,"), "whole numbers"),
        (replace("metrics.csv", ",8,", ",inf,"), "whole numbers"),
        (replace("metrics.csv", ",8,", ",9,"), "step 9 of base is beyond the 8"),
        (replace("metrics.csv", "kl_to_base", "run"), "'run' is no name of a metric"),
        (replace("metrics.csv", "kl_to_base", "<script>"), "'<script>' is no name of a metric"),
        (replace("metrics.csv", "0.333", "<script>0.333"), "the column greedy_accuracy"),
        (replace("steps.csv", "0.3", "zero"), "steps.csv: the column loss"),
        (replace("paths.jsonl", "[3,1,1]", "[3,1]"), "line 1 is not valid .*of one length"),
        (replace("paths.jsonl", '"source":0', '"source":-1'), "line 1 is not valid .*source"),
        (replace("paths.jsonl", '"source":0', '"source":12'), "a node beyond the 12 of the graph"),
        (replace("paths.jsonl", '[1,2]', '[13,2]'), "a node beyond the 12 of the graph"),
        (replace("paths.jsonl", '"correct"', '"<script>"'), "outcomes must be among correct, invalid_edge"),
        (replace("paths.jsonl", *(f'"NA","seed":5,"step":8,"split":"test","source":{i}' for i in (0, 1))),
         "the test queries of NA at step 8 are not those of the others"),
        (replace("paths.jsonl", '"step":8', '"step":80'), "step 80 of base is beyond the 8"),
        (replace("experiment.json", '"name": "', '"name": "' + "x" * 80), "experiment.json: is not valid .name"),
        (replace("experiment.json", '[]', '["\\u202e"]'), "experiment.json: the tag .* cannot be shown"),
        (replace("config.toml", "density = 0.2", "density = 0.0001"), "config.toml: makes no task"),
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


def with_header(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    """Changes the header of a safetensors file, and leaves its numbers."""

    def changed(content: bytes) -> bytes:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        change(header)
        text = json.dumps(header).encode()
        return len(text).to_bytes(8, "little") + text + content[8 + length :]

    return changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: pickle.dumps({"head": [1.0]}), "no safetensors file"),
        (lambda content: b"", "no safetensors file"),
        (lambda content: b"PK\x03\x04" + content, "no safetensors file"),
        (lambda content: content[:-4], "'reachability_logits' is cut off"),
        (lambda content: content + b"#!/bin/sh", "9 bytes follow after the last tensor"),
        (lambda content: content[:8] + b"[" * (len(content) - 8), "header is no JSON"),
        (lambda content: (9).to_bytes(8, "little") + b'[1, 2, 3]' + content, "header is no table"),
        (lambda content: content[:-4] + b"\x00\x00\x80\x7f", "'reachability_logits' holds something that is no finite"),
        (with_header(lambda h: h.pop("adjacency_logits")), "'adjacency_logits' is missing"),
        (with_header(lambda h: h.update(extra=h["adjacency_logits"])), "'extra' is no part of the model"),
        (with_header(lambda h: h["adjacency_logits"].update(shape=[169, 1])), "another shape than \\[13, 13\\]"),
        (with_header(lambda h: h["adjacency_logits"].update(dtype="I32")), "F32 and F16 are"),
        (with_header(lambda h: h["adjacency_logits"].update(dtype=["F32"])), "F32 and F16 are"),
        (with_header(lambda h: h["adjacency_logits"].update(data_offsets=[0, 4])), "another number of bytes"),
        (with_header(lambda h: h["adjacency_logits"].update(data_offsets=[-676, 0])), "does not begin where"),
        (with_header(lambda h: h["adjacency_logits"].update(data_offsets=["0", "676"])), "not two whole numbers"),
        (with_header(lambda h: h.update(adjacency_logits=h["reachability_logits"])), "another shape"),
        (with_header(lambda h: h.update(adjacency_logits=3)), "no dtype, shape and data_offsets"),
    ],
)  # fmt: skip
def test_weights_that_are_not_those_of_the_model_are_refused(
    store: Store, trained: str, tmp_path: Path, change: Callable[[bytes], bytes], message: str
) -> None:
    export_experiment(store, trained, tmp_path)
    file = tmp_path / "checkpoints" / "NA-seed5" / "8.safetensors"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(BundleError, match=f"NA-seed5/8.safetensors: .*{message}"):
        import_experiment(store, tmp_path)
    assert [record.id for record in store.experiments()] == [trained]


@pytest.mark.parametrize(
    "model", [{"kind": "factored"}, {"kind": "tabular"}, {"width": 12, "layers": 2, "heads": 3}, {"width": 8}]
)
def test_the_weights_of_every_model_pass_and_no_others(model: dict[str, Any]) -> None:
    from planviz.experiment import save_tensors
    from planviz.models import build_model

    config = experiment(model=model, graph={"nodes": 12})
    task = build_task(config)
    made = build_model(config.model, task.nodes, task.max_steps, [torch.Generator()])
    shapes = weight_shapes(config.model, task.nodes, task.max_steps)
    content = save_tensors(made.states()[0])
    check_weights(content, shapes)
    check_weights(save({name: array.astype(np.float16) for name, array in load(content).items()}), shapes)
    with pytest.raises(WeightsError):
        check_weights(content, weight_shapes(config.model, task.nodes + 1, task.max_steps))


@given(st.binary(max_size=300))
def test_no_bytes_but_weights_pass_as_weights(content: bytes) -> None:
    with pytest.raises(WeightsError):
        check_weights(content, {"table": (2, 3, 3)})


def test_a_name_tags_and_a_star_travel_along(store: Store, trained: str, tmp_path: Path) -> None:
    store.update_experiment(trained, name="Ünïcode <b>", tags=["a", "b c"], starred=True)
    export_experiment(store, trained, tmp_path)
    record = store.experiment(import_experiment(store, tmp_path))
    assert (record.name, record.tags, record.starred, record.preset) == (
        "Ünïcode <b>",
        ("a", "b c"),
        True,
        "quick",
    )

    (tmp_path / "experiment.json").unlink()  # as the first planviz exported it
    record = store.experiment(import_experiment(store, tmp_path))
    assert (record.name, record.tags, record.preset) == (record.config.name, (), None)


def test_a_run_that_was_not_done_is_no_finished_one(store: Store, tmp_path: Path) -> None:
    key = store.create_experiment(experiment(8, ()))
    (run,) = store.runs(key)
    store.record(run.id, Evaluation(4, 32, 1.0, "test", {"greedy_accuracy": 0.5}))
    export_experiment(store, key, tmp_path)
    imported = import_experiment(store, tmp_path)
    assert [(run.state, run.step) for run in store.runs(imported)] == [("stopped", 4)]


def test_a_huge_file_is_refused(
    store: Store, trained: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_experiment(store, trained, tmp_path)
    (tmp_path / "checkpoints" / "NA-seed5" / "8.safetensors").write_bytes(b"x" * 20_000)
    monkeypatch.setattr("planviz.runs.bundle_events.MAX_BYTES", 10_000)
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
