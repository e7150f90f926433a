"""GraphML; the other formats have files of their own, and all share test_files_round_trip and test_files_hostile."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import pytest

from planviz.config import GraphConfig, GraphKind
from planviz.graphs.files import MAX_FILE_BYTES, GraphFileError, read_graphml, write_graphml
from planviz.graphs.generate import MAX_LABEL, MAX_NODES, build_graph

FIXTURES = Path(__file__).parents[1] / "fixtures" / "graphs"
EXAMPLES = Path(__file__).parents[2] / "assets" / "graphs"
AB = '<node id="a"/><node id="b"/>'


def graphml(content: str, default: str = "directed", before: str = "") -> bytes:
    space = "http://graphml.graphdrawing.org/xmlns"
    graph = f'<graph edgedefault="{default}">{content}</graph>'
    return f'<graphml xmlns="{space}">{before}{graph}</graphml>'.encode()


def labelled(*labels: str) -> bytes:
    nodes = "".join(f'<node id="{i}"><data key="k">{label}</data></node>' for i, label in enumerate(labels))
    key = '<key id="k" for="node" attr.name="Label" attr.type="string"/>'
    return graphml(nodes + '<edge source="0" target="1"/>', before=key)


def test_nodes_and_edges_are_read_in_order() -> None:
    edges = '<edge source="c" target="a"/><edge source="a" target="b"/>'
    config = read_graphml(graphml(AB + '<node id="c"/>' + edges))
    assert config == GraphConfig(kind="file", labels=("a", "b", "c"), edges=((2, 0), (0, 1)))


def test_the_namespace_may_be_missing() -> None:
    plain = f'<graphml><graph edgedefault="directed">{AB}<edge source="a" target="b"/></graph></graphml>'
    assert read_graphml(plain.encode()).edges == ((0, 1),)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_say_what_they_are_can_be_read(encoding: str) -> None:
    assert read_graphml(labelled("Zürich", "東京").decode().encode(encoding)).labels == ("Zürich", "東京")


@pytest.mark.parametrize(
    ("default", "attribute", "edges"),
    [
        ("directed", "", ((0, 1),)),
        ("undirected", "", ((0, 1), (1, 0))),
        ("directed", 'directed="false"', ((0, 1), (1, 0))),
        ("undirected", 'directed="true"', ((0, 1),)),
    ],
)
def test_undirected_edges_lead_both_ways(default: str, attribute: str, edges: object) -> None:
    assert read_graphml(graphml(f'{AB}<edge source="a" target="b" {attribute}/>', default)).edges == edges


def test_loops_and_repeated_edges_are_left_out() -> None:
    edges = '<edge source="a" target="a"/>' + '<edge source="a" target="b"/>' * 3
    assert read_graphml(graphml(AB + edges)).edges == ((0, 1),)


def test_the_label_is_preferred_to_the_name_and_the_name_to_the_id() -> None:
    keys = '<key id="x" for="node" attr.name="name"/><key id="y" for="node" attr.name="label"/>'
    nodes = (
        '<node id="a"><data key="x">name</data><data key="y">label</data></node>'
        '<node id="b"><data key="x">name</data><data key="y"> </data></node><node id="c"/>'
    )
    config = read_graphml(graphml(nodes + '<edge source="a" target="b"/>', before=keys))
    assert config.labels == ("label", "name", "c")


def test_labels_drawn_in_yed_are_found() -> None:
    config = read_graphml((FIXTURES / "yed.graphml").read_bytes())
    assert config.labels == ("Start", "Goal") and config.edges == ((0, 1),)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("&lt;script&gt;alert(1)&lt;/script&gt;", "<script>alert(1)</script>"),  # text: the page escapes it
        ("\u202egpj.exe\u2066", "gpj.exe"),
        ("🐐 &amp; 🥬", "🐐 & 🥬"),
        ("z" * 10_000, "z" * (MAX_LABEL - 1) + "…"),
    ],
)
def test_hostile_labels_are_made_safe(written: str, shown: str) -> None:
    assert read_graphml(labelled(written, "b")).labels == (shown, "b")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b" \n\t", "the file is empty"),
        (b"PK\x03\x04 no xml", "no readable XML"),
        (b"<graphml><graph>", "no readable XML"),
        (b'<?xml version="1.0" encoding="utf-8"?><graphml>\xff</graphml>', "no readable XML"),
        (b'<?xml version="1.0" encoding="klingon"?><graphml/>', "no readable XML"),
        (b'<?xml version="1.0" encoding="utf-7"?><graphml/>', "no readable XML"),
        (b"<html><body/></html>", "no GraphML: it starts with <html>"),
        (b"<graphml/>", "holds 0 graphs; exactly one"),
        (b"<graphml><graph/><graph/></graphml>", "holds 2 graphs; exactly one"),
        (graphml(""), "has 0 nodes; 2 to 1600"),
        (
            graphml("".join(f'<node id="{i}"/>' for i in range(MAX_NODES + 1))),
            "has more than 1600 nodes; 2 to 1600",
        ),
        (graphml(AB), "has 0 edges between different nodes; 1 to 20,000"),
        (graphml(AB + '<edge source="a" target="a"/>'), "has 0 edges between different nodes"),
        (graphml(AB + '<node id="a"/><edge source="a" target="b"/>'), "the node 'a' is there twice"),
        (graphml(AB + '<node/><edge source="a" target="b"/>'), "a node has no id"),
        (graphml(AB + '<edge source="a" target="nowhere"/>'), "ends at 'nowhere', which is not the id"),
        (graphml(AB + '<edge source="a"/>'), "ends at '', which is not the id"),
        (graphml(AB + f'<edge source="a" target="{"t" * 9999}"/>'), "ends at 't{59}…'"),
        (graphml('<node id="a"><graph><node id="x"/></graph></node>'), "has nested graphs; only plain"),
        (graphml(AB + '<hyperedge><endpoint node="a"/></hyperedge>'), "has hyperedges; only plain"),
        (graphml('<node id="a"><port name="p"/></node>'), "has ports; only plain"),
        (b"\x00junk!" * 1_000_000, r"has 6\.0 MB; at most 5 MB"),
        (b"<a>" * (MAX_FILE_BYTES // 3), "too many XML elements; at most 200,000"),
        ((FIXTURES / "billion_laughs.graphml").read_bytes(), "declares a document type or entities"),
        ((FIXTURES / "external_entity.graphml").read_bytes(), "declares a document type or entities"),
    ],
)
def test_bad_files_are_refused_with_one_sentence(data: bytes, message: str) -> None:
    with pytest.raises(GraphFileError, match=message) as refusal:
        read_graphml(data)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 200


def test_too_many_edges_are_refused() -> None:
    complete = nx.complete_graph(150, create_using=nx.DiGraph)
    with pytest.raises(
        GraphFileError, match="has more than 20,000 edges between different nodes; 1 to 20,000"
    ):
        read_graphml("\n".join(nx.generate_graphml(complete)).encode())


@pytest.mark.parametrize("kind", ["acyclic", "directed", "staged", "grid", "blocksworld"])
def test_a_written_file_holds_the_same_nodes_and_edges_for_networkx_too(kind: GraphKind) -> None:
    graph = build_graph(GraphConfig(kind=kind))
    written = write_graphml(graph)
    back = nx.parse_graphml(written.decode(), node_type=int)
    assert set(back.edges) == set(graph.edges)
    assert nx.get_node_attributes(back, "label") == nx.get_node_attributes(graph, "label")
    assert set(build_graph(read_graphml(written)).edges) == set(graph.edges)


@pytest.mark.parametrize(
    ("name", "start", "goal", "steps"),
    [
        ("river-crossing", "FWGC | -", "- | FWGC", 7),
        ("towers-of-hanoi", "321 - -", "- - 321", 7),
        ("courses", "Programming", "Thesis", 4),
    ],
)
def test_the_example_files_hold_the_puzzles_they_name(name: str, start: str, goal: str, steps: int) -> None:
    graph = build_graph(read_graphml((EXAMPLES / f"{name}.graphml").read_bytes()))
    node = {label: node for node, label in nx.get_node_attributes(graph, "label").items()}
    assert nx.shortest_path_length(graph, node[start], node[goal]) == steps
