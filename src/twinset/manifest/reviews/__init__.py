"""Review apps' exports → manifests of customers' photos, each of an item of the shop."""

from twinset.manifest.reviews.convert import convert
from twinset.manifest.reviews.model import Options
from twinset.manifest.reviews.report import Conversion

__all__ = ["Conversion", "Options", "convert"]
