"""Pages that ask nobody for anything: no script, pictures inside them, and no text of other people's that acts."""

import base64
import html
from typing import Final

from twinset import photos
from twinset.records import Pixels

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_LONGEST: Final = 90
_QUALITY: Final = 82


def document(title: str, style: str, body: str, generator: str) -> str:
    """A whole page; `title` is escaped already, `generator` says which program wrote it."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"{mark(generator)}\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def mark(generator: str) -> str:
    """The line of a page by which it is known again."""
    return f'<meta name="generator" content="{generator}">'


def shown(text: str, longest: int = _LONGEST) -> str:
    """A text with what cannot be seen written out, cut where it is too long.

    >>> shown("a\\u202eb\\n"), shown("abcdef", 4)
    ('a\\\\u202eb\\\\n', 'abc…')
    """
    seen = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: longest + 1])
    return seen if len(seen) <= longest else f"{seen[: longest - 1]}…"


def escaped(text: str, longest: int = _LONGEST) -> str:
    """A text for a page, between tags or in an attribute.

    >>> escaped('<i title="a">')
    '&lt;i title=&quot;a&quot;&gt;'
    """
    return html.escape(shown(text, longest), quote=True)


def picture(pixels: Pixels, long_side: int) -> str:
    """A small JPEG of a photo, uint8 `(H, W, 3)`, as a data URI."""
    jpeg = photos.encode_jpeg(photos.shrink(pixels, long_side), _QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
