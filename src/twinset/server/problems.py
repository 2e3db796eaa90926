"""Errors as RFC 9457 tells them over HTTP: `application/problem+json`, with the code of the error tree."""

import logging
from collections import defaultdict
from collections.abc import MutableMapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from twinset.errors import (
    PHOTO_CODES,
    BusyError,
    DiskFullError,
    IntegrityError,
    PathError,
    PhotoError,
    ReadOnlyError,
    RequestError,
    ResourceError,
    TwinsetError,
    http_status,
)

_LOG: Final = logging.getLogger(__name__)
_INSIDE: Final = "the server could not answer"
_MEND_INSIDE: Final = "tell the shop this request_id: its log says more"
_BUSY: Final = 5
"""Seconds after which to ask again for what another writer holds."""
_WRITING: Final[dict[type[TwinsetError], tuple[str, str]]] = {
    BusyError: ("another process writes to the catalogue", "ask again"),
    DiskFullError: ("no space is left on the server's disk", _MEND_INSIDE),
    ReadOnlyError: ("the server may not write to the catalogue", "change it where it may be written"),
}
"""Why a change was not made, and what of it concerns who asked: neither folders nor processes."""

MEDIA_TYPE: Final = "application/problem+json"


class Problem(BaseModel):
    """Why a request failed, as RFC 9457 tells it; programs read `code`, people `detail` and `mend`."""

    type: Annotated[str, Field(examples=["urn:twinset:unknown_item"])]
    title: Annotated[str, Field(examples=["unknown item"])]
    status: Annotated[int, Field(examples=[404])]
    detail: Annotated[str, Field(examples=["the catalogue holds no item 'skirt_1'"])]
    code: Annotated[str, Field(description="One of a closed list.", examples=["unknown_item"])]
    mend: Annotated[str, Field(description="How to mend it.", examples=["did you mean skirt_10?"])]
    request_id: Annotated[str, Field(description="As in the header X-Request-ID and in the server's log.")]


ALWAYS: Final = ("wrong_host", "internal")
READING: Final = (*ALWAYS, "wrong_key", "not_found", "bad_parameter", "overloaded", "not_ready")
CHANGING: Final = (*READING, "cross_site")
SMALL_BODY: Final = ("bad_request", "too_slow", "body_too_large")
BODY: Final = (*SMALL_BODY, "bad_form", "wrong_type")
WRITING: Final = ("admin_only", "usage", "catalogue_busy", "read_only", "disk_full")
COUNTED: Final = ("too_many_requests", "quota_used")
FILTERED: Final = ("usage", "bad_where", "unknown_field")
QUERY_PHOTO: Final = tuple(code for code in PHOTO_CODES if code != "bad_box")
LISTED: Final = (*FILTERED, "bad_cursor", "cursor_expired")


def refusals(*codes: str) -> dict[int | str, dict[str, Any]]:
    """What a route may answer instead, by status, for its schema; `codes` are those of the error tree."""
    by_status = defaultdict[int, set[str]](set)
    for code in codes:
        by_status[http_status(code)].add(code)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": ", ".join(f"`{code}`" for code in sorted(by_status[status])), "content": content}
        for status in sorted(by_status)
    }


class _Answer(JSONResponse):
    media_type = MEDIA_TYPE


def problem(error: TwinsetError, state: MutableMapping[str, Any]) -> Response:
    """What a client is told of an error; of what is wrong inside, which names files, only that it is so.

    `state` is the request's: it has `request_id`, and gets `code`.
    """
    told = _told(error)
    request_id, state["code"] = state["request_id"], told.code
    if told is not error:
        foreseen = isinstance(error, ResourceError)
        _LOG.log(
            logging.WARNING if foreseen else logging.ERROR, "%s", error, extra={"facts": {"request_id": request_id}}
        )
    facts: dict[str, Any] = {
        "type": f"urn:twinset:{told.code}",
        "title": told.code.replace("_", " "),
        "status": told.http_status,
        "detail": told.message,
        "code": told.code,
        "mend": told.mend,
        "request_id": request_id,
    }
    after = told.after if isinstance(told, RequestError) else _BUSY if isinstance(told, BusyError) else None
    headers = {} if after is None else {"Retry-After": str(after)}
    if told.code in ("bad_request", "too_slow"):
        headers["Connection"] = "close"
    if told.code == "wrong_key":
        headers["WWW-Authenticate"] = "Bearer"
    return _Answer(facts, told.http_status, headers)


def _told(error: TwinsetError) -> TwinsetError:
    if isinstance(error, PhotoError | RequestError):
        return error
    for kind, words in _WRITING.items():
        if isinstance(error, kind):
            return kind(*words)
    if isinstance(error, ResourceError):
        return RequestError("overloaded", "the server is short of something", _MEND_INSIDE, after=5)
    if isinstance(error, IntegrityError | PathError) or error.http_status >= 500:
        return RequestError("internal", _INSIDE, _MEND_INSIDE)
    return error
