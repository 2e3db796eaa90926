"""Which columns of an export say what, by the names that review apps give them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from twinset.manifest.feeds import values

_PRODUCTS: Final = (
    "producthandle handle productslug slug style itemid itemgroupid productid shopifyproductid externalproductid "
    "productexternalid externalid productidentifier productcode pageid pid product parentid productsku sku "
    "variantsku variantid productvariantid producturl productlink productpageurl url"
)
"""The best first; where the shop's manifest is given, it decides."""
_PICTURES: Final = (
    "pictures picture pictureurls pictureurl photos photo photourls photourl images image imageurls imageurl img "
    "imgs imgurl media mediaurls mediaurl reviewphotos reviewphoto reviewimages reviewimage reviewpictures "
    "reviewmedia reviewphotourls reviewimageurls publishedimageurls publishedimageurl customerphotos "
    "customerimages customerpictures attachments attachmenturls"
)
_HELD_BACK: Final = "unpublishedimageurls unpublishedimageurl"
_VARIANTS: Final = (
    "variant varianttitle variantname variantoptions varianttext productvariant productvarianttitle "
    "productvariantname productoptions option options optionvalue optionvalues selectedoptions"
)
_STATES: Final = (
    "state status reviewstate reviewstatus moderationstatus moderationstate publishedstate publishstatus "
    "published ispublished publish approved isapproved curated visible isvisible"
)
_IDS: Final = "reviewid reviewuuid id uuid"


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns by what they say of a review: its product (the best first), its pictures, its variant, the variant's
    colour, whether it is published, and its own id.
    """

    products: tuple[str, ...]
    pictures: tuple[str, ...]
    variants: tuple[str, ...]
    colours: tuple[str, ...]
    states: tuple[str, ...]
    ids: tuple[str, ...]


def bare(column: str) -> str:
    """A column's name as it is looked up: letters alone, so that numbered columns are one.

    >>> bare("Product-Handle"), bare("photoUrl_2")
    ('producthandle', 'photourl')
    """
    return re.sub(r"[\W\d_]+", "", column.casefold()) or column


def of_pictures(named: str, *, everything: bool) -> list[str]:
    """The bare names of columns that hold pictures: the one that was named, or those of the apps."""
    if named:
        return [bare(named)]
    return [*_PICTURES.split(), *(_HELD_BACK.split() if everything else ())]


def understood(header: Sequence[str], pictures: Iterable[str], product: str) -> Columns:
    """The columns of a header; `product` names the one of the product, where it is not empty."""

    def of(known: Iterable[str]) -> tuple[str, ...]:
        return tuple(column for name in known for column in header if bare(column) == name)

    colours = tuple(column for column in header if values.axis(column) == "colour")
    return Columns(
        products=of([bare(product)] if product else _PRODUCTS.split()),
        pictures=of(pictures),
        variants=tuple(dict.fromkeys((*of(_VARIANTS.split()), *colours))),
        colours=colours,
        states=of(_STATES.split()),
        ids=of(_IDS.split()),
    )
