"""Random draws keyed by what they are for, so that nothing needs to remember a generator's state."""

from typing import Final

import numpy as np

ORDER: Final = 0
"""The order of an epoch: (seed, ORDER, epoch)."""
CHOICE: Final = 1
"""Which photos go with an anchor, (seed, CHOICE, epoch, anchor), or make a batch, (seed, CHOICE, batch)."""
LOOKS: Final = 2
"""How a photo is augmented: (seed, LOOKS, batch, place in it)."""
NOISE: Final = 3
"""What happens inside the net, such as dropout: (seed, NOISE, step, part of the step)."""


def generator(seed: int, purpose: int, *key: int) -> np.random.Generator:
    """A generator that depends on its key alone.

    >>> int(generator(0, ORDER, 5).integers(100)) == int(generator(0, ORDER, 5).integers(100))
    True
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, purpose, *key])))
