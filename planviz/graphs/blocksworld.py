"""The state graph of Blocksworld: labelled blocks on a table, one block moved at a time."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_uppercase

import networkx as nx

State = tuple[str, ...]
"""The stacks, in alphabetical order; each is written from bottom to top, so "AB" is B on top of A."""


def blocksworld(blocks: int) -> nx.DiGraph[int]:
    """All states of `blocks` blocks (3 give 13 states, 4 give 73); every legal move is an edge.

    A label such as ``AB C`` shows the stacks, each from bottom to top. Node 0 has all blocks on the table.
    Moves can be undone, so every edge has its opposite.
    """
    start = tuple(ascii_uppercase[:blocks])
    index = {start: 0}
    graph: nx.DiGraph[int] = nx.DiGraph(kind="blocksworld")
    graph.add_node(0, label=" ".join(start))
    queue = [start]
    for state in queue:  # grows while it is walked: breadth first
        for following in moves(state):
            if following not in index:
                index[following] = len(index)
                graph.add_node(index[following], label=" ".join(following))
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
