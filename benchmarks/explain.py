"""Whether the places that `search --explain` shows are those that the score falls without.

Usage: explain.py photos.csv [--bundle BUNDLE] [--protocol NAME] [--split SPLIT] [--hold-out STYLES] [--queries N].

Of each query a fifth of the places that show the photo turn grey, in pixels, and the query is embedded again:

- most: those that add most, by the explanation
- least: those that add least
- random: drawn, four times, and the mean
- middle: those nearest to the photo's middle, where the garment is
- loudest: those whose contributions are longest, whatever the hit

`score` is how far the score with the first hit falls; `lead` is how far the first item's lead over the second item
falls, where the explanation is the difference of the two. In brackets: the 95 % bootstrap interval of how much more
`most` takes than the others do. Last is how local places are: how much of the change of all contributions, squared,
is at the place that turned grey itself, and within one and two places of it.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twinset import bundle as bundles
from twinset import manifest, photos, protocols
from twinset.embedder import Embedder, embed_photos, in_order
from twinset.explain import parts
from twinset.manifest import Manifest
from twinset.manifest.split import parse_hold_out
from twinset.photos import Decoded
from twinset.records import Photo, Pixels, Vectors
from twinset.runtime import Patches

WAYS: Final = ("most", "least", "random", "middle", "loudest")
SHARE, DRAWS, GREY, SEED = 0.2, 4, 128, 0

Numbers = npt.NDArray[np.float64]
Places = Sequence[int]


def decoded(table: Manifest, photo: Photo) -> tuple[Decoded, Any]:
    pixels = photos.decode(photos.read_bytes(table.root / photo.path))
    return pixels, photos.in_fractions(photo.box, pixels)


def greyed(square: Pixels, chosen: Places, shape: tuple[int, int]) -> Pixels:
    """The square with places, counted row by row, of one colour."""
    high, wide = square.shape[0] // shape[0], square.shape[1] // shape[1]
    grey = square.copy()
    for place in chosen:
        y, x = divmod(int(place), shape[1])
        grey[y * high : (y + 1) * high, x * wide : (x + 1) * wide] = GREY
    return grey


def choices(
    added: Numbers, patches: Patches, inside: npt.NDArray[np.int64], dice: np.random.Generator
) -> Mapping[str, list[Places]]:
    """Which places turn grey, by each way."""
    count = round(SHARE * len(inside))
    down, across = np.divmod(inside, added.shape[1])
    far = (down - down.mean()) ** 2 + (across - across.mean()) ** 2
    length = np.linalg.norm(patches, axis=2)
    orders = {
        "most": -added.ravel()[inside],
        "least": added.ravel()[inside],
        "middle": far,
        "loudest": -length.ravel()[inside],
    }
    found: dict[str, list[Places]] = {
        name: [inside[np.argsort(order, kind="stable")[:count]]] for name, order in orders.items()
    }
    return found | {"random": [dice.choice(inside, count, replace=False) for _ in range(DRAWS)]}


class Test:
    """A gallery, and what greying does to queries."""

    def __init__(self, table: Manifest, gallery: Sequence[Photo], embedder: Embedder) -> None:
        found = embed_photos(embedder, gallery, table.root)
        self.table, self.embedder = table, embedder
        self.photos, self.vectors = found.photos, found.vectors

    def of(self, photo: Photo) -> tuple[list[list[float]], list[float]]:
        """How far score and lead fall, by each way; and how local the places are."""
        dice = np.random.default_rng([SEED, *photo.path.encode()])
        query = decoded(self.table, photo)
        square, patches = self.embedder.prepare(*query), self.embedder.patches(*query)
        seen, shape = self.embedder.shown(*query)[1], patches.shape[:2]
        middles = [(np.arange(count) + 0.5) / count for count in shape]
        rows, columns = (
            (middles[0] > seen[1]) & (middles[0] < seen[3]),
            (middles[1] > seen[0]) & (middles[1] < seen[2]),
        )
        inside = np.flatnonzero(np.outer(rows, columns))
        scores = self.vectors @ self.embedder.embed_square(square)
        first = int(scores.argmax())
        second = int(np.where([p.item_id == self.photos[first].item_id for p in self.photos], -2, scores).argmax())
        adds = [
            parts(patches, self.embedder.patches(*decoded(self.table, self.photos[n])))[0] for n in (first, second)
        ]
        falls = []
        for added, against in (
            (adds[0], self.vectors[first]),
            (adds[0] - adds[1], self.vectors[first] - self.vectors[second]),
        ):
            chosen = choices(added, patches, inside, dice)
            falls.append([self._fall(square, chosen[way], shape, against) for way in WAYS])
        return falls, self._local(square, patches, int(dice.choice(inside)))

    def _fall(self, square: Pixels, chosen: Sequence[Places], shape: tuple[int, int], against: Vectors) -> float:
        before = self.embedder.embed_square(square) @ against
        after = [self.embedder.embed_square(greyed(square, places, shape)) @ against for places in chosen]
        return float(before - np.mean(after))

    def _local(self, square: Pixels, patches: Patches, place: int) -> list[float]:
        shape = patches.shape[:2]
        grey = greyed(square, [place], shape)
        changed = ((self.embedder.patches_square(grey) - patches) ** 2).sum(axis=2)
        y, x = divmod(place, shape[1])
        near = [changed[max(0, y - n) : y + n + 1, max(0, x - n) : x + n + 1].sum() for n in range(3)]
        return [float(part / max(changed.sum(), 1e-12)) for part in near]


def table(name: str, falls: Numbers) -> None:
    """The falls `(queries, ways)` of one kind."""
    dice = np.random.default_rng(SEED)
    for number, way in enumerate(WAYS):
        more = falls[:, 0] - falls[:, number]
        draws = [dice.choice(more, len(more)).mean() for _ in range(1000)]
        low, high = np.percentile(draws, [2.5, 97.5])
        beside = f"  ({low:+.3f} – {high:+.3f})  more in {np.mean(more > 0):.0%}" if number else ""
        print(f"{name:6s} {way:8s} {falls[:, number].mean():6.3f}{beside}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path, metavar="photos.csv")
    parser.add_argument("--bundle")
    parser.add_argument("--protocol")
    parser.add_argument("--split")
    parser.add_argument("--hold-out", default="")
    parser.add_argument("--queries", type=int, default=120)
    given = parser.parse_args()
    read = manifest.read(given.manifest)
    protocol, split = protocols.choose(read.photos, given.protocol, given.split)
    queries, gallery = protocols.select(read.photos, protocol, split)
    keep = parse_hold_out(given.hold_out).holds if given.hold_out else lambda _photo: True
    queries = [photo for photo in queries if keep(photo)]
    chosen = np.random.default_rng(SEED).permutation(len(queries))[: given.queries]
    embedder = Embedder(bundles.open_bundle(given.bundle), "cpu")
    test = Test(read, gallery, embedder)
    found = list(in_order(test.of, [queries[number] for number in sorted(chosen)]))
    print(f"{len(found)} queries, {len(test.photos)} photos in the gallery")
    falls = np.array([one for one, _ in found])
    for number, name in enumerate(("score", "lead")):
        table(name, falls[:, number])
    own, one, two = np.mean([local for _, local in found], axis=0)
    print(f"of a greyed place's change {own:.2f} is its own, {one:.2f} within one place, {two:.2f} within two")


if __name__ == "__main__":
    main()
