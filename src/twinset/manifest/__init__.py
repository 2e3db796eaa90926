"""The table of photos on disk: reading it, a plain folder as one, checking it."""

from twinset.manifest.check import Check, check
from twinset.manifest.read import read, write_faults
from twinset.manifest.table import Manifest

__all__ = ["Check", "Manifest", "check", "read", "write_faults"]
