"""Blocksworld problems and plans in PDDL, as PlanBench has them: four operators, one arm.

A problem becomes a query of the Blocksworld graph, and a path of that graph becomes a plan. Problems are hostile: size
and nesting are checked first, and whatever is wrong becomes one sentence in a GraphFileError.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import networkx as nx

from planviz.graphs.blocksworld import State, blocksworld, move_between, stacks, state_label
from planviz.graphs.formats.common import GraphFileError, counted, shown
from planviz.graphs.limits import GraphError
from planviz.graphs.pddl_text import MAX_PDDL_BYTES, checked_text, parsed

__all__ = ["MAX_PDDL_BYTES", "PddlProblem", "find_query", "read_problem", "state_facts", "write_plan"]

MIN_BLOCKS, MAX_BLOCKS = 2, 5

ARGUMENTS = {"on": 2, "ontable": 1, "clear": 1, "handempty": 0, "holding": 1}
OTHER_NAMES = {"on-table": "ontable", "arm-empty": "handempty"}
Fact = tuple[str, ...]
"""A predicate and its blocks, which are letters: ("on", "A", "B")."""


@dataclass(frozen=True)
class PddlProblem:
    """A problem of Blocksworld, whose blocks have become letters.

    Attributes:
        names: what the problem calls its blocks, in alphabetical order; the first one is A.
        start: the state in which the plan begins.
        goals: all states in which the goal holds, in the order of the nodes of `blocksworld`; there is at least one.
    """

    names: tuple[str, ...]
    start: State
    goals: tuple[State, ...]

    @property
    def letters(self) -> dict[str, str]:
        """The name of every letter's block."""
        return dict(zip(ascii_uppercase, self.names, strict=False))


def read_problem(content: bytes | str) -> PddlProblem:
    """A problem with the predicates on, ontable, clear and handempty; its goal names facts, or facts that must not be.

    Raises:
        GraphFileError: this is no such problem, its facts contradict each other, or its goal cannot be reached.
    """
    text = checked_text(content)
    problem = parsed(text.lower())
    spelled = {name.lower(): name for name in reversed(re.findall(r"[\w-]+", text.partition(":")[2]))}
    names = sorted(str(constant.name) for constant in problem.objects)
    if not MIN_BLOCKS <= len(names) <= MAX_BLOCKS:
        raise GraphFileError(
            f"the problem has {counted(len(names), 'block', 'blocks')}; {MIN_BLOCKS} to {MAX_BLOCKS} are allowed"
        )
    letters = dict(zip(names, ascii_uppercase, strict=False))
    facts = {_fact(atom, letters, "the start") for atom in problem.init}
    start = _state(facts, {letter: spelled.get(name, name) for name, letter in letters.items()})
    goals = _goal_states(problem.goal, letters)
    return PddlProblem(tuple(spelled.get(name, name) for name in names), start, goals)


def find_query(problem: PddlProblem, graph: nx.DiGraph[int]) -> tuple[int, int]:
    """The problem's start, and the goal state that is nearest to it, as nodes; of several the first node.

    The two are the same node if the goal already holds at the start.

    Raises:
        GraphFileError: the graph is not that of so many blocks, or lacks the start or all ways to the goal.
    """
    nodes = _nodes(graph)
    blocks = {len(state_label(state).replace(" ", "")) for state in nodes}
    if blocks and blocks != {len(problem.names)}:
        raise GraphFileError(
            f"the problem has {len(problem.names)} blocks, but the graph has {max(blocks)}; "
            "both need the same number"
        )
    if problem.start not in nodes:
        raise GraphFileError(
            f"the graph has no node {state_label(problem.start)!r}, where the problem starts"
        )
    source = nodes[problem.start]
    far: Mapping[int, int] = nx.single_source_shortest_path_length(graph, source)
    goals = [nodes[goal] for goal in problem.goals if goal in nodes and nodes[goal] in far]
    if not goals:
        raise GraphFileError(
            f"no path of the graph leads from {state_label(problem.start)!r} to a state in which the goal holds"
        )
    return source, min(goals, key=lambda node: (far[node], node))


def write_plan(states: Sequence[State], names: Mapping[str, str] | None = None) -> str:
    """A path from state to state as a plan, one operator a line: every move of a block takes two.

    Args:
        names: what to call the block of each letter; small letters if they are not given.

    Raises:
        GraphError: a step is no legal move.
    """
    names = names or dict(zip(ascii_uppercase, ascii_lowercase, strict=True))
    lines = []
    for before, after in pairwise(states):
        move = move_between(before, after)
        if move is None:
            raise GraphError(
                f"no legal move leads from {state_label(before)!r} to {state_label(after)!r}; a plan needs one"
            )
        block = names[move.block]
        lines.append(f"(unstack {block} {names[move.origin]})" if move.origin else f"(pick-up {block})")
        lines.append(f"(stack {block} {names[move.goal]})" if move.goal else f"(put-down {block})")
    return "".join(f"{line}\n" for line in lines)


def _fact(formula: Any, letters: Mapping[str, str], where: str) -> Fact:
    """A fact of the start or the goal, with letters for its blocks."""
    from pddl.logic.predicates import Predicate

    if not isinstance(formula, Predicate):
        raise GraphFileError(f"{where} holds {shown(str(formula))}; plain facts such as (on a b) are allowed")
    name, blocks = (
        OTHER_NAMES.get(formula.name, str(formula.name)),
        [str(term.name) for term in formula.terms],
    )
    if name not in ARGUMENTS:
        raise GraphFileError(
            f"{where} has the predicate {shown(name)}; on, ontable, clear and handempty are allowed"
        )
    if len(blocks) != ARGUMENTS[name]:
        raise GraphFileError(
            f"{where} has the fact {shown(str(formula))}, with {len(blocks)} blocks; {name} takes {ARGUMENTS[name]}"
        )
    for block in blocks:
        if block not in letters:
            raise GraphFileError(f"{where} names the block {shown(block)}, which is not among the objects")
    if name == "holding":
        raise GraphFileError(
            f"{where} has a block in the arm; the arm must be empty at the start and at the goal"
        )
    return (name, *(letters[block] for block in blocks))


def _state(facts: set[Fact], names: Mapping[str, str]) -> State:
    """The state that the facts of the start describe, which must agree with each other and leave nothing open."""
    if ("handempty",) not in facts:
        raise GraphFileError("the start lacks (handempty); the arm must be empty")
    below: dict[str, str | None] = {}
    for name, *blocks in sorted(facts):
        if name in ("on", "ontable"):
            if blocks[0] in below:
                raise GraphFileError(f"the start has {shown(names[blocks[0]])} in two places; one is allowed")
            below[blocks[0]] = blocks[1] if name == "on" else None
    if len(below) < len(names):
        lost = next(letter for letter in names if letter not in below)
        raise GraphFileError(
            f"the start does not say where {shown(names[lost])} stands: on the table or on which block"
        )
    state = []
    for bottom in [block for block, under in below.items() if under is None]:
        stack = bottom
        while above := [block for block, under in below.items() if under == stack[-1]]:
            if len(above) > 1:
                raise GraphFileError(f"the start has two blocks on {shown(names[stack[-1]])}; one is allowed")
            stack += above[0]
        state.append(stack)
    if sum(map(len, state)) < len(names):
        raise GraphFileError(
            "the start has blocks that stand on each other in a circle, and not on the table"
        )
    for stack in state:
        for block in stack:
            if (("clear", block) in facts) != (block == stack[-1]):
                what = (
                    "nothing on it, but is not clear" if block == stack[-1] else "a block on it, but is clear"
                )
                raise GraphFileError(f"the start contradicts itself: {shown(names[block])} has {what}")
    return tuple(sorted(state))


def _goal_states(goal: Any, letters: Mapping[str, str]) -> tuple[State, ...]:
    """All states in which a conjunction of facts and of negated facts holds."""
    from pddl.logic.base import And, Not

    wanted: set[Fact] = set()
    unwanted: set[Fact] = set()
    for part in goal.operands if isinstance(goal, And) else [goal]:  # pddl flattens an `and` in an `and`
        if isinstance(part, Not):
            unwanted.add(_fact(part.argument, letters, "the goal"))
        else:
            wanted.add(_fact(part, letters, "the goal"))
    fits = [
        state
        for state in _all_states(len(letters))
        if wanted <= (facts := state_facts(state)) and not unwanted & facts
    ]
    if not fits:
        raise GraphFileError(
            f"the goal contradicts itself: it holds in none of the states of {len(letters)} blocks"
        )
    return tuple(fits)


def state_facts(state: State) -> set[Fact]:
    """All facts that hold in a state."""
    facts: set[Fact] = {("handempty",)}
    for stack in state:
        facts |= {("ontable", stack[0]), ("clear", stack[-1])}
        facts |= {("on", upper, lower) for lower, upper in pairwise(stack)}
    return facts


def _nodes(graph: nx.DiGraph[int]) -> dict[State, int]:
    """The node of every state.

    Raises:
        GraphFileError: the graph is not that of Blocksworld.
    """
    try:
        return {stacks(graph.nodes[node]["label"]): node for node in range(len(graph))}
    except GraphError as error:
        raise GraphFileError(f"the graph is not that of Blocksworld: {error}") from None


@cache
def _all_states(blocks: int) -> tuple[State, ...]:
    return tuple(_nodes(blocksworld(blocks)))
