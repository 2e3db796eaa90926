"""What a request carries, received whole in memory within its limits: photos, and JSON."""

import json
import re
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from twinset.errors import RequestError
from twinset.photos import MAX_BYTES
from twinset.server.inflow import allow

MAX_BODY: Final = MAX_BYTES + 64 * 1024
"""Of a form there are its own lines beside a photo of 20 MiB."""
MAX_JSON: Final = 16 * 2**20
MAX_TEXT: Final = 256 * 1024
PHOTO: Final = "photo"
"""The name of a form's part that is a photo."""
_CHARSETS: Final = (b"utf-8", b"utf8", b"us-ascii")
"""Others are Python's codecs by any name, of which some take minutes, and some make text that is none."""
_HALVES: Final = re.compile(rb"\\u[dD][89a-fA-F]")
"""Escapes of surrogates: where one stands alone, the text cannot be stored or sent."""
_MEND_PHOTO: Final = "send one photo as the body (image/*), or several as parts `photo` of multipart/form-data"


class _InMemory(MultiPartParser):
    """A form of which no part reaches the disk."""

    spool_max_size = MAX_BODY


async def photos(request: Request, most: int) -> list[bytes]:
    """The photos of a request: its body, or the parts `photo` of its form.

    Raises:
        RequestError: it is too large, of another kind, or holds no photo, or too many.

    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        found = (await form(request, most))[0]
    elif kind.startswith("image/") or kind == "application/octet-stream":
        found = [await body(request, MAX_BODY)]
    else:
        raise RequestError("wrong_type", f"the body is {kind or 'of no type'}", _MEND_PHOTO)
    if not found or not all(found):
        raise RequestError("bad_form", "there is no photo in the request", _MEND_PHOTO)
    return found


async def json_body(request: Request) -> Any:
    """The JSON of a request.

    Raises:
        RequestError: it is too large, of another kind, or broken.

    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestError("wrong_type", f"the body is {kind or 'of no type'}", "send application/json")
    text = await body(request, MAX_JSON)
    try:
        found = json.loads(text.decode())
        if _HALVES.search(text):
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise RequestError("bad_form", f"the body is no JSON: {error}", "send valid JSON") from error
    return found


async def body(request: Request, most: int) -> bytes:
    """The bytes of a request.

    Raises:
        RequestError: there are too many, they come too slowly, or not to their end.

    """
    parts = bytearray()
    async for part in _chunks(request, most):
        parts += part
    return bytes(parts)


async def form(request: Request, most: int, texts: Sequence[str] = ()) -> tuple[list[bytes], dict[str, str]]:
    """The photos of a form, and those of its other parts that are named by `texts`.

    Raises:
        RequestError: it is too large, broken, or has other parts or too many photos.

    """
    charset = parse_options_header(request.headers["content-type"])[1].get(b"charset", b"utf-8")
    if charset.lower() not in _CHARSETS:
        raise RequestError("wrong_type", "the form is in another charset", "send it in UTF-8")
    parser = _InMemory(
        request.headers,
        _chunks(request, MAX_BODY),
        max_files=most,
        max_fields=len(texts),
        max_part_size=MAX_TEXT,
    )
    try:
        parsed = await parser.parse()
    except (MultiPartException, FormParserError, ValueError, KeyError, UnicodeError) as error:
        raise RequestError(
            "bad_form", f"the form cannot be read: {error}", f"send at most {most} photos"
        ) from error
    photos, told = list[bytes](), dict[str, str]()
    try:
        for name, value in parsed.multi_items():
            if isinstance(value, UploadFile) and name == PHOTO:
                photos.append(await value.read())
            elif isinstance(value, str) and name in texts and name not in told:
                told[name] = value
            else:
                raise RequestError("bad_form", "the form has a part that it should not have", _MEND_PHOTO)
    finally:
        await parsed.close()
    return photos, told


async def _chunks(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body as it comes; `Inflow` raises where it is too long or too slow."""
    allow(request, most)
    try:
        async for part in request.stream():
            yield part
    except ClientDisconnect as error:
        raise RequestError("too_slow", "the request was broken off", "send it again") from error
