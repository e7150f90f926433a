"""The kinds of graphs in words: what each is called and good for, and which settings matter for it."""

from __future__ import annotations

from typing import NamedTuple

from planviz.config import GraphConfig, GraphKind


class Kind(NamedTuple):
    """A kind of graph, and the names of those settings of `GraphConfig` that it can have."""

    title: str
    use: str
    settings: tuple[str, ...] = ()


KINDS: dict[GraphKind, Kind] = {
    "acyclic": Kind(
        "Acyclic Erdős–Rényi",
        "Random edges that only lead to higher numbers: the paper's graph, on which every claim can be seen "
        "and all correct paths can be counted exactly.",
        ("nodes", "density", "seed"),
    ),
    "directed": Kind(
        "Directed Erdős–Rényi",
        "Random edges in all directions, so there are cycles: good for seeing why Q-learning then wants a "
        "discount γ below 1.",
        ("nodes", "density", "seed"),
    ),
    "staged": Kind(
        "Staged",
        "Edges stay within a stage or lead to the next one: good for long paths, which a model has to put "
        "together from short ones.",
        ("nodes", "stages", "density", "seed"),
    ),
    "grid": Kind(
        "Grid",
        "The streets of a town: good for diversity, because many shortest paths tie.",
        ("rows", "columns"),
    ),
    "maze": Kind(
        "Maze",
        "A grid with walls, where one wrong turn can cost the whole path: good for planning far ahead, and "
        "with more openings diversity comes back.",
        ("rows", "columns", "openings", "seed"),
    ),
    "tree": Kind(
        "Tree",
        "One path only from a node to each node below it: good as a control, because there is no diversity to "
        "lose and accuracy alone tells the methods apart.",
        ("tree", "nodes", "children", "both_ways", "seed"),
    ),
    "small-world": Kind(
        "Small world",
        "A ring with a few shortcuts (Watts–Strogatz): good for path stretch, because it is easy to arrive, but "
        "only who knows the shortcuts arrives soon.",
        ("nodes", "neighbours", "rewiring", "seed"),
    ),
    "preferential": Kind(
        "Preferential attachment",
        "Newcomers link to nodes that have many links already (Barabási–Albert), so there are hubs: good for "
        "seeing whether a model masters the few crowded nodes that most paths cross.",
        ("nodes", "links", "seed"),
    ),
    "blocksworld": Kind(
        "Blocksworld",
        "The classic planning puzzle: a node is a way to stack the blocks, an edge moves one block. Good for "
        "checking that the claims hold beyond random graphs.",
        ("blocks",),
    ),
    "hanoi": Kind(
        "Tower of Hanoi",
        "The puzzle of disks on three pegs: a node is a position, an edge moves one disk. Good for long plans: "
        "n disks take up to 2ⁿ − 1 moves.",
        ("disks",),
    ),
    "file": Kind(
        "Your own",
        "Drawn by hand, from a file, or one of the examples: good for questions of your own.",
    ),
}


def settings_that_matter(config: GraphConfig) -> tuple[str, ...]:
    """The names of the settings on which this very graph depends, besides its kind."""
    idle = ""
    if config.kind == "tree":
        idle = "children" if config.tree == "random" else "seed"
    return tuple(name for name in KINDS[config.kind].settings if name != idle)


def node_count(config: GraphConfig) -> int:
    """How many nodes the graph has, without making it."""
    match config.kind:
        case "grid" | "maze":
            return config.rows * config.columns
        case "blocksworld":
            return {2: 3, 3: 13, 4: 73, 5: 501}[config.blocks]
        case "hanoi":
            return int(3**config.disks)
        case "file":
            return len(config.labels)
        case _:
            return config.nodes


def graph_in_words(config: GraphConfig) -> str:
    """The kind of a graph and its size, such as "Grid, 25 nodes"."""
    return f"{KINDS[config.kind].title}, {node_count(config)} nodes"
