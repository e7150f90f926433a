from __future__ import annotations

import hashlib
import itertools
import string
from typing import get_args

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planviz.config import PRESETS, GraphConfig, GraphKind, preset
from planviz.graphs.generate import MAX_EDGES, MAX_LABEL, MAX_NODES, GraphError, build_graph, clean_labels
from planviz.graphs.kinds import KINDS, settings_that_matter
from planviz.graphs.layout import layout

CONFIGS = [
    GraphConfig(),
    GraphConfig(kind="directed"),
    GraphConfig(kind="staged"),
    GraphConfig(kind="grid", rows=3, columns=7),
    GraphConfig(kind="maze"),
    GraphConfig(kind="tree"),
    GraphConfig(kind="tree", tree="random", both_ways=True),
    GraphConfig(kind="small-world"),
    GraphConfig(kind="preferential"),
    GraphConfig(kind="blocksworld", blocks=3),
    GraphConfig(kind="hanoi"),
    GraphConfig(kind="file", labels=("a", "b", "c"), edges=((0, 1), (2, 0))),
]


def listed(labels: tuple[str, ...], edges: tuple[tuple[int, int], ...]) -> nx.DiGraph[int]:
    return build_graph(GraphConfig(kind="file", labels=labels, edges=edges))


ALWAYS = {
    "acyclic 24 55": "3425069dcfb464c2",
    "acyclic 30 100": "13365b761e15652e",
    "acyclic 30 114": "d6148e821df7fa2b",
    "acyclic 100 771": "4ac5a033a959b2f1",
    "directed 24 110": "ee5ad63ee6caf03b",
    "staged 24 43": "cadc3ac622831af4",
    "grid 21 64": "75c4ef0e3f515af1",
    "maze 25 52": "6227847782fcecd8",
    "tree 24 23": "944f09b0cbeb3868",
    "tree 24 46": "d8a88815c56321e1",
    "small-world 24 96": "6bba5f5cc71f75b7",
    "preferential 24 44": "d0ce5446561e0c3c",
    "hanoi 27 78": "fcb41e5dc2b0ff19",
    "blocksworld 13 30": "7b216972bf05d9dc",
    "blocksworld 73 240": "332369e3f1e65d86",
}
"""A graph's kind, nodes and edges, and the hash of all that is in it, which may never change: people share and
compare what they trained on these graphs."""


def printed(graph: nx.DiGraph[int]) -> tuple[str, str]:
    content = repr((list(graph.nodes(data=True)), list(graph.edges)))
    name = f"{graph.graph['kind']} {len(graph)} {graph.number_of_edges()}"
    return name, hashlib.sha256(content.encode()).hexdigest()[:16]


def test_settings_give_the_graph_that_they_always_gave() -> None:
    configs = [preset(name).graph for name in PRESETS] + [c for c in CONFIGS if c.kind != "file"]
    configs.append(GraphConfig(nodes=30, density=0.25))  # the quick preset's, before it got another seed
    assert dict(printed(build_graph(config)) for config in configs) == ALWAYS


def test_every_kind_is_tested_and_has_its_words() -> None:
    assert {config.kind for config in CONFIGS} == set(KINDS) == set(get_args(GraphKind))
    for kind in KINDS.values():
        assert kind.title and kind.use.endswith(".") and set(kind.settings) <= set(GraphConfig.model_fields)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
def test_the_graph_depends_on_exactly_the_settings_that_matter(config: GraphConfig) -> None:
    """Other values of all other settings change nothing; those that matter, each, can change the graph."""
    others = {
        "nodes": 19, "density": 0.7, "stages": 2, "rows": 6, "columns": 6, "openings": 0.6, "children": 3,
        "both_ways": not config.both_ways, "neighbours": 6, "rewiring": 0.8, "links": 3, "blocks": 4, "disks": 4,
        "seed": 5, "tree": "regular" if config.tree == "random" else "random",
    }  # fmt: skip
    known = set(GraphConfig.model_fields) - {"kind", "labels", "edges", "positions"}
    assert set(others) == known, "a new setting needs a value to try here"
    graph, matter = build_graph(config), settings_that_matter(config)
    idle = {name: value for name, value in others.items() if name not in matter}
    assert list(build_graph(config.model_copy(update=idle)).edges) == list(graph.edges)
    for name in matter:
        changed = build_graph(config.model_copy(update={name: others[name]}))
        assert list(changed.edges) != list(graph.edges), name


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
def test_every_kind_keeps_the_contract(config: GraphConfig) -> None:
    graph = build_graph(config)
    assert graph.is_directed() and not graph.is_multigraph()
    assert list(graph) == list(range(len(graph)))
    assert graph.graph["kind"] == config.kind
    labels = [graph.nodes[node]["label"] for node in graph]
    assert all(isinstance(label, str) and label for label in labels) and len(set(labels)) == len(labels)
    assert clean_labels(labels) == tuple(labels)
    assert nx.number_of_selfloops(graph) == 0


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
def test_the_same_settings_give_the_same_graph(config: GraphConfig) -> None:
    first, second = build_graph(config), build_graph(config)
    assert nx.utils.graphs_equal(first, second)
    assert list(first.edges) == list(second.edges)


@pytest.mark.parametrize("kind", ["acyclic", "directed", "staged", "maze", "small-world", "preferential"])
def test_another_seed_gives_another_graph(kind: GraphKind) -> None:
    graphs = [build_graph(GraphConfig(kind=kind, seed=seed)) for seed in (0, 1)]
    assert set(graphs[0].edges) != set(graphs[1].edges)


@pytest.mark.parametrize(("kind", "possible"), [("acyclic", 200 * 199 / 2), ("directed", 200 * 199)])
@pytest.mark.parametrize("density", [0.05, 0.5])
def test_edges_are_as_frequent_as_asked(kind: GraphKind, possible: float, density: float) -> None:
    graph = build_graph(GraphConfig(kind=kind, nodes=200, density=density))
    deviation = (possible * density * (1 - density)) ** 0.5
    assert abs(graph.number_of_edges() - possible * density) < 5 * deviation


def test_acyclic_edges_lead_to_higher_numbers_only() -> None:
    graph = build_graph(GraphConfig(nodes=60, density=1))
    assert set(graph.edges) == set(itertools.combinations(range(60), 2))


def test_a_full_directed_graph_is_complete() -> None:
    graph = build_graph(GraphConfig(kind="directed", nodes=12, density=1))
    assert set(graph.edges) == set(itertools.permutations(range(12), 2))


@pytest.mark.parametrize(("nodes", "stages"), [(24, 3), (25, 4), (7, 7), (400, 12)])
def test_staged_edges_stay_in_their_stage_or_reach_the_next(nodes: int, stages: int) -> None:
    graph = build_graph(GraphConfig(kind="staged", nodes=nodes, stages=stages, density=1))
    stage = [graph.nodes[node]["stage"] for node in graph]
    assert stage == sorted(stage) and set(stage) == set(range(stages))
    sizes = [stage.count(s) for s in range(stages)]
    assert max(sizes) - min(sizes) <= 1
    expected = {
        (i, j)
        for i, j in itertools.permutations(range(nodes), 2)
        if stage[j] == stage[i] + 1 or (stage[i] == stage[j] and i < j)
    }
    assert set(graph.edges) == expected
    assert nx.is_directed_acyclic_graph(graph)


def test_more_stages_than_nodes_are_refused() -> None:
    with pytest.raises(GraphError, match="5 nodes cannot fill 6 stages: choose at most 5 stages"):
        build_graph(GraphConfig(kind="staged", nodes=5, stages=6))


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (3, 5), (20, 20)])
def test_a_grid_has_every_move_both_ways(rows: int, columns: int) -> None:
    graph = build_graph(GraphConfig(kind="grid", rows=rows, columns=columns))
    reference = nx.grid_2d_graph(rows, columns).to_directed()
    cell = {node: (node // columns, node % columns) for node in graph}
    assert {(cell[u], cell[v]) for u, v in graph.edges} == set(reference.edges)
    assert [graph.nodes[node]["label"] for node in graph] == [f"{r},{c}" for r, c in cell.values()]
    assert nx.get_node_attributes(graph, "cell") == cell


def test_a_listed_graph_has_exactly_its_labels_and_edges() -> None:
    graph = listed(("home", "work", "<b>gym</b>"), ((0, 1), (1, 0), (1, 2)))
    assert nx.get_node_attributes(graph, "label") == {0: "home", 1: "work", 2: "<b>gym</b>"}
    assert list(graph.edges) == [(0, 1), (1, 0), (1, 2)]


@pytest.mark.parametrize(
    ("labels", "edges", "message"),
    [
        ((), (), "has 0 nodes; 2 to 1600"),
        (("a",), (), "has 1 nodes; 2 to 1600"),
        (("n",) * (MAX_NODES + 1), ((0, 1),), "has 1,601 nodes; 2 to 1600"),
        (("a", "b"), ((0, 1),) * (MAX_EDGES + 1), "has 20,001 edges; at most 20,000"),
        (("a", "b"), ((0, 2),), r"edge \(0, 2\) leaves the graph: its nodes are 0 to 1"),
        (("a", "b"), ((-1, 0),), r"edge \(-1, 0\) leaves the graph"),
        (("a", "b"), ((1, 1),), r"edge \(1, 1\) leads from a node to itself"),
        (("a", "b"), ((0, 1), (0, 1)), r"edge \(0, 1\) is there twice"),
    ],
)
def test_a_listed_graph_that_is_not_allowed_is_refused(
    labels: tuple[str, ...], edges: tuple[tuple[int, int], ...], message: str
) -> None:
    with pytest.raises(GraphError, match=message):
        listed(labels, edges)


def test_labels_become_safe_to_show() -> None:
    assert clean_labels(["\u202egpj.exe", "a\x00b\x1bc", " a \t\n b "]) == ("gpj.exe", "abc", "a b")
    assert clean_labels(["👩\u200d🔬", "\u200b", "x" * 10_000]) == ("👩🔬", "1", "x" * 59 + "…")


def test_labels_become_different() -> None:
    assert clean_labels(["A", "A", "A (2)", "", "3"]) == ("A", "A (2)", "A (2) (2)", "3", "3 (2)")


def test_long_labels_that_are_alike_stay_different() -> None:
    labels = clean_labels(["y" * 100] * 12)
    assert len(set(labels)) == 12 and all(len(label) <= MAX_LABEL for label in labels)


@settings(deadline=None)
@given(st.lists(st.text(max_size=90) | st.text(alphabet="aA ()2\u200f\x85" + string.whitespace, max_size=90)))
def test_cleaned_labels_are_unique_short_printable_and_stay_so(raw: list[str]) -> None:
    labels = clean_labels(raw)
    assert len(labels) == len(set(labels)) == len(raw)
    assert all(0 < len(label) <= MAX_LABEL and label.isprintable() for label in labels)
    assert clean_labels(labels) == labels


def test_a_random_graph_with_too_many_edges_is_refused() -> None:
    with pytest.raises(GraphError, match="at most 100,000 are allowed, so choose fewer nodes or a lower"):
        build_graph(GraphConfig(nodes=1600, density=0.5))


def test_positions_are_kept_for_every_kind_of_graph() -> None:
    places = tuple((i / 10, 1 - i / 10) for i in range(5))
    graph = build_graph(GraphConfig(kind="acyclic", nodes=5, density=1, positions=places))
    assert layout(graph).tolist() == [list(place) for place in places]


@pytest.mark.parametrize(("positions", "message"), [
    (((0.5, 0.5),) * 4, "5 nodes, but 4 positions"),
    (((0.5, 0.5),) * 4 + ((0.5, 1.5),), r"node 4 is to be drawn at \(0.5, 1.5\)"),
])  # fmt: skip
def test_positions_that_do_not_fit_are_refused(
    positions: tuple[tuple[float, float], ...], message: str
) -> None:
    with pytest.raises(GraphError, match=message):
        build_graph(GraphConfig(kind="acyclic", nodes=5, density=1, positions=positions))


def test_a_graph_to_be_drawn_begins_without_edges() -> None:
    graph = build_graph(GraphConfig(kind="file", labels=("a", "b")))
    assert len(graph) == 2 and not graph.edges
    assert len(layout(graph)) == 2
