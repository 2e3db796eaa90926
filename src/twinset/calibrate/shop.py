"""Photos and their vectors → questions, by customers' photos or by shop photos changed to be like them."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np

from twinset.calibrate.answers import Questions
from twinset.errors import NoQueriesError
from twinset.photos import Decoded, in_fractions
from twinset.preprocess import grown
from twinset.ranking import Ints
from twinset.records import Photo, Vectors
from twinset.simulate import customer, drawn

_AROUND: Final = 0.1
"""How much more than a shop photo's box a simulated customer shows."""


def questions(
    queries: Sequence[Photo], gallery: Sequence[Photo], embedded: Sequence[Photo], vectors: Vectors
) -> Questions:
    """What is asked with the queries whose item is in the gallery; photos that were not embedded take no part.

    Raises:
        NoQueriesError: no query is left.

    """
    row = {photo.key: place for place, photo in enumerate(embedded)}
    gallery = [photo for photo in gallery if photo.key in row]
    place = {photo.key: i for i, photo in enumerate(gallery)}
    photos = Counter(photo.item_id for photo in gallery)
    asked = [photo for photo in queries if photo.key in row and photos[photo.item_id] > (photo.key in place)]
    if not asked:
        raise NoQueriesError(
            f"none of {len(queries):,} queries has a right item among {len(gallery):,} gallery photos",
            "choose others with --protocol, --split, --queries or --gallery, or try --simulate",
        )
    return _questions(
        vectors[[row[photo.key] for photo in asked]],
        asked,
        np.array([place.get(photo.key, -1) for photo in asked]),
        gallery=gallery,
        vectors=vectors[[row[photo.key] for photo in gallery]],
    )


def one_of_each(gallery: Sequence[Photo]) -> list[Photo]:
    """A photo of each item, by the hash of its path: those that are changed."""
    of_item: defaultdict[str, list[Photo]] = defaultdict(list)
    for photo in gallery:
        of_item[photo.item_id].append(photo)
    return [
        min(photos, key=lambda photo: hashlib.sha256(photo.path.encode()).digest()) for photos in of_item.values()
    ]


def changed(photo: Photo, decoded: Decoded) -> Decoded:
    """A shop photo, or its box and a little more, as a customer's phone might show it."""
    box = in_fractions(photo.box, decoded)
    pixels = decoded.pixels
    if box is not None:
        height, width = pixels.shape[:2]
        x1, y1, x2, y2 = grown(box, _AROUND)
        rows, columns = (
            slice(int(low * side), max(int(low * side) + 1, round(high * side)))
            for low, high, side in ((y1, y2, height), (x1, x2, width))
        )
        pixels = pixels[rows, columns]
    seen = customer(pixels, drawn(photo.path))
    return Decoded(seen, seen.shape[1], seen.shape[0])


def simulated(
    shown: Sequence[Photo], queries: Vectors, gallery: Sequence[Photo], vectors: Vectors
) -> tuple[Questions, int]:
    """What is asked with changed copies of some photos of the gallery, and how many are of their item's only photo.

    A copy does not find the photo that it is made of, unless its item has no other.
    """
    place = {photo.key: i for i, photo in enumerate(gallery)}
    photos = Counter(photo.item_id for photo in gallery)
    lone = np.array([photos[photo.item_id] == 1 for photo in shown])
    own = np.array([place[photo.key] for photo in shown])
    asked = _questions(queries, shown, np.where(lone, -1, own), gallery=gallery, vectors=vectors)
    return asked, int(lone.sum())


def _questions(
    queries: Vectors, shown: Sequence[Photo], left_out: Ints, *, gallery: Sequence[Photo], vectors: Vectors
) -> Questions:
    names, items = np.unique(np.array([photo.item_id for photo in gallery], np.str_), return_inverse=True)
    right = np.searchsorted(names, np.array([photo.item_id for photo in shown], np.str_))
    return Questions(queries, right, left_out, vectors, items)
