"""What a browser says it clicked is a click or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from planviz.ui.live_chart import Click, click_from

JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=5),
    lambda inner: (
        some.lists(inner, max_size=4) | some.dictionaries(some.sampled_from(["curve", "point"]), inner)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("sent", "click"),
    [
        ({"curve": 0, "point": [3, 4]}, Click(0, (3, 4))),
        ({"curve": 2, "point": 7}, Click(2, (7,))),
        ({"curve": 0, "point": [-1, 4]}, None),
        ({"curve": True, "point": 1}, None),
        ({"curve": 0, "point": [1, 2, 3]}, None),
        ({"curve": 0, "point": "1"}, None),
        ({"curve": 0}, None),
        (None, None),
        ("click", None),
    ],
)
def test_a_click_is_read(sent: Any, click: Click | None) -> None:
    assert click_from(sent) == click


@given(JSON)
def test_anything_else_is_no_click(sent: Any) -> None:
    click = click_from(sent)
    if click is not None:
        assert len(click.point) in (1, 2)
        assert all(type(index) is int and index >= 0 for index in (click.trace, *click.point))
