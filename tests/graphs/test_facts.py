from __future__ import annotations

from collections import Counter

import networkx as nx
import pytest

from planviz.config import GraphConfig
from planviz.graphs.facts import GraphFacts, graph_facts
from planviz.graphs.generate import build_graph


def test_a_small_graph_by_hand() -> None:
    """0 → 1 → 2 → 0 is a cycle, from which 2 → 3 leads out."""
    edges = ((0, 1), (1, 2), (2, 0), (2, 3))
    graph = build_graph(GraphConfig(kind="file", labels=tuple("abcd"), edges=edges))
    assert graph_facts(graph) == GraphFacts(
        nodes=4, edges=4, acyclic=False, reachable_pairs=9, dead_ends=1, components=2, longest_path=None,
        path_lengths={1: 4, 2: 4, 3: 1},
    )  # fmt: skip


@pytest.mark.parametrize(
    "config",
    [
        GraphConfig(),
        GraphConfig(nodes=60, density=0.03, seed=3),
        GraphConfig(nodes=2, density=0.01),
        GraphConfig(kind="directed", nodes=40, density=0.04),
        GraphConfig(kind="staged"),
        GraphConfig(kind="grid", rows=3, columns=4),
        GraphConfig(kind="blocksworld"),
    ],
    ids=lambda config: f"{config.kind}-{config.nodes}",
)
def test_facts_agree_with_searches_from_every_node(config: GraphConfig) -> None:
    graph = build_graph(config)
    facts = graph_facts(graph)
    searches = dict(nx.all_pairs_shortest_path_length(graph))
    lengths = Counter(d for source, row in searches.items() for target, d in row.items() if source != target)
    assert facts.path_lengths == lengths and list(facts.path_lengths) == sorted(lengths)
    assert facts.reachable_pairs == lengths.total()
    assert facts.dead_ends == sum(1 for node in graph if not list(graph.successors(node)))
    assert facts.components == len(list(nx.strongly_connected_components(graph)))
    assert facts.acyclic == (facts.components == len(graph))
    if facts.acyclic:
        assert facts.longest_path == len(list(nx.topological_generations(graph))) - 1
    else:
        assert facts.longest_path is None


def test_facts_about_blocksworld_match_what_is_known() -> None:
    facts = graph_facts(build_graph(GraphConfig(kind="blocksworld")))
    assert (facts.nodes, facts.reachable_pairs, facts.components) == (73, 73 * 72, 1)
