"""Links: what a session writes into the URL brings the same draft back, and broken parts are named."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from planviz.config import PRESETS, ExperimentConfig, differences, preset, with_settings
from planviz.ui.state import from_link, to_link


@given(
    some.sampled_from(PRESETS),
    some.fixed_dictionaries(
        {
            "graph.nodes": some.integers(2, 400),
            "graph.density": some.floats(0.01, 1),
            "split.train_share": some.floats(0.01, 0.99),
            "model.kind": some.sampled_from(["transformer", "factored", "tabular"]),
            "arms.pg.kl": some.floats(0, 1),
            "arms.q-process.calibrate_head": some.booleans(),
            "seeds": some.lists(some.integers(0, 1000), min_size=1, max_size=5, unique=True),
            "split.tested_stages": some.lists(
                some.tuples(some.integers(1, 12), some.integers(1, 12)), max_size=4
            ),
            "name": some.text(min_size=1, max_size=80),
        }
    ),
)
def test_a_link_brings_the_same_draft_back(name: str, changes: dict[str, object]) -> None:
    config = with_settings(preset(name), changes)
    assert from_link(to_link(differences(config, preset(name)), name, None)) == (config, name, [])


def test_a_link_to_a_graph_from_a_file_leaves_the_edges_out() -> None:
    changes = {"graph.kind": "file", "graph.labels": ["a", "b"], "graph.edges": [(0, 1)]}
    changed = differences(with_settings(preset("quick"), changes), preset("quick"))
    link = to_link(changed, "quick", "e123")
    assert not {"graph.labels", "graph.edges"} & link.keys()
    assert link["experiment"] == "e123"


@given(some.dictionaries(some.text(max_size=30), some.text(max_size=50), max_size=6))
def test_any_junk_in_a_link_is_named_or_harmless(parameters: dict[str, str]) -> None:
    config, _, problems = from_link(parameters)
    assert isinstance(config, ExperimentConfig)
    ours = parameters.keys() - {"preset", "experiment", "arms"}
    assert len(problems) >= len(ours) - sum(
        key in {"name", "seeds"} or not parameters[key]
        for key in ours  # an empty list may be allowed
    )


def test_a_broken_link_keeps_its_good_parts() -> None:
    config, name, problems = from_link(
        {"preset": "nonsense", "graph.nodes": "5000", "graph.seed": "7", "no.such": "1"}
    )
    assert (name, config) == ("quick", with_settings(preset("quick"), {"graph.seed": 7}))
    assert ["'nonsense'" in problems[0], "graph.nodes" in problems[1], "no.such" in problems[2]] == [True] * 3
    assert "1600" in problems[1], "the sentence says what is allowed"
