"""The pictures of the Mechanism page."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from planviz.figures import style
from planviz.figures.mechanism_edges import attention_bars, edge_auc_lines, roc_curves
from planviz.figures.mechanism_matrices import TICKS, node_matrix, reach_of
from planviz.figures.mechanism_paths import TOP, Series, effective_paths, found_curve, path_areas
from planviz.mechanism import PLACES
from tests.figures.conftest import HOSTILE

LABELS = [f"node {node}" for node in range(4)]


def test_a_matrix_names_its_rows_and_columns() -> None:
    values = np.array([[0.0, 1.0, np.nan], [0.5, -1.0, 2.0]])
    figure = node_matrix(values, [1, 3], [0, 2, 3], LABELS, "Learned", "all is well.", scale="value", reach=2)
    (cells,) = figure.data
    assert (list(cells.y), list(cells.x)) == (["node 1", "node 3"], ["node 0", "node 2", "node 3"])
    np.testing.assert_array_equal(cells.z, values.astype(np.float32))
    assert (cells.zmin, cells.zmax) == (-2, 2)
    assert figure.layout.yaxis.autorange == "reversed"
    assert (style.title(figure), style.alt(figure)) == ("Learned", "Learned: all is well.")


def test_a_large_matrix_names_some_nodes_and_cells_without_gaps() -> None:
    labels, nodes = [str(node) for node in range(100)], np.arange(100)
    figure = node_matrix(np.eye(100), nodes, nodes, labels, "Big", "", scale="share")
    assert 5 < len(figure.layout.xaxis.tickvals) <= TICKS
    assert (figure.data[0].zmin, figure.data[0].zmax, figure.data[0].xgap) == (0, 1, 0)
    assert len(figure.to_json()) < 150_000


def test_labels_cannot_break_out_of_a_matrix() -> None:
    nodes = np.arange(len(HOSTILE))
    figure = node_matrix(np.eye(len(HOSTILE)), nodes, nodes, HOSTILE, "Title", "", scale="share")
    shown = [*figure.data[0].x, *figure.layout.xaxis.ticktext]
    assert not any("<" in text for text in shown)


@pytest.mark.parametrize("values", [np.empty((0, 3)), np.full((2, 3), np.nan)])
def test_a_matrix_without_values_says_so(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    figure = node_matrix(values, range(len(values)), range(3), LABELS, "Empty", "", scale="share")
    assert not figure.data and "nothing to show" in style.alt(figure)


def test_the_reach_leaves_out_what_is_rare() -> None:
    values = np.append(np.linspace(-1, 1, 999), 50.0)
    assert 0.9 < reach_of(values) <= 1
    assert reach_of(np.array([np.nan, 0.0])) == reach_of(np.array([np.nan])) == 1


def test_edges_are_told_apart_by_how_often_they_were_seen() -> None:
    found = {
        "base": {"all": 0.8, "often": 1.0, "seldom": 0.9, "never": 0.4},
        "q-process": dict.fromkeys(("all", "often", "seldom", "never"), 1.0),
    }
    figure = edge_auc_lines(found, {"all": 9, "often": 4, "seldom": 3, "never": 2})
    base, q = figure.data
    assert list(base.y) == [1.0, 0.9, 0.4]
    assert [name.split("<br>")[1] for name in base.x] == ["(4)", "(3)", "(2)"]
    assert (base.line.dash, base.marker.symbol) != (q.line.dash, q.marker.symbol)
    assert "base reaches 1.00 for edges seen often, 0.90 for edges seen seldom, 0.40" in style.alt(figure)
    without = edge_auc_lines(found, {"all": 9, "often": 5, "seldom": 4, "never": 0})
    assert len(without.data[0].x) == 2
    assert "Choose at least one" in style.alt(edge_auc_lines({}, {}))


def test_roc_curves_stand_beside_guessing() -> None:
    rates = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0])
    figure = roc_curves({"q-process": rates}, {"q-process": 1.0}, "never")
    guessing, line = figure.data
    assert list(guessing.x) == list(guessing.y) == [0, 1]
    assert list(line.y) == [0, 1, 1] and line.name == "q-process (1.00)"
    assert "never seen" in style.title(figure) and "q-process 1.00" in style.alt(figure)
    assert "no such edges" in style.alt(roc_curves({}, {}, "never"))


def test_attention_is_one_bar_an_arm_or_a_head() -> None:
    one = np.array([[[0.1, 0.6, 0.2, 0.1]]])
    figure = attention_bars({"base": one, "pg": one}, PLACES)
    assert [bar.name for bar in figure.data][:2] == ["the target", "the current node"]
    assert list(figure.data[0].x) == [0.6, 0.6] and list(figure.data[0].y) == ["base", "pg"]
    assert "base looks at the target with 60%" in style.alt(figure)
    several = attention_bars({"pg": np.full((2, 2, 4), 0.25)}, PLACES)
    assert list(several.data[0].y)[:2] == ["pg, layer 1, head 1", "pg, layer 1, head 2"]
    assert "Only transformers" in style.alt(attention_bars({}, PLACES))


def test_effective_paths_count_equally_likely_ones() -> None:
    assert effective_paths(np.array([0.2, 0.2, 0.2, 0.2])) == pytest.approx(4)
    assert effective_paths(np.array([0.9, 0.0])) == pytest.approx(1)
    assert np.isnan(effective_paths(np.zeros(3)))


def series(*rows: tuple[list[float], float, float]) -> Series:
    shares, others, wrong = zip(*rows, strict=True)
    return Series([*range(len(rows))], np.array(shares), np.array(others), np.array(wrong))


def test_areas_add_up_and_have_one_colour_a_path() -> None:
    arms = {
        "pg": series(([0.4, 0.4], 0.0, 0.2), ([0.95, 0.0], 0.0, 0.05)),
        "q-process": series(([0.4, 0.4], 0.0, 0.2), ([0.5, 0.5], 0.0, 0.0)),
    }
    figure = path_areas(arms, ["directly", "<b>1</b>"], "From 0 to 2")
    for panel in ("paths0", "paths1"):
        bands = [band for band in figure.data if band.stackgroup == panel]
        np.testing.assert_allclose(np.sum([band.y for band in bands], axis=0), 1)
        assert [band.name for band in bands] == ["directly", "&lt;b&gt;1&lt;/b&gt;", "not correct"]
        assert bands[0].fillcolor != bands[1].fillcolor
    assert sum(bool(band.showlegend) for band in figure.data) == 3
    titles = [note.text for note in figure.layout.annotations]
    assert titles == ["pg: 2.0 → 1.0 effective paths", "q-process: 2.0 → 2.0 effective paths"]
    assert "pg 2.0 → 1.0 effective paths" in style.alt(figure)


def test_many_paths_share_one_area() -> None:
    shares = np.linspace(0.01, 0.05, TOP + 5)
    arm = Series([0], shares[None], np.array([0.1]), np.array([0.9 - shares.sum()]))
    figure = path_areas({"pg": arm}, [f"path {index}" for index in range(TOP + 5)], "Many")
    bands = {band.name: band.y[0] for band in figure.data}
    assert len(bands) == TOP + 2 and "path 0" not in bands and f"path {TOP + 4}" in bands
    assert bands["other correct paths"] == pytest.approx(0.1 + shares[:5].sum())
    assert sum(bands.values()) == pytest.approx(1)


def test_a_policy_without_correct_paths_is_said_to_be_wrong() -> None:
    figure = path_areas({"q-outcome": series(([0.0], 0.0, 1.0))}, ["directly"], "Lost")
    assert "q-outcome 100% not correct at last" in style.alt(figure)
    assert "No weights are stored yet" in style.alt(path_areas({}, [], "Nothing"))


def test_what_was_found_grows_towards_all_that_exists(one_run: Callable[..., pd.DataFrame]) -> None:
    frame = one_run([0.0, 30.0, 60.0], column="paths_found").assign(split="train")
    near, far = found_curve(frame, "paths_found", 80), found_curve(frame, "paths_found", 1e12)
    assert list(near.data[0].y) == [0, 30, 60]
    assert [line.y0 for line in near.layout.shapes] == [80]
    assert not far.layout.shapes
    assert near.layout.annotations[-1].text == "all that exist: 80"
    assert far.layout.annotations[-1].text == "all that exist: over a billion"
    assert "80 exist" in style.alt(near)
    nothing = found_curve(frame.assign(paths_found=np.nan), "paths_found", 80)
    assert not nothing.data
