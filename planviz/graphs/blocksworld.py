"""Blocksworld: labelled blocks on a table, one block moved at a time; its state graph, and its states in words."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_uppercase
from typing import NamedTuple

import networkx as nx

from planviz.graphs.limits import GraphError

State = tuple[str, ...]
"""The stacks, in alphabetical order; each is written from bottom to top, so "AB" is B on top of A."""


class Move(NamedTuple):
    """A block, and what it stands on before and after: another block, or None for the table."""

    block: str
    origin: str | None
    goal: str | None


def blocksworld(blocks: int) -> nx.DiGraph[int]:
    """All states of `blocks` blocks (3 give 13 states, 4 give 73, 5 give 501); every legal move is an edge.

    A label such as ``AB C`` shows the stacks, each from bottom to top. Node 0 has all blocks on the table.
    Moves can be undone, so every edge has its opposite.
    """
    start = tuple(ascii_uppercase[:blocks])
    index = {start: 0}
    graph: nx.DiGraph[int] = nx.DiGraph(kind="blocksworld")
    graph.add_node(0, label=state_label(start))
    queue = [start]
    for state in queue:  # grows while it is walked: breadth first
        for following in moves(state):
            if following not in index:
                index[following] = len(index)
                graph.add_node(index[following], label=state_label(following))
                queue.append(following)
            graph.add_edge(index[state], index[following])
    return graph


def moves(state: State) -> Iterator[State]:
    """The states one legal move away: the top block of a stack goes onto the table or another stack."""
    for stack in state:
        below, block = stack[:-1], stack[-1]
        others = [other for other in state if other != stack]
        remaining = [*others, below] if below else others
        if below:
            yield tuple(sorted([*remaining, block]))
        for goal in others:
            yield tuple(sorted([*(s for s in remaining if s != goal), goal + block]))


def stacks(label: str) -> State:
    """The state that a node's label shows: ``AB C`` is the stack AB, B on top, and the stack C.

    Raises:
        GraphError: the label is no list of stacks of different blocks A to Z.
    """
    blocks = label.replace(" ", "")
    if not blocks or len(set(blocks)) < len(blocks) or not set(blocks) <= set(ascii_uppercase):
        raise GraphError(
            f"{label[:60]!r} shows no stacks of blocks: each block is another letter from A to Z, and a blank "
            "stands between two stacks"
        )
    return tuple(sorted(label.split()))


def state_label(state: State) -> str:
    """The label of a state, such as ``AB C``, from which `stacks` makes the same state."""
    return " ".join(state)


def move_between(before: State, after: State) -> Move | None:
    """The move that leads from one state to the other, or None if no single legal move does."""
    old, new = _supports(before), _supports(after)
    moved = [block for block in old if block in new and old[block] != new[block]]
    if old.keys() != new.keys() or len(moved) != 1 or moved[0] in old.values():
        return None
    return Move(moved[0], old[moved[0]], new[moved[0]])


def move_name(move: Move) -> str:
    """A move in words: "put B on C" or "put B on the table"."""
    return f"put {move.block} on {move.goal or 'the table'}"


def _supports(state: State) -> dict[str, str | None]:
    """What every block stands on: another block, or None for the table."""
    return {block: stack[at - 1] if at else None for stack in state for at, block in enumerate(stack)}
