"""The Claims page: verdicts, and the runs that they need."""
