"""planviz: a lab for the training dynamics of planning in language models."""

__version__ = "0.1.0"
