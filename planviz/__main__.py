"""`python -m planviz` is the command line."""

from planviz.cli import main

main()
