"""Photos by URL → a folder of photos with a manifest; the client behind it is loaded when it is used."""

from twinset.fetch.rules import Limits
from twinset.fetch.run import Fetched, fetch

__all__ = ["Fetched", "Limits", "fetch"]
