"""480 × 640 JPEGs indexed a second with each bundle that ships, beside a loop that only decodes and resizes."""

import statistics
import tempfile
import time
from collections import defaultdict
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
        rates: dict[str, list[float]] = defaultdict(list)
        for number in range(ROUNDS):
            rates["Pillow, 1 thread"].append(PHOTOS / plain_loop(paths))
            for bundle in ("default", "colour"):
                catalogue = folder / f"{bundle}-{number}.catalogue"
                for run in ("", ", again"):
                    report = index(catalogue, folder / "photos", bundle=bundle)
                    rates[f"index, {bundle}{run}"].append(PHOTOS / report.seconds)
        plain = rates["Pillow, 1 thread"]
        for step, found in rates.items():
            ratio = statistics.median(a / b for a, b in zip(found, plain, strict=True))
            print(f"{step:22} {statistics.median(found):7.0f} photos/s   {ratio:6.2f} × Pillow")


if __name__ == "__main__":
    main()
