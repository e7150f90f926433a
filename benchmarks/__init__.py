"""Speed measurements of planviz, and the reference that they are compared with."""
