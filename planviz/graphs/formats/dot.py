"""DOT, the language of Graphviz, in and out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice, pairwise, product
from typing import Any

import networkx as nx
from lark import Lark, Token, Transformer, UnexpectedInput

from planviz.graphs.formats.common import Collector, Found, GraphFileError, decoded, safe_labels, shown
from planviz.graphs.formats.limits import MAX_DEPTH, MAX_ELEMENTS

EXPECTED = "a graph in DOT"
STRING = r'"(?:[^"\\]++|\\.)*+"'
HTML = r"<(?:[^<>]++|<[^<>]*+>)*+>"
WORD = r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*+|-?(?:\.[0-9]++|[0-9]++(?:\.[0-9]*+)?)"
PORT = rf":\s*+(?:{STRING}|{HTML}|{WORD})"
ATTRIBUTES = rf"""\[(?:[^\]\["<]++|{STRING}|{HTML})*+\]"""
COMMENT = r"\/\/[^\n]*+|^\#[^\n]*+|\/\*(?:[^*]++|\*(?!\/))*+\*\/"

# The grammar of https://graphviz.org/doc/info/lang.html. A list of attributes is one word, and ports are
# skipped: they only say where an edge is drawn.
GRAMMAR = rf"""
start: STRICT? (GRAPH | DIGRAPH) _id? "{{" statements "}}"
statements: (_statement ";"?)*
_statement: path | defaults | assignment
path: _point (EDGE_OP _point)* ATTRIBUTES*
defaults: (GRAPH | NODE | EDGE) ATTRIBUTES+
assignment: _id "=" _id
_point: WORD | HTML | strings | subgraph
subgraph: (SUBGRAPH _id?)? "{{" statements "}}"
_id: WORD | HTML | strings
strings: STRING ("+" STRING)*

EDGE_OP: "->" | "--"
WORD: /{WORD}/
STRING: /{STRING}/s
HTML: /{HTML}/
PORT: /{PORT}/s
ATTRIBUTES: /{ATTRIBUTES}/s
COMMENT: /{COMMENT}/m
BLANK: /[\s\ufeff]++/
%ignore COMMENT
%ignore BLANK
%ignore PORT
%declare STRICT GRAPH DIGRAPH NODE EDGE SUBGRAPH
"""
KEYWORDS = {"strict", "graph", "digraph", "node", "edge", "subgraph"}
ANY_WORD = re.compile(
    rf"{COMMENT}|{STRING}|{HTML}|{PORT}|{ATTRIBUTES}|->|--|{WORD}|[{{}};=+]", re.DOTALL | re.MULTILINE
)
ATTRIBUTE_WORD = re.compile(rf"{STRING}|{HTML}|{WORD}|=|\+", re.DOTALL)


def read(content: bytes) -> Found:
    """The graph in a DOT file.

    A node's label is its attribute `label`, or else its name. Edges of a `graph` (`a -- b`) are undirected, those of a
    `digraph` (`a -> b`) directed; subgraphs stand for their nodes, and all other attributes are left out.

    Raises:
        GraphFileError: the file is no DOT, contradicts itself, or has too much.
    """
    text = decoded(content, EXPECTED)
    if sum(1 for _ in islice(ANY_WORD.finditer(text), MAX_ELEMENTS + 1)) > MAX_ELEMENTS:
        raise GraphFileError(f"the file has more than {MAX_ELEMENTS:,} words, the most that DOT may have")
    try:
        parsed: Any = _parser().parse(text)
    except UnexpectedInput as error:
        at = str(getattr(error, "token", "")) or getattr(error, "char", "")
        where = f"line {error.line} is no DOT at {shown(at)}" if at else "the file ends within the graph"
        raise GraphFileError(f"{where}; {EXPECTED} is expected") from None
    kind, statements = parsed
    graph = Collector()
    labels: dict[int, str] = {}
    _collect(statements, graph, labels, operator="->" if kind == "DIGRAPH" else "--")
    for node, label in labels.items():
        shows = _unescaped(label, graph.names[node])
        graph.labels[node] = shows if shows.strip() else graph.names[node]
    return graph.found("DOT")


def write(graph: nx.DiGraph[int]) -> bytes:
    """The graph as a digraph in DOT: its nodes by number, their labels, and its edges."""
    escaped = (label.replace("\\", r"\\").replace('"', r"\"") for label in safe_labels(graph))
    nodes = (f'  {node} [label="{label}"];' for node, label in enumerate(escaped))
    edges = (f"  {source} -> {target};" for source, target in graph.edges)
    return "\n".join(["digraph {", *nodes, *edges, "}\n"]).encode()


def _collect(
    statements: list[Any], graph: Collector, labels: dict[int, str], operator: str
) -> dict[int, None]:
    """Take nodes, edges and labels from statements (as `_Statements` makes them); return the nodes in them."""
    nodes: dict[int, None] = {}
    for points, operators, attributes in statements:
        for used in operators:
            if used != operator:
                kind = "digraph" if operator == "->" else "graph"
                raise GraphFileError(
                    f"line {used.line} has {used} in a {kind}, whose edges are written {operator}"
                )
        ends: list[dict[int, None]] = []
        for point in points:
            if isinstance(point, str):
                ends.append({graph.node(_name(point)): None})
            else:
                ends.append(_collect(point, graph, labels, operator))
            nodes |= ends[-1]
        for sources, targets in pairwise(ends):
            for source, target in product(sources, targets):
                graph.edge(source, target, undirected=operator == "--")
        if attributes and not operators and isinstance(points[0], str):
            labels |= {
                node: label for node in ends[0] for label in map(_label, attributes) if label is not None
            }
    return nodes


class _Statements(Transformer[Token, Any]):
    """Statements as (points, edge operators, attribute lists); a point is a node's name or a list of statements."""

    def start(self, parts: list[Any]) -> tuple[str, list[Any]]:
        kind = next(
            part.type for part in parts if isinstance(part, Token) and part.type in ("GRAPH", "DIGRAPH")
        )
        return kind, parts[-1]

    def statements(self, parts: list[Any]) -> list[Any]:
        return [part for part in parts if part is not None]

    def path(self, parts: list[Any]) -> tuple[list[Any], list[Token], list[Token]]:
        points: list[Any] = []
        operators: list[Token] = []
        attributes: list[Token] = []
        for part in parts:
            kind = part.type if isinstance(part, Token) else ""
            (operators if kind == "EDGE_OP" else attributes if kind == "ATTRIBUTES" else points).append(part)
        return points, operators, attributes

    def defaults(self, parts: list[Any]) -> None:
        return None

    assignment = defaults

    def subgraph(self, parts: list[Any]) -> list[Any]:
        return parts[-1]  # type: ignore[no-any-return]

    def strings(self, parts: list[Token]) -> Token:
        if len(parts) == 1:
            return parts[0]
        return parts[0].update(value='"' + "".join(part[1:-1] for part in parts) + '"')


class _Guard:
    """Between lexer and parser: tells keywords from names, and stops where subgraphs are nested too deeply."""

    always_accept = ()

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        depth = 0
        for token in stream:
            kind = token.type
            if kind == "WORD" and token.lower() in KEYWORDS:
                token.type = token.upper()
            elif kind == "LBRACE":
                depth += 1
                if depth > MAX_DEPTH:
                    raise GraphFileError(
                        f"line {token.line} has more than {MAX_DEPTH} subgraphs inside one another"
                    )
            elif kind == "RBRACE":
                depth -= 1
            yield token


@cache
def _parser() -> Lark:
    return Lark(
        GRAMMAR,
        parser="lalr",
        lexer="basic",
        postlex=_Guard(),
        transformer=_Statements(),
        maybe_placeholders=False,
    )


def _name(word: str) -> str:
    """A node's name: of the escapes, a name only knows the quotation mark and the end of a line."""
    return word[1:-1].replace("\\\n", "").replace('\\"', '"') if word.startswith('"') else str(word)


def _label(attributes: str) -> str | None:
    """The last label in a list of attributes, with its escapes."""
    words = ATTRIBUTE_WORD.findall(attributes)
    label = None
    for number in range(len(words) - 2):
        if words[number].strip('"') == "label" and words[number + 1] == "=":
            end = number + 2
            while words[end + 1 : end + 2] == ["+"] and end + 2 < len(words):
                end += 2
            pieces = words[number + 2 : end + 1 : 2]
            quoted = pieces[0].startswith(('"', "<"))
            label = "".join(p[1:-1] for p in pieces) if quoted else pieces[0]
    return label


def _unescaped(label: str, name: str) -> str:
    """A label as it is shown: \\n, \\l and \\r end a line, and \\N is the node's name."""
    special = {"n": " ", "l": " ", "r": " ", "N": name, "\n": ""}
    return re.sub(r"\\(.)", lambda match: special.get(match[1], match[1]), label, flags=re.DOTALL)
