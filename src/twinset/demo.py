"""The whole job on drawn garments: draw a shop, index it, search with customers' photos, measure, calibrate."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from twinset import manifest, photos, protocols, sheet
from twinset.calibrate import calibrate
from twinset.calibrate.shop import questions
from twinset.catalogue import Catalogue, calibrated
from twinset.datasets import wardrobe
from twinset.errors import PathError
from twinset.evaluate import evaluate
from twinset.manifest import Manifest
from twinset.progress import Progress, counted
from twinset.records import Answer, Box, Evaluation, Photo, Pixels
from twinset.sheet import Tile

ITEMS: Final = 120
SEED: Final = 7
_PHOTOS_AN_ITEM: Final = 3
_ROWS: Final = 6
_TOP: Final = 5


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo measured, and where it left its sheet and the example query."""

    evaluation: Evaluation
    sheet: Path
    query: Path
    box: Box | None


@dataclass(frozen=True, slots=True)
class _Search:
    photo: Photo
    pixels: Pixels
    box: Box | None
    answer: Answer

    @property
    def rank(self) -> int | None:
        """Where the right item stands among the first hits."""
        return next((hit.rank for hit in self.answer if hit.item_id == self.photo.item_id), None)


def run(out: Path, progress: Progress) -> Demo:
    """Writes `photos.csv` with its photos, `shop.catalogue` and `sheet.png` into `out`; again does no harm.

    Raises:
        PathError: `out` holds something else.

    """
    table = out / "photos.csv"
    if out.exists() and not _ours(out, table):
        raise PathError(f"{out} holds something else", "name another folder: twinset demo --out FOLDER")
    drawn = _draw(out, table, progress)
    with Catalogue.build(out / "shop.catalogue", table, progress=progress) as catalogue:
        protocol, _ = protocols.choose(drawn.photos, "consumer-to-shop", "all")
        protocol = protocols.override(protocol, queries=("domain=customer", "split=test"))
        queries, gallery = protocols.select(drawn.photos, protocol, "test")
        embedded = catalogue.embed(drawn, [*queries, *gallery], progress)
        measured = evaluate(drawn.photos, lambda _: (embedded.photos, embedded.vectors), protocol, "test")
        calibrated.keep(
            catalogue.path,
            calibrate(
                questions(queries, gallery, embedded.photos, embedded.vectors),
                source=table.name,
                protocol=f"{protocol.name}, test",
                fingerprint=catalogue.summary().fingerprint,
            ),
        )
        customers = [p for p in drawn.photos if p.domain == "customer" and p.value("split") == "test"]
        each = counted(customers, progress, "searching", len(customers))
        searches = [_search(catalogue, drawn, photo) for photo in each]
        shown = _shown(searches)
        rows = [_row(catalogue, search) for search in shown]
    sheet.save(out / "sheet.png", sheet.rows_sheet(rows))
    return Demo(measured, out / "sheet.png", out / shown[0].photo.path, shown[0].box)


def _ours(out: Path, table: Path) -> bool:
    """Whether a folder is empty, or what an earlier demo left, finished or not."""
    if not out.is_dir():
        return False
    if table.is_file():
        with table.open(encoding="utf-8", errors="replace") as file:
            return file.readline().rstrip("\r\n") == ",".join(wardrobe.COLUMNS)
    return all(path.name in ("DRESSES", "TOPS", "TROUSERS") for path in out.iterdir())


def _draw(out: Path, table: Path, progress: Progress) -> Manifest:
    if not table.exists():
        progress.start("drawing", ITEMS * _PHOTOS_AN_ITEM)
        try:
            wardrobe.draw(out, items=ITEMS, seed=SEED, advance=progress.advance)
        finally:
            progress.finish()
    drawn = manifest.read(table)
    drawn.require_photos()
    return drawn


def _search(catalogue: Catalogue, drawn: Manifest, photo: Photo) -> _Search:
    data = photos.read_bytes(drawn.root / photo.path)
    decoded = photos.decode(data)
    box = photos.in_fractions(photo.box, decoded)
    return _Search(photo, decoded.pixels, box, catalogue.search(data, k=_TOP, box=box))


def _shown(searches: Sequence[_Search]) -> list[_Search]:
    """Six rows to look at: some found at once, spread over the wardrobe, one found later, one missed."""
    at_once = [s for s in searches if s.rank == 1]
    later = [s for s in searches if s.rank is not None and s.rank > 1]
    missed = [s for s in searches if s.rank is None]
    last = [*later[:1], *missed[:1]]
    first = at_once[:: max(1, len(at_once) // (_ROWS - len(last)))]
    return [*first[: _ROWS - len(last)], *last]


def _row(catalogue: Catalogue, search: _Search) -> tuple[Tile, list[Tile]]:
    copies = catalogue.copy([hit.photo_id for hit in search.answer])
    hits = [
        Tile(
            photos.read(copies[hit.photo_id]),
            (f"{hit.rank}   {hit.score:.3f}", hit.title),
            "right" if hit.item_id == search.photo.item_id else None,
        )
        for hit in search.answer
    ]
    said = f"found at {search.rank}" if search.rank else f"not in the first {_TOP}"
    query = Tile(search.pixels, (f"customer: {said}", search.photo.value("title")), None, search.box)
    return replace(query, frame=None if search.rank else "wrong"), hits
