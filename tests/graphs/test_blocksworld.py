from __future__ import annotations

import itertools

import networkx as nx
import pytest

from planviz.graphs.blocksworld import blocksworld


def states(blocks: str) -> set[frozenset[str]]:
    """Every way of cutting every order of the blocks into stacks."""
    found = set()
    for order in itertools.permutations(blocks):
        for cuts in itertools.product((False, True), repeat=len(blocks) - 1):
            text = order[0] + "".join(" " * cut + block for cut, block in zip(cuts, order[1:], strict=True))
            found.add(frozenset(text.split()))
    return found


def supports(state: frozenset[str]) -> dict[str, str]:
    """What every block stands on: another block or the table."""
    return {block: stack[at - 1] if at else "table" for stack in state for at, block in enumerate(stack)}


def is_legal(before: frozenset[str], after: frozenset[str]) -> bool:
    """Exactly one block stands elsewhere, and nothing lies on it before or after."""
    old, new = supports(before), supports(after)
    moved = [block for block in old if old[block] != new[block]]
    return len(moved) == 1 and moved[0] not in old.values() and moved[0] not in new.values()


@pytest.mark.parametrize(("blocks", "count"), [(3, 13), (4, 73)])
def test_all_states_and_exactly_the_legal_moves_are_there(blocks: int, count: int) -> None:
    graph = blocksworld(blocks)
    state = {node: frozenset(graph.nodes[node]["label"].split()) for node in graph}
    assert len(graph) == count
    assert set(state.values()) == states("ABCD"[:blocks])
    legal = {(u, v) for u, v in itertools.permutations(graph, 2) if is_legal(state[u], state[v])}
    assert set(graph.edges) == legal


def test_every_move_can_be_undone_and_every_state_reached() -> None:
    graph = blocksworld(4)
    assert all(graph.has_edge(v, u) for u, v in graph.edges)
    assert nx.is_strongly_connected(graph)


def test_labels_list_the_stacks_in_order() -> None:
    graph = blocksworld(3)
    labels = set(nx.get_node_attributes(graph, "label").values())
    assert graph.nodes[0]["label"] == "A B C"
    assert {"AB C", "A CB", "CBA"} <= labels
    assert all(label.split() == sorted(label.split()) for label in labels)
