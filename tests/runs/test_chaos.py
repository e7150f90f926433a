"""Whatever is killed, nothing that was stored is lost, and the resumed training gives the same numbers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.chaos import VICTIMS, chaos

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes through /proc"),
]


def test_four_kills_lose_nothing_and_change_no_number(tmp_path: Path) -> None:
    kills = list(chaos(tmp_path, kills=4, seed=1))
    assert [kill.victim for kill in kills] == list(VICTIMS)
    for kill in kills:
        assert kill.before > 0
        assert (kill.lost, kill.torn, kill.identical) == (0, 0, True), kill
    shown = {kill.victim: kill.shown for kill in kills}
    assert "interrupted" in shown["server"] and "interrupted" in shown["both"]
