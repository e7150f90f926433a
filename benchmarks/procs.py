"""What Linux says about processes, read from /proc: children, state, threads, open files, memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PROC = Path("/proc")


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent, …; empty if there is no such process."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def is_running(pid: int) -> bool:
    """Whether a process lives; one that has ended, and waits for its parent to notice, does not."""
    fields = _stat(pid)
    return bool(fields) and fields[0] not in "ZX"


def children(pid: int) -> list[int]:
    """The living processes that this one started."""
    everyone = [int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal()]
    mine = [other for other in everyone if (fields := _stat(other)) and int(fields[1]) == pid]
    return [other for other in mine if is_running(other)]


def _is_forked(pid: int) -> bool:
    """Whether a process is a fork server of multiprocessing, or was forked from one."""
    try:
        return b"multiprocessing.forkserver" in (PROC / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def fork_server(server: int) -> int | None:
    """The fork server of a planviz server, if it runs."""
    return next(filter(_is_forked, children(server)), None)


def workers(server: int) -> list[int]:
    """The worker processes of a planviz server, which are its fork server's children."""
    forks = fork_server(server)
    return children(forks) if forks is not None else []


def workers_of_session(server: int) -> list[int]:
    """The same for a server that leads a session of its own; also workers whose fork server is dead."""
    everyone = [int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal()]
    mine = [pid for pid in everyone if (fields := _stat(pid)) and int(fields[3]) == server]
    not_workers = {server, *children(server)}
    return [pid for pid in mine if pid not in not_workers and is_running(pid) and _is_forked(pid)]


def descendants(pid: int) -> list[int]:
    """The children of a process, their children, and so on."""
    found = children(pid)
    return found + [other for child in found for other in descendants(child)]


def open_files(pid: int | None = None) -> int:
    """How many file handles a process has; by default this one."""
    return len(os.listdir(PROC / str(pid or os.getpid()) / "fd"))


def wait_for(condition: Callable[[], T], seconds: float, what: str) -> T:
    """What the condition returns once that is true.

    Raises:
        TimeoutError: it is not, after so many seconds; the message says what was waited for.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.01)
    return value
