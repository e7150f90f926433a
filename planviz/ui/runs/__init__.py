"""The Runs page: everything that was trained."""
