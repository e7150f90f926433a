from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from planviz.figures import curves, style
from planviz.figures.seeds import MAX_POINTS, smooth


def lines(figure: go.Figure) -> dict[str, Any]:
    """The traces in the legend, by name."""
    return {trace.name: trace for trace in figure.data if trace.showlegend is not False}


def trace(figure: go.Figure, name: str) -> Any:
    return next(trace for trace in figure.data if trace.name == name)


def test_metric_curve_draws_the_mean_of_the_dataframe(evaluations: pd.DataFrame) -> None:
    figure = curves.metric_curve(evaluations, "sampled_accuracy", split="train", x="samples")
    rows = evaluations[(evaluations["arm"] == "pg") & (evaluations["split"] == "train")]
    expected = rows.groupby("samples")["sampled_accuracy"].agg(["mean", "min", "max"])
    assert list(lines(figure)) == ["sft", "pg"]
    np.testing.assert_allclose(lines(figure)["pg"].x, expected.index)
    np.testing.assert_allclose(lines(figure)["pg"].y, expected["mean"])
    np.testing.assert_allclose(trace(figure, "pg: lowest seed").y, expected["min"])
    np.testing.assert_allclose(trace(figure, "pg: highest seed").y, expected["max"])


def test_the_base_is_a_dotted_line_at_its_final_value(evaluations: pd.DataFrame) -> None:
    figure = curves.metric_curve(evaluations, "sampled_accuracy", split="test")
    base = trace(figure, "base")
    assert base.line.dash == "dot"
    np.testing.assert_allclose(base.y, (0.25 + 0.30) / 2)
    assert (base.x[0], base.x[-1]) == (0, 50)
    without = curves.metric_curve(evaluations, "sampled_accuracy", base=False)
    assert "base" not in [trace.name for trace in without.data]


def test_the_base_is_a_curve_while_it_is_alone(evaluations: pd.DataFrame) -> None:
    figure = curves.metric_curve(evaluations[evaluations["arm"] == "base"], "sampled_accuracy", split="train")
    np.testing.assert_allclose(lines(figure)["base"].y, np.linspace(0, 0.55, 6))


def test_both_splits_in_one_figure_differ_by_dash(evaluations: pd.DataFrame) -> None:
    figure = curves.metric_curve(evaluations, "sampled_accuracy", split=("train", "test"))
    dashes = [trace.line.dash for trace in figure.data if trace.name == "pg"]
    assert dashes == ["solid", "dash"]
    assert list(lines(figure)) == ["sft", "pg", "training pairs", "test pairs"]


def test_only_the_chosen_arms_are_drawn(evaluations: pd.DataFrame) -> None:
    assert list(lines(curves.metric_curve(evaluations, "sampled_accuracy", arms=["pg"]))) == ["pg"]


def test_smoothing_keeps_the_unsmoothed_curve_visible(one_run: Callable[..., pd.DataFrame]) -> None:
    values = [1.0, 5.0, 2.0, 8.0]
    figure = curves.metric_curve(one_run(values), "distinct_paths", smoothing=0.6)
    np.testing.assert_allclose(lines(figure)["pg"].y, smooth(values, 0.6))
    np.testing.assert_allclose(trace(figure, "pg: not smoothed").y, values)


def test_the_takeaway_names_the_last_values(evaluations: pd.DataFrame) -> None:
    figure = curves.metric_curve(evaluations, "sampled_accuracy", split="train")
    assert style.title(figure) == "Accuracy (sampled), training pairs"
    assert style.alt(figure) == (
        "Accuracy (sampled), training pairs, last value: sft train 65.0%, pg train 85.0%, base train 55.0%."
    )


def test_zoom_and_hidden_arms_survive_new_data(evaluations: pd.DataFrame) -> None:
    early = curves.metric_curve(evaluations[evaluations["step"] <= 20], "sampled_accuracy")
    late = curves.metric_curve(evaluations, "sampled_accuracy")
    assert early.layout.uirevision == late.layout.uirevision is not None


def test_loss_has_a_panel_for_every_method(steps: pd.DataFrame) -> None:
    figure = curves.loss_curve(steps)
    assert {trace.name: trace.yaxis for trace in figure.data} == {"sft": "y", "pg": "y2", "q-process": "y3"}
    assert [note.text for note in figure.layout.annotations] == list(curves.METHOD_LABELS.values())


def test_step_curves_are_capped_and_leave_out_arms_without_values(steps: pd.DataFrame) -> None:
    figure = curves.step_curve(steps, "reward")
    assert [trace.name for trace in figure.data] == ["pg", "q-process"]
    assert all(len(trace.x) <= MAX_POINTS for trace in figure.data)
    assert curves.throughput_curve(steps).data[0].y.tolist() == [9000.0] * MAX_POINTS


def test_pass_at_k_shows_every_measured_k_with_the_spread(evaluations: pd.DataFrame) -> None:
    figure = curves.pass_at_k(evaluations, split="train")
    assert list(lines(figure)) == ["base", "sft", "pg"]
    pg = lines(figure)["pg"]
    assert pg.x.tolist() == [1, 2]
    np.testing.assert_allclose(pg.y, [(0.8 + 0.9) / 2, (0.96 + 1.0) / 2])
    np.testing.assert_allclose(pg.y + pg.error_y.array, [0.9, 1.0])
    np.testing.assert_allclose(pg.y - pg.error_y.arrayminus, [0.8, 0.96])
    assert "pg 85.0% at k = 1, 98.0% at k = 2" in style.alt(figure)


def test_failure_kinds_stack_to_the_whole(evaluations: pd.DataFrame) -> None:
    full = evaluations[evaluations["split"] == "train"]
    figure = curves.failure_kinds(full, split="train")
    assert all(list(bar.y) == ["base", "sft", "pg"] for bar in figure.data)
    np.testing.assert_allclose(np.sum([bar.x for bar in figure.data], axis=0), 1.0)
    np.testing.assert_allclose(figure.data[0].x, [0.55, 0.65, 0.85])
    assert figure.data[0].text[2] == "✓ 85%"
    assert len({(bar.marker.color, bar.marker.pattern.shape) for bar in figure.data}) == 4


@pytest.mark.parametrize(
    "draw",
    [
        lambda frame: curves.metric_curve(frame, "sampled_accuracy"),
        lambda frame: curves.step_curve(frame, "reward"),
        curves.throughput_curve,
        curves.loss_curve,
        curves.pass_at_k,
        curves.failure_kinds,
    ],
)
@pytest.mark.parametrize("columns", [[], ["run", "arm", "method", "seed", "step", "samples", "seconds"]])
def test_without_data_the_figure_says_so(
    draw: Callable[[pd.DataFrame], go.Figure], columns: list[str]
) -> None:
    figure = draw(pd.DataFrame(columns=columns))
    assert not figure.data
    assert "yet" in figure.layout.annotations[0].text
    assert "yet" in style.alt(figure)


def test_an_arm_that_was_not_measured_on_this_split_is_left_out(evaluations: pd.DataFrame) -> None:
    partly = evaluations[(evaluations["arm"] != "pg") | (evaluations["split"] == "train")]
    assert list(lines(curves.metric_curve(partly, "sampled_accuracy", split="test"))) == ["sft"]
