"""Arrays that are looked at, and checked, block by block."""

import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import numpy.typing as npt

BLOCK: Final = 65_536
"""How many rows have one checksum."""


def sums(array: npt.NDArray[Any]) -> tuple[int, ...]:
    """A CRC-32 of each block; zlib lets other threads run meanwhile."""
    blocks = [array[start : start + BLOCK] for start in range(0, len(array), BLOCK)]
    with ThreadPoolExecutor() as pool:
        return tuple(pool.map(lambda block: zlib.crc32(np.ascontiguousarray(block).data), blocks))
