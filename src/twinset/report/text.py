"""Texts of other people's making, fit to be shown: nothing in them acts, turns round, or runs out of the page."""

import html
from typing import Final

_LONGEST: Final = 90


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


def queries(count: int) -> str:
    """So many queries.

    >>> queries(1), queries(1200)
    ('1 query', '1,200 queries')
    """
    return f"{count:,} {'query' if count == 1 else 'queries'}"


def percent(share: float) -> str:
    """A share (0-1) for reading.

    >>> percent(0.7321)
    '73.2 %'
    """
    return f"{100 * share:.1f} %"
