from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from planviz.config import QLearningConfig
from planviz.figures import rewards, style
from planviz.figures.change_marks import FEW_WORDS, change_words
from planviz.figures.curves import metric_curve
from planviz.figures.rewards import fates, policy_on_graph, shown_nodes, step_kinds, value_matrix
from planviz.reward_analysis import Implied, Shares, implied, share_in_words
from planviz.rewards import reward_of
from planviz.task import Task
from tests.engine_helpers import listed, task_of

EDGES = [(0, 1), (0, 2), (1, 3), (2, 3), (0, 3), (3, 4), (0, 5)]  # 5 is a dead end
TASK = task_of(listed(6, EDGES))
POSITIONS = np.random.default_rng(0).random((6, 2))


def found(reward: str, task: Task = TASK) -> Implied:
    arm = QLearningConfig(**{"reward": reward})
    return implied(task, reward_of(arm), 1.0, 0, 4, 3)


def legend(figure: go.Figure) -> list[str]:
    return [trace.name for trace in figure.data if trace.showlegend is None and trace.x[0] is None]


def hovers(figure: go.Figure, group: str) -> set[str]:
    return {
        text
        for trace in figure.data
        if trace.legendgroup == group and trace.text is not None
        for text in trace.text
    }


def test_the_policy_of_the_process_reward_takes_all_good_edges_and_no_others() -> None:
    figure = policy_on_graph(TASK, POSITIONS, found("process"), 0, 4, title="Reward 1")
    assert legend(figure) == ["✓ leads to the target"]
    texts = hovers(figure, "good")
    assert {text.split(":")[0] for text in texts} == {"0 → 1", "0 → 2", "1 → 3", "2 → 3", "0 → 3", "3 → 4"}
    assert any(t.startswith("0 → 1") and "worth 1.00, chosen there with 33%" in t for t in texts)
    assert any(t.startswith("3 → 4") and "taken by 100.0% of the paths" in t for t in texts)
    assert style.title(figure) == "Reward 1: its best policy, 0 → 4"
    assert "it arrives always, by any of 3 paths" in style.alt(figure)
    assert [trace.name for trace in figure.data[-2:]] == ["from", "to"]


def test_steps_that_lead_nowhere_and_along_no_edge_are_told_apart() -> None:
    figure = policy_on_graph(TASK, POSITIONS, found("outcome"), 0, 4)
    good, useless, missing = legend(figure)
    assert (good, useless) == ("✓ leads to the target", "– leads nowhere")
    lost = found("outcome").flow[step_kinds(TASK, 4) == "missing"].sum()
    assert missing == f"✕ no edge: ends {share_in_words(lost)} of paths"
    assert {text.split(":")[0] for text in hovers(figure, "useless")} == {"0 → 5"}
    assert "0 → 0" in {text.split(":")[0] for text in hovers(figure, "missing")}
    dashes = {trace.legendgroup: trace.line.dash for trace in figure.data if trace.legendgroup}
    assert len(set(dashes.values())) == len(dashes) == 3


def test_labels_of_strangers_are_shown_as_they_are() -> None:
    task = task_of(listed(6, EDGES).model_copy(update={"labels": ("<b>x</b>", "1", "2", "3", "4", "5")}))
    figure = policy_on_graph(task, POSITIONS, found("process", task), 0, 4)
    assert "&lt;b&gt;x" in next(iter(t for t in hovers(figure, "good") if "→ 1" in t))


def test_the_matrix_holds_the_exact_values_with_dots_where_the_policy_goes() -> None:
    what = found("process")
    heat, dots = value_matrix(TASK, what, 0, 4, title="Reward 2").data
    np.testing.assert_allclose(heat.z, what.q_values)
    assert set(zip(dots.y, dots.x, strict=True)) == {
        (str(u), str(v)) for u, v in np.argwhere(what.flow > 0.005)
    }


def test_steps_are_drawn_even_if_all_of_them_are_rare() -> None:
    task = task_of(listed(250, [(0, node) for node in range(1, 250)]))
    arm = QLearningConfig(reward="outcome")
    what = implied(task, reward_of(arm), 1.0, 0, 249, 1)
    figure = policy_on_graph(task, np.random.default_rng(0).random((250, 2)), what, 0, 249)
    assert len(hovers(figure, "useless")) == 248 and len(hovers(figure, "good")) == 1


def test_of_a_large_graph_the_matrix_shows_the_nodes_near_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewards, "MAX_NODES", 4)
    what = found("process")
    nodes = shown_nodes(TASK, what, 0, 4).tolist()
    assert len(nodes) == 4 and {0, 4} <= set(nodes) and 5 not in nodes
    assert "(4 of 6 nodes)" in style.title(value_matrix(TASK, what, 0, 4))


def test_the_fates_of_the_pairs_are_their_shares() -> None:
    shares = {
        "train": Shares(4, 4, 1.0, 0.0, 0.0, 1.0, 0.9, 1.0),
        "test": Shares(10, 40, 0.2, 0.5, 0.3, 0.4, 0.3, float("nan")),
    }
    figure = fates(shares, title="Reward 3")
    assert [list(trace.x) for trace in figure.data] == [[1.0, 0.2], [0.0, 0.5], [0.0, 0.3]]
    assert style.alt(figure) == (
        "Reward 3: pairs that its policy gets right: 100% of the training pairs surely, 20% of the test pairs surely."
    )


def test_the_arms_of_the_page_differ_by_more_than_color() -> None:
    looks = [style.arm_style(f"reward-{number}") for number in (1, 2, 3)]
    for feature in ("color", "dash", "symbol"):
        assert len({getattr(look, feature) for look in looks}) == 3


# Changes on curves


def evaluations(**columns: Any) -> pd.DataFrame:
    rows = [
        {"run": f"r{arm}{seed}", "arm": arm, "method": "q", "seed": seed, "step": step, "samples": step * 8,
         "seconds": step / 2, "split": "test", "sampled_accuracy": 0.5}
        for arm in ("reward-1", "reward-2") for seed in (0, 1) for step in (0, 10, 20)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(**columns)


def changes(*rows: tuple[str, int, int, dict[str, float | str]]) -> pd.DataFrame:
    return pd.DataFrame(
        [("r", arm, "q", seed, step, settings, 1.0) for arm, seed, step, settings in rows],
        columns=["run", "arm", "method", "seed", "step", "settings", "time"],
    )


@pytest.mark.parametrize(("x", "at"), [("step", 5), ("samples", 40), ("seconds", 2.5)])
def test_a_change_is_marked_once_for_all_seeds_where_it_was(x: str, at: float) -> None:
    both = changes(("reward-1", 0, 5, {"reward": "outcome"}), ("reward-1", 1, 5, {"reward": "outcome"}))
    figure = metric_curve(evaluations(), "sampled_accuracy", x=x, changes=both)
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes] == [(at, at)]
    words = [note.text for note in figure.layout.annotations if note.text]
    assert words == ["reward-1: outcome reward"]
    assert figure.layout.shapes[0].line.color == style.arm_style("reward-1").color


def test_a_change_after_the_last_evaluation_is_marked_where_it_was() -> None:
    late = changes(("reward-1", 0, 35, {"reward": "outcome"}))
    figure = metric_curve(evaluations(), "sampled_accuracy", changes=late)
    assert [shape.x0 for shape in figure.layout.shapes] == [35]
    assert not metric_curve(evaluations(), "sampled_accuracy", x="seconds", changes=late).layout.shapes


def test_only_arms_that_are_shown_are_marked() -> None:
    some = changes(("reward-2", 0, 5, {"discount": 0.5}), ("pg", 0, 5, {"discount": 0.5}))
    hidden = metric_curve(evaluations(), "sampled_accuracy", arms=["reward-1"], changes=some)
    shown = metric_curve(evaluations(), "sampled_accuracy", changes=some)
    assert len(hidden.layout.shapes) == 0 and len(shown.layout.shapes) == 1
    assert metric_curve(evaluations(), "sampled_accuracy", changes=changes()).layout.shapes == ()


def test_many_words_are_cut_in_the_picture_and_whole_on_hover() -> None:
    many: dict[str, float | str] = {
        "reward": "custom",
        "step_reward": -0.5,
        "dead_end_reward": -1,
        "discount": 0.9,
    }
    words = change_words(many)
    assert words == "custom reward, each step −0.5, dead end −1, discount 0.9"
    figure = metric_curve(evaluations(), "sampled_accuracy", changes=changes(("reward-1", 0, 15, many)))
    (note,) = figure.layout.annotations
    assert note.hovertext == f"reward-1: {words}" and len(note.text) <= FEW_WORDS + 12
    assert note.xanchor == "right"  # in the right half: the words stay inside
