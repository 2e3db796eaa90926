"""`/v1/catalogue`, `/v1/limits`, `/v1/events`, `/healthz`, `/readyz`, `/metrics`."""

from dataclasses import asdict
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import Field

from twinset import photos
from twinset.catalogue.facts import LONGEST_ID
from twinset.catalogue.options import MAX_K
from twinset.errors import RequestError
from twinset.served import ServedCatalogue, ServedLimits
from twinset.server import intake, remembered
from twinset.server.events import Event, Kind
from twinset.server.parameters import Which
from twinset.server.problems import ALWAYS, CHANGING, READING, SMALL_BODY, refusals
from twinset.server.schemas import Healthy, QueryId, Ready, Told
from twinset.server.service import Served, admin, shopper, teller

router: Final = APIRouter(tags=["facts"])


class Happened(Told):
    """What a shopper did with a hit."""

    query_id: QueryId
    item_id: Annotated[str, Field(max_length=LONGEST_ID, description="The hit's `item_id`.", examples=["item_1"])]
    position: Annotated[int, Field(ge=1, le=MAX_K, description="The hit's `rank`.")]
    kind: Annotated[Kind, Field(description="What the shopper did.")]


@router.get("/v1/catalogue", dependencies=[Depends(shopper)], summary="The catalogue", responses=refusals(*READING))
async def catalogue(asked: Annotated[Which, Query()], service: Served) -> ServedCatalogue:
    """What the catalogue holds, and by which model it answers."""
    name, opened = service.catalogue(asked.catalogue)
    summary = await service.thumbnails.run(opened.summary)
    return ServedCatalogue(name=name, names=tuple(service.catalogues), **asdict(summary))


@router.get(
    "/v1/limits", dependencies=[Depends(shopper)], summary="Limits", responses=refusals(*ALWAYS, "wrong_key")
)
async def limits(service: Served) -> ServedLimits:
    """Every limit that a request can meet, and whether events are noted."""
    settings = service.settings
    return ServedLimits(
        body_bytes=intake.MAX_BODY,
        json_bytes=intake.MAX_JSON,
        photo_bytes=photos.MAX_BYTES,
        photo_pixels=photos.MAX_PIXELS,
        jpeg_pixels=photos.MAX_JPEG_PIXELS,
        photos=settings.most_photos,
        hits=settings.most_hits,
        queue=settings.queue,
        receive_seconds=settings.receive_seconds,
        searches_a_minute=settings.rate if settings.public else 0,
        searches_a_day=settings.quota,
        feedback_seconds=remembered.SECONDS,
        feedback_queries=remembered.MOST,
        events=service.events is not None,
    )


@router.post(
    "/v1/events",
    status_code=204,
    dependencies=[Depends(teller)],
    summary="Tell what a shopper did",
    responses=refusals(*CHANGING, *SMALL_BODY, "events_off", "too_many_requests", "disk_full"),
)
async def events(happened: Happened, service: Served) -> Response:
    """Notes what a shopper did, where the shop has switched that on."""
    log = service.events
    if log is None:
        raise RequestError("events_off", "this server notes no events", "start it with --events FILE")
    event = Event(happened.query_id, happened.item_id, happened.position, happened.kind)
    await service.thumbnails.run(lambda: log.add(event))
    return Response(status_code=204)


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="Alive", response_model=Healthy, responses=refusals(*ALWAYS))
async def healthz() -> JSONResponse:
    """Whether the process answers."""
    return JSONResponse({"ok": True})


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    summary="Ready",
    response_model=Ready,
    responses=refusals(*ALWAYS) | {503: {"model": Ready, "description": "A catalogue has not answered yet."}},
)
async def readyz(service: Served) -> JSONResponse:
    """Whether every catalogue has answered a real search."""
    waiting = [name for name in service.catalogues if name not in service.readiness.ready]
    return JSONResponse({"ready": not waiting, "waiting": waiting}, 503 if waiting else 200)


@router.get(
    "/metrics",
    dependencies=[Depends(admin)],
    response_class=Response,
    summary="Metrics",
    responses=refusals(*ALWAYS, "wrong_key", "admin_only")
    | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(service: Served) -> Response:
    """Metrics for Prometheus."""
    service.telemetry.waiting.set(service.desk.here)
    return Response(service.telemetry.page(), media_type=CONTENT_TYPE_LATEST)
