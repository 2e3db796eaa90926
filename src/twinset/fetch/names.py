"""The file of a photo from its URL: the same for every run, readable, and safe on every file system."""

import hashlib
import re
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote

from twinset.fetch.urls import Url

_SUFFIX: Final = re.compile(r"\.(jpe?g|jpe|jfif|png|webp|gif|bmp|tiff?|avif|hei[cf])", re.IGNORECASE)
_STEM: Final = 60
_DIGITS: Final = 16


def name(url: Url, *, query: bool = False) -> str:
    """`host/end-of-the-path-HASH.suffix`, ASCII; the hash is of host and path, and of the query if `query`.

    Shops put a number behind `?` to get past caches: the same picture keeps its name. The suffix is the URL's
    own where it is one of photos; what a file is, its bytes say.

    >>> from twinset.fetch.urls import parse
    >>> name(parse("https://shop.example/skirts/Plum front.JPG?v=17"))
    'shop.example/skirts-Plum-front-0fe2d6ea23996248.jpg'
    """
    path = PurePosixPath(unquote(url.path, errors="replace"))
    suffix = path.suffix.lower() if _SUFFIX.fullmatch(path.suffix) else ""
    stem = str(path)[: -len(suffix)] if suffix else str(path)
    readable = re.sub(r"[^A-Za-z0-9_.]+", "-", stem)[-_STEM:].strip("-.") or "photo"
    whole = f"{url.place}{url.target if query else url.path}"
    digest = hashlib.sha256(whole.encode()).hexdigest()[:_DIGITS]
    return f"{_folder(url)}/{readable}-{digest}{suffix}"


def _folder(url: Url) -> str:
    return re.sub(r"[^a-z0-9._-]+", "_", url.place).strip("._-") or "host"
