"""Which processes are alive, told by locks that the system releases when a process dies, however it dies.

A process id says less: it may be used again by another program, and means nothing in another container that
shares the data folder.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from filelock import FileLock, Timeout


class Lease:
    """The name of a living owner of runs: as long as its lock is held, its runs are its own.

    Raises:
        OSError: the data folder cannot be written.
    """

    def __init__(self, home: Path) -> None:
        self.name = secrets.token_hex(8)
        folder = home / "owners"
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / f"{self.name}.lock", thread_local=False)
        self._lock.acquire()

    def release(self) -> None:
        """Give the lock back: what this owner still has in work counts as interrupted from now on."""
        self._lock.release()


def is_alive(home: Path, name: str) -> bool:
    """Whether the owner of this name still holds its lease. The lock file of a dead one is removed."""
    path = home / "owners" / f"{name}.lock"
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            path.unlink(missing_ok=True)
    except Timeout:
        return True
    return False
