"""An experiment as one .zip file, and back.

Such a file may come from anyone. Only the files of an exported experiment may be in it; each is unpacked under a
name that is made here, below a new folder, and counted while it is read: what the archive says of itself is not
believed.
"""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from planviz.config import SettingError
from planviz.runs.bundle import ABOUT, export_experiment, import_experiment
from planviz.runs.bundle_events import MAX_BYTES, BundleError
from planviz.runs.changes import FILE
from planviz.runs.store import Store

MAX_FILES = 50_000
MAX_TOTAL = 4 * 2**30
"""Bytes of all files together, unpacked."""
TABLES = ("config.toml", "metrics.csv", "steps.csv", "paths.jsonl", ABOUT, FILE)
REQUIRED = ("config.toml", "metrics.csv")
CHUNK = 2**20

_WEIGHTS = re.compile(r"checkpoints/[\w-]{1,40}-seed[0-9]{1,10}/[0-9]{1,12}\.safetensors")
_FOLDER = re.compile(r"checkpoints/([\w-]{1,40}-seed[0-9]{1,10}/)?")
_DAMAGED = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError,
    EOFError, ValueError, IndexError, OverflowError,
)  # fmt: skip
"""What zipfile raises for archives that are damaged, or packed in a way it does not know."""


def export_zip(store: Store, experiment_id: str, target: Path | BinaryIO, *, compact: bool = False) -> None:
    """Write an experiment as one .zip file.

    Args:
        target: the file, or its path; a file of that name is replaced once the new one is complete.
        compact: as in `export_experiment`.

    Raises:
        KeyError: there is no such experiment.
        OSError: the file cannot be written.
    """
    with tempfile.TemporaryDirectory(dir=store.home, prefix="export-") as temporary:
        folder = Path(temporary)
        export_experiment(store, experiment_id, folder / "files", compact=compact)
        if not isinstance(target, Path):
            _pack(folder / "files", target)
            return
        unfinished = target.with_name(target.name + ".tmp")
        try:
            with unfinished.open("wb") as file:
                _pack(folder / "files", file)
            os.replace(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)


def _pack(folder: Path, file: BinaryIO) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            # Weights are noise, which gets no smaller.
            packing = zipfile.ZIP_STORED if path.suffix == ".safetensors" else zipfile.ZIP_DEFLATED
            archive.write(path, path.relative_to(folder).as_posix(), packing)


def import_zip(store: Store, content: bytes | Path | BinaryIO) -> str:
    """Bring an experiment from a .zip file into a store, with its runs finished; the experiment's id.

    Raises:
        BundleError: the archive is damaged, or holds anything but an experiment.
        SettingError: its config.toml is not valid.
        OSError: the file cannot be read, or what is in it cannot be stored.
    """
    if isinstance(content, Path):
        with content.open("rb") as opened:
            return import_zip(store, opened)
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    with tempfile.TemporaryDirectory(dir=store.home, prefix="import-") as temporary:
        folder = Path(temporary)
        try:
            archive = zipfile.ZipFile(file)
        except _DAMAGED:
            raise BundleError("the file is no .zip archive, or a damaged one") from None
        with archive:
            _unpack(archive, _members(archive), folder)
        try:
            return import_experiment(store, folder)
        except SettingError as error:
            raise SettingError(str(error).replace(f"{folder}{os.sep}", "")) from None


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The files of an archive, once all of them are allowed."""
    entries = archive.infolist()
    if len(entries) > MAX_FILES:
        raise BundleError(f"the archive holds {len(entries):,} files; at most {MAX_FILES:,} are allowed")
    members: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        # zipfile cuts names at a zero byte and turns backslashes around on Windows; the name as written counts.
        name = entry.orig_filename
        if _FOLDER.fullmatch(name):
            continue
        if name not in TABLES and not _WEIGHTS.fullmatch(name):
            raise BundleError(f"the archive holds {name[:80]!r}, which is no part of an experiment")
        if name in members:
            raise BundleError(f"the archive holds {name[:80]!r} twice")
        if entry.flag_bits & 1:
            raise BundleError(f"{name[:80]}: is encrypted; pack the experiment without a password")
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise BundleError(f"{name[:80]}: is a link or a device, not a file")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BundleError(f"{name[:80]}: is packed in a way that is not allowed; stored and deflated are")
        members[name] = entry
    if missing := [name for name in REQUIRED if name not in members]:
        raise BundleError(f"{missing[0]}: is missing in the archive")
    return members


def _unpack(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], folder: Path) -> None:
    """Write the files of an archive below a folder, as long as they stay within the limits."""
    total = 0
    for name, entry in members.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        size = 0
        with path.open("xb") as target:
            for chunk in _chunks(archive, entry, name):
                size, total = size + len(chunk), total + len(chunk)
                if size > MAX_BYTES:
                    raise BundleError(f"{name}: is larger than {MAX_BYTES // 2**20} MiB")
                if total > MAX_TOTAL:
                    raise BundleError(f"the archive holds more than {MAX_TOTAL // 2**30} GiB")
                target.write(chunk)


def _chunks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> Iterator[bytes]:
    try:
        with archive.open(entry) as source:
            while chunk := source.read(CHUNK):
                yield chunk
    except _DAMAGED:
        raise BundleError(f"{name}: is damaged in the archive") from None
