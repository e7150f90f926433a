from __future__ import annotations

import itertools
from collections import Counter

import networkx as nx
import pytest

from planviz.graphs.hanoi import hanoi


def pegs(label: str) -> list[list[int]]:
    """The disks on each peg, from bottom to top."""
    return [[int(disk) for disk in stack if disk != "-"] for stack in label.split(" ")]


def moves(label: str) -> set[str]:
    """All labels one legal move away, by trying to lift every top disk to every peg."""
    found = set()
    for origin, goal in itertools.permutations(range(3), 2):
        state = pegs(label)
        if state[origin] and (not state[goal] or state[goal][-1] > state[origin][-1]):
            state[goal].append(state[origin].pop())
            found.add(" ".join("".join(map(str, stack)) or "-" for stack in state))
    return found


@pytest.mark.parametrize("disks", range(1, 7))
def test_all_states_and_exactly_the_legal_moves_are_there(disks: int) -> None:
    graph = hanoi(disks)
    label = nx.get_node_attributes(graph, "label")
    assert len(graph) == len(set(label.values())) == 3**disks
    for stacks in map(pegs, label.values()):
        assert sorted(disk for stack in stacks for disk in stack) == list(range(1, disks + 1))
        assert all(stack == sorted(stack, reverse=True) for stack in stacks)
    for node in graph:
        assert {label[after] for after in graph[node]} == moves(label[node])


@pytest.mark.parametrize("disks", range(1, 7))
def test_degrees_and_the_longest_way_are_as_known(disks: int) -> None:
    """A tower on one peg has two moves, every other state three; from tower to tower it takes 2ⁿ − 1 moves."""
    graph = hanoi(disks)
    assert Counter(d for _, d in graph.out_degree) == {2: 3} | ({3: 3**disks - 3} if disks > 1 else {})
    assert all(graph.has_edge(v, u) for u, v in graph.edges)
    assert nx.shortest_path_length(graph, 0, 3**disks - 1) == 2**disks - 1
    if disks < 6:
        assert nx.diameter(graph) == 2**disks - 1


def test_labels_show_the_pegs() -> None:
    graph = hanoi(3)
    assert graph.nodes[0]["label"] == "321 - -" and graph.nodes[26]["label"] == "- - 321"
    assert graph.nodes[9 * 1 + 3 * 0 + 2] == {"label": "2 3 1", "pegs": (1, 0, 2)}
