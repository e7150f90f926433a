"""Bundles as one file: the round trip, every attack by name, and thousands of damaged archives."""

from __future__ import annotations

import io
import pickle
import random
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planviz.config import SettingError
from planviz.runs import bundle_events, bundle_zip
from planviz.runs.bundle import BundleError
from planviz.runs.bundle_zip import export_zip, import_zip
from planviz.runs.store import Store
from tests.runs import bundles
from tests.runs.conftest import states

WEIGHTS = "checkpoints/NA-seed5/8.safetensors"
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A whole experiment as a .zip file."""
    store = Store(tmp_path_factory.mktemp("source"))
    key = bundles.trained(store)
    store.update_experiment(key, name="Ünïcode <b>", tags=["a", "b c"], starred=True)
    packed = io.BytesIO()
    export_zip(store, key, packed)
    store.close()
    return packed.getvalue()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that takes what is imported, alone in a folder in which nothing else may appear."""
    store = Store(tmp_path_factory.mktemp("target") / "around" / "home")
    yield store
    store.close()


def unpacked(content: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(
    files: Files, *more: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_DEFLATED
) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in [*files.items(), *more]:
            archive.writestr(name, data)
    return file.getvalue()


def assert_nothing_is_left(store: Store) -> None:
    """No experiment, no checkpoint, no unpacked file, and nothing beside the data folder."""
    assert store.experiments() == []
    assert {path.name for path in store.home.iterdir()} <= {
        "planviz.sqlite3", "planviz.sqlite3-wal", "planviz.sqlite3-shm", "planviz.sqlite3.setup.lock", "import.lock",
        "checkpoints",
    }  # fmt: skip
    assert not (store.home / "checkpoints").exists() or not list((store.home / "checkpoints").iterdir())
    assert [path.name for path in store.home.parent.iterdir()] == ["home"]
    assert [path.name for path in store.home.parent.parent.iterdir()] == ["around"]


@pytest.mark.parametrize("way", ["bytes", "path"])
def test_what_comes_back_equals_the_original(store: Store, tmp_path: Path, way: str) -> None:
    key = bundles.trained(store)
    store.update_experiment(key, name="Ünïcode <b>", tags=["a", "b c"], starred=True)
    export_zip(store, key, tmp_path / "one.zip")
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == ["one.zip"]
    other = Store(tmp_path / "other")

    file = tmp_path / "one.zip"
    imported = import_zip(other, file if way == "path" else file.read_bytes())

    before, after = store.experiment(key), other.experiment(imported)
    for field in ("name", "preset", "config", "tags", "starred"):
        assert getattr(after, field) == getattr(before, field)
    assert states(other, imported) == {"base5": "finished", "NA5": "finished", "-25": "stopped"}
    for table in ("evaluations", "steps"):
        expected: pd.DataFrame = getattr(store, table)(key).drop(columns="run")
        found = getattr(other, table)(imported).drop(columns="run")
        pd.testing.assert_frame_equal(found[expected.columns], expected)
    for old, new in zip(store.runs(key), other.runs(imported), strict=True):
        assert list(other.all_paths(new.id)) == list(store.all_paths(old.id))
        assert other.weight_steps(new.id) == store.weight_steps(old.id)
        for step in store.weight_steps(old.id):
            assert other.weights(new.id, step) == store.weights(old.id, step)
    assert not list(store.home.glob("export-*")) and not list(other.home.glob("import-*"))
    other.close()


def test_an_archive_of_another_program_with_entries_for_folders(store: Store, content: bytes) -> None:
    folders = [("checkpoints/", b""), ("checkpoints/NA-seed5/", b"")]
    imported = import_zip(store, packed(dict(folders) | unpacked(content)))
    assert store.experiment(imported).name == "Ünïcode <b>"


def test_an_export_that_fails_leaves_no_file(store: Store, tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        export_zip(store, "nothing", tmp_path / "out.zip")
    assert not list(tmp_path.glob("out*")) and not list(store.home.glob("export-*"))


@pytest.fixture
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda file: None)


def symlink(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


def marked(content: bytes, name: str, offset: int, value: int) -> bytes:
    """The archive with one byte of a file's entry in the directory at its end set to a value."""
    end = content.rindex(name.encode())
    damaged = bytearray(content)
    damaged[end - 46 + offset] = value
    return bytes(damaged)


CHANGED, REPLACED = 800, 300
"""How many archives with changed bytes, and with other files in them, are tried."""
NO_PART = "which is no part of an experiment"


@pytest.mark.parametrize(
    "name",
    [
        "../evil", "../../planviz.sqlite3", "/etc/passwd", "C:/evil", "C:\\evil", "..\\evil", "\\\\server\\share",
        "checkpoints/../../evil.safetensors", "checkpoints/NA-seed5/../8.safetensors", "checkpoints\\8.safetensors",
        "checkpoints/NA-seed5/8.safetensors/x", "checkpoints/NA-seed5/8.pkl", "checkpoints/NA-seed5/٨.safetensors",
        "checkpoints/NA-seed5/8.resume.safetensors", "checkpoints/NA-seed5/8.safetensors\n", "checkpoints//", "../",
        "config.toml ", "CONFIG.TOML", "./config.toml", "inner.zip", ".ssh/authorized_keys", "a" * 5000, "<script>",
    ],
)  # fmt: skip
def test_a_file_that_is_no_part_of_an_experiment_is_refused(target: Store, content: bytes, name: str) -> None:
    with pytest.raises(BundleError, match=NO_PART):
        import_zip(target, packed(unpacked(content), (name, b"evil")))
    assert_nothing_is_left(target)


def test_a_name_with_a_zero_byte_is_refused(target: Store, content: bytes) -> None:
    hidden = packed(unpacked(content), ("paths.jsonlX../evil", b"x")).replace(b"jsonlX..", b"jsonl\0..")
    with pytest.raises(BundleError, match=NO_PART):
        import_zip(target, hidden)
    assert_nothing_is_left(target)


Attack = Callable[[Files], bytes]


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (lambda files: packed({k: v for k, v in files.items() if k != WEIGHTS}, (symlink(WEIGHTS), b"/etc/passwd")),
         "is a link or a device"),
        (lambda files: packed(files, ("metrics.csX", b"again")).replace(b"csX", b"csv"), "'metrics.csv' twice"),
        (lambda files: marked(packed(files), WEIGHTS, 8, 1), "is encrypted"),
        (lambda files: packed(files, compression=zipfile.ZIP_LZMA), "packed in a way that is not allowed"),
        (lambda files: packed(files, compression=zipfile.ZIP_BZIP2), "packed in a way that is not allowed"),
        (lambda files: marked(packed(files), WEIGHTS, 10, 99), "packed in a way that is not allowed"),
        (lambda files: packed(files | {WEIGHTS: pickle.dumps([1.0])}), "no safetensors file"),
        (lambda files: packed(files | {WEIGHTS: packed(files)}), "no safetensors file"),
        (lambda files: packed(files | {"metrics.csv": packed(files)}), "metrics.csv: "),
        (lambda files: packed({k: v for k, v in files.items() if k != "config.toml"}), "config.toml: is missing"),
        (lambda files: packed({k: v for k, v in files.items() if k != "metrics.csv"}), "metrics.csv: is missing"),
        (lambda files: packed(files | {"experiment.json": b"[" * 9000}), "experiment.json: is not valid"),
        (lambda files: packed(files | {"experiment.json": b" " * 200_000}), "experiment.json: is larger"),
        (lambda files: packed(files)[:-30], "no .zip archive, or a damaged one"),
        (lambda files: b"", "no .zip archive"),
        (lambda files: b"PK\x05\x06" + bytes(18), "config.toml: is missing"),
    ],
)  # fmt: skip
def test_every_attack_is_refused_in_one_sentence(
    target: Store, content: bytes, attack: Attack, message: str
) -> None:
    with pytest.raises(BundleError, match=message) as raised:
        import_zip(target, attack(unpacked(content)))
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 300
    assert_nothing_is_left(target)


def test_a_stored_file_whose_bytes_were_changed_is_damaged(target: Store, content: bytes) -> None:
    stored = packed(unpacked(content), compression=zipfile.ZIP_STORED)
    with pytest.raises(BundleError, match=r"metrics\.csv: is damaged in the archive"):
        import_zip(target, stored.replace(b"greedy_accuracy", b"greedy_accurac_", 1))
    assert_nothing_is_left(target)


def test_a_bomb_is_not_unpacked(target: Store, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    files = unpacked(content)
    bomb = packed(files | {"paths.jsonl": bytes(20_000_000)})
    assert len(bomb) < 100_000
    monkeypatch.setattr(bundle_zip, "MAX_BYTES", 1_000_000)
    with pytest.raises(BundleError, match=r"paths\.jsonl: is larger than"):
        import_zip(target, bomb)
    assert_nothing_is_left(target)


def test_a_bomb_that_lies_about_its_size(
    target: Store, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The header says one byte; at most so many bytes are ever read, and then the checksum is wrong."""
    bomb = packed(unpacked(content) | {"paths.jsonl": bytes(20_000_000)})
    at = bomb.rindex(b"paths.jsonl") - 46
    lying = bytearray(bomb)
    lying[at + 24 : at + 28] = (1).to_bytes(4, "little")
    with pytest.raises(BundleError, match=r"paths\.jsonl: is damaged"):
        import_zip(target, bytes(lying))
    assert_nothing_is_left(target)


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [("MAX_FILES", 5, "files; at most 5"), ("MAX_TOTAL", 3000, "holds more than")],
)
def test_many_files_and_many_bytes_in_all(
    target: Store, content: bytes, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, message: str
) -> None:
    monkeypatch.setattr(bundle_zip, limit, value)
    with pytest.raises(BundleError, match=message):
        import_zip(target, content)
    assert_nothing_is_left(target)


def test_a_table_that_would_fill_the_memory(
    target: Store, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_events, "MAX_TABLE_BYTES", 100)
    with pytest.raises(BundleError, match=r"metrics\.csv: .*larger than"):
        import_zip(target, content)
    assert_nothing_is_left(target)


def test_settings_that_are_not_valid_are_named_without_the_folder(target: Store, content: bytes) -> None:
    for config in (b"\xff", b"a = [", b"unknown = 1", b"[graph]\nnodes = -3", b"x = " + b"[" * 50_000):
        with pytest.raises(SettingError) as raised:
            import_zip(target, packed(unpacked(content) | {"config.toml": config}))
        assert str(target.home) not in str(raised.value) and "import-" not in str(raised.value)
    assert_nothing_is_left(target)


def test_hostile_labels_stay_text(store: Store, content: bytes) -> None:
    files = unpacked(content)
    labels = [
        "<img src=x onerror=alert(1)>",
        "$x$",
        "[a](javascript:alert(1))",
        "\u202egnp.exe",
        "../..",
        *map(str, range(5, 12)),
    ]
    edges = [[u, v] for u in range(12) for v in range(u + 1, 12)]
    config = files["config.toml"].decode().replace('kind = "acyclic"', 'kind = "file"', 1)
    config = config.replace(
        "labels = []", f"labels = {labels!r}".replace("\u202e", "\\u202e").replace("'", '"'), 1
    )
    config = config.replace("edges = []", f"edges = {edges}", 1)
    key = import_zip(store, packed(files | {"config.toml": config.encode()}))
    assert store.experiment(key).config.graph.labels[0] == labels[0]


@pytest.mark.slow
@pytest.mark.usefixtures("_no_waiting_for_the_disk")
def test_damaged_archives_are_refused_and_write_nothing_elsewhere(target: Store, content: bytes) -> None:
    """Bytes anywhere in the archive, which its checksums mostly find."""
    refused = 0

    @settings(max_examples=CHANGED)
    @given(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), min_size=1, max_size=6))
    def damage(changes: list[tuple[int, int]]) -> None:
        nonlocal refused
        damaged = bytearray(content)
        for place, value in changes:
            damaged[place] = value
        refused += take(target, bytes(damaged))

    damage()
    assert refused > CHANGED / 2
    assert_nothing_is_left(target)


@pytest.mark.slow
@pytest.mark.usefixtures("_no_waiting_for_the_disk")
def test_archives_with_damaged_files_are_refused_and_write_nothing_elsewhere(
    target: Store, content: bytes
) -> None:
    """Whole archives, of whose files one is cut, changed, repeated, or replaced by noise."""
    files, refused = unpacked(content), 0

    @settings(max_examples=REPLACED)
    @given(st.sampled_from(sorted(files)), st.sampled_from(WAYS), st.integers(0, 2**32))
    def damage(name: str, how: str, seed: int) -> None:
        nonlocal refused
        draw, changed = random.Random(seed), bytearray(files[name])
        place = draw.randrange(len(changed))
        if how == "change":
            changed[place] = draw.randrange(256)
        elif how == "cut":
            del changed[place:]
        elif how == "repeat":
            changed[place:place] = changed[draw.randrange(len(changed)) :]
        elif how == "text":
            changed[place : place + draw.randrange(4)] = draw.choice(ODD).encode()
        else:
            changed[:] = draw.randbytes(draw.randrange(200))
        refused += take(target, packed(files | {name: bytes(changed)}))

    damage()
    assert refused > REPLACED / 2
    assert_nothing_is_left(target)


WAYS = ("change", "cut", "repeat", "noise", "text")
ODD = [
    "nan", "inf", "-inf", "-1", "1e400", "9" * 30, "9" * 5000, "True", "NULL", '"', "\n", ",", ",,", "\x00", "\r",
    "{", "}", "[", "]", "1.5", "'", "<script>", "\u202e", "٣", "1_000", "0x10", "1+2j", "2020-01-01", " ", ";", "#",
]  # fmt: skip


def take(store: Store, content: bytes) -> bool:
    """Import an archive that may be damaged, and delete it again; whether it was refused."""
    try:
        key = import_zip(store, content)
    except (BundleError, SettingError):
        return True
    record = store.experiment(key)
    assert len(store.runs(key)) == sum(record.states.values())
    store.evaluations(key)
    store.delete_experiment(key)
    return False
