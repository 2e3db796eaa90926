"""`key=value,key=value`, as Magento writes several attributes into one cell."""

import re
from typing import Final

_PAIR: Final = re.compile(
    r'"(?P<whole>\w+)=(?P<in_whole>(?:[^"]|"")*)"'
    r'|(?P<quoted>\w+)="(?P<in_quotes>(?:[^"]|"")*)"'
    r"|(?P<bare>\w+)=(?P<value>.*?)(?=,\"?\w+=|$)",
    re.DOTALL,
)


def pairs(text: str) -> tuple[dict[str, str], str]:
    """The pairs of a cell, and what is left from the first place on that is none.

    A comma divides only where a key follows. A pair, or its value, may stand in quotes, with its quotes doubled.

    >>> pairs('colour=blue,"fit=loose, long",note="say ""hi"", then go",climate=warm, dry|mild')[0]["fit"]
    'loose, long'
    >>> pairs("size=M, tall,no pair")
    ({'size': 'M, tall,no pair'}, '')
    >>> pairs('size=M,"fit=loose')
    ({'size': 'M'}, '"fit=loose')
    """
    found: dict[str, str] = {}
    place = 0
    while place < len(text):
        match = _PAIR.match(text, place)
        if match is None:
            return found, text[place:]
        key = match["whole"] or match["quoted"] or match["bare"]
        quoted = match["in_whole"] or match["in_quotes"] or ""
        value = (match["value"] or quoted.replace('""', '"')).strip(", ")
        found[key] = f"{found[key]}|{value}" if key in found else value
        place = match.end()
        if place < len(text) and text[place] != ",":
            return found, text[place:]
        place += 1
    return found, ""
