"""Widgets for the settings of the draft, made from the one table in `planviz.config`."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import annotated_types
import streamlit as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from planviz.arms import TERMS
from planviz.ui.state import change, draft


def setting_input(key: str, **options: Any) -> None:
    """A widget for one setting of the draft, with its title, help, bounds and the paper's value.

    Args:
        key: dotted, such as ``graph.nodes``.
        options: passed on to the widget, such as ``disabled``.
    """
    section, name = _section(key)
    field = type(section).model_fields[name]
    widget = f"setting:{key}"
    st.session_state[widget] = getattr(section, name)
    common: dict[str, Any] = {
        "label": field.title or name,
        "key": widget,
        "help": _help(field),
        "on_change": _changed,
        "args": (key, widget),
    } | options
    if get_origin(field.annotation) is Literal:
        st.selectbox(options=get_args(field.annotation), **common)
    elif field.annotation is bool:
        st.toggle(**common)
    else:
        _number(field, common)


def settings_of(section: BaseModel) -> list[str]:
    """The names of the settings of a section that mean something with the others as they are."""
    custom = getattr(section, "reward", None) == "custom"
    return [name for name in type(section).model_fields if custom or name not in TERMS]


def unlike_paper(section: BaseModel) -> dict[str, tuple[Any, Any]]:
    """The settings of an arm that differ from the paper's: their values here and there."""
    fields = type(section).model_fields
    differing = {}
    for name, field in fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and "paper" in extra and getattr(section, name) != extra["paper"]:
            differing[name] = (getattr(section, name), extra["paper"])
    return differing


def _section(key: str) -> tuple[BaseModel, str]:
    *parents, name = key.split(".")
    section: Any = draft()
    for parent in parents:
        section = section[parent] if isinstance(section, dict) else getattr(section, parent)
    return section, name


def _changed(key: str, widget: str) -> None:
    change({key: st.session_state[widget]})


def _number(field: FieldInfo, common: dict[str, Any]) -> None:
    low, high = _bounds(field)
    if field.annotation is int:
        st.number_input(min_value=low, max_value=high, step=1, **common)
    else:
        small = field.title in ("Learning rate", "KL weight (λ)")
        st.number_input(
            min_value=float(low) if low is not None else None,
            max_value=float(high) if high is not None else None,
            step=1e-4 if small else 0.05,
            format="%.2g" if small else "%.2f",
            **common,
        )


def _bounds(field: FieldInfo) -> tuple[Any, Any]:
    """The least and the greatest value that the number input offers; the config itself is the judge."""
    low = high = None
    for rule in field.metadata:
        if isinstance(rule, annotated_types.Ge):
            low = rule.ge
        if isinstance(rule, annotated_types.Gt):
            low = 0.01
        if isinstance(rule, annotated_types.Le):
            high = rule.le
        if isinstance(rule, annotated_types.Lt):
            high = 0.99
    return low, high


def _help(field: FieldInfo) -> str:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    paper = extra.get("paper")
    marked = "" if paper is None else f"\n\n**Paper:** {paper}"
    return f"{field.description}{marked}"
