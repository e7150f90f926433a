"""The measurements of `benchmarks.suite` as a Markdown report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

COLUMNS = ("ms", "floor_ms", "ratio", "queries_per_second", "tokens_per_second")
HEADINGS = ("ms a step", "floor, ms", "ratio", "queries/s", "tokens/s")


def markdown(results: dict[str, Any]) -> str:
    """The whole report."""
    machine, speedup, rates = results["machine"], results["loop_speedup"], results["throughput"]
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "Made by `make bench`; what is measured, and what the floor is, stands in `benchmarks/suite.py`.",
            "",
            f"{machine['processor']}, {machine['threads']} thread(s), torch {machine['torch']}, "
            f"{machine['platform']}; {results['gemm_gflops']:.0f} GFLOP/s in a product of two 1024 × 1024 matrices; "
            f"at most {results['peak_memory_mb']:,.0f} MiB of memory for all of it.",
            "",
            "## One optimizer step on the `paper` preset",
            "",
            *table(("method", "batch", *HEADINGS), results["steps"], ("method", "batch", *COLUMNS)),
            "",
            "## Against a plain loop",
            "",
            "`benchmarks/plain_loop.py` asks the model query by query, with the same weights and settings: it is "
            f"{speedup['pg']:.1f} times slower in a PG step with KL and {speedup['q']:.1f} times slower in a Q step "
            f"of 32 queries, and {speedup['evaluation']:.0f} times slower in an evaluation of 1,000 pairs with 20 "
            "samples each.",
            "",
            f"Rollouts: {rates['rollout_paths_per_second']:,.0f} paths a second at batch 256. Evaluation: "
            f"{rates['evaluation_paths_per_second']:,.0f} paths a second (pairs × samples, all metrics included).",
            "",
            "## Seeds that train together",
            "",
            "A PG step with KL of all seeds, each with its own batch.",
            "",
            *table(("seeds", "batch", *HEADINGS), results["seeds"], ("seeds", "batch", *COLUMNS)),
            "",
            "## Size of the graph",
            "",
            "A PG step with KL of 128 queries from an untrained base, about 5 edges a node.",
            "",
            *table(("nodes", *HEADINGS), results["nodes"], ("graph.nodes", *COLUMNS)),
            "",
            "## Width of the model",
            "",
            "The same on the graph of `paper`.",
            "",
            *table(("width", *HEADINGS), results["widths"], ("model.width", *COLUMNS)),
            "",
        ]
    )


def table(headings: Sequence[str], rows: Iterable[dict[str, Any]], keys: Sequence[str]) -> list[str]:
    """Lines of a Markdown table."""
    lines = [f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}"]
    for row in rows:
        lines.append(f"| {' | '.join(_cell(row[key]) for key in keys)} |")
    return lines


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
