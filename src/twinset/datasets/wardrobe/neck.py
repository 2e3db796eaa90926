"""Necklines: how wide and deep they are, and the right half of their line."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .curve import Line


@dataclass(frozen=True)
class Neck:
    """A neckline's half-width and its depth in front and behind, in centimetres."""

    width: float
    front: float
    back: float


NECKS: Mapping[str, Neck] = MappingProxyType(
    {
        "crew": Neck(8.6, 8.6, 2.4),
        "V": Neck(8.6, 19.0, 2.6),
        "scoop": Neck(10.4, 15.5, 5.0),
        "boat": Neck(14.2, 5.0, 3.2),
        "square": Neck(10.6, 13.0, 4.0),
        "collar": Neck(7.6, 6.0, 1.0),
        "high": Neck(7.2, 3.2, 1.4),
        "strap": Neck(12.5, 15.0, 20.0),
    }
)


def neckline(name: str, *, back: bool) -> Line:
    """The right half of the neckline, from the centre outwards and up."""
    neck = NECKS[name]
    depth, width = (neck.back if back else neck.front), neck.width
    if name == "strap":
        return ((0.0, 21.5), (12.5, 19.0)) if back else _sweetheart()
    if name in {"V", "collar"} and not back:
        return ((0.0, depth), (width * 0.52, depth * 0.5), (width * 0.86, depth * 0.15), (width, 0.0))
    if name == "square" and not back:
        return ((0.0, depth), (width - 0.8, depth - 0.3), (width, 0.0))
    angles = [math.pi / 2 * k / 12 for k in range(13)]
    return tuple((width * math.sin(a), depth * math.cos(a)) for a in angles)


def _sweetheart() -> Line:
    angles = [math.pi * k / 10 for k in range(11)]
    return tuple((12.5 * k / 10, 17.0 - 3.4 * math.sin(a) - 4.0 * k / 10) for k, a in enumerate(angles))
