"""How large a graph may be, and the error that says so."""

from __future__ import annotations

MAX_NODES = 1600
MAX_EDGES = 20_000
"""At most this many edges in a graph that lists them (kind "file")."""
MAX_RANDOM_EDGES = 100_000
"""At most this many edges in a graph that is drawn at random."""
MAX_LABEL = 60
"""Longer labels are cut to this many characters, the last of which is then …"""
MAX_TEXT_TOKENS = 2_500_000
"""SFT texts of so many nodes in all fit comfortably in memory, and are walked in seconds."""


class GraphError(ValueError):
    """A graph cannot be made as asked; the message says what is wrong and what is allowed."""
