"""Seconds in which 10,000 items get another price by one patch, and an item is put, in a catalogue of N photos.

Usage: patch.py [N] [FOLDER]. N is 80,000 photos, three an item. FOLDER keeps the made catalogue for another run.
"""

import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from search_speed import make

from twinset.catalogue import Catalogue
from twinset.catalogue.patch import patch_items
from twinset.catalogue.receive import delete_item, put_item
from twinset.datasets import wardrobe

ITEMS = 10_000


def timed(name: str, work: Callable[[], object]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    said = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{name:32} {wall:8.2f} s   {cpu:8.2f} s of one core   {said}", flush=True)


def drawn(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(next(wardrobe.photos(1, seed)).pixels).resize((960, 1280)).save(out, "JPEG", quality=90)
    return out.getvalue()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 80_000
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(temporary)
        place.mkdir(exist_ok=True)
        path = place / f"{count}.catalogue"
        if not path.exists():
            make(path, count)
        photos = [drawn(seed) for seed in range(3)]
        with Catalogue(path) as catalogue:
            catalogue.search(photos[0], where=["price<2500"])
            for number in range(3):
                price = str(time.time_ns() % 10**6 / 100)
                changes = {f"item{item:07d}": {"price": price} for item in range(min(ITEMS, count // 3))}
                timed(f"{number} patch of {len(changes):,} items", lambda given=changes: patch_items(path, given))
                timed(
                    "  the next search",
                    lambda said=price: len(catalogue.search(photos[0], where=[f"price={said}"])),
                )
            for number in range(3):
                timed(
                    f"{number} put of three photos", lambda: put_item(path, "new", photos, {"price": "1"}).embedded
                )
                timed("  the same again", lambda: put_item(path, "new", photos, {"price": "1"}).embedded)
                timed("  deleted", lambda: delete_item(path, "new"))


if __name__ == "__main__":
    main()
