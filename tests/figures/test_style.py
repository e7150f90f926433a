from __future__ import annotations

import re
import tomllib
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit import config as streamlit_config

from planviz.config import preset
from planviz.figures import curves, style
from planviz.task import OUTCOMES

CONFIG: dict[str, Any] = tomllib.loads(
    (Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text("utf-8")
)
ALL_COLORS = {look.color for look in style.ARM_STYLES.values()} | set(style._OTHER_COLORS)

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def linear(color: str) -> Any:
    channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """As the Web Content Accessibility Guidelines define it, from 1 to 21."""
    low, high = sorted(float(linear(color) @ [0.2126, 0.7152, 0.0722]) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


def oklab(color: Any) -> Any:
    """Ottosson's perceptual colour space."""
    to_cone = [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]]
    to_lab = [[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]
    return np.array(to_lab) @ np.cbrt(np.array(to_cone) @ np.clip(color, 0, 1))


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_all_colors_stand_out_on_both_backgrounds(mode: str) -> None:
    for color in ALL_COLORS | {look.color for look in style.OUTCOME_STYLES.values()}:
        assert contrast(color, style.BACKGROUND[mode]) >= 3, color


@pytest.mark.parametrize("vision", VISION)
def test_preset_arms_stay_apart_for_every_kind_of_vision(vision: str) -> None:
    seen = {arm: oklab(VISION[vision] @ linear(look.color)) for arm, look in style.ARM_STYLES.items()}
    for one, other in combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 0.075, (one, other)


def test_arms_and_outcomes_differ_by_more_than_color() -> None:
    arms = style.ARM_STYLES.values()
    assert len({look.symbol for look in arms}) == len(style.ARM_STYLES)
    for field in ("mark", "dash", "symbol", "pattern"):
        values = {getattr(look, field) for look in style.OUTCOME_STYLES.values()}
        assert len(values) == len(style.OUTCOME_STYLES), field


def test_every_preset_arm_and_outcome_has_a_style() -> None:
    assert set(preset("quick").arms) <= set(style.ARM_STYLES)
    assert tuple(style.OUTCOME_STYLES) == OUTCOMES


def test_other_arms_have_a_stable_style_of_their_own() -> None:
    assert style.arm_style("pg-1e-3") == style.arm_style("pg-1e-3")
    looks = {style.arm_style(f"pg-{i}") for i in range(12)}
    assert len(looks) == 12
    assert looks.isdisjoint(style.ARM_STYLES.values())


def test_arms_are_in_a_fixed_order() -> None:
    assert style.arm_order(["zeta", "q-process", "base", "alpha", "pg", "pg"]) == [
        "base", "pg", "q-process", "alpha", "zeta",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>x</b> & <a href='y'>", "&lt;b&gt;x&lt;/b&gt; &amp; &lt;a href='y'&gt;"),
        ("two\nlines\tand\x00 more\u202e", "two lines and more"),
        ("x" * 100, "x" * 31 + "…"),
    ],
)
def test_labels_are_shown_literally_on_one_line(text: str, shown: str) -> None:
    assert style.plain(text) == shown


def test_equal_labels_are_told_apart() -> None:
    assert style.unique(["a", "b", "a"]) == ["a (node 0)", "b", "a (node 2)"]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("greedy_accuracy", 0.98765, "98.8%"),
        ("distinct_paths", 2.5, "2.5"),
        ("distinct_paths", 2.57e-5, "0"),
        ("tokens_per_second", 12345.6, "12,346"),
        ("my_metric", 0.25, "0.25"),
    ],
)
def test_values_are_written_as_people_read_them(name: str, value: float, text: str) -> None:
    assert style.metric(name).text(value) == text


def test_unknown_metrics_are_named_after_their_column() -> None:
    assert style.metric("my_metric").label == "My metric"


def test_figures_leave_fonts_and_backgrounds_to_the_page() -> None:
    layout = curves.metric_curve(pd.DataFrame(columns=["arm"]), "coverage").layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert layout.font.family is None
    assert layout.font.color is None


def test_the_config_has_only_options_that_streamlit_knows() -> None:
    streamlit_config.get_config_options()
    known = streamlit_config._config_options_template

    def options(table: dict[str, Any], prefix: str = "") -> list[str]:
        return [
            name
            for key, value in table.items()
            for name in (options(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key])
        ]

    assert set(options(CONFIG)) <= set(known)


def test_the_server_is_private_offline_and_silent_about_errors() -> None:
    assert CONFIG["server"]["address"] == "localhost"
    assert CONFIG["server"]["maxUploadSize"] <= 20
    assert CONFIG["server"]["enableXsrfProtection"]
    assert not CONFIG["browser"]["gatherUsageStats"]
    assert CONFIG["client"]["showErrorDetails"] == "none"
    assert "http" not in str(CONFIG)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_theme_is_readable_and_has_the_colors_of_the_figures(mode: str) -> None:
    theme = CONFIG["theme"][mode]
    background, panel = theme["backgroundColor"], theme["secondaryBackgroundColor"]
    assert background == style.BACKGROUND[mode]
    assert theme["textColor"] == style.TEXT[mode]
    assert theme["chartCategoricalColors"] == list(style.TEMPLATE.layout.colorway)
    assert len(theme["chartSequentialColors"]) == 10
    assert min(contrast(theme["textColor"], color) for color in (background, panel)) >= 7
    assert contrast(theme["primaryColor"], "#ffffff") >= 4.5  # the text of primary buttons
    assert contrast(theme["primaryColor"], background) >= 3
    assert contrast(theme["linkColor"], background) >= 4.5


def test_the_logo_needs_nothing_from_elsewhere() -> None:
    for name in ("logo.svg", "icon.svg"):
        image = (Path(__file__).parents[2] / "assets" / name).read_text("utf-8")
        assert set(re.findall(r"https?://[^\"]+", image)) == {"http://www.w3.org/2000/svg"}
