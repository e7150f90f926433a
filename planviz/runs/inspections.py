"""Questions to stored weights, each answered by a worker process of its own: the server never loads torch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from planviz.config import ExperimentConfig
from planviz.runs.supervisor import call_in_worker

if TYPE_CHECKING:
    from planviz.events import QueryInspection
    from planviz.mechanism import PathShares, Probe


class Inspections:
    """Asks models, given as (arm, weights), in worker processes.

    Args:
        at_once: how many may be asked at the same time; others wait.
        threads: how many threads each process may use.
        inspect_query: where the function behind `inspect` is, as `module:function`.
    """

    def __init__(self, at_once: int, threads: int, inspect_query: str) -> None:
        self._inspect_query, self._threads = inspect_query, threads
        self._free_to_ask = threading.BoundedSemaphore(at_once)

    def inspect(
        self,
        config: ExperimentConfig,
        models: Sequence[tuple[str, bytes]],
        source: int,
        target: int,
        samples: int,
        seed: int = 0,
        *,
        timeout: float = 30.0,
    ) -> list[QueryInspection]:
        """What each model does with one query: `planviz.inspection.inspect_query`.

        Raises:
            RuntimeError: it failed, or took longer than `timeout` seconds.
        """
        arguments = (config, models, source, target, samples, seed)
        return cast("list[QueryInspection]", self._ask(self._inspect_query, arguments, timeout))

    def probe(
        self,
        config: ExperimentConfig,
        models: Sequence[tuple[str, bytes]],
        targets: Sequence[int],
        *,
        timeout: float = 30.0,
    ) -> list[Probe]:
        """The logits of each model at all current nodes, and its attention: `planviz.probing.probe`.

        Raises:
            RuntimeError: it failed, or took longer than `timeout` seconds.
        """
        answer = self._ask("planviz.probing:probe", (config, models, targets), timeout)
        return cast("list[Probe]", answer)

    def path_shares(
        self,
        config: ExperimentConfig,
        models: Sequence[tuple[str, bytes]],
        source: int,
        target: int,
        limit: int,
        *,
        timeout: float = 60.0,
    ) -> PathShares:
        """How probable each correct path of a pair is to each model: `planviz.probing.path_shares`.

        Raises:
            RuntimeError: it failed, or took longer than `timeout` seconds.
        """
        arguments = (config, models, source, target, limit)
        return cast("PathShares", self._ask("planviz.probing:path_shares", arguments, timeout))

    def weights_known(
        self, config: ExperimentConfig, models: Sequence[tuple[str, bytes]], *, timeout: float = 300.0
    ) -> list[dict[str, float]]:
        """What each model's weights know of edges and values: `planviz.claims.recovery.weights_known`.

        Raises:
            RuntimeError: it failed, or took longer than `timeout` seconds.
        """
        answer = self._ask("planviz.claims.recovery:weights_known", (config, models), timeout)
        return cast("list[dict[str, float]]", answer)

    def _ask(self, function: str, arguments: tuple[Any, ...], timeout: float) -> Any:
        """What a function, given as `module:function`, answers in a worker process."""
        if not self._free_to_ask.acquire(timeout=timeout):
            raise RuntimeError("Too many models are being asked at once; try again in a moment.")
        try:
            return call_in_worker(function, arguments, self._threads, timeout)
        finally:
            self._free_to_ask.release()
