"""`/v1/search`, `/v1/items/{id}/similar`, `/v1/feedback`, `/v1/facets`: what waits for a core."""

import time
from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import Field
from pydantic_core import to_json

from twinset.catalogue import Catalogue
from twinset.catalogue.search import Verdict
from twinset.errors import FingerprintError, RequestError
from twinset.records import Answer
from twinset.server import intake
from twinset.server.parameters import Filtered, ItemId, Listing, Looking, Text
from twinset.server.problems import (
    BODY,
    CHANGING,
    COUNTED,
    FILTERED,
    LISTED,
    QUERY_PHOTO,
    READING,
    SMALL_BODY,
    refusals,
)
from twinset.server.remembered import Remembered
from twinset.server.schemas import ANSWER, ANSWER_LINKS, PHOTO_BODY, QueryId, Told
from twinset.server.service import Served, Service, searcher

router: Final = APIRouter(prefix="/v1", dependencies=[Depends(searcher)], tags=["search"])


class Feedback(Told):
    """What a shopper says of the items of an answer."""

    query_id: QueryId
    positive: Annotated[tuple[Text, ...], Field(max_length=50, description="Ids of items that are right.")] = ()
    negative: Annotated[tuple[Text, ...], Field(max_length=50, description="Ids of items that are wrong.")] = ()


@router.post(
    "/search",
    response_model=ANSWER,
    openapi_extra=PHOTO_BODY,
    summary="Search with a photo",
    responses=ANSWER_LINKS | refusals(*CHANGING, *BODY, *COUNTED, *LISTED, *QUERY_PHOTO),
)
async def search(request: Request, asked: Annotated[Looking, Query()], service: Served) -> Response:
    """The items nearest to a photo, or to several photos of one garment."""
    asked.check(service.settings)
    name, catalogue = service.catalogue(asked.catalogue)
    part = asked.part()
    started = time.perf_counter()
    given = await intake.photos(request, service.settings.most_photos)
    service.telemetry.took("receive", time.perf_counter() - started)

    def work() -> Response:
        begun = time.perf_counter()
        decoded = [service.decoders.decode(photo) for photo in given]
        spent = (time.perf_counter() - begun) * 1e3
        found = catalogue.search(
            decoded, asked.k, box=part, boxes=asked.boxes, explain=asked.explain, **asked.options()
        )
        ms = dict(found.ms)
        ms["decode"] += spent
        ms["total"] += spent
        plain = asked.plain and len(given) == 1
        return _rendered(service, name, replace(found, ms=ms), plain=plain, noted=asked.noted)

    return await service.desk.run(work, request)


@router.get(
    "/items/{item_id:path}/similar",
    response_model=ANSWER,
    summary="Search with an item",
    responses=ANSWER_LINKS | refusals(*READING, *COUNTED, *LISTED, "unknown_item"),
)
async def similar(item_id: ItemId, asked: Annotated[Listing, Query()], service: Served) -> Response:
    """The items nearest to one of the catalogue, which is left out."""
    asked.check(service.settings)
    name, catalogue = service.catalogue(asked.catalogue)
    return await service.desk.run(
        lambda: _rendered(service, name, catalogue.similar(item_id, asked.k, **asked.options()))
    )


@router.post(
    "/feedback",
    response_model=ANSWER,
    summary="Refine a search",
    responses=ANSWER_LINKS
    | refusals(*CHANGING, *SMALL_BODY, *COUNTED, *LISTED, "unknown_item", "query_expired", "bad_input"),
)
async def feedback(verdict: Feedback, asked: Annotated[Listing, Query()], service: Served) -> Response:
    """The hits of an earlier query, moved towards some items and away from others."""
    asked.check(service.settings)
    known = service.memory.get(verdict.query_id)
    name, catalogue = service.catalogue(asked.catalogue or known.catalogue)
    return await service.desk.run(lambda: _rendered(service, name, _refined(catalogue, known, verdict, asked)))


@router.get(
    "/facets",
    summary="Counts by field and value",
    responses=refusals(*READING, *COUNTED, *FILTERED),
)
async def facets(asked: Annotated[Filtered, Query()], service: Served) -> dict[str, dict[str, int]]:
    """How many items pass the filters, by field and value."""
    _, catalogue = service.catalogue(asked.catalogue)
    return await service.desk.run(lambda: catalogue.facets(asked.where))


def _refined(catalogue: Catalogue, known: Remembered, verdict: Feedback, asked: Listing) -> Answer:
    try:
        told = Verdict(known.vector, known.fingerprint, verdict.positive, verdict.negative)
        return catalogue.refine(told, asked.k, **asked.options())
    except FingerprintError as error:
        raise RequestError(
            "query_expired", "the catalogue has another model since", "search with the photo again"
        ) from error


def _rendered(service: Service, name: str, answer: Answer, *, plain: bool = False, noted: bool = True) -> Response:
    """An answer as JSON, what `Answer.to_json` tells, counted and remembered."""
    started = time.perf_counter()
    if answer.vector is not None:
        query = Remembered(answer.vector, answer.catalogue.fingerprint, name)
        service.memory.put(answer.query_id, query)
    service.telemetry.answered(answer, name, plain=plain)
    if service.events is not None and noted:
        service.events.answered(answer, name)
    response = Response(to_json(answer, exclude={"vector"}), media_type="application/json")
    service.telemetry.took("render", time.perf_counter() - started)
    return response
