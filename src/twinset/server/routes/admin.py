"""What changes a catalogue, for who has the admin key: items put, patched and deleted."""

import json
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from twinset.catalogue.patch import patch_items
from twinset.catalogue.receive import MOST_PHOTOS, delete_item, put_item
from twinset.errors import PHOTO_CODES, RequestError
from twinset.served import PatchReport, PutReport, Removed
from twinset.server import intake
from twinset.server.parameters import ItemId, Which
from twinset.server.problems import BODY, CHANGING, WRITING, refusals
from twinset.server.schemas import ITEM_BODY, ITEM_LINKS, PATCH_BODY
from twinset.server.service import WAIT, Served, admin

router: Final = APIRouter(prefix="/v1", dependencies=[Depends(admin)], tags=["admin"])
_CHANGE: Final = (*CHANGING, *WRITING)
_MOST_ITEMS: Final = 100_000
_SHAPE: Final = "send {item_id: {field: value, or null to remove it}}, values as text"


@router.put(
    "/items/{item_id:path}",
    name="put_item",
    response_model=PutReport,
    openapi_extra=ITEM_BODY,
    summary="Put an item",
    responses=ITEM_LINKS | refusals(*_CHANGE, *BODY, *PHOTO_CODES, "wrong_source"),
)
async def put(request: Request, item_id: ItemId, asked: Annotated[Which, Query()], service: Served) -> JSONResponse:
    """An item with its photos, in place of what it was; its attributes are the part `attributes`, as JSON."""
    name, catalogue = service.catalogue(asked.catalogue)
    desk = service.changes[name]
    desk.check()
    photos, texts = await intake.form(request, MOST_PHOTOS, ("attributes",))
    facts = _facts(texts.get("attributes", "{}"))
    put_here = partial(put_item, catalogue.path, item_id, photos, facts, wait=WAIT)
    report = await desk.run(partial(put_here, embedder_of=catalogue.embedder_of, decode=service.decoders.decode))
    return JSONResponse(report.to_json())


@router.delete(
    "/items/{item_id:path}",
    name="delete_item",
    response_model=Removed,
    summary="Delete an item",
    responses=refusals(*_CHANGE, "unknown_item", "wrong_source"),
)
async def delete(item_id: ItemId, asked: Annotated[Which, Query()], service: Served) -> Removed:
    """Takes an item away that was put here."""
    name, catalogue = service.catalogue(asked.catalogue)
    desk = service.changes[name]
    count = await desk.run(partial(delete_item, catalogue.path, item_id, wait=WAIT))
    return Removed(count)


@router.patch(
    "/items",
    name="patch_items",
    response_model=PatchReport,
    openapi_extra=PATCH_BODY,
    summary="Patch items",
    responses=refusals(*_CHANGE, *BODY, "unknown_item"),
)
async def patch(request: Request, asked: Annotated[Which, Query()], service: Served) -> JSONResponse:
    """Attributes of many items at once; nothing is embedded, and the next search sees them."""
    name, catalogue = service.catalogue(asked.catalogue)
    desk = service.changes[name]
    desk.check()
    text = await intake.json_text(request)
    report = await desk.run(lambda: patch_items(catalogue.path, _changes(intake.parsed(text)), wait=WAIT))
    return JSONResponse(report.to_json())


def _facts(text: str) -> dict[str, str]:
    try:
        facts: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError("bad_form", f"attributes are no JSON: {error}", "send {field: value}") from error
    if not isinstance(facts, dict) or not all(isinstance(value, str) for value in facts.values()):
        raise RequestError("bad_form", "attributes are no texts by field", "send {field: value}, values as text")
    return facts


def _changes(given: Any) -> dict[str, dict[str, str | None]]:
    fine = isinstance(given, dict) and all(
        isinstance(facts, dict) and all(value is None or isinstance(value, str) for value in facts.values())
        for facts in given.values()
    )
    if not fine:
        raise RequestError("bad_form", "the changes are no attributes by item", _SHAPE)
    if len(given) > _MOST_ITEMS:
        raise RequestError(
            "bad_form", f"{len(given):,} items are changed", f"change {_MOST_ITEMS:,} at once, at most"
        )
    return dict(given)
