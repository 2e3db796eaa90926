"""An export of reviews, whichever app wrote it → reviews with pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinset.errors import ManifestError
from twinset.manifest.feeds import values
from twinset.manifest.feeds.table import Row, no_column, read_table
from twinset.manifest.notes import Notes
from twinset.manifest.reviews.columns import Columns, bare, of_pictures, understood
from twinset.manifest.reviews.model import Options, Review
from twinset.manifest.reviews.pictures import is_video, links
from twinset.progress import Progress, counted
from twinset.records import Fault

_PUBLISHED: Final = "published publish approved accepted ok true yes y 1 live active visible public"
_PUBLISHED_WORDS: Final = frozenset(_PUBLISHED.split())
_MEND: Final = "name the columns with --pictures-column and --product-column"


@dataclass(frozen=True, slots=True)
class Export:
    """The reviews with pictures of `rows` rows; `products` are the columns that name products, the best first."""

    reviews: tuple[Review, ...]
    products: tuple[str, ...]
    rows: int
    faults: tuple[Fault, ...]


def read(file: Path, options: Options, notes: Notes, progress: Progress) -> Export:
    """Reads an export: a row is a review, or a picture of one.

    Raises:
        PathError: it cannot be read.
        ManifestError: no column holds pictures, or none names a product; the error names the columns.

    """
    pictures = of_pictures(options.pictures_column, everything=options.everything)
    aliases = dict.fromkeys(pictures, "pictures")
    table = read_table(file, "pictures", aliases, notes, plain=bare, mend=_MEND)
    columns = understood(table.columns, pictures, options.product_column)
    if not columns.products:
        raise no_column(file, options.product_column or "product", table.columns, _MEND)
    each = counted(table.rows, progress, "reading reviews", len(table.rows))
    found = (_review(row, columns, options, notes) for row in each)
    reviews = tuple(review for review in found if review is not None)
    return Export(reviews, columns.products, len(table.rows) + len(table.faults), table.faults)


def no_review(file: Path, export: Export, notes: Notes) -> ManifestError:
    """What is wrong with an export that gives no photo: the most frequent reason."""
    most = max(notes.findings(), key=lambda finding: finding.count, default=None)
    told = f"; {most.count:,} {most.what}: {'; '.join(most.first)}" if most else ""
    mend = "take them too with --all" if most and most.code == "unpublished" else _MEND
    return ManifestError(f"{file} gives no photo in {export.rows:,} rows{told}", mend)


def _review(row: Row, columns: Columns, options: Options, notes: Notes) -> Review | None:
    """The review of a row; None where there is nothing to use."""
    pictures = _pictures(row, columns, notes)
    if not pictures:
        notes.add("no_picture", f"line {row.line}")
        return None
    states = _filled(row.cells, columns.states).values()
    held = next((state for state in states if values.normal(state) not in _PUBLISHED_WORDS), "")
    if held and not options.everything:
        notes.add("unpublished", f"line {row.line}: {held[:40]}")
        return None
    name = next(iter(_filled(row.cells, columns.ids).values()), "")
    return Review(
        line=row.line,
        products=_filled(row.cells, columns.products),
        variants=tuple(_filled(row.cells, columns.variants).values()),
        colours=tuple(_filled(row.cells, columns.colours).values()),
        pictures=pictures,
        name="" if "@" in name else name,
    )


def _pictures(row: Row, columns: Columns, notes: Notes) -> tuple[str, ...]:
    found = dict.fromkeys(link for column in columns.pictures for link in links(row.cells.get(column, "")))
    films = [link for link in found if is_video(link)]
    for film in films:
        notes.add("video", f"line {row.line}: {film[:80]}")
    return tuple(link for link in found if link not in films)


def _filled(cells: Mapping[str, str], columns: Sequence[str]) -> dict[str, str]:
    return {column: text for column in columns if (text := cells.get(column, ""))}
