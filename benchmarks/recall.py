"""Recall@1 of the shipped bundles, or of others, on photos that `default` was never trained on, side by side.

Beside each bundle stands its paired difference to the first one named, with a 95 % interval over items: the same
queries in the same gallery.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from twinset import bundle as bundles
from twinset import manifest, metrics, protocols
from twinset.datasets import wardrobe
from twinset.embedder import Embedder, embed_photos
from twinset.evaluate import measure as measured
from twinset.manifest import Manifest
from twinset.manifest.split import parse_hold_out
from twinset.protocols import Protocol, override
from twinset.records import Photo


@dataclass(frozen=True)
class Task:
    """Photos with a protocol, and which of its queries count."""

    name: str
    table: Manifest
    protocol: Protocol
    split: str
    hold_out: str = ""

    @classmethod
    def of(cls, name: str, source: Path, protocol: str, split: str, hold_out: str = "") -> "Task":
        table = manifest.read(source)
        return cls(name, table, *protocols.choose(table.photos, protocol, split), hold_out)


@dataclass(frozen=True)
class Found:
    """Which queries found a right answer first, `(Q,)` of 0 and 1, and whose items they are."""

    hits: npt.NDArray[np.float64]
    items: tuple[str, ...]


def tasks(given: argparse.Namespace, temporary: Path) -> Iterator[Task]:
    """What is measured, of what was given."""
    if given.luma:
        yield Task.of("luma, held-out styles, views", given.luma, "views", "all", "style=0-7")
    if given.grocery:
        yield Task.of("grocery val, phone → shop", given.grocery, "consumer-to-shop", "val")
    if given.open_set:
        yield Task.of("grocery val, 16 open-set items", given.open_set, "consumer-to-shop", "val", "item_id=0-3")
    if given.clothing:
        task = Task.of("clothing val → train, same category", given.clothing, "leave-one-out", "all")
        protocol = override(
            task.protocol, queries=("split=val",), gallery=("split=train",), relevant="category", level="photo"
        )
        yield Task(task.name, task.table, protocol, task.split)
    drawn = wardrobe.draw(temporary, items=given.items, seed=given.seed)
    yield Task.of("drawn wardrobe, test items", drawn, "consumer-to-shop", "test")
    for other in given.other:
        yield Task.of(f"{other.parent.name}, views", other, "views", "all")


def measure(task: Task, embedder: Embedder) -> Found:
    """A bundle on a task."""

    def embeds(photos: Sequence[Photo]) -> tuple[Sequence[Photo], npt.NDArray[np.float32]]:
        embedded = embed_photos(embedder, photos, task.table.root)
        return embedded.photos, embedded.vectors

    keep = parse_hold_out(task.hold_out).holds if task.hold_out else lambda _photo: True
    found = measured(task.table.photos, embeds, task.protocol, task.split, keep=keep)
    return Found(found.values[:, 0], tuple(photo.item_id for photo in found.queries))


def cell(found: Found, first: Found) -> str:
    """Recall with its interval, and the paired difference to the first bundle."""
    difference = found.hits - first.hits
    (recall, low, high), (more, least, most) = metrics.estimates(
        np.stack([found.hits, difference], axis=1), found.items
    )
    told = f"{recall:.3f} ({low:.3f} – {high:.3f})"
    return told if found is first else f"{told}, {more:+.3f} ({least:+.3f} – {most:+.3f})"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="*", default=["colour", "default"], metavar="BUNDLE")
    for name in ("luma", "grocery", "open-set", "clothing"):
        parser.add_argument(f"--{name}", type=Path, metavar="CSV")
    parser.add_argument(
        "--other", type=Path, action="append", default=[], metavar="CSV", help="another shop's views"
    )
    parser.add_argument("--items", type=int, default=200, help="in the drawn wardrobe")
    parser.add_argument("--seed", type=int, default=7, help="of the drawn wardrobe")
    return parser.parse_args()


def main() -> None:
    given = options()
    embedders = {name: Embedder(bundles.open_bundle(name), "cpu") for name in given.bundles}
    print(f"| | queries | {' | '.join(embedders)} |")
    print("|---" * (2 + len(embedders)) + "|")
    with tempfile.TemporaryDirectory() as temporary:
        for task in tasks(given, Path(temporary)):
            found = [measure(task, embedder) for embedder in embedders.values()]
            cells = " | ".join(cell(each, found[0]) for each in found)
            print(f"| {task.name} | {len(found[0].hits):,} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
