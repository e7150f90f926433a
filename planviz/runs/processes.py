"""How worker processes are started.

They are forked from a fork server that has loaded torch already, where the platform has one: a worker is
ready within milliseconds, and inherits nothing from the threads of the server.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
from collections.abc import Callable
from multiprocessing import spawn
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any

_HAS_FORK_SERVER = "forkserver" in multiprocessing.get_all_start_methods()
CONTEXT: ForkServerContext | SpawnContext = (
    multiprocessing.get_context("forkserver") if _HAS_FORK_SERVER else multiprocessing.get_context("spawn")
)
_PREFIX = "planviz-"


def cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def preload(module: str) -> None:
    """Let the fork server load this module, and torch, before the first worker is wanted."""
    if _HAS_FORK_SERVER:
        # torch loads its compiler, for seconds, when the first optimizer is made: have it loaded before.
        CONTEXT.set_forkserver_preload([module, "torch._dynamo", "planviz.runs.worker"])


def warm_up() -> None:
    """Start the fork server, if there is one and it does not run; returns at once, while it loads."""
    if _HAS_FORK_SERVER:
        from multiprocessing import forkserver

        forkserver.ensure_running()


def start(target: Callable[..., None], name: str, connection: Connection, *arguments: Any) -> BaseProcess:
    """Start a process that calls `target(connection, *arguments)`; the connection is its own from then on."""
    process = CONTEXT.Process(target=target, name=_PREFIX + name, args=(connection, *arguments), daemon=True)
    try:
        process.start()
    finally:
        # With our copy gone, the end of the process is the end of the pipe.
        connection.close()
    return process


def reap(process: BaseProcess, grace: float) -> int:
    """Wait until a process has ended, at most `grace` seconds before it is killed; its exit code."""
    process.join(grace)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode or 0


def _without_main(prepare: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    """Keep our workers from running the program's main script.

    multiprocessing lets every new process import the script that is `__main__`. Under Streamlit that is the
    page being drawn, so each worker would draw it too; and a script without an `if __name__ == "__main__"`
    would start its experiment again in each worker. Our workers need nothing from it.
    """

    @functools.wraps(prepare)
    def get_preparation_data(name: str) -> dict[str, Any]:
        data = prepare(name)
        if name.startswith(_PREFIX):
            data.pop("init_main_from_name", None)
            data.pop("init_main_from_path", None)
        return data

    return get_preparation_data


spawn.get_preparation_data = _without_main(spawn.get_preparation_data)  # type: ignore[assignment]
