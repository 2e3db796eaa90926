"""What each re-ranking gains and costs: recall, its paired difference to the plain order, milliseconds of a search.

Every photo is embedded once, and what a catalogue would find is ordered by the functions that it orders by.
Milliseconds are of `Catalogue.search` among 240 photos of the gallery, in turns for each of some queries.
Without a manifest, a wardrobe is drawn.
"""

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

import numpy as np
import numpy.typing as npt

from twinset import Catalogue, manifest, metrics, photos, protocols, rerank
from twinset import bundle as bundles
from twinset.catalogue import IndexOptions, reorder
from twinset.catalogue.options import Rerank
from twinset.datasets import wardrobe
from twinset.embedder import Embedder, in_order
from twinset.manifest import Manifest
from twinset.manifest.split import parse_hold_out
from twinset.manifest.table import write_rows
from twinset.photos import in_fractions
from twinset.records import Photo, Vectors
from twinset.rerank import Scores
from twinset.runtime import Patches
from twinset.store.schema import pack, unpack
from twinset.store.view import exact_scores

FIGURES: Final = ("recall@1", "recall@10", "map")
SIZE: Final = 240
"""Photos of the catalogue that is timed."""


@dataclass(frozen=True)
class Seen:
    """A photo as the model saw it: its vector as a query and as it is stored, and its places."""

    photo: Photo
    vector: Vectors
    stored: Vectors
    places: Patches | None


@dataclass(frozen=True)
class Asked:
    """A query, the directions between it and its mirror image, and between it and all that `views` looks at."""

    seen: Seen
    flipped: Vectors
    views: Vectors


@dataclass(frozen=True)
class Found:
    """The vectors `(n, D)` of each candidate's photos and the places of its best, both best first."""

    vectors: list[Vectors]
    places: list[Patches | None]

    @property
    def best(self) -> Vectors:
        return np.stack([vectors[0] for vectors in self.vectors])


Order = Callable[[Asked, Found], Scores]


def centroids(share: float) -> Order:
    """The cosine of the middle of an item's photos, and for the rest that of the best of them."""

    def order(asked: Asked, found: Found) -> Scores:
        middles = np.stack([rerank.centroid(vectors) for vectors in found.vectors])
        query = asked.seen.vector
        return share * exact_scores(middles, query) + (1 - share) * exact_scores(found.best, query)

    return order


def of_catalogue(method: Rerank) -> Order:
    return lambda asked, found: reorder.rescored(method, asked.seen.vector, found.vectors, (), None)


def similarities(asked: Asked, found: Found) -> Scores:
    own = asked.seen.places
    return np.array([rerank.max_sim(own, other) for other in found.places if own is not None and other is not None])


def with_patches(asked: Asked, found: Found) -> Scores:
    return reorder.with_patches(exact_scores(found.best, asked.seen.vector), similarities(asked, found))


ORDERS: Final[Mapping[str, tuple[Order, int]]] = {
    "`expansion`": (of_catalogue("expansion"), reorder.FIRST),
    "`reciprocal`": (of_catalogue("reciprocal"), reorder.FIRST),
    "`centroid`": (of_catalogue("centroid"), reorder.FIRST),
    "half centroid, half best photo": (centroids(0.5), reorder.FIRST),
    "`views`: mirrored and closer": (lambda a, f: reorder.by_best(f.vectors, a.views), reorder.FIRST),
    "mirrored alone": (lambda a, f: reorder.by_best(f.vectors, a.flipped), reorder.FIRST),
    "`patches`: a quarter MaxSim": (with_patches, reorder.FIRST_PATCHES),
    "MaxSim alone": (similarities, reorder.FIRST_PATCHES),
}


def see(embedder: Embedder, root: Path, photo: Photo) -> Seen:
    decoded = photos.decode(photos.read_bytes(root / photo.path))
    box = in_fractions(photo.box, decoded)
    vector = embedder.embed(decoded, box)
    places = embedder.patches(decoded, box) if embedder.has_patches else None
    flat = None if places is None else places.reshape(-1, embedder.dim)
    return Seen(photo, vector, unpack([pack(vector)], embedder.dim)[0], flat)


def ask(embedder: Embedder, root: Path, seen: Seen) -> Asked:
    decoded = photos.decode(photos.read_bytes(root / seen.photo.path))
    box = in_fractions(seen.photo.box, decoded)
    mirrored = embedder.embed_square(reorder.mirrored(embedder.prepare(decoded, box)))
    flipped = rerank.centroid(np.stack([seen.vector, mirrored]))
    return Asked(seen, flipped, reorder.middle(embedder, [decoded], box))


def ranks(asked: Asked, gallery: Sequence[Seen], stored: Vectors, patches: bool) -> dict[str, int]:
    """Where the item of a query stands by each method, from 1; 0 where it has no other photo."""
    items: defaultdict[str, list[int]] = defaultdict(list)
    scores = exact_scores(stored, asked.seen.vector)
    for i in np.argsort(-scores, kind="stable").tolist():
        if gallery[i].photo.path != asked.seen.photo.path:
            items[gallery[i].photo.item_id].append(i)
    plain = sorted(items, key=lambda item: (-scores[items[item][0]], item))
    own = asked.seen.photo.item_id
    if own not in items:
        return {}
    told = {"plain": plain.index(own) + 1}
    for name, (order, first) in ORDERS.items():
        head = plain[:first]
        if first == reorder.FIRST_PATCHES and not patches:
            continue
        found = Found([stored[items[item]] for item in head], [gallery[items[item][0]].places for item in head])
        best = np.array([scores[items[item][0]] for item in head])
        place = rerank.places(best, order(asked, found))
        told[name] = int(place[head.index(own)]) + 1 if own in head else told["plain"]
    return told


def figures(rank: int) -> tuple[float, float, float]:
    return float(rank <= 1), float(rank <= 10), 1 / rank


def timed(
    table: Manifest, gallery: Sequence[Photo], queries: Sequence[Photo], bundle: str, patches: bool
) -> dict[str, float]:
    """Milliseconds of a plain search, and how many more each method takes for the same query: medians."""
    methods = [None, *(method for method in get_args(Rerank) if patches or method != "patches")]
    taken: defaultdict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as temporary:
        part = Path(temporary) / "photos.csv"
        rows = [[p.path, p.item_id, p.value("box")] for p in gallery[:SIZE]]
        write_rows(part, [["path", "item_id", "box"], *rows])
        options = IndexOptions(photos_root=table.root)
        with Catalogue.build(Path(temporary) / "c", part, bundle=bundle, options=options) as catalogue:
            for turn, photo in enumerate([queries[0], *queries]):
                data = photos.read_bytes(table.root / photo.path)
                box = in_fractions(photo.box, photos.decode(data))
                for method in methods:
                    answer = catalogue.search(data, box=box, rerank=method)
                    if turn:  # the first opens what stays open
                        taken[method or "plain"].append(answer.ms["total"])
    plain = np.array(taken["plain"])
    more = {name: float(np.median(np.array(each) - plain)) for name, each in taken.items()}
    return more | {"plain": float(np.median(plain))}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", nargs="?", type=Path, metavar="MANIFEST")
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--protocol")
    parser.add_argument("--split")
    for part in ("queries", "gallery"):
        parser.add_argument(f"--{part}", action="append", metavar="FILTER", help="in place of the protocol's")
    parser.add_argument("--hold-out", metavar="COLUMN=0-7")
    parser.add_argument("--items", type=int, default=200, help="of a drawn wardrobe")
    parser.add_argument("--seed", type=int, default=7, help="of a drawn wardrobe")
    parser.add_argument("--timed", type=int, default=12, help="queries that are timed")
    return parser.parse_args()


def measure(given: argparse.Namespace, source: Path) -> None:
    table = manifest.read(source)
    protocol, split = protocols.choose(table.photos, given.protocol, given.split)
    protocol = protocols.override(protocol, queries=given.queries, gallery=given.gallery)
    queries, gallery = protocols.select(table.photos, protocol, split)
    if given.hold_out:
        queries = [photo for photo in queries if parse_hold_out(given.hold_out).holds(photo)]
    shared = {photo.item_id for photo in gallery}
    queries = [photo for photo in queries if photo.item_id in shared]
    embedder = Embedder(bundles.open_bundle(given.bundle), "cpu")
    every = list({photo.path: photo for photo in (*queries, *gallery)}.values())
    seen = {one.photo.path: one for one in in_order(lambda photo: see(embedder, table.root, photo), every)}
    found = [seen[photo.path] for photo in gallery]
    stored = np.stack([one.stored for one in found])
    told: list[tuple[str, dict[str, int]]] = []
    for photo in queries:
        asked = ask(embedder, table.root, seen[photo.path])
        if by_method := ranks(asked, found, stored, embedder.has_patches):
            told.append((photo.item_id, by_method))
    ms = timed(table, gallery, queries[: given.timed], given.bundle, embedder.has_patches)
    print(f"{given.bundle}, {protocol.name}, split {split}: {len(told):,} queries, {len(shared):,} items")
    print(f"| | {' | '.join(FIGURES)} | ms |\n{'|---' * (len(FIGURES) + 2)}|")
    items = [item for item, _ in told]
    plain = np.array([figures(by["plain"]) for _, by in told])
    for name in told[0][1]:
        values = np.array([figures(by[name]) for _, by in told])
        print(f"| {name} | {' | '.join(cells(values, plain, items))} | {milliseconds(name, ms)} |", flush=True)


def cells(values: npt.NDArray[np.float64], plain: npt.NDArray[np.float64], items: Sequence[str]) -> list[str]:
    """Each figure, and its difference to the plain order with the interval."""
    means = values.mean(axis=0).tolist()
    if values is plain or np.array_equal(values, plain):
        return [f"{mean:.3f}" for mean in means]
    differences = metrics.estimates(values - plain, items)
    return [
        f"{mean:.3f}, {more:+.3f} ({low:+.3f} – {high:+.3f})"
        for mean, (more, low, high) in zip(means, differences, strict=True)
    ]


def milliseconds(name: str, ms: Mapping[str, float]) -> str:
    method = name.split("`")[1] if "`" in name else name
    if method not in ms:
        return ""
    return f"{ms[method]:.1f}" if method == "plain" else f"{ms[method]:+.1f}"


def main() -> None:
    given = options()
    with tempfile.TemporaryDirectory() as temporary:
        measure(given, given.manifest or wardrobe.draw(Path(temporary), items=given.items, seed=given.seed))


if __name__ == "__main__":
    main()
