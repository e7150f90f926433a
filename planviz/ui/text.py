"""Text that may quote a stranger, made safe for Markdown."""

from __future__ import annotations

import re


def literal(text: str) -> str:
    """The text, as Markdown that shows it literally."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def sentence(error: Exception) -> str:
    """An error's message as a sentence, in Markdown that shows it literally."""
    text = str(error)
    shown = literal(text[:1].upper() + text[1:])
    return shown if text.endswith((".", "!", "?")) else f"{shown}."
