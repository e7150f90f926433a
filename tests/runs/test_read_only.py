"""A data folder that cannot be written: one sentence, and no traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from planviz.runs.schema import StoreError
from planviz.runs.store import Store


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A data folder with a store, that nobody can write to any more: not even root."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            pytest.skip("root may write everywhere, and nothing can be mounted here")
        Store(folder / "home").close()
        (folder / "home").chmod(0o500)
        yield folder / "home"
        (folder / "home").chmod(0o700)
        return
    Store(folder / "home").close()
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    yield folder / "home"
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_the_store_says_so(read_only: Path) -> None:
    with pytest.raises(StoreError, match=r"the store cannot be opened \(.*; PLANVIZ_HOME names another"):
        Store(read_only)


@pytest.mark.parametrize("arguments", [["runs", "list"], ["run", "--preset", "quick"], ["app"]])
def test_the_command_line_says_so_in_one_line(read_only: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "planviz", *arguments],
        env={**os.environ, "PLANVIZ_HOME": str(read_only), "STREAMLIT_SERVER_HEADLESS": "true"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "the store cannot be opened" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
