"""Which item of the shop a review is of: its product, and the colour that it names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from twinset.errors import ManifestError
from twinset.manifest.feeds import values
from twinset.manifest.feeds.items import named_colour
from twinset.manifest.feeds.model import Items
from twinset.manifest.reviews.model import Item, Review
from twinset.manifest.reviews.shop import Shop, keys

Unknown = tuple[str, str]
"""The code and message of why a review's item is not known."""


@dataclass(frozen=True, slots=True)
class Match:
    """The columns by which `matched` of `reviews` reviews with pictures name a product of the shop.

    `shop_column` is empty where there is no shop's manifest.
    """

    column: str
    shop_column: str
    matched: int
    reviews: int


def best_match(reviews: Sequence[Review], products: Sequence[str], shop: Shop) -> Match:
    """The pair of columns that most reviews match; of several the one that leaves one item most often.

    Raises:
        ManifestError: not one review names a product of the shop.

    """
    named = {column: [keys(review.products.get(column, "")) for review in reviews] for column in products}
    found = {
        (column, own): [shop.candidates(own, given) for given in cells]
        for column, cells in named.items()
        for own in sorted(shop.found, key=lambda name: name != "style")
    }
    ranks = {
        pair: (sum(map(bool, items)), sum(len(one) == 1 and not shop.unclear(one[0]) for one in items))
        for pair, items in found.items()
    }
    best = max(ranks, key=lambda pair: ranks[pair], default=None)
    if best is None or not ranks[best][0]:
        told = (f"line {r.line}, {column} {text[:80]!r}" for r in reviews for column, text in r.products.items())
        raise ManifestError(
            f"none of {len(reviews):,} reviews names a product of {shop.file} "
            f"({next(told, 'not one names a product')}; looked up in {', '.join(shop.found) or 'no column'})",
            "name the columns with --product-column and --match",
        )
    return Match(*best, matched=ranks[best][0], reviews=len(reviews))


def item_of(review: Review, match: Match, shop: Shop, by: Items) -> Item | Unknown:
    """The item that a review's pictures show, or why that is not known."""
    key = review.products[match.column]
    found = shop.candidates(match.shop_column, keys(key))
    if not found:
        return "unknown_product", f"no {match.shop_column} of the shop is {key[:80]!r}"
    families = {item.family: item for item in found}
    if by == "product":
        return _product(families[found[0].family]) if len(families) == 1 else _several(key, list(families))
    siblings = [item for family in families for item in shop.families[family]]
    item = siblings[0] if len(siblings) == 1 else _exact(review, match, shop) or _coloured(review, siblings, shop)
    if item is None:
        return _several(key, [one.item_id for one in siblings])
    told = {values.slug(colour) for colour in review.colours}
    told |= shop.colours & {values.slug(part) for text in review.variants for part in re.split("[/,;|]| - ", text)}
    if told and item.colours and not told & set(item.colours):
        return "other_colour", f"the review is of {', '.join(sorted(told))}, and {item.item_id} is not"
    return item


def by_key(reviews: Sequence[Review], products: Sequence[str]) -> Match:
    """The column that names the product of most reviews, where there is no shop's manifest to look them up in."""
    filled = {column: sum(column in review.products for review in reviews) for column in products}
    column = max(filled, key=lambda name: filled[name])
    return Match(column, "", filled[column], len(reviews))


def _product(item: Item) -> Item:
    return Item(item.family, item.family, item.category, item.title, item.split)


def _several(key: str, names: Sequence[str]) -> Unknown:
    told = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return "unknown_colour", f"{key[:80]!r} is one of {len(names)} items, {told}, and the review does not say which"


def _exact(review: Review, match: Match, shop: Shop) -> Item | None:
    """The item that a SKU, or another cell of the review, names alone."""
    cells = [(match.shop_column, review.products[match.column])]
    cells += [(own, text) for text in (*review.products.values(), *review.variants) for own in shop.found]
    family = {item.family for item in shop.candidates(match.shop_column, keys(review.products[match.column]))}
    named = {item.item_id: item for cell in cells if (item := shop.exact(*cell)) and item.family in family}
    return next(iter(named.values())) if len(named) == 1 else None


def _coloured(review: Review, siblings: Sequence[Item], shop: Shop) -> Item | None:
    """The item in the colour that the review's variant names, among all in which the product comes."""
    colours = list(dict.fromkeys(colour for item in siblings for colour in item.colours))
    named = {colour for text in review.variants if (colour := named_colour(text, colours))}
    found = [item for item in siblings if not shop.unclear(item) and named & set(item.colours)]
    return found[0] if len(named) == 1 and len(found) == 1 else None
