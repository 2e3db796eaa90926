"""What a photo's surfaces are like, counted and not learned: its colours, and the grain of its cloth.

Both are written as means over places, so that it can be told where they come from.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

_LIGHTS: Final = 16
_TINTS: Final = 12
BINS: Final = _LIGHTS * _TINTS**2
_SPREAD: Final = 4.0
"""Tints are stretched by this: garments hardly reach the corners of the cube of colours."""
_SHRINK: Final = 2
"""Pixels on a side whose mean counts as one: fewer to count, and less of the grain."""
_BRIGHT: Final = 14
"""Cells on a side, of which the brightest is taken for white."""
_MOST_GAIN: Final = 1.3
"""A dark photo is not made a bright one: black cloth fills some photos whole."""
_WHITE: Final = 245 / 255
_BLANK: Final = 0.999
_HALF: Final = 0.5
_POWER: Final = 0.4
"""Less than the square root of a histogram: a wall counts for less, a button for more."""
_TINY: Final = 1e-6


class Colour(nn.Module):
    """The soft histogram of light and two opponent tints (Swain and Ballard, 1991), as its brightest place is lit.

    A pixel counts for the eight bins around it in parts, and light is measured by the brightest place, so that
    another lamp or exposure moves it little.

    >>> blue = torch.zeros(1, 28, 28, 3, dtype=torch.uint8)
    >>> blue[..., 2] = 200
    >>> shares = Colour()(blue, (1, 1))
    >>> tuple(shares.shape), round(float(shares.sum()), 4)
    ((1, 1, 1, 2304), 1.0)
    """

    def forward(self, photos: Tensor, grid: tuple[int, int]) -> Tensor:
        """Each place's share of each bin, `(N, h, w, 2304)`, of uint8 `(N, H, W, 3)`, in rows and columns."""
        rows, columns = grid
        pixels = functional.avg_pool2d(photos.permute(0, 3, 1, 2).float() / 255, _SHRINK)
        pixels = _lit(pixels)
        high, wide = pixels.shape[2] // rows, pixels.shape[3] // columns
        cells = pixels.reshape(-1, 3, rows, high, columns, wide).permute(0, 2, 4, 3, 5, 1)
        red, green, blue = cells.reshape(-1, high * wide, 3).unbind(dim=2)
        light = _near((red + green + blue) / 3, _LIGHTS)
        warm, pink = (_near(tint * (_SPREAD / 2) + 0.5, _TINTS) for tint in (red - blue, (red + blue) / 2 - green))
        tints = (warm.unsqueeze(2) * pink.unsqueeze(1)).flatten(1, 2)
        shares = light @ tints.transpose(1, 2) / (high * wide)
        return shares.reshape(-1, rows, columns, BINS)


def raised(shares: Tensor) -> tuple[Tensor, Tensor]:
    """A histogram `(N, 2304)`, each share raised to a power below 1, and each place's contribution to it.

    The contributions `(N, h, w, 2304)` have it as their mean over the places.
    """
    shares = shares + _TINY  # so that no slope is infinite
    whole = shares.mean(dim=(1, 2))
    return whole.pow(_POWER), shares * whole.pow(_POWER - 1)[:, None, None]


def grain(places: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """How far each channel of `(N, C, H, W)` strays from its mean, `(N, C)`, and each place's contribution to it.

    The deviations of a pretrained net's early channels tell a texture (Huang and Belongie, 2017). The contributions
    `(N, C, h, w)`, in a grid that divides H and W, have them as their mean over the places.
    """
    places = places.float()
    square = (places - places.mean(dim=(2, 3), keepdim=True)).square()
    square = square + _TINY
    deviation = square.mean(dim=(2, 3)).sqrt()
    size = (places.shape[2] // grid[0], places.shape[3] // grid[1])
    return deviation, functional.avg_pool2d(square, size) / deviation[:, :, None, None]


def fits(size: int, places: int) -> bool:
    """Whether photos of a size in pixels divide into whole pixels at each of so many places on a side."""
    return size % (_SHRINK * _BRIGHT) == 0 and size // _SHRINK % places == 0


def _lit(pixels: Tensor) -> Tensor:
    """Pixels `(N, 3, H, W)` of 0-1 in the light of their brightest cell."""
    side = pixels.shape[2] // _BRIGHT
    inside = _inside(pixels)
    share = functional.avg_pool2d(inside, side)
    light = functional.avg_pool2d(pixels.mean(dim=1, keepdim=True) * inside, side) / share.clamp(min=_TINY)
    brightest = (light * (share > _HALF)).amax(dim=(2, 3), keepdim=True)
    return (pixels * (_WHITE / brightest.clamp(min=_TINY)).clamp(max=_MOST_GAIN)).clamp(max=1)


def _inside(pixels: Tensor) -> Tensor:
    """1 for pixels between the first and the last row and column that are not all white, `(N, 1, H, W)`, else 0.

    White beside a photo is the ground that it was laid on, or a margin of its own, and tells nothing of its light.
    """
    photo = (pixels.amin(dim=1, keepdim=True) < _BLANK).float()
    columns, rows = photo.amax(dim=2, keepdim=True), photo.amax(dim=3, keepdim=True)
    return _between(columns, 3) * _between(rows, 2)


def _between(marks: Tensor, dim: int) -> Tensor:
    """1 from the first 1 of 0-1 marks to the last, along a dimension."""
    so_far = marks.cumsum(dim)
    still = marks.sum(dim, keepdim=True) - so_far + marks
    return ((so_far > 0) & (still > 0)).float()


def _near(values: Tensor, levels: int) -> Tensor:
    """How near values `(N, P)` of 0-1 lie to each of so many levels, `(N, levels, P)`; at most two are above 0."""
    where = (values * levels - 0.5).clamp(0, levels - 1).unsqueeze(1)
    return (1 - (where - torch.arange(levels, device=values.device)[:, None]).abs()).clamp(min=0)
