"""Shared by the tests: a drawn wardrobe."""

from pathlib import Path

import pytest

from twinset.datasets.wardrobe import draw


@pytest.fixture(scope="session")
def wardrobe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of 24 drawn items, two shop photos and one customer photo each; not to be changed."""
    return draw(tmp_path_factory.mktemp("wardrobe"), items=24, seed=7)
