"""JSON as networkx writes it: `node_link_data`."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable
from typing import Any, NoReturn

import networkx as nx

from planviz.graphs.formats.common import Collector, Found, GraphFileError, decoded, safe_labels, shown
from planviz.graphs.formats.limits import MAX_ELEMENTS

EXPECTED = "JSON with a list of nodes and a list of edges"


def read(content: bytes) -> Found:
    """The graph in node-link JSON; its edges may also be called links, as older networkx and D3 do.

    A node's label is its `label` or `name`, or else its id: text, a number, or a list of them (such as the cell of a
    grid). As in networkx, edges are undirected unless the file says `"directed": true`.

    Raises:
        GraphFileError: the file is no such JSON, contradicts itself, or has too much.
    """
    data = _parse(decoded(content, EXPECTED))
    if not isinstance(data, dict):
        raise GraphFileError(f"the file holds {shown(data)}, not an object; {EXPECTED} is expected")
    directed = data.get("directed", False)
    if not isinstance(directed, bool):
        raise GraphFileError(f"directed is {shown(directed)}; true or false are allowed")
    nodes, edges = _entries(data, "nodes"), _entries(data, "edges" if "edges" in data else "links")
    graph = Collector()
    for number, node in enumerate(nodes, 1):
        key = _key(node, "id", f"node {number}")
        labels = (node.get("label"), node.get("name"))
        graph.new_node(key, _text(key), next((_text(x) for x in labels if _usable(x)), None))
    for number, edge in enumerate(edges, 1):
        ends = [_key(edge, end, f"edge {number}") for end in ("source", "target")]
        for end in ends:
            if end not in graph.index:
                raise GraphFileError(
                    f"edge {number} ends at {shown(_text(end))}, which is not the id of any node"
                )
        graph.edge(graph.index[ends[0]], graph.index[ends[1]], undirected=not directed)
    return graph.found("JSON (node-link)")


def write(graph: nx.DiGraph[int]) -> bytes:
    """The graph as node-link JSON, which `networkx.node_link_graph` reads as well."""
    plain = {
        "directed": True,
        "multigraph": False,
        "graph": {},
        "nodes": [{"id": node, "label": label} for node, label in enumerate(safe_labels(graph))],
        "edges": [{"source": source, "target": target} for source, target in graph.edges],
    }
    return json.dumps(plain, ensure_ascii=False, indent=1).encode()


def _parse(text: str) -> Any:
    if text.count("[") + text.count("{") > MAX_ELEMENTS:  # they cost memory, and are counted before
        raise GraphFileError(f"the file has too many lists and objects; at most {MAX_ELEMENTS:,} are allowed")
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise GraphFileError(
            f"the file's lists and objects are nested too deeply; {EXPECTED} is expected"
        ) from None
    except json.JSONDecodeError as error:
        raise GraphFileError(f"the file is no readable JSON ({error}); {EXPECTED} is expected") from None
    except ValueError as error:  # more digits than Python takes
        if isinstance(error, GraphFileError):
            raise
        raise GraphFileError(
            "the file holds a number with too many digits; at most 4,300 are allowed"
        ) from None


def _refuse(constant: str) -> NoReturn:
    raise GraphFileError(f"the file holds {constant}, which is no JSON; numbers have to be finite")


def _entries(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    entries = data.get(name)
    if not isinstance(entries, list):
        found = f"{name} is {shown(entries)}" if name in data else f"the file has no {name}"
        raise GraphFileError(f"{found}; {EXPECTED} is expected")
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise GraphFileError(f"number {number} of the {name} is {shown(entry)}; an object is expected")
    return entries


def _key(entry: dict[str, Any], name: str, whose: str) -> Hashable:
    """An id as networkx takes it: lists become tuples, and 1 and 1.0 are the same."""
    if name not in entry:
        raise GraphFileError(
            f"{whose} has no {name}; every node needs an id, and every edge a source and a target"
        )
    value = entry[name]
    parts = value if isinstance(value, list) else [value]
    if not parts or not all(_usable(part) for part in parts):
        raise GraphFileError(
            f"{whose} has {shown(value)} as its {name}; text, a finite number or a list of them is expected"
        )
    return tuple(parts) if isinstance(value, list) else value


def _usable(value: object) -> bool:
    """Whether a value can be a name: text that is not blank, or a finite number."""
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
