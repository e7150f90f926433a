"""Several visitors of one real server: the short version of `python -m benchmarks.load`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.load import START, figures
from benchmarks.visitors import PAGES, Visitor, server
from planviz.runs.memory import resident_bytes
from planviz.runs.store import Store


def test_ratios_are_to_the_idle_server() -> None:
    told = figures([2.0, 4.0, 6.0, 8.0], idle=[1.0, 2.0, 3.0, 4.0])
    assert told["answers"] == 4 and told["median"] == 5
    assert told["median_ratio"] == told["p95_ratio"] == pytest.approx(2)


def test_many_visitors_are_answered_and_have_runs_of_their_own(tmp_path: Path) -> None:
    with server(tmp_path, "--public") as (port, process):
        visitors = [Visitor(port) for _ in range(6)]
        with ThreadPoolExecutor(len(visitors)) as pool:
            for page in PAGES:
                assert all(
                    seconds > 0
                    for seconds in pool.map(lambda visitor, page=page: visitor.open(page), visitors)
                )
        for visitor in visitors[:3]:
            visitor.open("")
            visitor.press(START)
        experiments = [
            record for record in Store(tmp_path).experiments() if not record.id.startswith("demo-")
        ]
        assert len({record.session for record in experiments}) == len(experiments) == 3
        queries = [visitor.query for visitor in visitors]
        assert all(
            record.id in "".join(queries[:3]) for record in experiments
        )  # each has a link to its own …
        assert not any(
            record.id in "".join(queries[3:]) for record in experiments
        )  # … and nobody to another's
        held = resident_bytes(process)
        assert held is not None and held < 2**30
        for visitor in visitors:
            visitor.close()
