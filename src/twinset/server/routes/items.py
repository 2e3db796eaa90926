"""`/v1/items`, `/v1/photos`: what the catalogue holds, and, for the admin, changing it."""

import hashlib
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from twinset import photos
from twinset.errors import UnknownItemError
from twinset.records import Item
from twinset.server.parameters import Text, Which
from twinset.server.problems import PROBLEMS
from twinset.server.service import Served, shopper

router: Final = APIRouter(prefix="/v1", dependencies=[Depends(shopper)], responses=PROBLEMS, tags=["items"])
_WEEK: Final = "private, max-age=604800, immutable"
Size = Literal["160", "320", "640"]


class Shown(Which):
    """How large a photo is wanted."""

    size: Size = "640"


@router.get("/items/{item_id}", response_model=Item)
async def item(item_id: Text, asked: Annotated[Which, Query()], service: Served) -> JSONResponse:
    """An item: its photos and attributes."""
    _, catalogue = service.catalogue(asked.catalogue)
    with service.thumbnails.place():
        found = await service.thumbnails.run(lambda: catalogue.item(item_id))
    return JSONResponse(found.to_json())


@router.get(
    "/photos/{photo_id}",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def photo(request: Request, photo_id: Text, asked: Annotated[Shown, Query()], service: Served) -> Response:
    """A photo of the catalogue as a JPEG without metadata, at most so many pixels long."""
    _, catalogue = service.catalogue(asked.catalogue)

    def work() -> bytes:
        copy = catalogue.copy([photo_id]).get(photo_id)
        if copy is None:
            raise UnknownItemError("the catalogue holds no such photo", "see the ids with /v1/items/{item_id}")
        if asked.size == "640":
            return copy
        return photos.encode_jpeg(photos.shrink(photos.read(copy), int(asked.size)), quality=85)

    with service.thumbnails.place():
        jpeg = await service.thumbnails.run(work)
    headers = {"ETag": f'"{hashlib.sha256(jpeg).hexdigest()[:32]}"', "Cache-Control": _WEEK}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(jpeg, media_type="image/jpeg", headers=headers)
