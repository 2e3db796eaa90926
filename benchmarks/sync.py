"""Seconds of an `index` run in which an eighth of the rows has another price, beside one that hashes every photo.

Usage: sync.py [N] [FOLDER]. N is 80,000 photos, three an item. FOLDER keeps what is made for another run.
"""

import csv
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from twinset import bundle, photos
from twinset.catalogue import IndexOptions, folder, index
from twinset.datasets import wardrobe
from twinset.records import Photo, photo_id
from twinset.store import vectors
from twinset.store.copies import Copies, Copy
from twinset.store.rows import Rows, Source

FILES, DAY_NS = 200, 86_400 * 10**9
COLUMNS = ("path", "item_id", "category", "view", "title", "url", "brand", "colour", "size", "currency", "price")


def lines(count: int, changed: int, run: int) -> list[tuple[str, ...]]:
    """The manifest's rows; the first photo of each of `changed` items costs more with every run."""
    return [
        (
            f"{n // 1000:03d}/{n:07d}.jpg", f"item{n // 3:07d}", "TOPS/Tee", "main" if n % 3 == 0 else "back",
            f"Tee shirt no. {n // 3}", f"https://shop.example/p/{n // 3}", f"brand {n % 97}", f"colour {n % 31}",
            "S|M|L|XL", "EUR", str(10 + n % 90 + run * (n % 8 == 0 and n // 8 < changed)),
        )
        for n in range(count)
    ]  # fmt: skip


def write(manifest: Path, count: int, changed: int, run: int) -> None:
    with manifest.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *lines(count, changed, run)])


def link_photos(place: Path, count: int) -> list[tuple[str, int, int]]:
    """`count` names for a few JPEGs of 480 × 640, a day old; content hash, size and time of each file."""
    drawn = [photo.pixels for photo in wardrobe.photos(20, 7)]
    files = []
    for number in range(FILES):
        path = place / f"{number:03d}.bytes"
        Image.fromarray(np.roll(drawn[number % len(drawn)], number, axis=1)).resize((480, 640)).save(path, "JPEG")
        stamp = time.time_ns() - DAY_NS
        os.utime(path, ns=(stamp, stamp))
        files.append((photos.content_hash(path.read_bytes()), path.stat().st_size, path.stat().st_mtime_ns))
    for n, (path, *_) in enumerate(lines(count, 0, 0)):
        (place / path).parent.mkdir(exist_ok=True)
        (place / path).hardlink_to(place / f"{n % FILES:03d}.bytes")
    return files


def make(place: Path, path: Path, count: int) -> None:
    """A shop of `count` photos, and its catalogue, with random vectors."""
    files = link_photos(place, count)
    made = folder.create(path, bundle.open_bundle("colour"))
    rows, copies = Rows(path, write=True), Copies(path, write=True)
    version = rows.live()
    generator = np.random.Generator(np.random.PCG64(7))
    every = lines(count, 0, 0)
    with rows.transaction():
        rows.put_source(Source("main", str(place.resolve()), False))
    for start in range(0, count, 10_000):
        part = list(enumerate(every[start : start + 10_000], start))
        copies.put(Copy(photo_id("main", line[0]), files[n % FILES][0], 1, 1, b"a copy") for n, line in part)
        with rows.transaction():
            for n, line in part:
                attributes = dict(zip(COLUMNS[4:], line[4:], strict=True))
                photo = Photo(*line[:3], "shop", line[3], None, attributes, photo_id("main", line[0]))
                vector = generator.random(version.dim, np.float32)
                rows.put_vector(version, rows.put(photo, "main", files[n % FILES], None), vector, "source")
    vectors.catch_up(made.derived(version), rows, version, made.id)
    rows.close()
    copies.close()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 80_000
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(temporary)
        place.mkdir(exist_ok=True)
        path, manifest = place / "sync.catalogue", place / "photos.csv"
        if not path.exists():
            make(place, path, count)
        print(f"{count:,} photos, {count // 8:,} prices changed   updated  embedded  seconds")
        for number in range(3):
            for name, hashed in (("known by size and time", False), ("--verify-content", True)):
                write(manifest, count, count // 8, time.time_ns() % 10**9)
                started = time.perf_counter()
                report = index(path, manifest, options=IndexOptions(verify_content=hashed))
                seconds = time.perf_counter() - started
                print(f"{number} {name:40} {report.updated:7,} {report.embedded:9,} {seconds:8.2f}", flush=True)


if __name__ == "__main__":
    main()
