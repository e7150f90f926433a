"""Edge lists, adjacency matrices, node-link JSON and DOT: what is read and written, and how it is understood."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO

import networkx as nx
import pandas as pd
import pytest

from planviz.config import GraphConfig, GraphKind
from planviz.graphs.files import (
    FORMATS,
    UPLOADS,
    GraphFileError,
    check_ending,
    import_graph,
    read_graph,
    stated_limits,
    write_graph,
)
from planviz.graphs.generate import MAX_EDGES, MAX_LABEL, MAX_NODES, build_graph

KINDS: list[GraphKind] = ["acyclic", "directed", "grid", "blocksworld"]


def edges(name: str, text: str | bytes) -> list[tuple[str, str]]:
    """The edges of the graph in a file, by the labels of their ends."""
    config = read_graph(name, text.encode() if isinstance(text, str) else text)
    return [(config.labels[source], config.labels[target]) for source, target in config.edges]


def node_link(nodes: object, edges: object, **more: object) -> str:
    return json.dumps({"directed": True, "nodes": nodes, "edges": edges} | more)


AB = [("a", "b")]
NODES = [{"id": "a"}, {"id": "b"}]
EDGES = [{"source": "a", "target": "b"}]


@pytest.mark.parametrize(
    "text",
    [
        "a,b", "a,b\n", "a;b", "a\tb", "a b", "\n\na,b\n\n", "source,target\na,b", "Source;Target\na;b",
        "u,v,weight\na,b,2.5", "target,source\nb,a", ",from,to\n0,a,b", "# a comment\n# more\na b", "a b 2.5",
        "a b {'weight': 2}", "a b {}", '"a","b"', ' a , b ', "a,b\r\n", "a,b\ra,b", "\ufeffa,b", "a,b,,",
    ],
)  # fmt: skip
def test_an_edge_list_is_understood_however_it_is_written(text: str) -> None:
    assert edges("edges.csv", text) == AB
    assert edges("edges.txt", text) == AB


def test_nodes_of_an_edge_list_come_as_they_appear_or_by_number() -> None:
    assert read_graph("x.csv", b"c,a\na,b").labels == ("c", "a", "b")
    assert read_graph("x.csv", b"10,9\n9,0").labels == ("0", "9", "10")
    assert read_graph("x.csv", b"10,9\n9,x").labels == ("10", "9", "x")


def test_an_edge_list_names_nodes_without_edges() -> None:
    assert read_graph("x.csv", b"a,b\nc,\nd\n") == GraphConfig(
        kind="file", labels=("a", "b", "c", "d"), edges=((0, 1),)
    )


def test_a_first_line_of_words_above_numbers_is_a_heading_and_said_to_be() -> None:
    imported = import_graph("x.csv", b"node id,other\n1,2\n2,3")
    assert imported.graph.labels == ("1", "2", "3")
    assert imported.notes == ("its first line was taken for a heading: 'node id other'",)


def test_a_column_says_which_edges_are_undirected() -> None:
    assert edges("x.csv", "Source,Target,Type\na,b,Undirected\nb,c,Directed") == [
        ("a", "b"), ("b", "a"), ("b", "c"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        ",a,b,c\na,0,1,0\nb,0,0,1\nc,0,0,0",
        "x;a;b;c\na;;1;\nb;0;0.0;-2.5\nc;0;0;0",
        '"",a,b,c\na,0,1,0\nb,0,0,1e-3\nc,0,0,0\n',
        "a,b,c\n0,1,0\n0,0,1\n0,0,0",
    ],
)
def test_an_adjacency_matrix_is_understood_however_it_is_written(text: str) -> None:
    assert edges("x.csv", text) == [("a", "b"), ("b", "c")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0,1,0\n0,0,1\n0,0,0", [("0", "1"), ("1", "2")]),
        ("0 1 0\n0 0 1\n0 0 0", [("0", "1"), ("1", "2")]),
        ("0.0e0 1.0e0 0\n0 0 1\n0 0 0", [("0", "1"), ("1", "2")]),
        ("0,5,0,0\n0,0,5,0\n0,0,0,0\n0,0,0,0", [("0", "1"), ("1", "2")]),
        ("0,1\n1,0", [("0", "1"), ("1", "0")]),  # an edge list, which here is the same graph
        ("0,1,3\n1,2,3\n2,0,3", [("0", "1"), ("1", "2"), ("2", "0")]),  # an edge list with weights
        ("source,target,weight\n0,1,1\n1,0,1\n0,1,0", [("0", "1"), ("1", "0")]),
    ],
)
def test_numbers_alone_are_a_matrix_if_they_are_square_and_no_edges(
    text: str, expected: list[tuple[str, str]]
) -> None:
    assert edges("x.csv", text) == expected


@pytest.mark.parametrize("links", ["edges", "links"])
def test_node_link_json_is_read(links: str) -> None:
    data = {"directed": True, "nodes": NODES, links: EDGES}
    assert edges("x.json", json.dumps(data)) == AB


def test_json_ids_may_be_numbers_and_lists_and_labels_come_first() -> None:
    nodes = [
        {"id": 1, "label": "one"},
        {"id": "1", "name": "text"},
        {"id": [0, 1]},
        {"id": 2.5, "label": " "},
    ]
    links = [{"source": 1, "target": "1"}, {"source": [0, 1], "target": 2.5}]
    assert edges("x.json", node_link(nodes, links)) == [("one", "text"), ("0, 1", "2.5")]


@pytest.mark.parametrize(
    "text",
    [
        "digraph { a -> b }", "DIGRAPH g{a->b;}", "strict digraph \"my graph\" { a->b->b; }",
        "digraph{a;b;a->b[w=2,c=\"]\"]}",
        "digraph { node [shape=box]; rankdir=LR; edge [x=1] [y=2]; graph [label=\"a -> c\"] a -> b }",
        "/* a -> c */ digraph { // a -> c\n# a -> c\na -> b }", "digraph { subgraph cluster_0 { a } -> { b } }",
        "digraph { a:port:n -> b:s }", "digraph { \"a\" -> \"\\\nb\" }", "digraph { a -> \"b\" + \"\" }",
        "\ufeffdigraph{a->b}",
        "digraph { x [label=a] y [tooltip=\"label=q\", label=\"\\N\"] x -> y; y [label=<b>] }",
    ],
)  # fmt: skip
def test_dot_is_understood_however_it_is_written(text: str) -> None:
    assert edges("x.dot", text) == AB
    assert edges("x.txt", text) == AB


def test_json_ids_may_be_longer_than_any_float() -> None:
    text = '{"directed": true, "nodes": [{"id": 1}, {"id": %s}], "edges": [{"source": 1, "target": %s}]}'
    assert edges("x.json", text % ("9" * 400, "9" * 400)) == [("1", "9" * (MAX_LABEL - 1) + "…")]


def test_dot_subgraphs_stand_for_their_nodes() -> None:
    assert edges("x.gv", "digraph { {a b} -> {c subgraph {d}} }") == [
        ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"),
    ]  # fmt: skip


def test_dot_labels_are_unescaped() -> None:
    text = r'digraph { a [label="x \"y\" \\ \N\nz"]; b [label=<<b>B</b>>]; a -> b [label="an edge"] }'
    assert edges("x.dot", text) == [('x "y" \\ a z', "<b>B</b>")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.json", json.dumps({"nodes": NODES, "edges": EDGES})),
        ("x.json", node_link(NODES, EDGES, directed=False)),
        ("x.dot", "graph { a -- b }"),
        ("x.csv", "source,target,type\na,b,undirected"),
        ("x.csv", ",a,b\na,0,1\nb,1,0"),
    ],
)
def test_undirected_edges_lead_both_ways(name: str, text: str) -> None:
    assert edges(name, text) == [("a", "b"), ("b", "a")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.json", node_link(NODES, [*EDGES, {"source": "a", "target": "a"}, *EDGES])),
        ("x.dot", "digraph { a -> b; a -> a; a -> b }"),
        ("x.csv", "a,b\na,a\na,b"),
        (
            "x.graphml",
            '<graphml><graph edgedefault="directed"><node id="a"/><node id="b"/><edge source="a" target="b"/>'
            '<edge source="a" target="a"/><edge source="a" target="b"/></graph></graphml>',
        ),
    ],
)
def test_loops_and_repeated_edges_are_left_out_and_counted(name: str, text: str) -> None:
    assert edges(name, text) == AB
    assert import_graph(name, text.encode()).notes == (
        "1 edge was left out that led from a node to itself",
        "1 edge was left out that had been there before",
    )


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),  # text: the page escapes it
        ("\u202egpj.exe\u2066", "gpj.exe"),
        ("🐐 & 🥬", "🐐 & 🥬"),
        ("z" * 10_000, "z" * (MAX_LABEL - 1) + "…"),
        ("a\u2028b\tc", "a b c"),
        ("=cmd()", "=cmd()"),
    ],
)
def test_hostile_labels_are_made_safe(written: str, label: str) -> None:
    files = {
        "x.csv": f'"{written}",b',
        "x.adjacency.csv": f',"{written}",b\n"{written}",0,1\nb,0,0',
        "x.json": node_link([{"id": 0, "label": written}, {"id": "b"}], [{"source": 0, "target": "b"}]),
        "x.dot": f'digraph {{ a [label="{written}"] a -> b }}',
    }
    for name, text in files.items():
        imported = import_graph(name, text.encode())
        assert imported.graph.labels == (label, "b"), name
        assert bool(imported.notes) == (written != label)


def test_lone_surrogates_in_json_are_made_safe() -> None:
    text = node_link([{"id": 0, "label": "\ud800x"}, {"id": "\ud800"}], [{"source": 0, "target": "\ud800"}])
    assert read_graph("x.json", text.encode()).labels == ("x", "1")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.csv", "Zürich,東京"),
        ("x.json", json.dumps({"nodes": [{"id": "Zürich"}, {"id": "東京"}], "directed": True, "edges": [
            {"source": "Zürich", "target": "東京"}]}, ensure_ascii=False)),
        ("x.dot", "digraph { Zürich -> 東京 }"),
        ("unknown", "digraph { Zürich -> 東京 }"),
    ],
)  # fmt: skip
def test_encodings_that_say_what_they_are_can_be_read(name: str, text: str, encoding: str) -> None:
    assert edges(name, text.encode(encoding)) == [("Zürich", "東京")]


@pytest.mark.parametrize("kind", KINDS)
def test_networkx_and_pandas_read_what_is_written(kind: GraphKind) -> None:
    graph = build_graph(GraphConfig(kind=kind, nodes=12, rows=3, columns=4, blocks=3))
    label = nx.get_node_attributes(graph, "label")
    by_label = nx.relabel_nodes(graph, label)
    read = pd.read_csv
    text: Callable[[str], StringIO] = lambda name: StringIO(write_graph(name, graph).decode())  # noqa: E731

    back = nx.node_link_graph(json.load(text("x.json")), edges="edges")
    assert nx.get_node_attributes(back, "label") == label and set(back.edges) == set(graph.edges)
    table = read(text("x.adjacency.csv"), index_col=0)
    table.index = table.index.map(str)
    assert set(nx.from_pandas_adjacency(table, nx.DiGraph).edges) == set(by_label.edges)
    listed = read(text("x.csv"), dtype=str)
    assert set(listed.dropna().itertuples(index=False, name=None)) == set(by_label.edges)


@pytest.mark.parametrize("kind", KINDS)
def test_what_networkx_and_pandas_write_is_read(kind: GraphKind) -> None:
    graph = build_graph(GraphConfig(kind=kind, nodes=12, rows=3, columns=4, blocks=3))
    by_label = nx.relabel_nodes(graph, nx.get_node_attributes(graph, "label"))
    files = {
        "x.json": json.dumps(nx.node_link_data(graph, edges="edges")),
        "x.csv": nx.to_pandas_edgelist(by_label).to_csv(index=False),
        "y.tsv": nx.to_pandas_edgelist(by_label).to_csv(index=False, sep="\t"),
        "x.tsv": nx.to_pandas_adjacency(by_label).to_csv(sep="\t"),
    }
    for name, text in files.items():
        assert set(edges(name, text)) == set(by_label.edges), name
    lines = "\n".join(nx.generate_edgelist(graph, data=False))
    assert {(int(a), int(b)) for a, b in edges("x.edgelist", lines)} == set(graph.edges)


def test_every_format_has_a_title_an_ending_and_a_place_in_the_uploads() -> None:
    for format in FORMATS.values():
        assert format.title and format.endings and check_ending(f"GRAPH{format.endings[0].upper()}") == format
        assert all(ending.rpartition(".")[2] in UPLOADS for ending in format.endings)


def test_an_unknown_ending_is_refused() -> None:
    with pytest.raises(GraphFileError, match=r"'g\.png' names no format; \.graphml, .* are known"):
        write_graph("g.png", build_graph(GraphConfig()))


def test_the_limits_are_stated() -> None:
    for limit in (f"{MAX_NODES} nodes", f"{MAX_EDGES:,} edges", "5 MB", f"{MAX_LABEL} characters"):
        assert limit in stated_limits()
