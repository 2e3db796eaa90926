"""The table of photos on disk: reading it, a plain folder as one, checking it, splitting it."""

from twinset.manifest.check import Check, check
from twinset.manifest.read import read, read_rows, write_faults
from twinset.manifest.split import assign, write_split
from twinset.manifest.table import Manifest

__all__ = ["Check", "Manifest", "assign", "check", "read", "read_rows", "write_faults", "write_split"]
