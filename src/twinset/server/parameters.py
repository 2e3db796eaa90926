"""The parameters of the routes, as the address carries them; unknown ones are refused."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from twinset.catalogue.options import Asked, By, OutOfStock, Rerank
from twinset.errors import RequestError
from twinset.settings import ServeSettings

_TEXTS: Final = 20
_LONG: Final = 500

Text = Annotated[str, Field(max_length=_LONG)]
Texts = Annotated[list[Text], Field(max_length=_TEXTS)]


class Which(BaseModel):
    """Which of several catalogues is asked."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    catalogue: Annotated[str | None, Field(description="A catalogue's name; by default the first.")] = None


class Filtered(Which):
    """Which photos count."""

    where: Annotated[Texts, Field(description="FIELD OP VALUE, as price<50; several are all required.")] = []


class Listing(Filtered):
    """How many hits of what, and in which order."""

    k: Annotated[int, Field(ge=1, le=10_000, description="How many; /v1/limits has the most.")] = 20
    by: By = "item"
    boost: Annotated[Texts, Field(description="FIELD OP VALUE:±x, as brand=Own:+0.05.")] = []
    min_score: Annotated[float | None, Field(ge=-1, le=1)] = None
    out_of_stock: OutOfStock = "show"
    rerank: Annotated[Rerank | None, Field(description="Another order of the first hits.")] = None
    facets: bool = False
    cursor: Annotated[str | None, Field(max_length=4000, description="`next` of the answer before.")] = None

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
            categories=self.cursor is None,
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
        str | None,
        Field(max_length=100, description="x1,y1,x2,y2 in fractions 0-1 of the upright photo."),
    ] = None
    boxes: Annotated[bool, Field(description="Suggest boxes to search with; takes longer.")] = False

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
