"""One thread for torch: these nets are so small that several threads wait for each other on a busy machine."""

from collections.abc import Iterator

import pytest
import torch

from training.blends import lively
from twinset.training.backbone import Backbone


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """For the tests of this folder."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def lite() -> Backbone:
    """EfficientNet-Lite0 with random weights that tell photos apart; not to be changed."""
    return lively()
