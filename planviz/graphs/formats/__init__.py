"""Graph files, one module a format; `planviz.graphs.files` is the way in."""
