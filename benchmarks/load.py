"""How a server answers while others use it: `python -m benchmarks.load` drives a real one and prints the figures.

One visitor of an idle server is the measure. Then the same pages while two runs train, and also while those who
started them watch their live charts; and while 30 visitors, 10 of whom started runs, look at pages at once. Whoever
looks at a page that refreshes itself asks for it again and again, as a browser does. Ratios to the idle server can be
compared between machines, seconds cannot.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.procs import wait_for
from benchmarks.visitors import PAGES, Visitor, server
from planviz.runs.memory import resident_bytes
from planviz.runs.store import Store

START = "Train this comparison live"
THINK = (2.0, 6.0)
"""Seconds that a visitor looks at a page."""


def figures(seconds: list[float], idle: list[float] | None = None) -> dict[str, float]:
    """Median and 95th percentile of some answers, and their ratios to those of the idle server."""
    cut = statistics.quantiles(seconds, n=20)
    found = {"answers": len(seconds), "median": statistics.median(seconds), "p95": cut[-1]}
    if idle is not None:
        reference = figures(idle)
        found |= {f"{name}_ratio": found[name] / reference[name] for name in ("median", "p95")}
    return found


def rounds(visitor: Visitor, count: int, going: Callable[[], bool] = lambda: True) -> list[float]:
    """The seconds of every page, `count` times over, as long as `going` says so."""
    return [visitor.open(page) for _ in range(count) for page in PAGES if going()]


def watch(visitor: Visitor, enough: threading.Event) -> None:
    """Look at the live charts until it is enough."""
    visitor.open("train")
    while not enough.is_set():
        visitor.look(1.0)


def look_around(visitor: Visitor, until: float, chance: random.Random) -> list[float]:
    """Open pages, with time to look at them in between."""
    seconds = []
    while time.monotonic() < until:
        seconds.append(visitor.open(chance.choice(PAGES)))
        visitor.look(chance.uniform(*THINK))
    return seconds


def measure(
    repeats: int = 12, visitors: int = 30, starters: int = 10, minutes: float = 1.0
) -> dict[str, Any]:
    """All figures; see the head of this file."""
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (port, process):
        store = Store(Path(folder))

        def trains(at_least: int) -> bool:
            return sum(record.states.get("running", 0) for record in store.experiments()) >= at_least

        one = Visitor(port)
        rounds(one, 2)  # everything is loaded, and its cache filled
        idle = rounds(one, repeats)
        told: dict[str, Any] = {"idle": figures(idle), "memory": {"idle": resident_bytes(process)}}

        others = Visitor(port), Visitor(port)
        for other in others:
            other.open("")
            other.press(START)
        wait_for(lambda: trains(2), 60, "two runs that train")
        told["two runs train"] = figures(rounds(one, repeats, lambda: trains(2)), idle)
        with ThreadPoolExecutor(len(others)) as pool:
            seen = threading.Event()
            watching = [pool.submit(watch, other, seen) for other in others]
            told["two runs train, watched"] = figures(rounds(one, repeats, lambda: trains(2)), idle)
            seen.set()
            for watched in watching:
                watched.result()
        for other in others:
            other.press("Stop")
        wait_for(lambda: not trains(1), 60, "the end of all runs")
        for visitor in (one, *others):
            visitor.close()

        crowd = [Visitor(port) for _ in range(visitors)]
        for visitor in crowd:
            visitor.open("")
        told["memory"]["crowd opened"] = resident_bytes(process)
        for visitor in crowd[:starters]:
            visitor.press(START)
        until = time.monotonic() + 60 * minutes
        with ThreadPoolExecutor(visitors) as pool:
            found = pool.map(look_around, crowd, [until] * visitors, map(random.Random, range(visitors)))
        answers = [second for seconds in found for second in seconds]
        told[f"{visitors} visitors, {starters} of them train"] = figures(answers, idle)
        told["memory"]["crowd"] = resident_bytes(process)
        for visitor in crowd:
            visitor.close()
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=12, help="rounds through all pages")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long the crowd looks around")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    told = measure(arguments.repeats, minutes=arguments.minutes)
    if arguments.json:
        print(json.dumps(told))
        return
    for name, values in told.items():
        if name == "memory":
            print("memory (MB):", ", ".join(f"{when} {size / 1e6:.0f}" for when, size in values.items()))
        else:
            print(f"{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in values.items()))


if __name__ == "__main__":
    main()
