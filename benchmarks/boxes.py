"""How well suggested boxes fit drawn garments, beside the whole photo and the best box that is always the same.

`customers` are the drawn wardrobe's customer photos; the garment fills most of each, so that the whole photo is no
bad box. `afar` are garments hung or lying anywhere in a room, at most 0.3 to 0.75 of it high and wide. The truth is
the garment's extent without what covers it. `one look` takes the places of the look that embeds, `suggested` a
closer look beside it, as `search` does. recall@1 is that of searching with the box among the items' shop photos.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from twinset import boxes, bundle, photos
from twinset.boxes import WHOLE, overlap
from twinset.datasets import wardrobe
from twinset.datasets.wardrobe import garment, scene
from twinset.datasets.wardrobe.figure import hanger
from twinset.datasets.wardrobe.frame import Frame
from twinset.datasets.wardrobe.rng import Dice
from twinset.datasets.wardrobe.shop import bounds
from twinset.datasets.wardrobe.style import Item, items
from twinset.embedder import Embedder
from twinset.photos import Decoded
from twinset.records import Box


class Case(NamedTuple):
    """A photo, the box of its garment in fractions, and the number of its item."""

    photo: Decoded
    truth: Box
    item: int


def customers(seed: int, count: int) -> tuple[list[Case], list[Decoded]]:
    """Customers' photos as they are saved and read, and each item's first shop photo."""
    cases, shop = [], []
    for drawn in wardrobe.photos(count, seed, shop_photos=1):
        photo = photos.decode(photos.encode_jpeg(drawn.pixels, 88))
        if drawn.domain == "shop":
            shop.append(photo)
        elif drawn.box and (box := photos.in_fractions(drawn.box, photo)):
            cases.append(Case(photo, box, len(shop) - 1))
    return cases, shop


def afar(seed: int, count: int) -> Iterator[Case]:
    """One garment of each item, anywhere in a room."""
    for number, item in enumerate(islice(items(seed), count)):
        pixels, truth = _afar(item, Dice(seed, "afar", item.number))
        yield Case(photos.decode(photos.encode_jpeg(pixels, 88)), truth, number)


def _afar(item: Item, dice: Dice) -> tuple[np.ndarray, Box]:
    width, height = dice.choice(((384, 512), (512, 384), (448, 448)))
    cut = garment.shape(item.design)
    share, length = dice.uniform(0.3, 0.75), cut.bottom - cut.top
    scale = min(height * share / length, width * share / cut.width)
    left = dice.uniform(0, 1) * (width - cut.width * scale) + cut.width * scale / 2
    top = dice.uniform(0, 1) * (height - length * scale)
    frame = Frame(width, height, scale, left, top - scale * cut.top)
    layer, lying = garment.drawn(cut, item.design, item.way, frame, dice), dice.chance(0.4)
    seen = layer if lying else layer.upon(hanger(item.design, frame, dice))
    x1, y1, x2, y2 = bounds(layer.cover) or (0, 0, width, height)
    picture = np.asarray(seen.over(scene.room(width, height, dice, lying=lying)))
    return picture, (x1 / width, y1 / height, x2 / width, y2 / height)


def constant(truths: Sequence[Box]) -> Box:
    """The box with the best median overlap with all, found by moving one side at a time."""

    def median(box: Box) -> float:
        return float(np.median([overlap(box, truth) for truth in truths]))

    best, step = tuple(np.median(truths, axis=0).tolist()), 0.08
    while step > 0.005:
        tries = [best]
        for side in range(4):
            for move in (-step, step):
                tried = list(best)
                tried[side] = min(1.0, max(0.0, tried[side] + move))
                if tried[0] < tried[2] and tried[1] < tried[3]:
                    tries.append(tuple(tried))
        found = max(tries, key=median)
        step, best = (step / 2, best) if found == best else (step, found)
    return best


def rows(embedder: Embedder, cases: Sequence[Case], shop: Sequence[Decoded]) -> Iterator[str]:
    """A line of the table for each way to a box."""
    gallery = np.array([embedder.embed(photo) for photo in shop])
    same = constant([case.truth for case in cases])
    ways: dict[str, Callable[[Case], tuple[Box, ...]]] = {
        "whole photo": lambda _: (WHOLE,),
        "best constant": lambda _: (same,),
        "one look": lambda case: boxes.of_photo(embedder, case.photo, closer=False),
        "suggested": lambda case: boxes.of_photo(embedder, case.photo),
        "truth": lambda case: (case.truth,),
    }
    for name, way in ways.items():
        found = [way(case) for case in cases]
        first = [overlap(box[0], c.truth) if box else 0.0 for box, c in zip(found, cases, strict=True)]
        best = [max((overlap(b, c.truth) for b in box), default=0.0) for box, c in zip(found, cases, strict=True)]
        queries = [embedder.embed(c.photo, box[0] if box else None) for box, c in zip(found, cases, strict=True)]
        hits = np.argmax(np.array(queries) @ gallery.T, axis=1) == [case.item for case in cases]
        half = np.mean(np.array(first) >= 0.5)
        yield (
            f"{name:14s} {np.median(first):6.3f} {half:7.3f} {np.median(best):8.3f} "
            f"{np.mean([len(box) for box in found]):6.2f} {hits.mean():9.3f}"
        )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", help="a bundle's folder or a shipped name; by default what `twinset` uses")
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    opened = bundle.open_bundle(options.bundle)
    embedder = Embedder(opened, "cpu")
    cases, shop = customers(options.seed, options.items)
    print(f"{opened.facts.name}, {options.items} items of seed {options.seed}; overlap = intersection over union")
    for name, chosen in (("customers", cases), ("afar", list(afar(options.seed, options.items)))):
        print(f"\n{name:14s} median  ≥ 0.5  best of 3  boxes  recall@1")
        for row in rows(embedder, chosen, shop):
            print(row, flush=True)


if __name__ == "__main__":
    main()
