"""Named evaluation protocols as data: what is searched with, what is searched in, what counts as right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from twinset import where
from twinset.errors import NoQueriesError, UsageError, did_you_mean
from twinset.records import Photo

Level = Literal["item", "photo"]


@dataclass(frozen=True, slots=True)
class Protocol:
    """Filters (in the where language) of the queries and of the gallery, the column whose value makes two
    photos relevant to each other, and whether items or photos are ranked.

    `split` is the one that the filters name themselves; empty where any will do.
    """

    name: str
    queries: tuple[str, ...]
    gallery: tuple[str, ...]
    relevant: str = "item_id"
    level: Level = "item"
    split: str = ""


_FOUNDING: Final = "category=DRESSES|DRESSES/*|TOPS|TOPS/*|TROUSERS|TROUSERS/*"
_CUSTOMERS: Final = ("domain=customer", "split=test")
_SHOP: Final = ("domain=shop", "split=test")
PROTOCOLS: Final[Mapping[str, Protocol]] = {
    protocol.name: protocol
    for protocol in (
        Protocol("consumer-to-shop", ("domain=customer",), ("domain=shop",)),
        Protocol("views", ("view!=main|",), ("view=main",)),
        Protocol("leave-one-out", (), ()),
        Protocol("official", _CUSTOMERS, _SHOP, level="photo", split="test"),
        Protocol("val+test", _CUSTOMERS, ("domain=shop", "split=test|val"), level="photo", split="test"),
        Protocol("founding", (*_CUSTOMERS, _FOUNDING), (*_SHOP, _FOUNDING), level="photo", split="test"),
    )
}
SPLITS: Final = ("train", "val", "test", "all")


def choose(photos: Sequence[Photo], name: str | None = None, split: str | None = None) -> tuple[Protocol, str]:
    """The protocol by name, or the default of these photos, and the split, put into both filters.

    By default: `views` where there are no customer photos but views, else `consumer-to-shop`; the split
    `test` where there are test rows, else `val`, else all. Rows without a split are in every split.

    Raises:
        UsageError: an unknown protocol or split, or a split beside a protocol that has its own.

    """
    if name is None:
        customers = any(photo.domain == "customer" for photo in photos)
        views = any(photo.view not in ("", "main") for photo in photos)
        name = "views" if views and not customers else "consumer-to-shop"
    if name not in PROTOCOLS:
        mend = did_you_mean(name, PROTOCOLS, f"use one of {', '.join(PROTOCOLS)}")
        raise UsageError(f"there is no protocol {name!r}", mend)
    protocol = PROTOCOLS[name]
    if split not in (None, *SPLITS):
        raise UsageError(f"there is no split {split!r}", f"use one of {', '.join(SPLITS)}")
    if protocol.split:
        if split not in (None, protocol.split):
            raise UsageError(
                f"protocol {name} searches with the photos of split {protocol.split}, not {split}",
                "leave out --split, or use --protocol consumer-to-shop",
            )
        return protocol, protocol.split
    if split is None:
        present = {photo.attributes.get("split", "") for photo in photos}
        split = next((s for s in ("test", "val") if s in present), "all")
    if split == "all":
        return protocol, split
    within = (f"split={split}|",)
    queries, gallery = protocol.queries + within, protocol.gallery + within
    return replace(protocol, queries=queries, gallery=gallery), split


def override(
    protocol: Protocol,
    *,
    queries: Sequence[str] | None = None,
    gallery: Sequence[str] | None = None,
    relevant: str | None = None,
    level: Level | None = None,
) -> Protocol:
    """The protocol with parts replaced; a filter replaces the whole of the old one, its split included."""
    return replace(
        protocol,
        queries=protocol.queries if queries is None else tuple(queries),
        gallery=protocol.gallery if gallery is None else tuple(gallery),
        relevant=relevant or protocol.relevant,
        level=level or protocol.level,
    )


def select(photos: Sequence[Photo], protocol: Protocol, split: str) -> tuple[list[Photo], list[Photo]]:
    """The queries and the gallery of a protocol.

    Raises:
        NoQueriesError: one of them is empty.

    """
    queries, gallery = (_matching(photos, texts) for texts in (protocol.queries, protocol.gallery))
    for what, found, texts in (("query", queries, protocol.queries), ("gallery", gallery, protocol.gallery)):
        if not found:
            raise NoQueriesError(
                f"protocol {protocol.name} on split {split} finds no {what} photo ({' '.join(texts) or 'any'})",
                "--protocol leave-one-out needs neither customers nor views; or set --split, --queries, --gallery",
            )
    return queries, gallery


def _matching(photos: Sequence[Photo], texts: Sequence[str]) -> list[Photo]:
    condition = where.parse(texts)
    return [photo for photo in photos if condition.matches(photo.value)]
