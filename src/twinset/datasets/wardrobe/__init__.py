"""A drawn wardrobe: garments of many cuts and cloths, as a shop and as its customers photograph them."""

import csv
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

from PIL import Image

from twinset.errors import UsageError

from . import customer, shop
from .record import COLUMNS, Drawn
from .rng import Dice
from .style import Item
from .style import items as _items

__all__ = ["COLUMNS", "Drawn", "draw", "photos"]

_MOST_ITEMS, _MOST_PHOTOS = 20_000, 20
_QUALITY = 88


def photos(items: int, seed: int, shop_photos: int = 2, customer_photos: int = 1) -> Iterator[Drawn]:
    """The photos of that many items, item by item, each item's shop photos first."""
    _checked(items, shop_photos, customer_photos)
    for item in islice(_items(seed), items):
        yield from _of_item(item, seed, shop_photos, customer_photos)


def draw(
    out: Path,
    *,
    items: int,
    seed: int,
    shop_photos: int = 2,
    customer_photos: int = 1,
    advance: Callable[[int], None] = lambda _n: None,
) -> Path:
    """Draws the photos into the folder and then writes photos.csv, whose path is returned.

    advance is told after each item how many photos were drawn.
    """
    _checked(items, shop_photos, customer_photos)
    out.mkdir(parents=True, exist_ok=True)
    save = partial(_saved, out=out, seed=seed, shop_photos=shop_photos, customer_photos=customer_photos)
    rows: list[tuple[str, ...]] = []
    for lines in _mapped(save, list(islice(_items(seed), items))):
        rows += lines
        advance(len(lines))
    manifest = out / "photos.csv"
    with manifest.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    return manifest


def _checked(items: int, shop_photos: int, customer_photos: int) -> None:
    for name, value, least, most in (
        ("items", items, 1, _MOST_ITEMS),
        ("shop photos", shop_photos, 1, _MOST_PHOTOS),
        ("customer photos", customer_photos, 0, _MOST_PHOTOS),
    ):
        if not least <= value <= most:
            raise UsageError(f"{value} {name} cannot be drawn", f"ask for {least} to {most}")


def _mapped(save: Callable[[Item], list[tuple[str, ...]]], wanted: list[Item]) -> Iterator[list[tuple[str, ...]]]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < 2 or len(wanted) < 24:
        yield from map(save, wanted)
        return
    with ThreadPoolExecutor(min(cores, 8)) as pool:
        yield from pool.map(save, wanted)


def _saved(item: Item, out: Path, seed: int, shop_photos: int, customer_photos: int) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for drawn in _of_item(item, seed, shop_photos, customer_photos):
        path = out / drawn.path
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawn.pixels).save(path, quality=_QUALITY)
        rows.append(drawn.row())
    return rows


def _of_item(item: Item, seed: int, shop_photos: int, customer_photos: int) -> Iterator[Drawn]:
    for index in range(shop_photos):
        yield _drawn(item, seed, "shop", index, shop.photo(seed, item, index))
    for index in range(customer_photos):
        yield _drawn(item, seed, "customer", index, customer.photo(seed, item, index))


def _drawn(item: Item, seed: int, domain: str, index: int, photo: shop.Photo) -> Drawn:
    sold_out = Dice(seed, "stock", item.number).chance(0.08)
    return Drawn(
        path=f"{item.design.category}/{item.item_id}/{domain}_{index + 1:02d}.jpg",
        item_id=item.item_id,
        category=item.design.category,
        domain=domain,
        split=item.split,
        box=photo.box,
        view=photo.view,
        style=item.style,
        title=item.title,
        colour=item.way.ground.name,
        pattern=item.design.fabric.pattern,
        price=f"{item.price / 100:.2f}",
        currency="EUR",
        availability="out_of_stock" if sold_out else "in_stock",
        pixels=photo.pixels,
    )
