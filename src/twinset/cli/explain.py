"""`search --explain`: a sheet of what makes the score of each hit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from twinset import photos, sheet
from twinset.catalogue import Catalogue
from twinset.errors import UsageError
from twinset.explain import Explanation, Side
from twinset.records import Answer, Box, Hit
from twinset.sheet import Explained, Heat, Tile

Explain = Annotated[
    Path | None,
    typer.Option(
        "--explain", help="Write a sheet of the places that make the score of the first hits (.png or .jpg)."
    ),
]

_HITS: Final = 5
_WHOLE: Final = (0.0, 0.0, 1.0, 1.0)
_TOLD: Final = 0.0005
_MADE_FROM: Final = {"source": "from its source", "copy": "from the stored copy"}


def check_explain(path: Path | None, given: Sequence[str]) -> None:
    """Accepts where the sheet of an explanation goes, and what it is of.

    Raises:
        UsageError: it ends neither as a PNG nor as a JPEG, or there are several photos.

    """
    if path is None:
        return
    sheet.check_ending(path)
    if len(given) > 1:
        raise UsageError(f"--explain is of one photo, and there are {len(given)}", "search with one of them")


def draw_explanation(catalogue: Catalogue, given: bytes, part: Box | None, answer: Answer, path: Path) -> None:
    """Writes the sheet of the first five hits."""
    query = Tile(photos.read(given), ("query",), "query", part)
    hits = [_explained(hit, catalogue.explain(given, hit, box=part)) for hit in answer.hits[:_HITS]]
    sheet.save(path, sheet.explained_sheet(query, hits))


def _explained(hit: Hit, found: Explanation) -> Explained:
    title = f"{hit.rank}   {hit.score:.3f}   {hit.item_id}", hit.title
    seen = f"{found.score:.3f} {_MADE_FROM[found.made_from]}"
    return Explained(Tile(found.hit.photo, title), _heated(found.query), _heated(found.hit, seen))


def _heated(side: Side, *lines: str) -> Tile:
    box = None if side.part == _WHOLE else side.part
    ground = [f"ground beside: {side.ground:+.3f}"] if abs(side.ground) >= _TOLD else []
    return Tile(side.photo, (*lines, *ground), None, box, Heat(side.places, side.part, side.seen))
