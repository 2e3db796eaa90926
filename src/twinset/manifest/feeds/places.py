"""Where a picture of a feed lies: an address or a path below the photos' root."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote, urlsplit

from twinset.manifest.feeds.model import Picture, Product
from twinset.manifest.notes import Notes
from twinset.manifest.table import Confined, is_address
from twinset.records import Fault

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True, slots=True)
class Place:
    """What a manifest's `path` says of a picture; `key` is equal for two spellings of one place."""

    path: str
    key: str


@dataclass(slots=True)
class Places:
    """Every place that a feed's products name, each by its first spelling; `faults` are those that are none."""

    confined: Confined
    notes: Notes
    photos_url: str = ""
    faults: dict[tuple[str, str], Fault] = field(default_factory=dict)
    _spelled: dict[str, str] = field(default_factory=dict)

    def settle(self, product: Product) -> Product:
        """The product with its pictures by their first spelling, without those that can lie nowhere."""
        variants = (replace(v, pictures=self._settled(product.key, v.pictures)) for v in product.variants)
        return replace(product, pictures=self._settled(product.key, product.pictures), variants=tuple(variants))

    def _settled(self, key: str, pictures: Iterable[Picture]) -> tuple[Picture, ...]:
        found: list[Picture] = []
        for picture in pictures:
            where = place(picture.address, self.confined, self.photos_url)
            if isinstance(where, Place):
                found.append(replace(picture, address=self._spelled.setdefault(where.key, where.path)))
            elif (key, picture.address) not in self.faults:
                self.notes.add("bad_address", f"line {picture.line}: {picture.address[:80]}")
                self.faults[key, picture.address] = Fault(picture.line, picture.address, *where)
        return tuple(found)


def place(text: str, confined: Confined, photos_url: str = "") -> Place | tuple[str, str]:
    """Where a picture lies, or the code and message of what is wrong with it.

    An address without a scheme (`//cdn.example/1.jpg`) is one of https; a path from the root (`/m/b/1.jpg`)
    is one below the photos' root, or below `photos_url` where that is given. The version that Shopify puts behind
    an address does not make it another.
    """
    text = f"https:{text}" if text.startswith("//") else text.strip()
    if is_address(text):
        return _address(text)
    if _SCHEME.match(text):
        return "bad_address", "the picture is neither at https:// nor a path"
    path = text.lstrip("/")
    wrong = confined.fault(path, on_disk=False)
    if wrong:
        return wrong
    whole = str(PurePosixPath(path))
    return _address(f"{photos_url.rstrip('/')}/{quote(whole)}") if photos_url else Place(whole, whole)


def _address(text: str) -> Place | tuple[str, str]:
    wrong = "bad_address", "the picture's address cannot be understood"
    if not text.isprintable():
        return wrong
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "") and parts.netloc.lower()
    except ValueError:
        return wrong
    if not host:
        return wrong
    query = "" if re.fullmatch(r"(v=[0-9]+)?", parts.query) else f"?{parts.query}"
    return Place(text, f"{parts.scheme}://{host}{parts.path}{query}")
