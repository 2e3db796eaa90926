"""Milliseconds of a search among N vectors, cold (a new process) and warm, plain and with filters, beside numpy.

Usage: search_speed.py N [FOLDER]. FOLDER keeps the made catalogue for another run.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from twinset import bundle
from twinset.catalogue import Catalogue, folder
from twinset.catalogue.folder import CatalogueFolder
from twinset.datasets import wardrobe
from twinset.records import Photo, Vectors, photo_id
from twinset.store import columns, vectors
from twinset.store.rows import Rows
from twinset.store.versions import Version

ROUNDS = 15
OPTIONS: dict[str, dict[str, Any]] = {
    "one colour": {"where": ["colour=c3"]},
    "price under": {"where": ["price<2500"]},
    "three filters": {"where": ["category=BIG3/*", "price<2500", "size=M"]},
    "a boost": {"boost": ["colour=c3:+0.05"]},
    "by style": {"by": "style"},
    "facets": {"facets": True},
}


def store(path: Path, blocks: Iterable[Vectors], dim: int | None = None) -> tuple[CatalogueFolder, Rows, Version]:
    """A catalogue of these vectors, three photos an item, nothing derived yet; of another D than its bundle's."""
    made = folder.create(path, bundle.open_bundle("colour"))
    rows = Rows(path, write=True)
    version = replace(rows.live(), dim=dim or rows.live().dim)
    with rows.transaction():
        rows.versions.reset(version)
    number = 0
    for block in blocks:
        with rows.transaction():
            for vector in block:
                put(rows, version, number, vector)
                number += 1
    return made, rows, version


def put(rows: Rows, version: Version, number: int, vector: Vectors) -> None:
    name, item = f"{number:07d}.jpg", number // 3
    facts = {"price": str(item % 5000), "colour": f"c{item % 40}", "size": "S|M|L", "style": f"s{item // 4}"}
    category = f"BIG{item % 8}/small{item % 50}"
    photo = Photo(name, f"item{item:07d}", category, attributes=facts, photo_id=photo_id("main", name))
    rows.put_vector(version, rows.put(photo, "main", ("0" * 64, 1, 1), None), vector, "source")


def drawn(count: int, dim: int) -> Iterator[Vectors]:
    generator = np.random.Generator(np.random.PCG64(7))
    for start in range(0, count, 10_000):
        block = generator.random((min(10_000, count - start), dim), np.float32) ** 8
        yield block / np.linalg.norm(block, axis=1, keepdims=True)


def make(path: Path, count: int) -> None:
    """A catalogue of `count` random vectors."""
    made, rows, version = store(path, drawn(count, bundle.open_bundle("colour").facts.dim))
    vectors.catch_up(made.derived(version), rows, version, made.id)
    started = time.perf_counter()
    columns.catch_up(path / "derived", rows, made.id)
    print(f"columns made   {(time.perf_counter() - started) * 1e3:8.0f} ms")
    rows.close()


def cold(path: Path, photo: Path) -> tuple[float, float]:
    """Seconds of a whole `twinset search` process, and the milliseconds it reports for the search alone."""
    command = [sys.executable, "-m", "twinset", "search", str(photo), "-c", str(path), "--json"]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - started, json.loads(done.stdout)["ms"]["search"]


def main() -> None:
    count = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(temporary)
        path, photo = place / f"{count}.catalogue", place / "query.jpg"
        place.mkdir(exist_ok=True)
        if not path.exists():
            make(path, count)
        Image.fromarray(next(wardrobe.photos(1, 7)).pixels).save(photo)
        colds = [cold(path, photo) for _ in range(5)]
        catalogue = Catalogue(path)
        catalogue.search(photo)
        matrix = np.array(np.memmap(path / "derived/1/vectors.f32", "<f4", "r").reshape(count, -1))
        query = matrix[0]
        ours, numpy_ = [], []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            scores = matrix @ query
            top = np.argpartition(scores, -20)[-20:]
            top[np.argsort(-scores[top])]
            numpy_.append((time.perf_counter() - started) * 1e3)
            ours.append(catalogue.search(photo).ms["search"])
        print(f"{count:,} vectors")
        print(f"cold process   {statistics.median(s for s, _ in colds) * 1e3:8.0f} ms")
        print(f"cold search    {statistics.median(ms for _, ms in colds):8.1f} ms")
        print(f"warm search    {statistics.median(ours):8.1f} ms   items ranked, rows read and checked")
        for name, options in OPTIONS.items():
            started = time.perf_counter()
            catalogue.search(photo, **options)
            first = (time.perf_counter() - started) * 1e3
            found = statistics.median(catalogue.search(photo, **options).ms["search"] for _ in range(ROUNDS))
            print(f"{name:14} {found:8.1f} ms   {first:.0f} ms the first time, with decoding and embedding")
        print(f"numpy top 20   {statistics.median(numpy_):8.1f} ms   photos only, matrix in memory")
        ratio = statistics.median(a / b for a, b in zip(ours, numpy_, strict=True))
        print(f"warm ÷ numpy   {ratio:8.2f}")
        catalogue.close()


if __name__ == "__main__":
    main()
