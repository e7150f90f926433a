"""Checkpoints as safetensors files, one folder a run.

`<step>.safetensors` holds the weights of every evaluation. `<step>.resume.safetensors` holds what a run needs
to go on; only the latest is kept. Each file is complete or absent, and its name carries its step, so that no
crash can pair weights with the state of another step.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from planviz.events import Checkpoint

_WEIGHTS = re.compile(r"(\d{1,12})\.safetensors", re.ASCII)
_RESUME = re.compile(r"(\d{1,12})\.resume\.safetensors", re.ASCII)
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class CheckpointFiles:
    """The checkpoints of all runs, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, run_id: str, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; the earlier resume state goes once the new one is on disk.

        Raises:
            OSError: it could not be written. What was there before is still there.
        """
        folder = self._of(run_id)
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / f"{checkpoint.step}.safetensors", checkpoint.weights)
        if checkpoint.resume:
            _write(folder / f"{checkpoint.step}.resume.safetensors", checkpoint.resume)
            for step in self._steps(run_id, _RESUME):
                if step != checkpoint.step:
                    (folder / f"{step}.resume.safetensors").unlink(missing_ok=True)

    def steps(self, run_id: str) -> list[int]:
        """The steps whose weights are kept, in ascending order."""
        return self._steps(run_id, _WEIGHTS)

    def weights(self, run_id: str, step: int) -> bytes:
        """The weights at a step, as a safetensors file.

        Raises:
            KeyError: none are kept for this run and step.
        """
        try:
            return (self._of(run_id) / f"{step:d}.safetensors").read_bytes()
        except FileNotFoundError:
            raise KeyError(f"run {run_id} has no weights at step {step}") from None

    def resume_step(self, run_id: str) -> int | None:
        """The step of the latest checkpoint that a run can go on from."""
        return max(set(self.steps(run_id)) & set(self._steps(run_id, _RESUME)), default=None)

    def resume_point(self, run_id: str) -> Checkpoint | None:
        """The latest checkpoint that a run can go on from."""
        step = self.resume_step(run_id)
        if step is None:
            return None
        resume = (self._of(run_id) / f"{step}.resume.safetensors").read_bytes()
        return Checkpoint(step, self.weights(run_id, step), resume)

    def delete(self, run_id: str) -> None:
        """Remove all checkpoints of a run."""
        shutil.rmtree(self._of(run_id), ignore_errors=True)

    def _of(self, run_id: str) -> Path:
        # Run ids come in from links: nothing but an id may become part of a path.
        if not _RUN_ID.fullmatch(run_id):
            raise KeyError(f"{run_id[:80]!r} is no run id")
        return self.folder / run_id

    def _steps(self, run_id: str, pattern: re.Pattern[str]) -> list[int]:
        try:
            names = os.listdir(self._of(run_id))
        except FileNotFoundError:
            return []
        return sorted(int(match[1]) for name in names if (match := pattern.fullmatch(name)))


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is complete or absent, even if the power fails or the disk is full."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)  # a full disk needs the room
        raise


def bytes_in(folder: Path) -> int:
    """What the files of a folder take; nothing, if it goes away meanwhile."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        return sum(entry.stat().st_size for entry in entries)
    return 0
