"""`data check`: what a manifest holds, and what would spoil a catalogue or an evaluation."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from twinset import photos as photo_files
from twinset.errors import InputError
from twinset.manifest.table import Manifest
from twinset.progress import SILENT, Progress
from twinset.records import Fault, Photo


@dataclass(frozen=True, slots=True)
class Check:
    """Counts, faults, and groups of paths whose files are equal byte for byte.

    All counts but `rows` are of the `photos` that can be read; `splits`, `domains` and `categories` (every
    level) count photos; `single_photo_items` is information, no fault. A row without a split stands in every
    split: a file in such a row and in a row of one split is a duplicate across splits, two such rows are not.
    """

    rows: int
    photos: int
    items: int
    splits: Mapping[str, int]
    domains: Mapping[str, int]
    categories: Mapping[str, int]
    faults: tuple[Fault, ...]
    duplicates_across_items: tuple[tuple[str, ...], ...]
    duplicates_across_splits: tuple[tuple[str, ...], ...]
    single_photo_items: int

    @property
    def ok(self) -> bool:
        """Whether every row is good and nothing stands under two items or in two splits."""
        return not (self.faults or self.duplicates_across_items or self.duplicates_across_splits)

    def to_json(self) -> dict[str, Any]:
        """`data check --json`."""
        return {"ok": self.ok} | asdict(self)


def check(manifest: Manifest, progress: Progress = SILENT) -> Check:
    """Reads and decodes every photo of a manifest."""
    good: list[tuple[Photo, str]] = []
    faults = list(manifest.faults)
    progress.start("checking", len(manifest.photos))
    pool = ThreadPoolExecutor()
    try:
        results = pool.map(lambda photo: _hash(manifest, photo), manifest.photos)
        for photo, result in zip(manifest.photos, results, strict=True):
            if isinstance(result, Fault):
                faults.append(result)
            else:
                good.append((photo, result))
            progress.advance()
    finally:
        pool.shutdown(cancel_futures=True)
        progress.finish()
    readable = [photo for photo, _ in good]
    items = Counter(photo.item_id for photo in readable)
    return Check(
        rows=manifest.rows,
        photos=len(good),
        items=len(items),
        splits=_counts(photo.value("split") for photo in readable),
        domains=_counts(photo.domain for photo in readable),
        categories=_counts(level for photo in readable for level in levels(photo.category)),
        faults=tuple(sorted(faults, key=lambda fault: fault.line)),
        duplicates_across_items=_across(good, "item_id"),
        duplicates_across_splits=_across(good, "split"),
        single_photo_items=sum(count == 1 for count in items.values()),
    )


def levels(category: str) -> list[str]:
    """A category and those above it.

    >>> levels("TOPS/T_Shirt")
    ['TOPS', 'TOPS/T_Shirt']
    """
    parts = category.split("/") if category else []
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def _hash(manifest: Manifest, photo: Photo) -> str | Fault:
    try:
        data = photo_files.read_bytes(manifest.root / photo.path)
        photo_files.in_fractions(photo.box, photo_files.decode(data))
        return photo_files.content_hash(data)
    except InputError as error:
        return Fault(photo.line, photo.path, error.code, str(error))


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _across(good: list[tuple[Photo, str]], column: str) -> tuple[tuple[str, ...], ...]:
    groups: defaultdict[str, list[Photo]] = defaultdict(list)
    for photo, digest in good:
        groups[digest].append(photo)
    return tuple(
        tuple(sorted(photo.path for photo in group))
        for group in groups.values()
        if len({photo.value(column) for photo in group}) > 1
    )
