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
_FORM: Final = "multipart/form-data"
_CHARSETS: Final = (b"utf-8", b"utf8", b"us-ascii")
"""Others are Python's codecs by any name, of which some take minutes, and some make text that is none."""
_HALVES: Final = re.compile(rb"\\u[dD][89a-fA-F]")
"""Escapes of surrogates: where one stands alone, the text cannot be stored or sent."""
_BOUNDARY: Final = re.compile(rb"[ -~]{1,70}")
_MEND_TYPE: Final = "send parts `photo` of multipart/form-data; a search may be one photo as the body (image/*)"


class _InMemory(MultiPartParser):
    """A form of which no part reaches the disk."""

    spool_max_size = MAX_BODY


async def photos(request: Request, most: int) -> list[bytes]:
    """The photos of a request: its body, or the parts `photo` of its form.

    Raises:
        RequestError: it is too large, of another kind, or holds no photo, or too many.

    """
    kind = _kind(request)
    if kind.startswith("image/") or kind == "application/octet-stream":
        found = [await body(request, MAX_BODY)]
    else:
        found = (await form(request, most))[0]
    if not found or not all(found):
        raise RequestError("bad_form", "there is no photo in the request", _MEND_TYPE)
    return found


async def json_text(request: Request) -> bytes:
    """The JSON of a request as it came.

    Raises:
        RequestError: it is too large, or of another kind.

    """
    kind = _kind(request)
    if kind != "application/json":
        raise RequestError("wrong_type", f"the body is {kind or 'of no type'}", "send application/json")
    return await body(request, MAX_JSON)


def parsed(text: bytes) -> Any:
    """What JSON says; of a large one not in the event loop, which would stand still.

    Raises:
        RequestError: it is broken.

    """
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
        RequestError: it is no form, too large, broken, or has other parts or too many photos.

    """
    boundary = _boundary(request)
    parser = _InMemory(
        request.headers,
        _unstrayed(_chunks(request, MAX_BODY), boundary),
        max_files=most,
        max_fields=len(texts),
        max_part_size=MAX_TEXT,
    )
    parts = " and ".join(f"`{name}`" for name in (PHOTO, *texts))
    mend = f"send parts {parts} alone, at most {most} photos: parameters stand in the address"
    try:
        parsed = await parser.parse()
    except (MultiPartException, FormParserError, ValueError, KeyError, UnicodeError) as error:
        raise RequestError("bad_form", f"the form cannot be read: {error}", mend) from error
    photos, told = list[bytes](), dict[str, str]()
    try:
        for name, value in parsed.multi_items():
            if isinstance(value, UploadFile) and name == PHOTO:
                photos.append(await value.read())
            elif isinstance(value, str) and name in texts and name not in told:
                told[name] = value
            else:
                raise RequestError("bad_form", "the form has a part that it should not have", mend)
    finally:
        await parsed.close()
    return photos, told


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _boundary(request: Request) -> bytes:
    """What stands between the parts of a form.

    Raises:
        RequestError: the body is none, or none that can be read.

    """
    if _kind(request) != _FORM:
        raise RequestError("wrong_type", f"the body is {_kind(request) or 'of no type'}", _MEND_TYPE)
    facts = parse_options_header(request.headers["content-type"])[1]
    boundary = facts.get(b"boundary", b"")
    if not _BOUNDARY.fullmatch(boundary):
        raise RequestError("wrong_type", "the form names no boundary of 1 to 70 ASCII characters", _MEND_TYPE)
    if facts.get(b"charset", b"utf-8").lower() not in _CHARSETS:
        raise RequestError("wrong_type", "the form is in another charset", "send it in UTF-8")
    return boundary


async def _unstrayed(chunks: AsyncGenerator[bytes, None], boundary: bytes) -> AsyncGenerator[bytes, None]:
    """A form as it comes, refused where a boundary begins no part and ends no form.

    The parser looks at what follows a boundary byte by byte: 20 MiB of such places took it seconds.
    """
    line = b"\r\n--" + boundary
    stray = re.compile(re.escape(line) + rb"(?:[^\r-]|\r[^\n]|-[^-])")
    end = b""
    async for chunk in chunks:
        seen = end + chunk
        if line in seen and stray.search(seen):
            raise RequestError("bad_form", "the boundary stands within a part", "choose one that no part holds")
        end = seen[-len(line) - 1 :]
        yield chunk


async def _chunks(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body as it comes; `Inflow` raises where it is too long or too slow."""
    allow(request, most)
    try:
        async for part in request.stream():
            yield part
    except ClientDisconnect as error:
        raise RequestError("too_slow", "the request was broken off", "send it again") from error
