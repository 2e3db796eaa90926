"""480 × 640 JPEGs indexed a second with `colour`, beside a plain loop that only decodes and resizes them."""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from twinset.catalogue import index
from twinset.datasets import wardrobe

PHOTOS, ROUNDS = 600, 3


def plain_loop(paths: list[Path]) -> float:
    """Seconds that one thread of Pillow takes to decode every photo and bring it to 96 × 96."""
    started = time.perf_counter()
    for path in paths:
        with Image.open(path) as image:
            np.asarray(image.convert("RGB").resize((96, 96)))
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drawn = [photo.pixels for photo in wardrobe.photos(20, 7)]
        paths = []
        for number in range(PHOTOS):
            path = folder / f"photos/{number:04d}.jpg"
            path.parent.mkdir(exist_ok=True)
            pixels = np.roll(drawn[number % len(drawn)], number, axis=1)
            Image.fromarray(pixels).resize((480, 640)).save(path, quality=90)
            paths.append(path)
        ours, plain, again = [], [], []
        for number in range(ROUNDS):
            plain.append(PHOTOS / plain_loop(paths))
            catalogue = folder / f"{number}.catalogue"
            ours.append(PHOTOS / index(catalogue, folder / "photos", bundle="colour").seconds)
            again.append(PHOTOS / index(catalogue, folder / "photos", bundle="colour").seconds)
        ratio = statistics.median(a / b for a, b in zip(ours, plain, strict=True))
        print(f"index            {statistics.median(ours):7.0f} photos/s")
        print(f"index again      {statistics.median(again):7.0f} photos/s")
        print(f"Pillow, 1 thread {statistics.median(plain):7.0f} photos/s   index ÷ Pillow {ratio:.2f}")


if __name__ == "__main__":
    main()
