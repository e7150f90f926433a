"""ALPINE's files: a graph and texts `s t s u1 … t`, which become graph, split and texts exactly as they are."""

from __future__ import annotations

import networkx as nx
import pytest

from planviz import task as planning
from planviz.config import ExperimentConfig, GraphConfig, GraphKind, SplitConfig
from planviz.graphs.files import GraphFileError, ImportedTask, read_alpine, write_alpine
from planviz.graphs.formats import alpine
from planviz.graphs.generate import build_graph

GRAPH, TRAIN, TEST = "path_graph.graphml", "train_20.txt", "test.txt"
DIAMOND = nx.DiGraph([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "e")])


def graphml(graph: nx.DiGraph[str] = DIAMOND) -> bytes:
    return "\n".join(nx.generate_graphml(graph)).encode()


def read(train: str | bytes = "a d a b d\n", test: str | bytes = "a e a c d e\n") -> ImportedTask:
    texts = [text.encode() if isinstance(text, str) else text for text in (train, test)]
    return read_alpine({GRAPH: graphml(), TRAIN: texts[0], TEST: texts[1]})


def test_the_files_become_graph_split_and_texts_as_they_are() -> None:
    task = read("a d a b d\na b a b\na d a c d\na d a b d\n", "a e a c d e\nb e b d e\n")
    assert task.graph == GraphConfig(
        kind="file", labels=("a", "b", "c", "d", "e"), edges=((0, 1), (0, 2), (1, 3), (2, 3), (3, 4))
    )
    assert task.texts == ((0, 1, 3), (0, 1), (0, 2, 3), (0, 1, 3))
    assert task.train_pairs == ((0, 3), (0, 1))
    assert (task.test_texts, task.test_pairs) == (((0, 2, 3, 4), (1, 3, 4)), ((0, 4), (1, 4)))
    assert task.notes == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r", "  \n\n"])
def test_line_ends_blank_lines_and_marks_do_not_matter(line_end: str, encoding: str) -> None:
    assert read(line_end.join(["a d a b d", "a b a b"]).encode(encoding)).texts == ((0, 1, 3), (0, 1))


def test_numbered_nodes_keep_their_ids_whatever_the_order_of_the_file() -> None:
    graph = nx.DiGraph([("10", "2"), ("2", "0")])
    task = read_alpine({GRAPH: graphml(graph), TRAIN: b"10 0 10 2 0", TEST: b"2 0 2 0"})
    assert (task.graph.labels, task.texts) == (("10", "2", "0"), ((0, 1, 2),))


def test_the_graph_may_be_in_any_format() -> None:
    task = read_alpine({"g.dot": b"digraph { a -> b -> c }", TRAIN: b"a c a b c", TEST: b"a b a b"})
    assert task.texts == ((0, 1, 2),)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("", "'train_20.txt' is empty"),
        (" \n\n", "'train_20.txt' is empty"),
        ("a d a d", "'train_20.txt', line 1 goes from 'a' to 'd', but the graph has no such edge"),
        ("a d a b d\n\na d a b c d", "line 3 goes from 'b' to 'c', but the graph has no such edge"),
        ("a d a x d", "line 1 names 'x', which is no node of the graph"),
        ("a x", "line 1 is 'a x'; a text `s t s u1 … t`"),
        ("a e x", "line 1 is 'a e x'; a text"),  # ALPINE's mark of pairs without a path
        ("a d b d", "line 1 is 'a d b d'; a text"),
        ("a d a b", "line 1 is 'a d a b'; a text"),
        ("a a a a", "line 1 is 'a a a a'; a text"),
        ("<script>", "line 1 is '<script>'; a text"),
        ("a e a c d e", "the pair 'a' to 'e' is in both 'train_20.txt' and 'test.txt'"),
        ("a d a \0 d", "'train_20.txt' holds NUL characters"),
        ("a d a é d".encode("latin-1"), "line 1 names '.', which is no node"),
        ("a d a b d".encode("utf-16-le"), "'train_20.txt' holds NUL characters"),
        ("a d a b d\r\n".encode("latin-1") + b"\xe9", "no UTF-8 text"),
        ("a d " + "a " * 200_000 + "d", "line 1 has 400,005 bytes; at most 250,000"),
        ("a d a " + "b" * 10_000 + " d", "line 1 names 'b{59}…'"),
        (b"x" * 21_000_000, r"'train_20.txt' has 21\.0 MB; at most 20 MB"),
    ],
)
def test_bad_texts_are_refused_with_one_sentence(train: str | bytes, message: str) -> None:
    with pytest.raises(GraphFileError, match=message) as refusal:
        read(train)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 250


def test_a_text_must_not_pass_its_target() -> None:
    ring = nx.DiGraph([("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "e")])
    with pytest.raises(GraphFileError, match="line 1 passes 'b' before its end"):
        read_alpine({GRAPH: graphml(ring), TRAIN: b"a b a b a b", TEST: b"a c a b c"})
    task = read_alpine({GRAPH: graphml(ring), TRAIN: b"a c a b a b c", TEST: b"a b a b"})
    assert task.texts == ((0, 1, 0, 1, 2),)  # any other node may be there twice
    with pytest.raises(GraphFileError, match="line 1 has 7 nodes; at most as many as the graph, 5"):
        read_alpine({GRAPH: graphml(ring), TRAIN: b"a c a b a b a b c", TEST: b"a b a b"})


@pytest.mark.parametrize(("limit", "value", "message"), [
    ("MAX_TEXT_TOKENS", 8, "have more than 8 nodes together"),
    ("MAX_TEXT_CELLS", 8, "3 texts or more, and one of 3 nodes"),
])  # fmt: skip
def test_too_many_texts_are_refused(
    limit: str, value: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alpine, limit, value)
    with pytest.raises(GraphFileError, match=message):
        read("a d a b d\n" * 3)


@pytest.mark.parametrize("names", [[], [GRAPH], [GRAPH, TRAIN], [GRAPH, TRAIN, "train.txt"],
                                   [GRAPH, "x.json", TRAIN], [GRAPH, TRAIN, TEST, "more.txt"]])  # fmt: skip
def test_three_files_are_expected(names: list[str]) -> None:
    with pytest.raises(GraphFileError, match="given; three files are expected"):
        read_alpine(dict.fromkeys(names, b""))


@pytest.mark.parametrize("kind", ["acyclic", "grid", "blocksworld"])
def test_a_task_comes_back_as_it_was(kind: GraphKind) -> None:
    config = ExperimentConfig(
        graph=GraphConfig(kind=kind, nodes=14, rows=3, columns=3, blocks=3),
        split=SplitConfig(paths_per_pair=3),
    )
    task = planning.build_task(config)
    files = write_alpine(task.graph, task.texts, task.test_pairs)
    assert list(files) == [GRAPH, "train_3.txt", TEST]
    back = read_alpine(files)
    assert (list(back.graph.labels), set(back.graph.edges)) == (task.labels, set(task.graph.edges))
    assert back.texts == task.texts
    assert [list(pair) for pair in back.train_pairs] == task.train_pairs.tolist()
    assert [list(pair) for pair in back.test_pairs] == task.test_pairs.tolist()
    shortest = [int(task.distance[source, target]) for source, target in task.test_pairs]
    assert [len(path) - 1 for path in back.test_texts] == shortest
    graph = build_graph(back.graph)
    assert write_alpine(graph, back.texts, back.test_pairs, back.test_texts) == files


def test_a_test_pair_without_a_path_cannot_be_written() -> None:
    graph = build_graph(GraphConfig(kind="file", labels=("a", "b"), edges=((0, 1),)))
    with pytest.raises(GraphFileError, match=r"the pair \(1, 0\) has no path"):
        write_alpine(graph, [(0, 1)], [(1, 0)])
