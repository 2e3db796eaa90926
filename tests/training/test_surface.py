"""Colours and grain: equal to the slow, obvious count, and made of what each place adds."""

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from training.blends import photos
from twinset.training import surface
from twinset.training.surface import BINS, Colour, fits, grain, raised

LIGHTS, TINTS, SPREAD = surface._LIGHTS, surface._TINTS, surface._SPREAD
WHITE, MOST_GAIN, POWER = surface._WHITE, surface._MOST_GAIN, surface._POWER


def nearness(value: float, level: int, levels: int) -> float:
    """1 at the middle of a level, 0 at the middle of its neighbours; beyond the outermost middles all is theirs."""
    where = min(max(value * levels - 0.5, 0.0), levels - 1.0)
    return max(0.0, 1 - abs(where - level))


def counted(photo: npt.NDArray[np.uint8], rows: int, columns: int) -> npt.NDArray[np.float64]:
    """The shares `(rows, columns, bins)` of one photo, pixel by pixel and bin by bin."""
    high, wide = photo.shape[0] // 2, photo.shape[1] // 2
    pixels = np.zeros((high, wide, 3))
    for y, x, c in product(range(high), range(wide), range(3)):
        pixels[y, x, c] = sum(int(photo[2 * y + j, 2 * x + i, c]) for j in (0, 1) for i in (0, 1)) / 4 / 255
    cell, brightest = high // 14, 0.0
    rows_of, columns_of = np.nonzero(pixels.min(axis=2) < 0.999)
    for y, x in product(range(0, high, cell), range(0, wide, cell)):
        inside = [
            pixels[j, i].mean()
            for j, i in product(range(y, y + cell), range(x, x + cell))
            if rows_of.min() <= j <= rows_of.max() and columns_of.min() <= i <= columns_of.max()
        ]
        if len(inside) > cell * cell / 2:
            brightest = max(brightest, float(np.mean(inside)))
    pixels = np.minimum(pixels * min(WHITE / max(brightest, 1e-6), MOST_GAIN), 1)
    shares = np.zeros((rows, columns, LIGHTS, TINTS, TINTS))
    for y, x in product(range(high), range(wide)):
        red, green, blue = pixels[y, x]
        place = shares[y * rows // high, x * columns // wide]
        for light, warm, pink in product(range(LIGHTS), range(TINTS), range(TINTS)):
            place[light, warm, pink] += (
                nearness((red + green + blue) / 3, light, LIGHTS)
                * nearness((red - blue) * SPREAD / 2 + 0.5, warm, TINTS)
                * nearness(((red + blue) / 2 - green) * SPREAD / 2 + 0.5, pink, TINTS)
            ) / (high // rows * (wide // columns))
    return shares.reshape(rows, columns, BINS)


@pytest.mark.parametrize(("brightness", "grid"), [(1.0, (1, 1)), (0.5, (2, 7)), (0.05, (7, 2))])
def test_colours_are_counted_pixel_by_pixel(brightness: float, grid: tuple[int, int]) -> None:
    """The histogram of random pixels is that of a loop over pixels and bins, also of photos nearly black."""
    draw = np.random.default_rng(3)
    pixels = (draw.integers(0, 256, (28, 28, 3)) * brightness).astype(np.uint8)
    found = Colour()(torch.from_numpy(pixels)[None], grid)
    assert found.shape == (1, *grid, BINS)
    assert np.abs(found[0].numpy() - counted(pixels, *grid)).max() < 1e-5


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), places=st.sampled_from([1, 2, 4, 7, 14]), least=st.integers(0, 255))
def test_a_place_has_one_whole(seed: int, places: int, least: int) -> None:
    """Whatever the pixels, a place's shares are none below 0 and add up to 1."""
    draw = torch.Generator().manual_seed(seed)
    pixels = torch.randint(least, 256, (2, 56, 56, 3), dtype=torch.uint8, generator=draw)
    shares = Colour()(pixels, (places, places))
    assert shares.min() >= 0
    assert torch.allclose(shares.sum(dim=3), torch.ones(2, places, places), atol=1e-4)


def test_another_exposure_is_nearly_the_same() -> None:
    """Four fifths of the light on a photo with something white in it move far less than a lamp of another colour;
    a photo that is far too dark stays a dark one."""
    whole = photos(2, side=112)
    whole[:, :16, :16] = 245

    def moved(*channels: float) -> Tensor:
        other = (whole.float() * torch.tensor(channels)).round().to(torch.uint8)
        one, two = (Colour()(pixels, (1, 1)).flatten(1) for pixels in (whole, other))
        return (one - two).abs().sum(dim=1)

    darker = moved(0.8, 0.8, 0.8)
    assert darker.max() < 0.1
    assert (moved(1.0, 0.9, 0.8) > 5 * darker).all()
    assert moved(0.2, 0.2, 0.2).min() > 1


@pytest.mark.parametrize("margins", [(0, 0, 0, 0), (0, 0, 13, 12), (21, 5, 0, 0), (30, 30, 30, 30)])
def test_the_ground_beside_a_photo_tells_nothing_of_its_light(margins: tuple[int, int, int, int]) -> None:
    """On white ground at its sides, four fifths of the light move it as little as without; white inside counts."""
    top, bottom, left, right = margins
    laid = torch.full((2, 112, 112, 3), 255, dtype=torch.uint8)
    whole = photos(2, side=112)
    whole[:, 40:60, 40:60] = 245
    darker = (whole.float() * 0.8).round().to(torch.uint8)
    one, two = laid.clone(), laid.clone()
    kept = slice(top, 112 - bottom), slice(left, 112 - right)
    one[:, kept[0], kept[1]], two[:, kept[0], kept[1]] = whole[:, kept[0], kept[1]], darker[:, kept[0], kept[1]]
    found = [Colour()(pixels, (1, 1)).flatten(1) for pixels in (one, two)]
    assert (found[0] - found[1]).abs().sum(dim=1).max() < 0.12


def test_a_white_square_is_white() -> None:
    """There is no photo on it to tell a light; its share is still one whole, in the brightest bin."""
    shares = Colour()(torch.full((1, 28, 28, 3), 255, dtype=torch.uint8), (1, 1))
    assert torch.allclose(shares.sum(), torch.tensor(1.0), atol=1e-4)
    assert int(shares.argmax()) // TINTS**2 == LIGHTS - 1


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), empty=st.floats(0, 1), grid=st.tuples(st.integers(1, 5), st.integers(1, 5)))
def test_contributions_average_to_the_raised_histogram(seed: int, empty: float, grid: tuple[int, int]) -> None:
    """With bins that are empty in a place or in all; each bin is a power of its mean share."""
    draw = torch.Generator().manual_seed(seed)
    shares = torch.rand(2, *grid, BINS, generator=draw)
    shares = shares * (torch.rand(shares.shape, generator=draw) >= empty)
    shares = shares / shares.sum(dim=3, keepdim=True).clamp(min=1e-9)
    whole, each = raised(shares)
    assert torch.allclose(each.mean(dim=(1, 2)), whole, atol=1e-5)
    assert torch.allclose(whole, (shares.mean(dim=(1, 2)) + 1e-6) ** POWER, atol=1e-6)


def test_an_empty_bin_has_a_finite_slope() -> None:
    """A histogram of one colour can be trained through."""
    shares = torch.zeros(1, 2, 2, BINS)
    shares[..., 5] = 1
    shares.requires_grad_()
    for part in raised(shares):
        part.sum().backward(retain_graph=True)
    assert shares.grad is not None
    assert torch.isfinite(shares.grad).all()


@pytest.mark.parametrize(("side", "grid"), [(14, (7, 7)), (28, (7, 7)), (6, (1, 3)), (5, (1, 1))])
def test_grain_is_the_deviation_of_each_channel(side: int, grid: tuple[int, int]) -> None:
    """Over all places of a photo, by torch's own; what each place adds to it averages to it."""
    places = torch.randn(3, 5, side, side, generator=torch.Generator().manual_seed(1)) * 4 + 2
    whole, each = grain(places, grid)
    assert each.shape == (3, 5, *grid)
    assert torch.allclose(whole, places.std(dim=(2, 3), correction=0), atol=1e-5)
    assert torch.allclose(each.mean(dim=(2, 3)), whole, atol=1e-5)


def test_a_smooth_channel_has_no_grain() -> None:
    """Nor a slope that is none: a channel that never varies gives a small number, and so do its places."""
    places = torch.full((1, 2, 14, 14), 3.0, requires_grad=True)
    whole, each = grain(places, (7, 7))
    assert whole.max() < 2e-3
    assert torch.allclose(each.mean(dim=(2, 3)), whole, atol=1e-5)
    whole.sum().backward()
    assert places.grad is not None
    assert torch.isfinite(places.grad).all()


@pytest.mark.parametrize(
    ("size", "places", "so"),
    [(224, 7, True), (448, 14, True), (28, 1, True), (200, 6, False), (196, 6, False), (256, 8, False)],
)
def test_sizes_that_divide_are_told(size: int, places: int, so: bool) -> None:
    """Into the cells of which the brightest is sought, and into the places."""
    assert fits(size, places) is so


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 9).map(lambda n: 28 * n), places=st.integers(1, 30))
def test_a_size_that_fits_is_counted_in_full(size: int, places: int) -> None:
    """No pixel is left over at a place: each has its whole."""
    if fits(size, places):
        shares = Colour()(photos(1, side=size), (places, places))
        assert torch.allclose(shares.sum(dim=3), torch.ones(1, places, places), atol=1e-4)
    else:
        assert size // 2 % places
