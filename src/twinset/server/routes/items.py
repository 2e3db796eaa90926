"""`/v1/items`, `/v1/photos`: what the catalogue holds, and, for the admin, changing it."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from twinset import photos
from twinset.errors import UnknownItemError
from twinset.records import Item
from twinset.server.kept import is_kept, tag_of
from twinset.server.parameters import ItemId, PhotoId, Which
from twinset.server.problems import READING, refusals
from twinset.server.service import Served, shopper

router: Final = APIRouter(prefix="/v1", dependencies=[Depends(shopper)], tags=["items"])
_ASK_AGAIN: Final = "private, no-cache"
"""A photo keeps its id where its file changes: it is kept by who has it, and asked for by its ETag."""
_ETAG: Final = {"ETag": {"description": "Of If-None-Match.", "schema": {"type": "string"}}}
Size = Annotated[Literal["160", "320", "640"], Field(description="Its long side, in pixels, at most.")]


class Shown(Which):
    """How large a photo is wanted."""

    size: Size = "640"


@router.get(
    "/items/{item_id:path}", response_model=Item, summary="An item", responses=refusals(*READING, "unknown_item")
)
async def item(item_id: ItemId, asked: Annotated[Which, Query()], service: Served) -> JSONResponse:
    """An item: its photos and attributes."""
    _, catalogue = service.catalogue(asked.catalogue)
    found = await service.thumbnails.run(lambda: catalogue.item(item_id))
    return JSONResponse(found.to_json())


@router.get(
    "/photos/{photo_id}",
    response_class=Response,
    summary="A photo",
    responses=refusals(*READING, "unknown_item")
    | {
        200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}, "headers": _ETAG},
        304: {"description": "The photo is as it was.", "headers": _ETAG},
    },
)
async def photo(request: Request, photo_id: PhotoId, asked: Annotated[Shown, Query()], service: Served) -> Response:
    """A photo of the catalogue as a JPEG without metadata, at most so many pixels long."""
    _, catalogue = service.catalogue(asked.catalogue)

    def work() -> Response:
        copy = catalogue.copy([photo_id]).get(photo_id)
        if copy is None:
            raise UnknownItemError("the catalogue holds no such photo", "see the ids with /v1/items/{item_id}")
        tag = tag_of(copy, f"-{asked.size}")
        headers = {"ETag": tag, "Cache-Control": _ASK_AGAIN}
        if is_kept(tag, request):
            return Response(status_code=304, headers=headers)
        if asked.size != "640":
            copy = photos.encode_jpeg(photos.shrink(photos.read(copy), int(asked.size)), quality=85)
        return Response(copy, media_type="image/jpeg", headers=headers)

    return await service.thumbnails.run(work)
