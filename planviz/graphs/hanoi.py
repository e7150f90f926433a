"""The state graph of the Tower of Hanoi: disks on three pegs, never a larger one on a smaller one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import networkx as nx

Pegs = tuple[int, ...]
"""The peg (0, 1 or 2) of every disk, the largest disk first."""


def hanoi(disks: int) -> nx.DiGraph[int]:
    """All 3^disks states; every legal move is an edge. Moves can be undone, so every edge has its opposite.

    A label such as ``31 2 -`` shows the disks on the three pegs, each from bottom to top; disk 1 is the smallest.
    Node 0 has all disks on the first peg, the last node has all on the last. Nodes have their `pegs`.
    """
    states = list(product(range(3), repeat=disks))
    index = {state: node for node, state in enumerate(states)}
    graph: nx.DiGraph[int] = nx.DiGraph(kind="hanoi")
    graph.add_nodes_from((node, {"label": _label(pegs), "pegs": pegs}) for node, pegs in enumerate(states))
    graph.add_edges_from((index[pegs], index[after]) for pegs in states for after in _moves(pegs))
    return graph


def _label(pegs: Pegs) -> str:
    disk = range(len(pegs), 0, -1)
    stacks = ("".join(str(d) for d, at in zip(disk, pegs, strict=True) if at == peg) for peg in range(3))
    return " ".join(stack or "-" for stack in stacks)


def _moves(pegs: Pegs) -> Iterator[Pegs]:
    """The states one legal move away: a disk moves if no smaller one lies on its peg or on the one it goes to."""
    for place, peg in enumerate(pegs):
        smaller = pegs[place + 1 :]
        for goal in range(3):
            if goal != peg and peg not in smaller and goal not in smaller:
                yield (*pegs[:place], goal, *smaller)
