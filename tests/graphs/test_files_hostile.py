"""Thousands of bad files at every importer: nothing but a GraphFileError comes out, quickly and in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planviz.config import GraphConfig
from planviz.graphs.files import FORMATS, GraphFileError, import_graph, read_alpine, write_graph
from planviz.graphs.formats.limits import MAX_FILE_BYTES
from planviz.graphs.generate import build_graph

FIXTURES = Path(__file__).parents[1] / "fixtures" / "graphs"
BAD_FILES = 4000
"""At every importer."""
SECONDS = 10.0
"""For any single file, the largest ones included, on a machine that is busy."""
MEGABYTES = 300
"""More than the process had before."""

LABELS = ("<b>x</b>", 'say "hi"', "a,b", "🐐", "\\N", "東京", "7", "x;y")
GRAPH = build_graph(
    GraphConfig(
        kind="file",
        labels=LABELS,
        edges=tuple((i, j) for i in range(8) for j in range(8) if i != j and i % 3 < j % 4),
    )
)
SPLICES = [
    b"\x00", b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\r\n", b"\r", b"\n", b'"', b"'", b"\\",
    b"<", b">", b"&", b"&lol;", b"<!DOCTYPE x>", b"<![CDATA[", b"-->", b"{", b"}", b"[", b"]", b"(", b",",
    b";", b"\t", b":", b"=", b"->", b"--", b"//", b"/*", b"#", b"NaN", b"Infinity", b"-1", b"1e999",
    b"9" * 5000, b"-" + b"9" * 400, b"null", b"true", b"{" * 200, b"[" * 2000, b"<a>" * 300,
    b"\xed\xa0\x80", rb"\ud800", "\u202e\u2066".encode(), "\U0001f410".encode(), b"x" * 10_000, b"subgraph",
    b"strict", b'"directed": 3', b'"id": null', b'"id": {}', b'"id": [[]]', b"0 0 0 0", b"a a a a",
    b"label=", b"<graph/>", b"1,1,1,1,1,1,1",
]  # fmt: skip
ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252")


def damaged(files: list[bytes], count: int) -> Iterator[bytes]:
    """Bad files made of good ones, the same ones every time: torn, cut, spliced, mixed, re-encoded, or just noise."""
    for seed in range(count):
        dice = Random(seed)
        data = bytearray(dice.choice(files))
        for _ in range(dice.choice((1, 1, 2, 5, 20))):
            start, other = dice.randrange(len(data) + 1), dice.randrange(len(data) + 1)
            match dice.randrange(9):
                case 0:
                    data[start : start + 1] = bytes([dice.randrange(256)])
                case 1:
                    del data[start : start + dice.randrange(40)]
                case 2:
                    data[start:start] = data[other : other + dice.randrange(60)]
                case 3 | 4:
                    data[start:start] = dice.choice(SPLICES)
                case 5:
                    data[start : start + dice.randrange(9)] = dice.choice(SPLICES)
                case 6:
                    del data[start:]
                case 7:
                    data[start:] = dice.choice(files)[other:]
                case 8:
                    data[start : start + dice.randrange(30)] = dice.randbytes(dice.randrange(30))
        if seed % 10 == 0:
            data = bytearray(dice.randbytes(dice.randrange(400)))
        elif seed % 10 == 1:
            text = data.decode(errors="ignore")
            data = bytearray(text.encode(dice.choice(ENCODINGS), errors="replace"))
        yield bytes(data)


def assert_harmless(read: Callable[[bytes], GraphConfig], files: Iterator[bytes]) -> tuple[int, int]:
    """Read the files; how many were refused and how many were read. What is read must be a graph."""
    refused = taken = 0
    for number, data in enumerate(files):
        began = time.perf_counter()
        try:
            build_graph(read(data))
            taken += 1
        except GraphFileError as error:
            refused += 1
            message = str(error)
            assert message.isprintable() and len(message) < 400, f"file {number}: {message!r}"
        assert time.perf_counter() - began < SECONDS, f"file {number}"
    return refused, taken


def written() -> dict[str, list[bytes]]:
    """Good files of every format."""
    good = {name: [write_graph(f"x{f.endings[0]}", GRAPH)] for name, f in FORMATS.items()}
    good["graphml"].append((FIXTURES / "yed.graphml").read_bytes())
    good["graphml"].append((FIXTURES / "billion_laughs.graphml").read_bytes())
    good["edges"] += [
        b"a b\nb c 3\nc d {'w': 1}\n",
        b"Source;Target;Type\na;b;Undirected\nc;d;\n",
        b"1\t2\n2\t3\n",
    ]
    good["adjacency"] += [b"0,1,0\n0,0,1\n1,0,0\n", b"x;a;b\na;0;1\nb;0;0\n"]
    good["json"].append(json.dumps(nx.node_link_data(GRAPH, edges="links")).encode())
    good["dot"].append(
        b'strict graph g { node [shape=box]; {a "b c"} -- <x<y>z> [label="\\N"]; a:p -- "d" + "e" /* c */ }'
    )
    return good


@pytest.mark.parametrize("name", FORMATS)
def test_thousands_of_bad_files_at_every_importer(name: str) -> None:
    ending = FORMATS[name].endings[0]
    files = damaged(written()[name], BAD_FILES)
    refused, taken = assert_harmless(lambda data: import_graph(f"x{ending}", data).graph, files)
    assert refused + taken == BAD_FILES and refused > BAD_FILES / 5


def test_thousands_of_bad_files_of_any_kind_without_an_ending() -> None:
    everything = [data for files in written().values() for data in files]
    refused, taken = assert_harmless(
        lambda data: import_graph("x", data).graph, damaged(everything, BAD_FILES)
    )
    assert refused + taken == BAD_FILES and refused > BAD_FILES / 5


@pytest.mark.parametrize("part", range(3))
def test_thousands_of_bad_files_of_alpine(part: int) -> None:
    graph = b'<graphml><graph edgedefault="directed"><node id="0"/><node id="1"/><node id="2"/><node id="3"/>' + (
        b"".join(b'<edge source="%d" target="%d"/>' % (i, j) for i in range(4) for j in range(i + 1, 4))
    ) + b"</graph></graphml>"  # fmt: skip
    files = {
        "g.graphml": graph,
        "train_2.txt": b"0 2 0 1 2\n0 2 0 2\n1 3 1 2 3\n",
        "test.txt": b"0 3 0 1 3\n",
    }
    name = list(files)[part]
    reads = damaged(list(files.values()), BAD_FILES)
    refused, taken = assert_harmless(lambda data: read_alpine(files | {name: data}).graph, reads)
    assert refused + taken == BAD_FILES and refused > BAD_FILES / 5


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_a_graph(name: str, data: bytes) -> None:
    assert_harmless(lambda data: import_graph(f"x{FORMATS[name].endings[0]}", data).graph, iter([data]))


def full(start: str, middle: str, end: str = "") -> bytes:
    """As much as a file may hold."""
    room = MAX_FILE_BYTES - len((start + end).encode())
    return (start + middle * (room // len(middle.encode())) + end).encode()


BOMBS = {
    "xml elements": ("x.graphml", full("<graphml>", "<a/>")),
    "xml nesting": ("x.graphml", full("", "<a>")),
    "xml text": ("x.graphml", full("<graphml><graph>", "x", "</graph></graphml>")),
    "xml attributes": ("x.graphml", full("<graphml ", "a='' ", "/>")),
    "xml nodes": ("x.graphml", full("<graphml><graph>", "<node id='a'/>")),
    "billion laughs": ("x.graphml", (FIXTURES / "billion_laughs.graphml").read_bytes()),
    "external entity": ("x.graphml", (FIXTURES / "external_entity.graphml").read_bytes()),
    "json nesting": ("x.json", full("", "[")),
    "json nesting within limits": ("x.json", b"[" * 199_000),
    "json objects": ("x.json", full("[", '{"a":1},')),
    "json numbers": ("x.json", full('{"nodes":[', "12345,", "1]}")),
    "json keys": ("x.json", full("{", '"a":1,', '"a":1}')),
    "json text": ("x.json", full('{"nodes":"', "🐐", '"}')),
    "json digits": ("x.json", full('{"nodes":', "9", "}")),
    "dot nesting": ("x.dot", full("digraph ", "{")),
    "dot nodes": ("x.dot", full("digraph {", "a;")),
    "dot comment": ("x.dot", full("digraph { /*", "*")),
    "dot string": ("x.dot", full('digraph { "', "\\")),
    "dot brackets": ("x.dot", full("digraph { a [", '"[",<a>')),
    "dot angles": ("x.dot", full("digraph { a [x=", "<")),
    "dot blanks": ("x.dot", full("digraph {", " ", "}")),
    "dot products": ("x.dot", full("digraph {", "{" + " ".join(f"n{i}" for i in range(100)) + "} -> ", "a}")),
    "csv commas": ("x.csv", full("", ",")),
    "csv rows": ("x.csv", full("", "a\n")),
    "csv empty rows": ("x.csv", full("a,b\n", "\n")),
    "csv edges": ("x.csv", full("", "a,b\n")),
    "csv quotes": ("x.csv", full("", '"')),
    "csv wide rows": ("x.csv", full("", "1," * 1600 + "1\n")),
    "csv wide rows of words": ("x.csv", full("", "ab," * 1600 + "ab\n")),
    "csv comments": ("x.csv", full("", "#\n")),
    "words": ("x.txt", full("", "a ")),
    "lines": ("x.txt", full("", "\n", "a")),
    "braces": ("x.txt", full("", " {'" * 50_000 + "\n")),
    "junk": ("x", b"\x00junk!" * 17_000_000),
}


CHILD = """
import json, resource, sys, time
from pathlib import Path
from planviz.graphs.files import GraphFileError, import_graph

def now():
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()

resource.setrlimit(resource.RLIMIT_AS, (now() + int(sys.argv[1]), resource.RLIM_INFINITY))
for path in map(Path, sys.argv[2:]):
    data, began = path.read_bytes(), time.process_time()
    try:
        import_graph(path.name, data)
        said = ""
    except GraphFileError as error:
        said = str(error)
    except MemoryError:
        said = "MemoryError"
    print(json.dumps([path.parent.name, said, time.process_time() - began]), flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process as Linux does")
def test_bombs_are_refused_quickly_and_in_little_memory(tmp_path: Path) -> None:
    paths = []
    for name, (file, data) in BOMBS.items():
        paths.append(tmp_path / name / file)
        paths[-1].parent.mkdir()
        paths[-1].write_bytes(data)
    command = [sys.executable, "-c", CHILD, str(MEGABYTES * 10**6), *map(str, paths)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 0 and [name for name, _, _ in told] == list(BOMBS), ended.stderr
    for name, said, seconds in told:
        assert said not in ("", "MemoryError") and seconds < SECONDS, (name, said, seconds)


def test_a_full_file_of_texts_takes_little_memory() -> None:
    """A tuple of numbers a text, and nothing else that stays."""
    files = {"g.dot": b"digraph { 0 -> 1 -> 2; 0 -> 2 }", "test.txt": b"0 1 0 1\n"}
    texts = 20_000
    tracemalloc.start()
    try:
        task = read_alpine(files | {"train.txt": b"0 2 0 1 2\n" * texts})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(task.texts) == texts and peak < texts * 200
