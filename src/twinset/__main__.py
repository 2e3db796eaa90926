"""`python -m twinset`."""

from twinset.cli.main import run

run()
