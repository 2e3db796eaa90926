"""What a request carries, received whole in memory within its limits: photos, and JSON."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from twinset.errors import RequestError
from twinset.photos import MAX_BYTES

MAX_BODY: Final = MAX_BYTES + 64 * 1024
"""Of a form there are its own lines beside a photo of 20 MiB."""
MAX_JSON: Final = 16 * 2**20
MAX_TEXT: Final = 256 * 1024
PHOTO: Final = "photo"
"""The name of a form's part that is a photo."""
_MEND_PHOTO: Final = "send one photo as the body (image/*), or several as parts `photo` of multipart/form-data"


class _InMemory(MultiPartParser):
    """A form of which no part reaches the disk."""

    spool_max_size = MAX_BODY


async def photos(request: Request, most: int, seconds: float) -> list[bytes]:
    """The photos of a request: its body, or the parts `photo` of its form.

    Raises:
        RequestError: it is too large, too slow, of another kind, or holds no photo, or too many.

    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        found = (await form(request, most, seconds))[0]
    elif kind.startswith("image/") or kind == "application/octet-stream":
        found = [await body(request, MAX_BODY, seconds)]
    else:
        raise RequestError("wrong_type", f"the body is {kind or 'of no type'}", _MEND_PHOTO)
    if not found or not all(found):
        raise RequestError("bad_form", "there is no photo in the request", _MEND_PHOTO)
    return found


async def json_body(request: Request, seconds: float) -> Any:
    """The JSON of a request.

    Raises:
        RequestError: it is too large, too slow, of another kind, or broken.

    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestError("wrong_type", f"the body is {kind or 'of no type'}", "send application/json")
    text = await body(request, MAX_JSON, seconds)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError("bad_form", f"the body is no JSON: {error}", "send valid JSON") from error


async def body(request: Request, most: int, seconds: float) -> bytes:
    """The bytes of a request.

    Raises:
        RequestError: there are too many, or they come too slowly.

    """
    parts = bytearray()
    async for part in _chunks(request, most, seconds):
        parts += part
    return bytes(parts)


async def form(
    request: Request, most: int, seconds: float, texts: Sequence[str] = ()
) -> tuple[list[bytes], dict[str, str]]:
    """The photos of a form, and those of its other parts that are named by `texts`.

    Raises:
        RequestError: it is too large, too slow, broken, or has other parts or too many photos.

    """
    parser = _InMemory(
        request.headers,
        _chunks(request, MAX_BODY, seconds),
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


async def _chunks(request: Request, most: int, seconds: float) -> AsyncGenerator[bytes, None]:
    """The body as it comes.

    Raises:
        RequestError: it is longer than `most` bytes, or not there in so many seconds.

    """
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > most:
        raise _too_large(most)
    until, count = time.monotonic() + seconds, 0
    stream = request.stream()
    while True:
        try:
            part = await asyncio.wait_for(anext(stream), max(0.0, until - time.monotonic()))
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise RequestError("too_slow", f"the request took more than {seconds:g} s", "send it faster") from error
        except ClientDisconnect as error:
            raise RequestError("too_slow", "the request was broken off", "send it again") from error
        count += len(part)
        if count > most:
            raise _too_large(most)
        yield part


def _too_large(most: int) -> RequestError:
    return RequestError(
        "body_too_large", f"the request has more than {most / 2**20:.4g} MiB", "save the photos smaller"
    )
