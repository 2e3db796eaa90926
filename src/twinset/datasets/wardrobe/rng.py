"""Numbers drawn from the raw bit generator alone, so that a seed draws the same photos for years."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


def digest(*label: int | str) -> int:
    """A 128-bit number that belongs to the label's parts, by SHA-256."""
    text = "/".join(str(part) for part in label)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")


class Dice:
    """One stream of random numbers; the label's parts name the stream."""

    def __init__(self, *label: int | str) -> None:
        self._bits = np.random.PCG64(digest(*label))

    def below(self, n: int) -> int:
        """An integer of 0 … n - 1."""
        return (int(self._bits.random_raw()) * n) >> 64

    def uniform(self, low: float, high: float) -> float:
        """A number from low up to high."""
        return low + (high - low) * ((int(self._bits.random_raw()) >> 11) * 2.0**-53)

    def chance(self, share: float) -> bool:
        """True in that share of the throws."""
        return self.uniform(0.0, 1.0) < share

    def choice(self, of: Sequence[T]) -> T:
        """One of the sequence's members."""
        return of[self.below(len(of))]

    def shuffled(self, of: Sequence[T]) -> list[T]:
        """The sequence's members in a random order."""
        rest = list(of)
        return [rest.pop(self.below(len(rest))) for _ in range(len(rest))]

    def octets(self, *shape: int) -> NDArray[np.uint8]:
        """Random bytes of that shape."""
        count = int(np.prod(shape))
        raw = np.asarray(self._bits.random_raw((count + 7) // 8), dtype="<u8")
        return raw.view(np.uint8)[:count].reshape(shape)
