"""The demo that ships with planviz: which experiment of a store it is, and that it stays as it is."""

from __future__ import annotations

import functools
from zlib import crc32

from planviz.folders import demo_folder

DEMO_STAYS = "The demo ships with planviz: it cannot be renamed, tagged, archived or deleted."


class DemoError(ValueError):
    """The demo was to be changed."""


@functools.cache
def demo_id() -> str:
    """The experiment id of the demo: a new demo gets a new id, so an old store does not hide it."""
    return f"demo-{crc32((demo_folder() / 'metrics.csv').read_bytes()):08x}"


def must_not_be_demo(experiment_id: str) -> None:
    """Refuse to change the demo.

    Raises:
        DemoError: it is the demo.
    """
    if demo_folder().is_dir() and experiment_id == demo_id():
        raise DemoError(DEMO_STAYS)
