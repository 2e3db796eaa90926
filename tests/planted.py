"""Faults planted in a drawn wardrobe: what an audit should find, and what it should leave alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from twinset.audit import Audit
from twinset.records import Photo


@dataclass(frozen=True, slots=True)
class Planted:
    """The photos with their faults, and the truth: which are to be found, by kind of fault."""

    photos: tuple[Photo, ...]
    again: dict[str, str]
    """Items whose photos stand under another id too, saved again: the one id → the other."""
    halved: dict[str, str]
    """Items of which half the photos stand under another id."""
    misfiled: dict[str, str]
    """Photos under another item: path → their own item."""
    mixed: frozenset[str]
    """Items whose photos show different products."""
    copied: frozenset[str]
    """Copies in train of photos of test."""
    untouched: frozenset[str]
    """Items in which nothing was done."""


def plant(photos: Sequence[Photo], root: Path, seed: int, count: int = 20) -> Planted:
    """Plants `count` faults of each kind; copies are written below `root`."""
    rng = np.random.Generator(np.random.PCG64(seed))
    items: dict[str, list[Photo]] = {}
    for photo in photos:
        items.setdefault(photo.item_id, []).append(photo)
    save = _saver(root, rng)
    tests = [name for name, own in items.items() if own[0].value("split") == "test"]
    sources = [str(name) for name in rng.permutation(tests)[:count]]
    left = [str(name) for name in rng.permutation([name for name in items if name not in sources])]
    trains = [name for name in left if items[name][0].value("split") == "train"][: count // 2]
    left = [name for name in left if name not in trains]
    mixed = _of_distinct_styles(left, items, count)
    left = [name for name in left if name not in mixed]
    again, halved, donors, takers = (left[i * count : (i + 1) * count] for i in range(4))
    untouched = frozenset(left[4 * count :])
    new = {name: list(own) for name, own in items.items()}
    for name in again:
        new[f"{name}-again"] = [_as(save(photo), name=f"{name}-again") for photo in items[name]]
    for name in halved:
        order = [items[name][i] for i in rng.permutation(len(items[name]))]
        shops = [photo for photo in order if photo.domain == "shop"]
        moved = shops[: len(shops) // 2]
        new[name] = [photo for photo in order if photo not in moved]
        new[f"{name}-half"] = [_as(photo, name=f"{name}-half") for photo in moved]
    misfiled = {}
    for donor, taker in zip(donors, takers, strict=True):
        shops = [photo for photo in items[donor] if photo.domain == "shop"]
        photo = shops[rng.integers(len(shops))]
        new[donor].remove(photo)
        new[taker].append(_like(photo, items[taker][0]))
        misfiled[photo.path] = donor
    for i, name in enumerate(mixed):
        new[name] = [_like(items[mixed[(i + j) % len(mixed)]][j], items[name][0]) for j in range(len(items[name]))]
    copied = set()
    for i, name in enumerate(sources):
        photo = next(photo for photo in items[name] if photo.domain == "shop")
        copy = save(photo)
        taker = trains[i // 2] if i % 2 else name
        new[taker].append(
            replace(_like(copy, items[taker][0]), attributes={**items[taker][0].attributes, "split": "train"})
        )
        copied.add(copy.path)
    return Planted(
        tuple(photo for own in new.values() for photo in own),
        {name: f"{name}-again" for name in again},
        {name: f"{name}-half" for name in halved},
        misfiled,
        frozenset(mixed),
        frozenset(copied),
        untouched,
    )


def scored(found: Audit, planted: Planted) -> dict[str, tuple[int, int]]:
    """How many are found, and how many there are to find; of what is untouched, how many are told wrongly."""
    products = [set(one.items) for one in found.findings if one.kind == "same_product"]
    wrong = {one.pairs[0].path: one.pairs[0].other_item_id for one in found.findings if one.kind == "wrong_item"}
    torn = {one.pairs[0].item_id for one in found.findings if one.kind == "disagree"}
    leaks = {path for one in found.findings if one.kind == "leakage" for path in one.photos}
    alone = [photo.path for photo in planted.photos if photo.item_id in planted.untouched]
    doubled = {name for items in products if items <= planted.untouched for name in items}

    def of(names: Sequence[str] | frozenset[str] | dict[str, str], told: Callable[[str], bool]) -> tuple[int, int]:
        return sum(told(name) for name in names), len(names)

    return {
        "again": of(planted.again, lambda name: {name, planted.again[name]} in products),
        "halved": of(planted.halved, lambda name: {name, planted.halved[name]} in products),
        "misfiled": of(planted.misfiled, wrong.__contains__),
        "misfiled, home named": of(planted.misfiled, lambda path: wrong.get(path) == planted.misfiled[path]),
        "mixed": of(planted.mixed, torn.__contains__),
        "copied": of(planted.copied, leaks.__contains__),
        "false same_product": of(planted.untouched, doubled.__contains__),
        "false wrong_item": of(alone, wrong.__contains__),
        "false disagree": of(planted.untouched, torn.__contains__),
        "false leakage": of(alone, leaks.__contains__),
    }


def _of_distinct_styles(names: Sequence[str], items: dict[str, list[Photo]], count: int) -> list[str]:
    styles: dict[str, str] = {}
    for name in names:
        styles.setdefault(items[name][0].value("style"), name)
    return list(styles.values())[:count]


def _as(photo: Photo, name: str) -> Photo:
    """A photo under another id, of a style of its own."""
    return replace(photo, item_id=name, attributes={**photo.attributes, "style": name})


def _like(photo: Photo, other: Photo) -> Photo:
    """A photo filed as another one is."""
    return replace(photo, item_id=other.item_id, category=other.category, attributes=other.attributes)


def _saver(root: Path, rng: np.random.Generator) -> Callable[[Photo], Photo]:
    """Saves a photo again, at another size and quality."""
    folder = root / "again"
    folder.mkdir(exist_ok=True)

    def save(photo: Photo) -> Photo:
        scale, quality = rng.uniform(0.5, 1.4), int(rng.integers(50, 90))
        image = Image.open(root / photo.path)
        size = tuple(max(1, round(side * scale)) for side in image.size)
        again = image.resize(size, Image.Resampling.LANCZOS)
        path = f"again/{photo.path.replace('/', '-').removesuffix('.jpg')}-{quality}.jpg"
        again.save(root / path, quality=quality)
        ratios = (size[0] / image.width, size[1] / image.height) * 2
        box = photo.box and tuple(side * ratio for side, ratio in zip(photo.box, ratios, strict=True))
        return replace(photo, path=path, box=box, photo_id="")

    return save
