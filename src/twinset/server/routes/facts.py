"""`/v1/facets`, `/v1/catalogue`, `/v1/limits`, `/v1/events`, `/healthz`, `/readyz`, `/metrics`."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict, Field

from twinset import photos
from twinset.errors import RequestError
from twinset.server import intake, remembered
from twinset.server.events import Event, Kind
from twinset.server.parameters import Filtered, Text, Which
from twinset.server.problems import PROBLEMS
from twinset.server.service import Served, admin, searcher, shopper

router: Final = APIRouter(responses=PROBLEMS, tags=["facts"])


class Happened(BaseModel):
    """What a shopper did with a hit."""

    model_config = ConfigDict(extra="forbid")

    query_id: Text
    item_id: Text
    position: Annotated[int, Field(ge=1, le=10_000)]
    kind: Kind


@router.get("/v1/facets", dependencies=[Depends(searcher)])
async def facets(asked: Annotated[Filtered, Query()], service: Served) -> dict[str, dict[str, int]]:
    """How many items pass the filters, by field and value."""
    _, catalogue = service.catalogue(asked.catalogue)
    with service.desk.place():
        return await service.desk.run(lambda: catalogue.facets(asked.where))


@router.get("/v1/catalogue", dependencies=[Depends(shopper)])
async def catalogue(asked: Annotated[Which, Query()], service: Served) -> dict[str, Any]:
    """What the catalogue holds, and by which model it answers."""
    name, opened = service.catalogue(asked.catalogue)
    with service.thumbnails.place():
        info = await service.thumbnails.run(opened.info)
    return {
        "name": name,
        "names": list(service.catalogues),
        "photos": info.photos,
        "items": info.items,
        "bundle": info.bundle,
        "fingerprint": info.fingerprint,
        "version": info.version,
        "built": info.built,
    }


@router.get("/v1/limits", dependencies=[Depends(shopper)])
async def limits(service: Served) -> dict[str, float]:
    """Every limit that a request can meet."""
    settings = service.settings
    return {
        "body_bytes": intake.MAX_BODY,
        "json_bytes": intake.MAX_JSON,
        "photo_bytes": photos.MAX_BYTES,
        "photo_pixels": photos.MAX_PIXELS,
        "jpeg_pixels": photos.MAX_JPEG_PIXELS,
        "photos": settings.most_photos,
        "hits": settings.most_hits,
        "queue": settings.queue,
        "receive_seconds": settings.receive_seconds,
        "searches_a_minute": settings.rate if settings.public else 0,
        "searches_a_day": settings.quota,
        "feedback_seconds": remembered.SECONDS,
        "feedback_queries": remembered.MOST,
    }


@router.post("/v1/events", status_code=204, dependencies=[Depends(shopper)])
async def events(happened: Happened, service: Served) -> Response:
    """Notes what a shopper did, where the shop has switched that on."""
    log = service.events
    if log is None:
        raise RequestError("events_off", "this server notes no events", "start it with --events FILE")
    event = Event(happened.query_id, happened.item_id, happened.position, happened.kind)
    with service.thumbnails.place():
        await service.thumbnails.run(lambda: log.add(event))
    return Response(status_code=204)


@router.get("/healthz")
async def healthz() -> dict[str, bool]:
    """Whether the process answers."""
    return {"ok": True}


@router.get("/readyz")
async def readyz(service: Served) -> JSONResponse:
    """Whether every catalogue has answered a real search."""
    waiting = [name for name in service.catalogues if name not in service.readiness.ready]
    return JSONResponse({"ready": not waiting, "waiting": waiting}, 503 if waiting else 200)


@router.get("/metrics", dependencies=[Depends(admin)], response_class=Response)
async def metrics(service: Served) -> Response:
    """Metrics for Prometheus."""
    service.telemetry.waiting.set(service.desk.here)
    return Response(service.telemetry.page(), media_type=CONTENT_TYPE_LATEST)
