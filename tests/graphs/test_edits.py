"""Edits by hand against networkx, which does the same by label."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from planviz.config import GraphConfig
from planviz.graphs.edits import (
    AddEdge,
    AddNode,
    Delete,
    Edit,
    ListEdges,
    Move,
    Rename,
    apply,
    own_graph,
)
from planviz.graphs.facts import reachability_change
from planviz.graphs.generate import MAX_NODES, GraphError, build_graph
from planviz.graphs.layout import layout

CHAIN = GraphConfig(
    kind="file", labels=("a", "b", "c", "d"), edges=((0, 1), (1, 2), (2, 3)),
    positions=((0, 0.5), (0.3, 0.5), (0.6, 0.5), (1, 0.5)),
)  # fmt: skip


def named(graph: GraphConfig) -> nx.DiGraph[str]:
    """The graph with its labels as nodes."""
    named: nx.DiGraph[str] = nx.DiGraph()
    named.add_nodes_from(graph.labels)
    named.add_edges_from((graph.labels[u], graph.labels[v]) for u, v in graph.edges)
    return named


def test_every_kind_becomes_ones_own_as_it_is_drawn() -> None:
    graph = build_graph(GraphConfig(kind="hanoi", disks=2))
    own = own_graph(graph, layout(graph))
    again = build_graph(own)
    assert own.kind == "file"
    assert list(again.edges) == list(graph.edges)
    assert [label for _, label in again.nodes(data="label")] == [
        label for _, label in graph.nodes(data="label")
    ]
    np.testing.assert_allclose(layout(again), layout(graph), atol=1e-4)


def test_a_graph_with_too_many_edges_cannot_become_ones_own() -> None:
    graph = build_graph(GraphConfig(kind="acyclic", nodes=250, density=1))
    with pytest.raises(GraphError, match=r"31,125 edges; up to 20,000"):
        own_graph(graph, layout(graph))


def test_a_new_node_has_a_new_name_and_a_free_place() -> None:
    busy = CHAIN.model_copy(update={"labels": ("a", "b", "4", "5")})
    graph = apply(busy, AddNode())
    assert graph.labels == ("a", "b", "4", "5", "6")
    gaps = np.linalg.norm(np.array(graph.positions[:4]) - graph.positions[4], axis=1)
    assert gaps.min() > 0.4
    assert graph.edges == busy.edges


def test_what_is_drawn_tells_all_positions() -> None:
    places = tuple((x / 10, 0.25) for x in range(5))
    assert apply(CHAIN, AddNode(positions=places)).positions == places
    assert apply(CHAIN, Move(positions=places[:4])) == CHAIN.model_copy(update={"positions": places[:4]})


def test_deleting_a_node_takes_its_edges_along_and_numbers_the_others_anew() -> None:
    graph = apply(CHAIN, Delete(nodes=(1,)))
    assert graph.labels == ("a", "c", "d")
    assert graph.edges == ((1, 2),)
    assert graph.positions == ((0, 0.5), (0.6, 0.5), (1, 0.5))
    assert apply(CHAIN, Delete(edges=((1, 2),))).edges == ((0, 1), (2, 3))


def test_listing_edges_keeps_nodes_without_edges_and_adds_new_names() -> None:
    graph = apply(CHAIN, ListEdges(edges=(("d", "a"), ("d", " new  node "))))
    assert graph.labels == (*CHAIN.labels, "new node")
    assert graph.edges == ((3, 0), (3, 4))
    assert graph.positions[:4] == CHAIN.positions and len(graph.positions) == 5


@pytest.mark.parametrize(("edit", "message"), [
    (AddEdge(edge=(0, 1)), r"edge \(0, 1\) is there twice"),
    (AddEdge(edge=(2, 2)), r"edge \(2, 2\) leads from a node to itself"),
    (AddEdge(edge=(0, 9)), r"edge \(0, 9\) leaves the graph"),
    (Delete(nodes=(0, 1, 2)), "the graph has 1 nodes; 2 to"),
    (Rename(node=7, label="x"), "node 7 cannot be renamed: the nodes are 0 to 3"),
    (Rename(node=0, label="b"), "there is a node 'b' already"),
    (Rename(node=0, label="\u200b \n"), "a name with at least one printable character"),
    (Move(positions=((0, 0),)), "4 nodes, but 1 positions"),
    (Move(positions=((0, 0), (0, 0), (0, 0), (0, 7))), r"drawn at \(0, 7\)"),
    (ListEdges(edges=(("a", "b"), ("a", "b"))), "the edge a → b is there 2 times"),
    (ListEdges(edges=(("a", "a"),)), "'a' cannot lead to itself"),
    (ListEdges(edges=(("a", "\u202e"),)), "an edge needs the names of two nodes"),
    (ListEdges(edges=tuple((f"x{i}", f"y{i}") for i in range(MAX_NODES))), f"3,204 nodes; at most {MAX_NODES}"),
])  # fmt: skip
def test_an_edit_that_does_not_fit_is_refused_with_a_sentence(edit: Edit, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        apply(CHAIN, edit)


@pytest.mark.parametrize("sent", [
    {"do": "run", "node": 1}, {"do": "add edge", "edge": [0]}, {"do": "add edge", "edge": [-1, 0]},
    {"do": "delete", "nodes": "all"}, {"do": "move", "positions": [[0, float("nan")]]},
    {"do": "rename", "node": 0, "label": 3}, {"do": "add node", "script": "x"}, "delete", None,
])  # fmt: skip
def test_what_is_no_edit_is_no_edit(sent: Any) -> None:
    adapter: TypeAdapter[Edit] = TypeAdapter(Edit)
    with pytest.raises(ValidationError):
        adapter.validate_python(sent)


@given(st.data())
@settings(max_examples=150)
def test_a_sequence_of_edits_does_what_networkx_does(data: st.DataObject) -> None:
    graph, reference = CHAIN, named(CHAIN)
    for _ in range(data.draw(st.integers(1, 8))):
        nodes = st.integers(0, len(graph.labels) - 1)
        edit: Edit = data.draw(
            st.one_of(
                st.just(AddNode()),
                st.builds(AddEdge, edge=st.tuples(nodes, nodes)),
                st.builds(
                    Delete, nodes=st.tuples(nodes), edges=st.tuples(st.sampled_from(graph.edges or ((0, 1),)))
                ),
                st.builds(Rename, node=nodes, label=st.sampled_from(["x", "y", "z"])),
            )
        )
        try:
            changed = apply(graph, edit)
        except GraphError:
            continue
        match edit:
            case AddNode():
                reference.add_node(changed.labels[-1])
            case AddEdge(edge=(u, v)):
                reference.add_edge(graph.labels[u], graph.labels[v])
            case Delete():
                reference.remove_edges_from((graph.labels[u], graph.labels[v]) for u, v in edit.edges)
                reference.remove_nodes_from([graph.labels[node] for node in edit.nodes])
            case Rename():
                reference = nx.relabel_nodes(reference, {graph.labels[edit.node]: edit.label})
        kept = dict(zip(graph.labels, graph.positions, strict=True))
        for label, place in zip(changed.labels, changed.positions, strict=True):
            assert kept.get(label, place) == place  # nobody moves because of an edit
        graph = changed
        drawn = named(graph)
        assert set(drawn.nodes) == set(reference.nodes) and set(drawn.edges) == set(reference.edges)


def test_the_change_of_reachable_pairs_is_counted() -> None:
    before = build_graph(CHAIN)
    cut = build_graph(apply(CHAIN, Delete(edges=((1, 2),))))
    assert reachability_change(before, cut) == (0, 4)
    assert reachability_change(cut, before) == (4, 0)
    turned = build_graph(apply(CHAIN, ListEdges(edges=(("d", "c"), ("a", "b"), ("b", "c")))))
    assert reachability_change(before, turned) == (1, 3)  # d → c is new; a, b and c lose d
    assert reachability_change(before, build_graph(apply(CHAIN, Delete(nodes=(3,))))) == (0, 3)
