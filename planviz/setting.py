"""What a setting is: its default, title, help and bounds, and the sections that settings are grouped in."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class SettingError(ValueError):
    """A setting is unknown or out of range; the message names the key, the value and what is allowed."""


def setting(default: Any, title: str, help: str, *, paper: Any = None, **bounds: Any) -> Any:
    """A pydantic field that also carries its widget's title and help, and the paper's value if there is one."""
    extra = {} if paper is None else {"paper": paper}
    return Field(default, title=title, description=help, json_schema_extra=extra, **bounds)


class Section(BaseModel):
    """A group of settings: frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def shown(value: Any) -> str:
    """A value as it is named in a message: at most 60 characters."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number or nesting beyond Python's limits
        text = f"({type(value).__name__})"
    return text if len(text) <= 60 else text[:57] + "…"
