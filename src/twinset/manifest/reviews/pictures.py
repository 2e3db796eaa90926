"""The pictures of a review, as apps write them into a cell → links."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from twinset.manifest.feeds import values
from twinset.manifest.feeds.places import Place

_LINK_KEYS: Final = (
    "original", "original_url", "originalurl", "full", "fullsizeurl", "large", "largeurl", "huge", "url",
    "image_url", "imageurl", "src", "link", "image", "path",
)  # fmt: skip
"""Where an object of JSON has its picture, the largest first."""
_VIDEO: Final = re.compile(
    r"\.(mp4|mov|m4v|webm|avi|mkv|m3u8|3gp)([?#]|$)|//(www\.)?(youtube\.com|youtu\.be|vimeo\.com)/", re.IGNORECASE
)
_OF_SHOPIFY: Final = re.compile(r"cdn\.shopify\.com/|[^/]+/cdn/shop/")
_SIZE: Final = re.compile(
    r"_(?:[0-9]+x[0-9]*|x[0-9]+|pico|icon|thumb|small|compact|medium|large|grande)(?:_crop_[a-z]+)?(?:@[23]x)?"
    r"(?=\.[A-Za-z]+$)"
)


def links(cell: str) -> list[str]:
    """The links of one cell: divided by commas, semicolons, bars or spaces, or JSON; each once.

    >>> links("https://a.example/w_4,h_5/1.jpg;https://a.example/2.jpg")
    ['https://a.example/w_4,h_5/1.jpg', 'https://a.example/2.jpg']
    >>> links('[{"url": "https://a.example/1.jpg", "alt": "worn"}]'), links("['1.jpg', 'sub folder/2.jpg']")
    (['https://a.example/1.jpg'], ['1.jpg', 'sub folder/2.jpg'])
    """
    text = cell.strip()
    if text[:1] in ("[", "{"):
        try:
            return list(dict.fromkeys(_of_json(json.loads(text))))
        except (ValueError, RecursionError):
            text = text.strip("[]{}")
    found = (part for one in values.addresses(text) for part in ([one] if "//" in one else re.split(r"[;\n]", one)))
    return list(dict.fromkeys(bare for part in found if (bare := part.strip(" \t\r\n'\"[],;"))))


def is_video(link: str) -> bool:
    """Whether a link leads to a film."""
    return bool(_VIDEO.search(link))


def same_picture(place: Place) -> str:
    """What is equal for two links to one picture: the scheme does not count, nor a size that Shopify or imgix draw.

    >>> same_picture(Place("", "https://cdn.shopify.com/files/a_300x300.jpg?width=90"))
    'cdn.shopify.com/files/a.jpg'
    """
    link = re.sub(r"^https?://", "", place.key, flags=re.IGNORECASE)
    whole, _, _ = link.partition("?")
    if _OF_SHOPIFY.match(link):
        return _SIZE.sub("", whole)
    return whole if whole.partition("/")[0].endswith(".imgix.net") else link


def _of_json(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from filter(None, [value.strip()])
    elif isinstance(value, list):
        for one in value:
            yield from _of_json(one)
    elif isinstance(value, dict):
        named = {key.casefold(): one for key, one in value.items()}
        best = next((named[key] for key in _LINK_KEYS if named.get(key)), None)
        yield from _of_json(
            [one for one in value.values() if isinstance(one, list | dict)] if best is None else best
        )
