"""DeepFashion Consumer-to-Shop as its owners hand it out → a manifest in its own folder."""

from twinset.datasets.deepfashion.convert import COLUMNS, convert
from twinset.datasets.deepfashion.report import Conversion, Count
from twinset.manifest.notes import Finding

__all__ = ["COLUMNS", "Conversion", "Count", "Finding", "convert"]
