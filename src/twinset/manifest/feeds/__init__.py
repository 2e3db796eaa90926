"""Shop exports → manifests: Shopify's and Magento's CSV, Google Merchant feeds."""

from twinset.manifest.feeds.convert import READERS, convert
from twinset.manifest.feeds.model import Items, Options
from twinset.manifest.feeds.report import Conversion

__all__ = ["READERS", "Conversion", "Items", "Options", "convert"]
