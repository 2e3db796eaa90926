"""Principal directions: those of the singular value decomposition."""

import numpy as np
import pytest
import torch
from torch import Tensor

from twinset.errors import UsageError
from twinset.training.directions import START, Directions


def features(count: int = 60, width: int = 12) -> Tensor:
    """Features of quite different spread that hang together."""
    draw = torch.Generator().manual_seed(0)
    return torch.randn(count, width, generator=draw) @ torch.randn(width, width, generator=draw) * 3 + 5


def begun(found: Tensor, dim: int = 5, *, alike: bool = True, whiten: float = 0.0) -> Directions:
    """Directions of features."""
    torch.manual_seed(1)
    directions = Directions(found.shape[1], dim, alike=alike, whiten=whiten)
    directions.begin(found)
    return directions


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("whiten", [0.0, 0.25, 1.0])
def test_they_are_those_of_the_singular_values(alike: bool, whiten: float) -> None:
    """Of the centred features, each or all divided by a deviation, in their order, times the starting length, up to
    the sign of each; whitened, each is divided by that power of its deviation, the first one's being 1."""
    found = features()
    each = found.std(dim=0)
    standard = ((found - found.mean(dim=0)) / (each if alike else each.square().mean().sqrt())).double().numpy()
    _, deviations, rows = np.linalg.svd(standard, full_matrices=False)
    expected = standard @ rows[:5].T * START * (deviations[:5] / deviations[0]) ** -whiten
    with torch.no_grad():
        given = begun(found, alike=alike, whiten=whiten)(found).double().numpy()
    signs = np.sign((given * expected).sum(axis=0))
    assert np.abs(given - expected * signs).max() < 0.01 * np.abs(expected).max()
    spread = given.std(axis=0)
    assert spread.max() / spread.min() < 1.02 if whiten == 1 else (np.diff(spread) < 0).all()


def test_rows_stand_at_right_angles() -> None:
    """Each of the starting length; the largest number of each is positive, so that a machine cannot turn it."""
    for alike in (True, False):
        weight = begun(features(), alike=alike).weight.detach()
        assert torch.allclose(weight @ weight.T, START**2 * torch.eye(5), atol=1e-6)
        assert (weight.gather(1, weight.abs().argmax(dim=1, keepdim=True)) > 0).all()


def test_they_are_the_same_each_time() -> None:
    """Bit for bit, whatever they held before; the buffers too."""
    one, other = begun(features(), whiten=0.5), Directions(12, 5, whiten=0.5)
    other.begin(features() * 2 - 1)
    other.begin(features())
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_what_never_varies_is_not_blown_up() -> None:
    """A feature that is nearly constant gives no large number on a photo where it is not."""
    found = features()
    found[:, 3] = 7.0
    for alike in (True, False):
        directions = begun(found, alike=alike, whiten=0.5)
        assert torch.isfinite(directions.weight).all()
        assert directions.standard(found)[:, 3].abs().max() < 1e-3
        assert directions.standard(found + 0.01).abs().max() < 10


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_photos_that_are_all_one_tell_nothing(alike: bool, value: float) -> None:
    """What comes out are numbers all the same."""
    found = torch.full((20, 12), value)
    directions = begun(found, alike=alike, whiten=0.5)
    assert all(torch.isfinite(tensor).all() for tensor in directions.state_dict().values())
    assert torch.isfinite(directions(found)).all()


def test_too_few_photos_are_refused() -> None:
    """With both numbers; as many photos as directions are enough."""
    begun(features(5))
    with pytest.raises(UsageError, match="4 photos cannot tell 5 principal directions: give 5 or more"):
        begun(features(4))
