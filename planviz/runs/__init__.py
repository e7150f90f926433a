"""Training in the background: the store, the worker processes, and the manager that drives them."""
