"""The parameters of the routes, as the address carries them; unknown ones are refused."""

from typing import Annotated, Final

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from twinset.catalogue.facts import LONGEST_ID
from twinset.catalogue.options import MAX_EXPLAIN, MAX_K, Asked, By, OutOfStock, Rerank
from twinset.errors import RequestError
from twinset.settings import ServeSettings

_TEXTS: Final = 20
_LONG: Final = LONGEST_ID

Text = Annotated[str, Field(max_length=_LONG)]
Texts = Annotated[list[Text], Field(max_length=_TEXTS)]
Absent = SkipJsonSchema[None]
"""A parameter that is left out: an address has no null."""
ItemId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=LONGEST_ID,
        description="An item's id, each `/` as %2F; one that ends in `/similar` cannot be asked for.",
        examples=["item_1"],
    ),
]
PhotoId = Annotated[
    str,
    Path(
        max_length=100, description="`photo_id` of a hit or an item.", examples=["5f0c6e0a3b6e4f1c8a7d2b9e0c4f6a1d"]
    ),
]


class Which(BaseModel):
    """Which of several catalogues is asked."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    catalogue: Annotated[
        str | Absent,
        Field(max_length=_LONG, description="A catalogue's name; by default the first of the server's."),
    ] = None


class Filtered(Which):
    """Which photos count."""

    where: Annotated[
        Texts,
        Field(description="FIELD OP VALUE; several are all required.", examples=[["price<50", "category=TOPS/*"]]),
    ] = []


class Listing(Filtered):
    """How many hits of what, and in which order."""

    k: Annotated[int, Field(ge=1, le=MAX_K, description="How many; /v1/limits has the most.")] = 20
    by: Annotated[By, Field(description="What is ranked; `style` folds colours.")] = "item"
    boost: Annotated[
        Texts, Field(description="FIELD OP VALUE:±x: orders by score plus x.", examples=[["brand=Own:+0.05"]])
    ] = []
    min_score: Annotated[
        float | Absent, Field(ge=-1, le=1, description="Leave out what is less similar.", examples=[0.5])
    ] = None
    out_of_stock: Annotated[OutOfStock, Field(description="What becomes of items that are out of stock.")] = "show"
    rerank: Annotated[Rerank | Absent, Field(description="Another order of the first hits.")] = None
    facets: Annotated[bool, Field(description="Count items by category and attributes.")] = False
    categories: Annotated[
        bool | Absent,
        Field(description="Tell the categories of the 50 nearest photos; by default on the first page."),
    ] = None
    cursor: Annotated[str | Absent, Field(max_length=4000, description="`next` of the answer before.")] = None

    def options(self) -> Asked:
        """The options of a search."""
        return Asked(
            by=self.by,
            cursor=self.cursor,
            where=self.where,
            boost=self.boost,
            min_score=self.min_score,
            out_of_stock=self.out_of_stock,
            facets=self.facets,
            rerank=self.rerank,
            categories=self.cursor is None if self.categories is None else self.categories,
        )

    def check(self, settings: ServeSettings) -> None:
        """Refuses more hits than the server gives.

        Raises:
            RequestError: `k` is too large.

        """
        if self.k > settings.most_hits:
            raise RequestError("bad_parameter", f"k is {self.k}", f"use 1 to {settings.most_hits}, and `next`")


class Looking(Listing):
    """What of the photo is searched with."""

    box: Annotated[
        str | Absent,
        Field(
            max_length=100,
            description="x1,y1,x2,y2 in fractions 0-1 of the upright photo; of one photo.",
            examples=["0.1,0.2,0.9,0.8"],
        ),
    ] = None
    boxes: Annotated[bool, Field(description="Suggest boxes to search with; of one photo, takes longer.")] = False
    explain: Annotated[
        int,
        Field(
            ge=0,
            le=MAX_EXPLAIN,
            description="Of how many first hits to tell which places make the score; of one photo.",
        ),
    ] = 0
    noted: Annotated[bool, Field(description="Note it among the events; not where no list is shown.")] = True

    @property
    def plain(self) -> bool:
        """Whether whole photos are compared with all items, in the order of their scores."""
        asked = (self.box, self.cursor, self.min_score, self.rerank)
        others = self.where or self.boost or self.out_of_stock == "hide"
        return self.by == "item" and all(one is None for one in asked) and not others

    def part(self) -> list[float] | None:
        """The box as numbers.

        Raises:
            RequestError: it is none.

        """
        if self.box is None:
            return None
        try:
            return [float(side) for side in self.box.split(",")]
        except ValueError as error:
            raise RequestError("bad_parameter", f"box is {self.box!r}", "write x1,y1,x2,y2 from 0 to 1") from error
