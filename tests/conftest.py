"""Shared by the tests: a drawn wardrobe, and a catalogue of it."""

import shutil
from pathlib import Path

import pytest

from shops import age, index
from twinset.datasets.wardrobe import draw


@pytest.fixture(scope="session")
def wardrobe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of 24 drawn items, two shop photos and one customer photo each; not to be changed."""
    manifest = draw(tmp_path_factory.mktemp("wardrobe"), items=24, seed=7)
    for photo in manifest.parent.rglob("*.jpg"):
        age(photo)
    return manifest


@pytest.fixture(scope="session")
def built(wardrobe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of the wardrobe; not to be changed."""
    place = tmp_path_factory.mktemp("built") / "c"
    index(place, wardrobe)
    return place


@pytest.fixture
def place(built: Path, tmp_path: Path) -> Path:
    """A copy of the catalogue of the wardrobe."""
    return Path(shutil.copytree(built, tmp_path / "c"))
