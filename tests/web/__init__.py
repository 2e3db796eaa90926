"""A package, so that its browser and servers end with its last test: others mind a running event loop."""
