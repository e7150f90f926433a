"""The Paths page: one query, and what every arm answers."""
