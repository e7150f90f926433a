"""ALPINE's files (arXiv 2405.09220): a graph, and texts `s t s u1 … t`, one a line, to train and to test on.

The words of a text are the ids that the graph's file gives its nodes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import chain

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from planviz.config import GraphConfig
from planviz.graphs.formats import graphml
from planviz.graphs.formats.common import Found, GraphFileError, check_size, decoded, shown
from planviz.graphs.formats.limits import MAX_LINE, MAX_TEXT_BYTES, MAX_TEXT_CELLS, MAX_TEXT_TOKENS

EXPECTED = "one text `s t s u1 … t` a line"
Bools = NDArray[np.bool_]
Pair = tuple[int, int]
Path = tuple[int, ...]


@dataclass(frozen=True)
class ImportedTask:
    """A graph with its split and its texts, exactly as the files have them.

    Attributes:
        graph: settings of kind "file".
        train_pairs: (s, t) in the order in which the texts first name them.
        test_pairs: likewise; none of them is a training pair.
        texts: the SFT paths, each (s, u1, …, t), as in `planviz.task.Task`.
        test_texts: the paths in the test file.
        notes: what was left out of the graph's file, for the user to know.
    """

    graph: GraphConfig
    train_pairs: tuple[Pair, ...]
    test_pairs: tuple[Pair, ...]
    texts: tuple[Path, ...]
    test_texts: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def read_task(found: Found, train: tuple[str, bytes], test: tuple[str, bytes]) -> ImportedTask:
    """The task in a graph and two files of texts, each given by its name and content.

    Raises:
        GraphFileError: a text is no path of the graph, a pair is in both files, or there is too much.
    """
    texts, test_texts = read_texts(found.names, found.edges, train, test)
    return ImportedTask(
        found.config(), pairs_of(texts), pairs_of(test_texts), texts, test_texts, found.all_notes()
    )


def read_texts(
    names: Sequence[str], edges: Iterable[Pair], train: tuple[str, bytes], test: tuple[str, bytes]
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """The paths in two files of texts, those to train on first.

    Args:
        names: what the texts call the nodes 0 … n-1.
        edges: of the graph.
        train: the file's name and content; `test` likewise.

    Raises:
        GraphFileError: a text is no path of the graph, a pair is in both files, or there is too much.
    """
    for file, content in (train, test):
        check_size(content, MAX_TEXT_BYTES, shown(file))
    is_edge = np.zeros((len(names), len(names)), dtype=bool)
    is_edge[tuple(np.array(list(edges), dtype=np.int64).reshape(-1, 2).T)] = True
    texts, test_texts = (_texts(names, is_edge, *file) for file in (train, test))
    if both := set(pairs_of(texts)) & set(pairs_of(test_texts)):
        source, target = min(both)
        raise GraphFileError(
            f"the pair {shown(names[source])} to {shown(names[target])} is in both {shown(train[0])} and "
            f"{shown(test[0])}; pairs to test on must not be trained on"
        )
    return texts, test_texts


def pairs_of(texts: Iterable[Path]) -> tuple[Pair, ...]:
    """The different pairs (s, t) of the texts, in the order in which they first appear."""
    return tuple(dict.fromkeys((text[0], text[-1]) for text in texts))


def write_task(
    graph: nx.DiGraph[int],
    texts: Sequence[Sequence[int]],
    test_pairs: Iterable[Sequence[int]],
    test_texts: Sequence[Sequence[int]] | None = None,
) -> dict[str, bytes]:
    """ALPINE's three files by name: path_graph.graphml, train_K.txt (K texts a pair) and test.txt.

    Where pairs have different numbers of texts, there is no K, and the texts are in train.txt.

    Args:
        texts: the SFT paths, each (s, u1, …, t).
        test_pairs: for each pair (s, t), a shortest path is written.
        test_texts: the paths to write instead, if there are any.

    Raises:
        GraphFileError: a test pair has no path.
    """
    per_pair = set(Counter((text[0], text[-1]) for text in texts).values())
    tests = _shortest_paths(graph, test_pairs) if test_texts is None else test_texts
    return {
        "path_graph.graphml": graphml.write(graph),
        f"train_{per_pair.pop()}.txt" if len(per_pair) == 1 else "train.txt": text_lines(texts),
        "test.txt": text_lines(tests),
    }


def text_lines(paths: Iterable[Sequence[int]]) -> bytes:
    """The texts of paths (s, u1, …, t) in node numbers: a line `s t s u1 … t` each."""
    lines = (" ".join(map(str, (path[0], path[-1], *path))) + "\n" for path in paths)
    return "".join(lines).encode()


def _texts(names: Sequence[str], is_edge: Bools, file: str, content: bytes) -> tuple[Path, ...]:
    index = {name.encode(errors="replace"): node for node, name in enumerate(names)}
    name = shown(file)
    paths: list[Path] = []
    numbers: list[int] = []
    tokens = longest = 0
    for number, line in enumerate(_utf8_lines(content, name), 1):
        where = f"{name}, line {number}"
        if len(line) > MAX_LINE:
            raise GraphFileError(f"{where} has {len(line):,} bytes; at most {MAX_LINE:,} are allowed")
        if line.isspace():
            continue
        path = _path(line, index, where)
        if len(path) > len(index):
            raise GraphFileError(
                f"{where} has {len(path):,} nodes; at most as many as the graph, {len(index)}, are allowed"
            )
        paths.append(path)
        numbers.append(number)
        tokens, longest = tokens + len(path), max(longest, len(path))
        if tokens > MAX_TEXT_TOKENS:
            raise GraphFileError(
                f"the texts in {name} have more than {MAX_TEXT_TOKENS:,} nodes together, the most allowed"
            )
        if len(paths) * longest > MAX_TEXT_CELLS:
            raise GraphFileError(
                f"{name} has {len(paths):,} texts or more, and one of {longest:,} nodes; "
                f"the product may be at most {MAX_TEXT_CELLS:,}"
            )
    if not paths:
        raise GraphFileError(f"{name} is empty; {EXPECTED} is expected")
    if (wrong := _first_wrong_step(paths, is_edge)) is not None:
        text, step = wrong
        ends = " to ".join(shown(names[node]) for node in step)
        raise GraphFileError(f"{name}, line {numbers[text]} goes from {ends}, but the graph has no such edge")
    return tuple(paths)


def _first_wrong_step(paths: Sequence[Path], is_edge: Bools) -> tuple[int, Pair] | None:
    """The first step that is no edge, with the index of its path; all steps are looked up at once."""
    nodes = np.fromiter(chain.from_iterable(paths), dtype=np.int64)
    ends = np.cumsum([len(path) for path in paths])
    wrong = ~is_edge[nodes[:-1], nodes[1:]]
    wrong[ends[:-1] - 1] = False  # from the end of one path to the start of the next
    if not wrong.any():
        return None
    step = int(wrong.argmax())
    return int(np.searchsorted(ends, step, side="right")), (int(nodes[step]), int(nodes[step + 1]))


def _path(line: bytes, index: dict[bytes, int], where: str) -> Path:
    """What follows `s t` in a text; whether its steps are edges is not checked."""
    words = line.split()
    if len(words) < 4 or words[0] != words[2] or words[1] != words[-1] or words[0] == words[1]:
        raise GraphFileError(
            f"{where} is {_shown(line)}; a text `s t s u1 … t` that leads from s to another node t is expected"
        )
    try:
        path = tuple([index[word] for word in words[2:]])
    except KeyError as error:
        raise GraphFileError(
            f"{where} names {_shown(error.args[0])}, which is no node of the graph"
        ) from None
    if path.index(path[-1]) < len(path) - 1:
        raise GraphFileError(
            f"{where} passes {_shown(words[1])} before its end; a text ends where it arrives"
        )
    return path


def _utf8_lines(content: bytes, file: str) -> Iterator[bytes]:
    """Lines of UTF-8, one by one, so that large files are never in memory twice unless they need another encoding."""
    marks = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
    if content.startswith(marks) or b"\r" in content or b"\0" in content:
        content = decoded(content, EXPECTED, file).encode()
    return iter(BytesIO(content))


def _shown(words: bytes) -> str:
    return shown(words[:1000].decode(errors="replace"))


def _shortest_paths(graph: nx.DiGraph[int], pairs: Iterable[Sequence[int]]) -> list[list[int]]:
    """One shortest path a pair, in the order of the pairs."""
    ordered = [(int(source), int(target)) for source, target in pairs]
    targets = defaultdict(list)
    for source, target in ordered:
        targets[source].append(target)
    paths = {}
    for source, wanted in targets.items():
        found = nx.single_source_shortest_path(graph, source)
        for target in wanted:
            if target not in found:
                raise GraphFileError(f"the pair ({source}, {target}) has no path; a test pair needs one")
            paths[source, target] = found[target]
    return [paths[pair] for pair in ordered]
