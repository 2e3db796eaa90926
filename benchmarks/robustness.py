"""How far a photo's embedding moves when the photo is sent on, made darker or cropped, and what recall is left.

Usage: robustness.py [BUNDLE] [--luma photos.csv] [--grocery photos.csv] [--items N] [--seed N] [--hold-out STYLES].

BUNDLE is a folder or a shipped name, by default what `twinset` uses. The queries are the views of luma's held-out
styles, grocery's customer photos of `val`, and the customers' photos, by their boxes, of a wardrobe drawn on the
fly. Each is disturbed as it was decoded, and embedded:

- JPEG 60: encoded again in memory, quality 60
- half size: both sides halved, then a JPEG of quality 95
- messenger: both sides halved, then a JPEG of quality 60
- darker: every value × 0.85
- cropped: 5 % of its width or height cut off every side of what is embedded, the photo or its grown box

The cosine is that of a query's embedding before and after; recall is `evaluate`'s by the same protocol, with
disturbed queries in a gallery that is not.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from twinset import bundle as bundles
from twinset import manifest, photos, protocols
from twinset.bundle import Bundle
from twinset.datasets import wardrobe
from twinset.embedder import Embedder, embed_photos, in_order
from twinset.evaluate import evaluate
from twinset.manifest import Manifest
from twinset.manifest.split import parse_hold_out
from twinset.preprocess import grown
from twinset.protocols import Protocol
from twinset.records import Box, Photo, Pixels, Vectors

DARKER, CUT = 0.85, 0.05
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
GOAL = 0.9


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Encoded, and decoded as every photo is."""
    return photos.read(photos.encode_jpeg(pixels, quality))


def half(pixels: Pixels) -> Pixels:
    return photos.shrink(pixels, max(pixels.shape[:2]) // 2)


def darker(pixels: Pixels) -> Pixels:
    scaled: Pixels = np.rint(pixels * DARKER).astype(np.uint8)
    return scaled


COPIES: Mapping[str, Callable[[Pixels], Pixels]] = {
    "as it is": lambda pixels: pixels,
    "JPEG 60": lambda pixels: jpeg(pixels, 60),
    "half size": lambda pixels: jpeg(half(pixels), 95),
    "messenger": lambda pixels: jpeg(half(pixels), 60),
    "darker": darker,
}
CROPPED = "cropped"
NAMES = (*COPIES, CROPPED)


@dataclass(frozen=True)
class Set:
    """Photos with a protocol, and which of its queries count."""

    name: str
    table: Manifest
    protocol: Protocol
    split: str
    keep: Callable[[Photo], bool] = lambda _photo: True

    @classmethod
    def of(cls, name: str, source: Path, protocol: str, split: str, hold_out: str = "") -> "Set":
        read = manifest.read(source)
        chosen, of_split = protocols.choose(read.photos, protocol, split)
        keep = parse_hold_out(hold_out).holds if hold_out else lambda _photo: True
        return cls(name, read, chosen, of_split, keep)

    def queries(self) -> list[Photo]:
        queries, _ = protocols.select(self.table.photos, self.protocol, self.split)
        return [photo for photo in queries if self.keep(photo)]

    def gallery(self) -> list[Photo]:
        return protocols.select(self.table.photos, self.protocol, self.split)[1]


@dataclass(frozen=True)
class Measured:
    """Of one set under one disturbance."""

    median: float
    low: float
    recall: float


def views(bundle: Bundle, root: Path, photo: Photo) -> list[Pixels]:
    """What the model sees of a photo under each disturbance; a box is in fractions, which no copy changes."""
    decoded = photos.decode(photos.read_bytes(root / photo.path))
    box = photos.in_fractions(photo.box, decoded)
    part = WHOLE if box is None else grown(box, bundle.facts.box_margin)
    prepare = bundle.facts.preprocess.apply
    squares = [prepare(copy(decoded.pixels), part) for copy in COPIES.values()]
    return [*squares, prepare(decoded.pixels, grown(part, -CUT))]


def embedded(bundle: Bundle, embedder: Embedder, part: Set) -> tuple[list[str], npt.NDArray[np.float32]]:
    """The paths of the queries, and their embeddings `(disturbances, queries, D)`."""

    def work(photo: Photo) -> Vectors:
        return np.stack([embedder.embed_square(square) for square in views(bundle, part.table.root, photo)])

    queries = part.queries()
    return [photo.path for photo in queries], np.stack(list(in_order(work, queries)), axis=1)


def measure(bundle: Bundle, embedder: Embedder, part: Set) -> list[Measured]:
    """One for each of `NAMES`."""
    gallery = embed_photos(embedder, part.gallery(), part.table.root)
    still = dict(zip((photo.path for photo in gallery.photos), gallery.vectors, strict=True))
    paths, vectors = embedded(bundle, embedder, part)
    measured = []
    for disturbed in vectors:
        at = still | dict(zip(paths, disturbed, strict=True))

        def embeds(chosen: Sequence[Photo], at: dict[str, Vectors] = at) -> tuple[Sequence[Photo], Vectors]:
            there = [photo for photo in chosen if photo.path in at]
            return there, np.stack([at[photo.path] for photo in there])

        cosines = np.einsum("qd,qd->q", vectors[0], disturbed)
        found = evaluate(part.table.photos, embeds, part.protocol, part.split, keep=part.keep)
        median, low = np.percentile(cosines, [50, 5])
        measured.append(Measured(float(median), float(low), found.recall[1]))
    return measured


def sets(given: argparse.Namespace, temporary: Path) -> Iterator[Set]:
    if given.luma:
        name = "luma, held-out" if given.hold_out else "luma"
        yield Set.of(name, given.luma, "views", "all", given.hold_out)
    if given.grocery:
        yield Set.of("grocery, val", given.grocery, "consumer-to-shop", "val")
    drawn = wardrobe.draw(temporary, items=given.items, seed=given.seed)
    yield Set.of("drawn wardrobe", drawn, "consumer-to-shop", "all")


def table(found: Mapping[str, Sequence[Measured]]) -> Iterator[str]:
    """The lines of the table."""
    head = [f"{name}: {what}" for name in found for what in ("cosine (5 %)", "recall@1")]
    yield f"| | {' | '.join(head)} |"
    yield "|---" * (1 + len(head)) + "|"
    for number, name in enumerate(NAMES):
        rows = [rows[number] for rows in found.values()]
        cells = [cell for row in rows for cell in (f"{row.median:.3f} ({row.low:.3f})", f"{row.recall:.3f}")]
        yield f"| {name} | {' | '.join(cells)} |"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="?", metavar="BUNDLE")
    parser.add_argument("--luma", type=Path, metavar="CSV")
    parser.add_argument("--grocery", type=Path, metavar="CSV")
    parser.add_argument("--items", type=int, default=200, help="in the drawn wardrobe")
    parser.add_argument("--seed", type=int, default=7, help="of the drawn wardrobe")
    parser.add_argument("--hold-out", default="style=0-7", help="which of luma's queries count; '' for all")
    return parser.parse_args()


def main() -> None:
    given = options()
    bundle = bundles.open_bundle(given.bundle)
    embedder = Embedder(bundle, "cpu")
    with tempfile.TemporaryDirectory() as name:
        parts = list(sets(given, Path(name)))
        found = {part.name: measure(bundle, embedder, part) for part in parts}
        counts = ", ".join(f"{part.name} {len(part.queries()):,}" for part in parts)
    print("\n".join(table(found)))
    least = min((row.median, NAMES[i], part) for part, rows in found.items() for i, row in enumerate(rows))
    print(f"\n{bundle.facts.name}, {bundle.fingerprint[:12]}; queries: {counts}.")
    print("Cosine: the median over the queries, and in brackets the fifth percentile.")
    said = "reached" if least[0] >= GOAL else "missed"
    print(f"Least median {least[0]:.3f} ({least[1]}, {least[2]}): {GOAL} is {said}.")


if __name__ == "__main__":
    main()
