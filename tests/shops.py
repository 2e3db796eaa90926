"""Small real shops for tests: bands of colour, in a manifest; and catalogues made with the bundle `colour`."""

import json
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from twinset import Catalogue, bundle, catalogue
from twinset.records import Pixels
from twinset.store.schema import checksum

index = partial(catalogue.index, bundle="colour")
"""Indexes with a bundle that is small, quick and exact, whichever is the default."""
build = partial(Catalogue.build, bundle="colour")
"""Indexes likewise, and opens the catalogue."""


def rename(place: Path, **facts: object) -> None:
    """Changes what `catalogue.json` says, with the checksum that fits."""
    about = place / "catalogue.json"
    told = json.loads(about.read_text(encoding="utf-8")) | facts
    told.pop("checksum")
    about.write_text(json.dumps(told | {"checksum": checksum(told)}), encoding="utf-8")


def picture(seed: int, size: int = 32) -> Pixels:
    """Three bands of random colours."""
    generator = np.random.Generator(np.random.PCG64(seed))
    bands = generator.integers(0, 256, (3, 3), dtype=np.uint8)
    return np.repeat(np.repeat(bands, size // 3 + 1, axis=0)[:size, np.newaxis], size, axis=1)


def cloth(seed: int, size: int = 96) -> Pixels:
    """A smooth pattern, as cloth is: not noise, which JPEG changes most."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC))


def age(path: Path, seconds: int = 3600) -> None:
    """Sets a file's modification time back: the times of young files tell nothing."""
    stamp = time.time_ns() - seconds * 10**9
    os.utime(path, ns=(stamp, stamp))


def write(folder: Path, rows: list[dict[str, str]], seeds: dict[str, int]) -> Path:
    """Writes the photos and the manifest of a shop; returns the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, seed in seeds.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(seed)).save(folder / path)
        age(folder / path)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(columns), *(",".join(row.get(name, "") for name in columns) for row in rows)]
    manifest = folder / "photos.csv"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


def shop(folder: Path, items: int = 20, views: int = 2) -> Path:
    """A shop of some items, each with some photos, a price and a category."""
    rows, seeds = [], {}
    for item in range(items):
        for view in range(views):
            path = f"{item:03d}/{view}.png"
            rows.append(
                {"path": path, "item_id": f"i{item:03d}", "category": "TOPS/Tee", "price": "10", "view": f"v{view}"}
            )
            seeds[path] = item * 7 + view
    return write(folder, rows, seeds)


def other_bundle(folder: Path) -> Path:
    """A bundle that sees colours too, but in the middle half of a photo only: it gives other answers."""
    colour = bundle.open_bundle("colour")
    preprocess = replace(colour.facts.preprocess, fit="crop", share=0.5)
    bundle.save(folder, replace(colour.facts, name="middle", preprocess=preprocess), colour.model)
    return folder
