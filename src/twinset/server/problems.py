"""Errors as RFC 9457 tells them over HTTP: `application/problem+json`, with the code of the error tree."""

import logging
from collections.abc import MutableMapping
from typing import Any, Final

from pydantic import BaseModel
from starlette.responses import JSONResponse

from twinset.errors import (
    PHOTO_CODES,
    REQUEST_CODES,
    IntegrityError,
    PathError,
    PhotoError,
    RequestError,
    ResourceError,
    TwinsetError,
)

_LOG: Final = logging.getLogger(__name__)
_INSIDE: Final = "the server could not answer"
_MEND_INSIDE: Final = "tell the shop this request_id: its log says more"


class Told(BaseModel):
    """A problem, as RFC 9457 and this program tell it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    mend: str
    request_id: str


PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Told, "content": {"application/problem+json": {}}, "description": "A problem"}
    for status in sorted({*PHOTO_CODES.values(), *REQUEST_CODES.values(), 409, 501} - {500})
}
"""What any route may answer instead, for its schema."""


class Problem(JSONResponse):
    """The answer to a request that failed."""

    media_type = "application/problem+json"


def problem(error: TwinsetError, state: MutableMapping[str, Any]) -> Problem:
    """What a client is told of an error; of what is wrong inside, which names files, only that it is so.

    `state` is the request's: it has `request_id`, and gets `code`.
    """
    told = _told(error)
    request_id, state["code"] = state["request_id"], told.code
    if told is not error:
        _LOG.error("%s", error, extra={"facts": {"request_id": request_id}})
    facts: dict[str, Any] = {
        "type": f"urn:twinset:{told.code}",
        "title": told.code.replace("_", " "),
        "status": told.http_status,
        "detail": told.message,
        "code": told.code,
        "mend": told.mend,
        "request_id": request_id,
    }
    after = told.after if isinstance(told, RequestError) else None
    headers = {} if after is None else {"Retry-After": str(after)}
    if told.code == "bad_request":
        headers["Connection"] = "close"
    if told.code == "wrong_key":
        headers["WWW-Authenticate"] = "Bearer"
    return Problem(facts, told.http_status, headers)


def _told(error: TwinsetError) -> TwinsetError:
    if isinstance(error, PhotoError | RequestError):
        return error
    if isinstance(error, ResourceError):
        return RequestError("overloaded", "the server is short of something", _MEND_INSIDE, after=5)
    if isinstance(error, IntegrityError | PathError) or error.http_status >= 500:
        return RequestError("internal", _INSIDE, _MEND_INSIDE)
    return error
