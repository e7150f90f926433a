"""The Mechanism page: what was learned, what weights know, what was found and what collapses."""
