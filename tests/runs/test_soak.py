"""A server that starts, stops, pauses and inspects all the time does not grow."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.soak import Usage, grown, soak


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts processes and files through /proc")
def test_a_server_in_constant_use_does_not_grow(tmp_path: Path) -> None:
    measured = list(soak(tmp_path / "home", seconds=15))
    assert len(measured) >= 2
    assert grown(measured) == []
    assert measured[-1].processes == 0


def test_growth_is_named() -> None:
    before, after = Usage(1, 3, 5, 0, 30, 200.0), Usage(9, 9, 5, 1, 100, 200.0)
    assert grown([before, before]) == []
    assert [sentence.partition(":")[0] for sentence in grown([before, after])] == ["processes", "files"]
