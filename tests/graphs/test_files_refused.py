"""Edge lists, adjacency matrices, node-link JSON and DOT that are refused: each with one clear sentence."""

from __future__ import annotations

import json

import pytest

from planviz.graphs.files import GraphFileError, read_graph
from planviz.graphs.formats.limits import MAX_ELEMENTS, MAX_LINE
from planviz.graphs.generate import MAX_NODES

NODES = [{"id": "a"}, {"id": "b"}]
EDGES = [{"source": "a", "target": "b"}]
WIDE = "a," + "b" * MAX_LINE


def node_link(nodes: object, edges: object, **more: object) -> str:
    return json.dumps({"directed": True, "nodes": nodes, "edges": edges} | more)


@pytest.mark.parametrize("ending", ["csv", "json", "dot"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b" \r\n\t", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        ("Zürich,b".encode("latin-1"), r"no UTF-8 text \(byte 0xfc at position 1\)"),
        ("a,b".encode("utf-16-le"), "holds NUL characters"),
        (b"\xff\xfea", "no UTF-16 text"),
        (b"a,b\x00", "holds NUL characters"),
        (b"x" * 5_100_000, r"has 5\.1 MB; at most 5 MB"),
    ],
)
def test_what_is_no_text_is_refused(ending: str, data: bytes, message: str) -> None:
    with pytest.raises(GraphFileError, match=message):
        read_graph(f"x.{ending}", data)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "a", "has 1 node; 2 to 1600"),
        ("x.csv", "a\nb", "has 0 edges between different nodes; 1 to 20,000"),
        ("x.csv", "a,a\nb", "has 0 edges between different nodes"),
        ("x.csv", "a,b\n,c", "line 2 has no source"),
        ("x.csv", 'a,"b', r"line 1 is no readable CSV \(unexpected end of data\)"),
        ("x.csv", 'a,b\na,"b"c', "line 2 is no readable CSV"),
        ("x.csv", "a," + '"' + "b" * 200_000 + '"', "line 1 is no readable CSV .field larger than field limit"),
        ("x.csv", WIDE, "a line has 250,002 characters; at most 250,000"),
        ("x.csv", "# only\n#comments\n", "holds only comments"),
        ("x.csv", "a\n" * (MAX_ELEMENTS + 1), "more than 200,000 (rows|lines)"),
        ("x.csv", "a,b\n" * (MAX_ELEMENTS + 1), "more than 200,000 rows"),
        ("x.csv", "\n".join(f"{i},{i + 1}" for i in range(MAX_NODES)), "has more than 1600 nodes; 2 to 1600"),
        ("x.csv", "\n".join(f"{i},{j}" for i in range(150) for j in range(150)), "more than 20,000 edges between"),
        ("x.txt", "a b c", "line 1 has 3 words; a source, a target and at most a weight"),
        ("x.txt", "a b\nnew york city of dreams", "line 2 has 5 words"),
        ("x.txt", "0 2 0 1 2\n", "line 1 is a path, not an edge: ALPINE"),
        ("x.csv", ",a,b\na,0,1", "the matrix has 1 rows, but 2 columns"),
        ("x.csv", ",a,b\na,0,1\nb,0,0\nc,0,0", "line 4 is one row too many; a matrix with 2 columns has 2 rows"),
        ("x.csv", ",a,b\na,0,1\nb,0", "line 3 has 1 cells for 2 columns"),
        ("x.csv", ",a,b\na,0,1\nc,0,0", "line 3 is named 'c', but column 2 is 'b'"),
        ("x.csv", ",a,a\na,0,1\na,0,0", "the node 'a' is there twice"),
        ("x.csv", ",a,\na,0,1\n,0,0", "a column without a name"),
        ("x.csv", ",a,b\na,0,yes\nb,0,0", "line 2 has 'yes' in the matrix; finite numbers"),
        ("x.csv", ",a,b\na,0,1e999\nb,0,0", "line 2 has '1e999' in the matrix; finite numbers"),
        ("x.csv", ",a,b\na,0,nan\nb,0,0", "line 2 has 'nan' in the matrix"),
        ("x.csv", "," + ",".join(map(str, range(1601))), "has more than 1600 nodes"),
        ("x.json", "nonsense", "no readable JSON .Expecting value"),
        ("x.json", "[1, 2]", "holds a list, not an object"),
        ("x.json", '"' + "x" * 10_000 + '"', "holds 'x{59}…', not an object"),
        ("x.json", "{}", "the file has no nodes"),
        ("x.json", '{"nodes": []}', "the file has no links"),
        ("x.json", node_link({}, []), "nodes is an object"),
        ("x.json", node_link([1], []), "number 1 of the nodes is 1; an object is expected"),
        ("x.json", node_link([{}], []), "node 1 has no id"),
        ("x.json", node_link([{"id": None}], []), "node 1 has null as its id; text, a finite number"),
        ("x.json", node_link([{"id": True}], []), "node 1 has true as its id"),
        ("x.json", node_link([{"id": {"a": 1}}], []), "node 1 has an object as its id"),
        ("x.json", node_link([{"id": [[0]]}], []), "node 1 has a list as its id"),
        ("x.json", node_link([{"id": ""}], []), "node 1 has '' as its id"),
        ("x.json", node_link([*NODES, {"id": "a"}], EDGES), "the node 'a' is there twice"),
        ("x.json", node_link([{"id": 1}, {"id": 1.0}], []), "the node '1.0' is there twice"),
        ("x.json", node_link(NODES, [{"source": "a"}]), "edge 1 has no target"),
        ("x.json", node_link(NODES, [{"source": "a", "target": "<b>"}]), "edge 1 ends at '<b>', which is not"),
        ("x.json", node_link(NODES, []), "has 0 edges"),
        ("x.json", node_link(NODES, EDGES, directed="yes"), "directed is 'yes'; true or false"),
        ("x.json", node_link([{"id": i} for i in range(1601)], []), "has more than 1600 nodes"),
        ("x.json", '{"nodes": NaN}', "holds NaN, which is no JSON"),
        ("x.json", '{"nodes": -Infinity}', "holds -Infinity, which is no JSON"),
        ("x.json", '{"nodes": [{"id": 1e999}], "edges": []}', "node 1 has inf as its id"),
        ("x.json", '{"nodes": [{"id": ' + "9" * 5000 + "}]}", "a number with too many digits; at most 4,300"),
        ("x.json", '{"nodes":' * 100_000, "nested too deeply"),
        ("x.json", "[" * 4_000_000, "too many lists and objects; at most 200,000"),
        ("x.dot", "digraph", "the file ends within the graph"),
        ("x.dot", "digraph { a -> b", "the file ends within the graph"),
        ("x.dot", "hello", "line 1 is no DOT at 'hello'"),
        ("x.dot", "digraph {\na -> }", "line 2 is no DOT at '}'"),
        ("x.dot", "digraph { a @ b }", "line 1 is no DOT at '@'"),
        ("x.dot", "digraph { a -> b } digraph { c -> d }", "line 1 is no DOT at 'digraph'"),
        ("x.dot", 'digraph { a -> "b }', "line 1 is no DOT at '\"'"),
        ("x.dot", "digraph {\n\na -- b }", "line 3 has -- in a digraph, whose edges are written ->"),
        ("x.dot", "graph { a -> b }", "line 1 has -> in a graph, whose edges are written --"),
        ("x.dot", "digraph { }", "has 0 nodes"),
        ("x.dot", "digraph { a; b }", "has 0 edges"),
        ("x.dot", "digraph " + "{" * 1000, "more than 50 subgraphs inside one another"),
        ("x.dot", "digraph {" + "a;" * MAX_ELEMENTS, "more than 200,000 words"),
        ("x.dot", "digraph {" + " ".join(f"n{i}" for i in range(1601)) + "}", "has more than 1600 nodes"),
        (
            "x.dot",
            "digraph {" + " -> ".join(["{" + " ".join(f"n{i}" for i in range(141)) + "}"] * 200) + "}",
            "lists more than 200,000 edges",
        ),
        ("x", "what is this", "line 1 has 3 words"),
        ("x", "<html/>", "no GraphML: it starts with <html>"),
        ("x", '{"a": 1}', "the file has no nodes"),
    ],
)  # fmt: skip
def test_bad_files_are_refused_with_one_sentence(name: str, text: str, message: str) -> None:
    with pytest.raises(GraphFileError, match=message) as refusal:
        read_graph(name, text.encode())
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 250


def test_names_in_messages_are_safe_to_show() -> None:
    with pytest.raises(GraphFileError) as refusal:
        read_graph("x.json", node_link(NODES, [{"source": "a", "target": "\u202e\nx" + "z" * 9999}]).encode())
    assert "edge 1 ends at 'xz" in str(refusal.value) and len(str(refusal.value)) < 150
