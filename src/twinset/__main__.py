"""`python -m twinset`."""

from twinset.cli import run

run()
