from __future__ import annotations

import os
from pathlib import Path

import pytest

from planviz.events import Checkpoint
from planviz.runs.checkpoints import CheckpointFiles


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(step, b"weights %d" % step, b"state %d" % step)


@pytest.mark.parametrize("crash_at", range(1, 5))
def test_a_crash_while_saving_leaves_a_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash_at: int
) -> None:
    files = CheckpointFiles(tmp_path)
    files.save("run", checkpoint(4))
    calls = 0

    def crash_before(function: object) -> object:
        def wrapped(*arguments: object, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls == crash_at:
                raise OSError("no space left on device")
            return function(*arguments, **options)  # type: ignore[operator]

        return wrapped

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", crash_before(os.fsync))
        patch.setattr(os, "replace", crash_before(os.replace))
        with pytest.raises(OSError, match="no space"):
            files.save("run", checkpoint(8))

    assert files.resume_point("run") == checkpoint(4)
    assert set(files.steps("run")) <= {4, 8}
    files.save("run", checkpoint(8))
    assert files.resume_point("run") == checkpoint(8)
    assert sorted(os.listdir(tmp_path / "run")) == ["4.safetensors", "8.resume.safetensors", "8.safetensors"]


def test_going_back_to_an_earlier_step_goes_on_from_there(tmp_path: Path) -> None:
    files = CheckpointFiles(tmp_path)
    files.save("run", checkpoint(8))
    files.save("run", checkpoint(0))
    assert files.resume_point("run") == checkpoint(0)


@pytest.mark.parametrize("run_id", ["..", "", "a/b", "/etc", "x\x00", "r\n", "ё"])
def test_only_an_id_becomes_part_of_a_path(tmp_path: Path, run_id: str) -> None:
    (tmp_path / "0.safetensors").touch()
    files = CheckpointFiles(tmp_path / "checkpoints")
    with pytest.raises(KeyError, match="no run id"):
        files.weights(run_id, 0)
    with pytest.raises(KeyError, match="no run id"):
        files.delete(run_id)
    assert (tmp_path / "0.safetensors").exists()
