"""The command line's graph commands for PDDL and pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.graphs.test_pddl import PLANBENCH, execute, facts
from tests.test_cli import Planviz


@pytest.fixture
def planviz(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Planviz:
    return Planviz(monkeypatch, capsys)


def test_a_problem_is_told_as_a_query_with_a_shortest_plan(planviz: Planviz, tmp_path: Path) -> None:
    file = tmp_path / "problem.pddl"
    file.write_text(PLANBENCH)
    code, printed, _ = planviz("graph", "pddl", file)
    assert code == 0
    blocks, goal, query, *plan = printed.splitlines()
    assert blocks == "4 blocks: A = a, B = b, C = c, D = d"
    assert goal == "goal: 3 of 73 states satisfy it"
    assert query.startswith("query: from node ") and "(ACD B)" in query and query.endswith("moves: 3")
    assert len(plan) == 6
    names = dict(zip("ABCD", "abcd", strict=True))
    end = execute("\n".join(plan), facts(("ACD", "B"), names))
    assert {("on", "a", "b"), ("on", "c", "d")} <= end


def test_a_file_that_is_no_problem_is_one_line(planviz: Planviz, tmp_path: Path) -> None:
    file = tmp_path / "domain.pddl"
    file.write_text("(define (domain blocksworld-4ops))")
    code, _, message = planviz("graph", "pddl", file)
    assert code == 1
    assert "this is a PDDL domain" in message and message.count("\n") == 1


@pytest.mark.parametrize(
    ("ending", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("HTML", b"<!doctype html>")]
)
def test_a_graph_can_be_drawn_into_a_file(
    planviz: Planviz, tmp_path: Path, ending: str, start: bytes
) -> None:
    file = tmp_path / f"blocks.{ending}"
    code, printed, _ = planviz("graph", "make", "blocksworld", "--blocks", "3", "-o", file)
    assert (code, printed.startswith("13 nodes, 30 edges")) == (0, True)
    assert file.read_bytes().startswith(start)
