"""How much visitors of a public server may ask for. On one's own machine there are no such limits.

`planviz app --public` opens the server to everyone who can reach it, and puts these limits in force.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from planviz.config import ExperimentConfig
from planviz.graphs.limits import GraphError
from planviz.sizes import parameters

PUBLIC = "PLANVIZ_PUBLIC"
"""The environment variable by which `planviz app --public` tells the app that it is public."""


class LimitError(GraphError):
    """More was asked for than a public server gives; the message says what, how much, and what is allowed.

    It is a GraphError, because whoever shows a graph, or says why there is none, also says that it is too large.
    """


@dataclass(frozen=True)
class Limits:
    """What is allowed on a public server, for each experiment, each visitor, and all visitors together."""

    nodes: int = 200
    edges: int = 6_000
    parameters: int = 1_000_000
    """Weights of a model."""
    steps: int = 3_000
    """Of a run."""
    batch_size: int = 256
    tokens: int = 500_000
    """Nodes of all texts of a task together."""
    samples: int = 20_000
    """Sampled paths of an evaluation."""
    evaluations: int = 50
    runs: int = 40
    """Of an experiment: its arms and the base, times its seeds."""
    visitors_runs: int = 80
    """Of one visitor, that wait or train."""
    all_runs: int = 800
    """Of all visitors, that wait or train."""
    stored_bytes: int = 20 * 10**9
    """Of the store, with all its checkpoints."""
    seconds: int = 1_800
    """That a run trains."""

    def in_words(self) -> str:
        """What is opened, in sentences."""
        return (
            f"Each visitor may have {self.visitors_runs} runs that wait or train, of at most {self.steps:,} steps and "
            f"{self.seconds // 60} minutes, on graphs of at most {self.nodes} nodes, and sees only the runs of others "
            f"whose links are known. Together they may store {self.stored_bytes / 1e9:.0f} GB."
        )

    def check_graph(self, nodes: int, edges: int) -> None:
        """Refuse a graph that is too large.

        Raises:
            LimitError: it is.
        """
        _most("nodes", nodes, self.nodes)
        _most("edges", edges, self.edges)

    def check(self, config: ExperimentConfig, nodes: int, max_steps: int, tokens: int) -> None:
        """Refuse an experiment that is too large.

        Args:
            nodes, max_steps, tokens: of its task: nodes of the graph, the length limit of paths, nodes in all texts.

        Raises:
            LimitError: it is.
        """
        evaluation, runs = config.evaluation, (1 + len(config.arms)) * len(config.seeds)
        _most("nodes", nodes, self.nodes)
        _most("weights of the model", parameters(config.model, nodes, max_steps), self.parameters)
        _most("nodes in all texts together", tokens, self.tokens)
        _most("runs", runs, self.runs)
        _most("evaluations of a run", evaluation.evaluations, self.evaluations)
        _most("sampled paths an evaluation", 2 * evaluation.pairs * evaluation.samples, self.samples)
        for name in ("base", *config.arms):
            _most(f"steps of {name}", config.arm(name).steps, self.steps)
            _most(f"texts or paths a step of {name}", config.arm(name).batch_size, self.batch_size)

    def check_room(self, new: int, visitors: int, everyones: int, stored: int) -> None:
        """Refuse runs for which there is no room at present.

        Args:
            new: how many runs are to be started.
            visitors, everyones: runs of this visitor, and of all, that wait or train.
            stored: bytes of the store.

        Raises:
            LimitError: there is none.
        """
        if visitors + new > self.visitors_runs:
            raise LimitError(
                f"you have {visitors} runs that wait or train, and {new} more would be over the {self.visitors_runs} "
                "allowed for a visitor; stop some, or wait until they are done"
            )
        if everyones + new > self.all_runs:
            raise LimitError(
                f"{everyones} runs wait or train on this server, and {new} more would be over the {self.all_runs} "
                "allowed; try again later"
            )
        if stored >= self.stored_bytes:
            raise LimitError(
                f"the server keeps {stored / 1e9:.1f} GB of runs already; {self.stored_bytes / 1e9:.0f} GB are allowed"
            )


def is_public() -> bool:
    """Whether this server is open to others than its own user."""
    return os.environ.get(PUBLIC) == "1"


def limits() -> Limits | None:
    """The limits in force, or None on one's own machine."""
    return Limits() if is_public() else None


def _most(what: str, asked: int, allowed: int) -> None:
    if asked > allowed:
        raise LimitError(
            f"{asked:,} {what} are too many for this public server; at most {allowed:,} are allowed"
        )
