"""Every format: a graph with hostile labels comes back as it was."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planviz.config import GraphConfig
from planviz.graphs.files import FORMATS, import_graph, read_alpine, write_alpine, write_graph
from planviz.graphs.generate import build_graph

HOSTILE = [
    "<script>alert(1)</script>", "&amp;", "]]>", "<!--", '"', '""', "'", "\\", "\\\\", "\\N", '\\"', "a,b",
    "a;;;;b", ";", "#x", "=1+1", "{", "}", "{}", "[", "]", "->", "--", "source", "target", "0", "1", "01",
    "-1", "1e999", "nan", "null", "\u202eabc", "\u200b", "🐐", "東京", "e\u0301", "x" * 200, " a  b ", "a\tb",
    "a\nb", "\0", "\ud800", "\uffff", "\x85", "\u2028", "digraph", "node", "label=x", "//", "/* x", "# x",
    ":", "+", "%s", "{0}", "",
]  # fmt: skip


@st.composite
def listed_graphs(draw: st.DrawFn) -> GraphConfig:
    label = st.text(max_size=70) | st.sampled_from(HOSTILE)
    labels = draw(st.lists(label, min_size=2, max_size=12))
    node = st.integers(0, len(labels) - 1)
    pairs = st.tuples(node, node).filter(lambda pair: pair[0] != pair[1])
    edges = draw(st.lists(pairs, min_size=1, unique=True))
    return GraphConfig(kind="file", labels=tuple(labels), edges=tuple(edges))


def by_label(graph: nx.DiGraph[int]) -> tuple[set[str], set[tuple[str, str]]]:
    label = nx.get_node_attributes(graph, "label")
    return set(label.values()), {(label[a], label[b]) for a, b in graph.edges}


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=150, deadline=None)
@given(listed_graphs())
def test_a_written_graph_is_read_back(name: str, config: GraphConfig) -> None:
    graph = build_graph(config)
    file = f"graph{FORMATS[name].endings[0]}"
    imported = import_graph(file, write_graph(file, graph))
    back = build_graph(imported.graph)
    assert imported.notes == ()
    assert by_label(back) == by_label(graph)
    if name != "edges":  # an edge list has no place for the order of nodes
        assert nx.utils.graphs_equal(back, graph)
        assert list(back.nodes(data="label")) == list(graph.nodes(data="label"))


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 40), st.randoms(use_true_random=False))
def test_an_edge_list_of_numbered_nodes_keeps_their_order(nodes: int, random: object) -> None:
    graph: nx.DiGraph[int] = nx.gnp_random_graph(nodes, 0.2, seed=random, directed=True)
    graph.add_edge(0, 1)
    back = build_graph(import_graph("x.csv", write_graph("x.csv", graph)).graph)
    assert set(back.edges) == set(graph.edges)
    assert [back.nodes[node]["label"] for node in back] == [str(node) for node in range(nodes)]


@settings(max_examples=100, deadline=None)
@given(listed_graphs(), st.randoms(use_true_random=False))
def test_texts_are_read_back(config: GraphConfig, random: object) -> None:
    graph = build_graph(config)
    lengths = dict(nx.all_pairs_shortest_path(graph))
    paths = [path for ends in lengths.values() for path in ends.values() if len(path) > 1]
    texts, tests = paths[: max(1, len(paths) // 2)] * 2, paths[max(1, len(paths) // 2) :]
    if not tests:
        return
    back = read_alpine(write_alpine(graph, texts, [(path[0], path[-1]) for path in tests], tests))
    assert nx.utils.graphs_equal(build_graph(back.graph), graph)
    assert [list(path) for path in back.texts] == texts
    assert [list(path) for path in back.test_texts] == tests
    assert all(step in graph.edges for path in back.texts for step in pairwise(path))
