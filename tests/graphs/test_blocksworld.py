from __future__ import annotations

import itertools

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planviz.graphs.blocksworld import Move, blocksworld, move_between, move_name, moves, stacks, state_label
from planviz.graphs.limits import GraphError


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


def between(before: str, after: str) -> Move | None:
    return move_between(stacks(before), stacks(after))


@pytest.mark.parametrize(("blocks", "count"), [(1, 1), (2, 3), (3, 13), (4, 73), (5, 501)])
def test_there_are_as_many_states_as_known(blocks: int, count: int) -> None:
    """The number of ways to partition a set into ordered lists, A000262."""
    labels = set(nx.get_node_attributes(blocksworld(blocks), "label").values())
    assert len(blocksworld(blocks)) == len(labels) == count
    assert {frozenset(label.split()) for label in labels} == states("ABCDE"[:blocks])


@pytest.mark.parametrize(("blocks", "count"), [(2, 3), (3, 13), (4, 73)])
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


@pytest.mark.parametrize("blocks", [2, 3, 4])
def test_edges_are_exactly_the_pairs_of_states_with_a_move_between(blocks: int) -> None:
    graph = blocksworld(blocks)
    state = {node: stacks(label) for node, label in nx.get_node_attributes(graph, "label").items()}
    edges = {
        pair for pair in itertools.product(graph, repeat=2) if move_between(state[pair[0]], state[pair[1]])
    }
    assert edges == set(graph.edges)


def test_a_move_says_what_stood_where_and_now_stands_where() -> None:
    """Followed on every edge of four blocks: what the move says is what changed, and its name tells it."""
    graph = blocksworld(4)
    names = set()
    for u, v in graph.edges:
        before, after = (frozenset(graph.nodes[node]["label"].split()) for node in (u, v))
        move = between(graph.nodes[u]["label"], graph.nodes[v]["label"])
        assert move is not None
        assert supports(before)[move.block] == (move.origin or "table")
        assert supports(before) | {move.block: move.goal or "table"} == supports(after)
        assert (move.origin, move.goal) != (None, None)
        names.add(move_name(move))
    goals = [*(f"put {b} on {c}" for b, c in itertools.permutations("ABCD", 2))]
    assert names == {*goals, *(f"put {b} on the table" for b in "ABCD")}


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        ("A B C", "A CB", "put B on C"),
        ("AB C", "A B C", "put B on the table"),
        ("ABC", "AB C", "put C on the table"),
        ("AB C", "A CB", "put B on C"),
        ("AB C", "AB C", None),  # nothing moved
        ("A B C", "ABC", None),  # two moves
        ("AB C", "CAB", None),  # A cannot be moved from under B
        ("AB", "ABC", None),  # other blocks
    ],
)
def test_moves_are_told_from_other_pairs_of_states(before: str, after: str, name: str | None) -> None:
    move = between(before, after)
    assert (move and move_name(move)) == name


@given(st.permutations("ABCDEF"), st.sets(st.integers(1, 5)))
def test_labels_and_stacks_are_the_same_state(order: list[str], cuts: set[int]) -> None:
    text = "".join(" " * (at in cuts) + block for at, block in enumerate(order))
    state = stacks(text)
    assert set(state) == set(text.split()) and list(state) == sorted(state)
    assert stacks(state_label(state)) == state
    assert all(move_between(state, after) for after in moves(state))


@pytest.mark.parametrize("label", ["", " ", "AA", "A A", "ab", "A1", "A,B", "321 - -", "Ä"])
def test_other_labels_are_no_stacks(label: str) -> None:
    with pytest.raises(GraphError, match="shows no stacks of blocks"):
        stacks(label)
