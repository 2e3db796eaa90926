"""Contact sheets: photos with their lines, in rows and columns."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from twinset.errors import UsageError, disk_errors
from twinset.records import Box, Pixels
from twinset.sheet.overlay import Heat, lay

Size = tuple[int, int]

_TILE: Final[Size] = (168, 224)
_SMALL: Final[Size] = (116, 154)
_GAP: Final = 14
_LINE: Final = 15
_CAPTION: Final = 2 * _LINE + 6
_PAPER: Final = (255, 255, 255)
_GROUND: Final = (243, 243, 241)
_INK: Final = (28, 28, 30)
_SOFT: Final = (112, 112, 116)
_RULE: Final = (214, 214, 210)
_FRAMES: Final = {
    "right": (22, 140, 80),
    "wrong": (200, 60, 40),
    "query": (28, 28, 30),
    "new": (92, 146, 232),
}

_LEGENDS: Final = (
    (
        "what of the query",
        "makes each hit's score",
        "",
        "warm: adds to it, red most",
        "blue: takes away from it",
        "line: around half of it",
        "dark: not looked at",
        "ground: fills up the square",
    ),
    ("what of the hit", "makes its score"),
)
_FONTS: Final = ("NotoSansCJK-Regular.ttc", "DejaVuSans.ttf", "Arial.ttf")

Frame = Literal["right", "wrong", "query", "new"]
"""`new` is a thin one: what another answer lacks."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A photo with up to two lines below it; `box` (fractions 0-1) is outlined on it, `heat` laid over it."""

    pixels: Pixels
    lines: tuple[str, ...] = ()
    frame: Frame | None = None
    box: Box | None = None
    heat: Heat | None = None


@dataclass(frozen=True, slots=True)
class Versus:
    """A query and its name, and several answers to it, each with its name, to be compared."""

    name: str
    query: Tile
    answers: Sequence[tuple[str, Sequence[Tile]]]


@dataclass(frozen=True, slots=True)
class Explained:
    """A hit, and what makes its score: the query under its heat, and the hit under its own."""

    hit: Tile
    of_query: Tile
    of_hit: Tile


def answer_sheet(query: Tile, hits: Sequence[Tile], *, columns: int = 5) -> Pixels:
    """The query on the left, its hits in rows beside it; uint8 `(H, W, 3)`."""
    rows = max(1, -(-len(hits) // columns))
    grid = [hits[start : start + columns] for start in range(0, len(hits), columns)]
    canvas = _canvas(columns + 1, rows)
    _place(canvas, query, 0, 0)
    for row, tiles in enumerate(grid):
        for column, tile in enumerate(tiles):
            _place(canvas, tile, column + 1, row)
    return np.asarray(canvas)


def rows_sheet(rows: Sequence[tuple[Tile, Sequence[Tile]]]) -> Pixels:
    """A row for each query: the query, then its hits; uint8 `(H, W, 3)`."""
    canvas = _canvas(1 + max(len(hits) for _, hits in rows), len(rows))
    for row, (query, hits) in enumerate(rows):
        for column, tile in enumerate((query, *hits)):
            _place(canvas, tile, column, row)
    return np.asarray(canvas)


def explained_sheet(query: Tile, hits: Sequence[Explained]) -> Pixels:
    """The query and its hits in a row; below each hit the query as it answers the hit, then the hit as it does."""
    canvas = _canvas(1 + len(hits), 3)
    draw = ImageDraw.Draw(canvas)
    _place(canvas, query, 0, 0)
    for row, lines in enumerate(_LEGENDS, 1):
        for number, line in enumerate(lines):
            _write(draw, line, _below(_corner(0, row), number), _TILE[0], _SOFT if number else _INK)
    for column, hit in enumerate(hits, 1):
        for row, tile in enumerate((hit.hit, hit.of_query, hit.of_hit)):
            _place(canvas, tile, column, row)
    return np.asarray(canvas)


def versus_sheet(heading: str, rows: Sequence[Versus]) -> Pixels:
    """Queries below one another, and beside each its answers; uint8 `(H, W, 3)`."""
    row = _LINE + _SMALL[1] + _CAPTION + _GAP
    heights = [_GAP + max(_LINE + _TILE[1] + _CAPTION, row * len(one.answers)) for one in rows]
    widest = max((len(hits) for one in rows for _, hits in one.answers), default=0)
    left = _TILE[0] + 3 * _GAP
    canvas = Image.new("RGB", (left + widest * (_SMALL[0] + _GAP) + _GAP, 4 * _GAP + sum(heights)), _PAPER)
    draw = ImageDraw.Draw(canvas)
    _write(draw, heading, (_GAP, _GAP), canvas.width - 2 * _GAP)
    top = 3 * _GAP
    for one, height in zip(rows, heights, strict=True):
        draw.line((_GAP, top, canvas.width - _GAP, top), _RULE)
        _draw_named(canvas, one.name, [one.query], (_GAP, top + _GAP // 2), _TILE)
        for number, (name, hits) in enumerate(one.answers):
            _draw_named(canvas, name, hits, (left, top + _GAP // 2 + number * row), _SMALL)
        top += height
    return np.asarray(canvas)


def save(path: Path, pixels: Pixels) -> None:
    """Writes a sheet as PNG or JPEG, by the path's ending.

    Raises:
        UsageError: the ending is another.
        DiskFullError, ResourceError: the disk refused it.

    """
    check_ending(path)
    with disk_errors(path):
        Image.fromarray(pixels).save(path, quality=88)


def check_ending(path: Path) -> None:
    """Accepts a path that a sheet can be written to.

    Raises:
        UsageError: it ends neither as a PNG nor as a JPEG.

    """
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UsageError(f"a sheet cannot be written as {path.name!r}", "name it .png or .jpg")


def _canvas(columns: int, rows: int) -> Image.Image:
    width = columns * (_TILE[0] + _GAP) + 2 * _GAP
    return Image.new("RGB", (width, rows * (_TILE[1] + _CAPTION + _GAP) + _GAP), _PAPER)


def _place(canvas: Image.Image, tile: Tile, column: int, row: int) -> None:
    _draw_tile(canvas, tile, _corner(column, row))


def _corner(column: int, row: int) -> Size:
    """The first column stands apart from the others by one more gap."""
    left = _GAP + column * (_TILE[0] + _GAP) + (_GAP if column else 0)
    return left, _GAP + row * (_TILE[1] + _CAPTION + _GAP)


def _below(corner: Size, lines: int) -> Size:
    return corner[0], corner[1] + lines * _LINE


def _draw_named(canvas: Image.Image, name: str, tiles: Sequence[Tile], corner: Size, size: Size) -> None:
    """Tiles beside one another, below their name."""
    left, top = corner
    _write(ImageDraw.Draw(canvas), name, corner, max(1, len(tiles)) * (size[0] + _GAP) - _GAP)
    for number, tile in enumerate(tiles):
        _draw_tile(canvas, tile, (left + number * (size[0] + _GAP), top + _LINE + 6), size)


def _draw_tile(canvas: Image.Image, tile: Tile, corner: Size, size: Size = _TILE) -> None:
    draw = ImageDraw.Draw(canvas)
    left, top = corner
    right, bottom = left + size[0] - 1, top + size[1] - 1
    draw.rectangle((left, top, right, bottom), _GROUND)
    photo = Image.fromarray(tile.pixels)
    photo.thumbnail(size, Image.Resampling.LANCZOS)
    if tile.heat:
        photo = lay(photo, tile.heat)
    x, y = left + (size[0] - photo.width) // 2, top + (size[1] - photo.height) // 2
    canvas.paste(photo, (x, y))
    if tile.box:
        sides = [x + tile.box[0] * photo.width, y + tile.box[1] * photo.height]
        sides += [x + tile.box[2] * photo.width - 1, y + tile.box[3] * photo.height - 1]
        draw.rectangle(sides, outline=_FRAMES["query"])
    if tile.frame:
        draw.rectangle(
            (left - 3, top - 3, right + 3, bottom + 3),
            outline=_FRAMES[tile.frame],
            width=2 if tile.frame == "new" else 4,
        )
    for number, line in enumerate(tile.lines[:2]):
        _write(draw, line, (left, bottom + 6 + number * _LINE), size[0], (_INK, _SOFT)[number])


def _write(
    draw: ImageDraw.ImageDraw, line: str, corner: Size, width: int, ink: tuple[int, int, int] = _INK
) -> None:
    font, text = _set(line)
    draw.text(corner, _cut(text, font, width), ink, font)


def _set(line: str) -> tuple[ImageFont.FreeTypeFont | ImageFont.ImageFont, str]:
    """A font and the line as it can set it: one of the system's, else Pillow's own, which knows no accents."""
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, 12), line
        except OSError:
            continue
    plain = unicodedata.normalize("NFKD", line.replace("ß", "ss").replace("–", "-"))
    return ImageFont.load_default(12), "".join(
        c if c.isascii() else "?" for c in plain if not unicodedata.combining(c)
    )


def _cut(line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """A line that is at most so wide, printable, without what would break it."""
    line = "".join(character if character.isprintable() else " " for character in line)
    while line and font.getlength(line) > width:
        line = line.removesuffix("…")[:-1] + "…" if len(line) > 1 else ""
    return line
