"""Public sets, and a drawn one, as manifests."""
