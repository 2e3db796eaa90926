"""A photo without what it says beside its picture: where and by what it was taken, comments, small previews.

JPEG, PNG and WebP keep their picture's own bytes; their parts are copied one by one, and those that are not known
to matter for the picture are left out. Other kinds are encoded anew.
"""

import re
import zlib
from collections.abc import Callable, Iterator
from typing import Final

from twinset import photos
from twinset.errors import PhotoError
from twinset.photos import Decoded

EXTENSIONS: Final = {"JPEG": "jpg", "PNG": "png", "WebP": "webp"}
"""The kinds that a stripped photo may have, and how its file is named."""
QUALITY: Final = 95
"""Of the JPEG that photos of other kinds become."""

_JPEG_PART: Final = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
"""A marker that begins a part: neither a stuffed byte, nor a restart inside a scan, nor one that is none."""
_JPEG_IMAGE: Final = frozenset((*range(0xC0, 0xD0), *range(0xDA, 0xDE)))
"""Frames, tables, scans and restart intervals: what the pixels are made from."""
_SCAN, _START, _END = 0xDA, 0xD8, 0xD9
_JFIF, _PROFILE, _ADOBE, _EXIF = 0xE0, 0xE2, 0xEE, 0xE1
_PNG_START: Final = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT: Final = frozenset((b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP"))
_PNG_END: Final = b"\0\0\0\0IEND\xaeB`\x82"
_WEBP_KEPT: Final = frozenset((b"VP8X", b"ICCP", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L"))
_WEBP_FRAME: Final = frozenset((b"ALPH", b"VP8 ", b"VP8L"))
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04
_FRAME_HEAD: Final = 16


def strip(data: bytes, decode: Callable[[bytes], Decoded] = photos.decode) -> bytes:
    """The same picture as JPEG, PNG or WebP, without its metadata; decoded, it has the same pixels.

    Left out are EXIF, GPS, XMP, IPTC, comments, previews and whatever stands behind the picture's end. What remains
    is how its colours are to be read and, where it is to be turned, an EXIF that says this alone. A photo of
    another kind becomes a JPEG of quality 95, upright, of all its pixels. `decode` is `photos.decode`, or does the
    same elsewhere.

    Raises:
        PhotoError: the photo is over a limit, of another kind, truncated or broken.

    """
    decoded = decode(data)
    match photos.kind_of(data):
        case "JPEG":
            return _jpeg(data, decoded.orientation)
        case "PNG":
            return _png(data, decoded.orientation)
        case "WebP":
            return _webp(data, decoded.orientation)
        case _:
            return photos.encode_jpeg(decoded.pixels, QUALITY)


def _turned(orientation: int) -> bytes:
    """EXIF, as a TIFF of one tag, that says how a photo is turned; nothing for one that stands upright."""
    if orientation == 1:
        return b""
    return b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0%c\0\0\0\0\0\0" % orientation


def _broken(kind: str) -> PhotoError:
    return PhotoError("broken_photo", f"a part of the {kind} photo is longer than the file", "save it again")


def _jpeg(data: bytes, orientation: int) -> bytes:
    tag = _turned(orientation)
    turned = _segment(_EXIF, b"Exif\0\0" + tag) if tag else b""
    parts = [data[:2]]
    for marker, part in _jpeg_parts(data):
        if turned and marker != _JFIF:  # which comes first, where there is one
            parts.append(turned)
            turned = b""
        parts.append(part if marker in _JPEG_IMAGE else _jpeg_colours(marker, part[4:]))
    return b"".join((*parts, b"\xff\xd9"))


def _jpeg_parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each part with its marker, a scan with all that is coded in it; what stands between parts is left out."""
    found = _JPEG_PART.search(data, 2)
    while found is not None and data[found.start() + 1] != _END:
        start, marker = found.start(), data[found.start() + 1]
        length = int.from_bytes(data[start + 2 : start + 4], "big")
        end = start + 2 + length
        if marker == _START or length < 2 or end > len(data):
            raise _broken("JPEG")
        found = _JPEG_PART.search(data, end)
        if marker == _SCAN:
            end = len(data) if found is None else found.start()
        yield marker, data[start:end]


def _jpeg_colours(marker: int, said: bytes) -> bytes:
    """What a part says of how colours are coded, less a preview in it; nothing for any other."""
    if marker == _JFIF and said.startswith(b"JFIF\0") and len(said) >= 14:
        return _segment(marker, said[:12] + b"\0\0")
    if marker == _PROFILE and said.startswith(b"ICC_PROFILE\0"):
        return _segment(marker, said)
    if marker == _ADOBE and said.startswith(b"Adobe"):
        return _segment(marker, said[:12])
    return b""


def _segment(marker: int, said: bytes) -> bytes:
    return b"\xff%c%s%s" % (marker, (len(said) + 2).to_bytes(2, "big"), said)


def _png(data: bytes, orientation: int) -> bytes:
    tag = _turned(orientation)
    turned = _chunk(b"eXIf", tag) if tag else b""
    parts = [_PNG_START]
    for name, part in _png_parts(data):
        if name == b"IDAT":
            parts.append(turned)
            turned = b""
        if name in _PNG_KEPT:
            parts.append(part)
    return b"".join((*parts, _PNG_END))


def _png_parts(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    start, name = len(_PNG_START), b""
    while start < len(data) and name != b"IEND":
        name = data[start + 4 : start + 8]
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        if end > len(data):
            raise _broken("PNG")
        yield name, data[start:end]
        start = end


def _chunk(name: bytes, said: bytes) -> bytes:
    return b"%s%s%s%s" % (len(said).to_bytes(4), name, said, zlib.crc32(name + said).to_bytes(4))


def _webp(data: bytes, orientation: int) -> bytes:
    tag, parts = _turned(orientation), [b"WEBP"]
    for name, said in _riff_parts(data, 12, 8 + int.from_bytes(data[4:8], "little")):
        if name == b"VP8X" and len(said) >= 10:
            flags = said[0] & ~(_WEBP_EXIF | _WEBP_XMP) | (_WEBP_EXIF if tag else 0)
            parts.append(_riff(name, b"%c%s" % (flags, said[1:10])))
        elif name == b"ANMF":
            frame = [p for p in _riff_parts(said, _FRAME_HEAD, len(said)) if p[0] in _WEBP_FRAME]
            parts.append(_riff(name, said[:_FRAME_HEAD] + b"".join(_riff(*part) for part in frame)))
        elif name in _WEBP_KEPT:
            parts.append(_riff(name, said))
    if tag:
        parts.append(_riff(b"EXIF", tag))
    return _riff(b"RIFF", b"".join(parts))


def _riff_parts(data: bytes, start: int, until: int) -> Iterator[tuple[bytes, bytes]]:
    if until > len(data):
        raise _broken("WebP")
    while start + 8 <= until:
        end = start + 8 + int.from_bytes(data[start + 4 : start + 8], "little")
        if end > until:
            raise _broken("WebP")
        yield data[start : start + 4], data[start + 8 : end]
        start = end + end % 2


def _riff(name: bytes, said: bytes) -> bytes:
    return name + len(said).to_bytes(4, "little") + said + b"\0" * (len(said) % 2)
