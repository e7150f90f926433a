"""Graphs: made, read from files, laid out, and described."""
