"""Two versions of a catalogue asked the same: how their answers differ, and which finds the right items."""

from twinset.catalogue.comparison.compare import compare
from twinset.catalogue.comparison.figures import Comparison
from twinset.catalogue.comparison.queries import Queries

__all__ = ["Comparison", "Queries", "compare"]
