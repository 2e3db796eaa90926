"""Shared by the tests of faults: the shim, and arenas that work side by side."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.harness import Arena, Arenas, built_shim


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled shim."""
    return built_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="session")
def arenas(tmp_path_factory: pytest.TempPathFactory, shim: Path) -> Iterator[Arenas]:
    """Two arenas, for two cores."""
    made = Arenas([Arena(tmp_path_factory.mktemp("arena"), shim) for _ in range(2)])
    yield made
    made.close()
