"""Bytes or a path → upright RGB pixels: the only module that decodes, and every limit on hostile input.

A plug-in of Pillow is chosen here by the file's first bytes and called directly, so no other plug-in ever
sees the data, and the pixels are counted before any is decoded.
"""

import errno
import hashlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageCms,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from twinset.errors import PathError, PhotoError, ResourceError
from twinset.records import Box, Pixels

MAX_BYTES: Final = 20 * 2**20
MAX_PIXELS: Final = 25_000_000
MAX_JPEG_PIXELS: Final = 100_000_000
MAX_PROGRESSIVE_PIXELS: Final = 50_000_000
DRAFT_LONG_SIDE: Final = 640
"""JPEG photos are decoded at 1/2, 1/4 or 1/8 as long as their long side stays at least this."""

warnings.filterwarnings("ignore", module=r"PIL\.")
# Pillow warns of metadata that it cannot read, which changes no pixel; every limit is held here.

AvifImagePlugin.DEFAULT_MAX_THREADS = 1
# Photos are decoded side by side, each by one thread; a server's decoders may begin no other.

_HEIC_MEND: Final = 'pip install "twinset[heic]"'


def _open_heic(file: io.BytesIO) -> Image.Image:
    try:
        import pillow_heif
    except ImportError as error:
        raise PhotoError("heic_needs_extra", "HEIC photos need the extra `heic`", _HEIC_MEND) from error
    pillow_heif.options.DECODE_THREADS = 1
    image: Image.Image = pillow_heif.HeifImageFile(file)  # type: ignore[no-untyped-call]
    return image


_SHORT: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO)
"""A file that is there but cannot be read now: the machine's fault, not the photo's."""

_OPENERS: Final[dict[str, Callable[[io.BytesIO], Image.Image]]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "HEIC": _open_heic,
}
_AVIF_BRANDS: Final = {b"avif", b"avis"}
_HEIC_BRANDS: Final = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a photo of each EXIF orientation is brought upright."""
_SIDEWAYS: Final = {_TURNS[5], _TURNS[6], _TURNS[7], _TURNS[8]}


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded photo: its pixels, upright, and the size of the upright source before any reduction.

    `orientation` is what its metadata said (EXIF, 1-8); the pixels are turned by it already.
    """

    pixels: Pixels
    width: int
    height: int
    orientation: int = 1


def read(source: bytes | str | Path) -> Pixels:
    """Decodes a photo to uint8 `(H, W, 3)` RGB, upright, transparency on white, first frame.

    Raises:
        PathError: the path is missing or is no file.
        PhotoError: the photo is over a limit, of another kind, truncated or broken.

    """
    return decode(source if isinstance(source, bytes) else read_bytes(source)).pixels


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a photo's file, at most 20 MiB.

    Raises:
        PathError: the path is missing or is no file.
        PhotoError: the file is too large.

    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # a ValueError where the path holds a NUL
        reason = error.strerror if isinstance(error, OSError) else error
        if isinstance(error, OSError) and error.errno in _SHORT:
            raise ResourceError(f"{path} cannot be read: {reason}", "see `twinset doctor`") from error
        raise PathError(f"{path} cannot be read: {reason}", "name a photo that is there") from error
    check_size(len(data))
    return data


def content_hash(data: bytes) -> str:
    """SHA-256 of a photo's bytes, as hex."""
    return hashlib.sha256(data).hexdigest()


def check_size(count: int) -> None:
    """Refuses a photo's file of more than 20 MiB by the count of its bytes.

    Raises:
        PhotoError: it is too large.

    """
    if count > MAX_BYTES:
        raise PhotoError(
            "photo_too_large",
            f"the photo has more than {MAX_BYTES // 2**20} MiB",
            "save it smaller; 2,000 pixels on the long side are plenty",
        )


def decode(data: bytes) -> Decoded:
    """Decodes the bytes of a photo; the limits are checked before any pixel is decoded.

    Raises:
        PhotoError: the photo is over a limit, of another kind, truncated or broken.

    """
    check_size(len(data))
    kind = kind_of(data)
    file = io.BytesIO(data)
    try:
        with _OPENERS[kind](file) as image:
            if isinstance(image, JpegImagePlugin.JpegImageFile):
                size = _drafted(image, data[: file.tell()])
                image.load()
            else:
                _check_pixels(image.size, MAX_PIXELS)
                image.load()
                size = image.size  # of a TIFF only now, as its plug-in turns the photo by itself
            orientation = _orientation(image)
            turn = _TURNS.get(orientation)
            width, height = size[::-1] if turn in _SIDEWAYS else size
            pixels = np.asarray(_rgb(image if turn is None else image.transpose(turn)))
            return Decoded(pixels, width, height, orientation)
    except PhotoError:
        raise
    except MemoryError as error:
        raise ResourceError(f"memory ran out while a {kind} photo was decoded", "free some memory") from error
    except Exception as error:
        raise _translated(error, kind) from error


def kind_of(data: bytes) -> str:
    """What a photo's bytes are by their beginning: `JPEG`, `PNG`, `WebP`, `GIF`, `BMP`, `TIFF`, `AVIF` or `HEIC`.

    Raises:
        PhotoError: no photo of a known kind.

    """
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"BM"):
        return "BMP"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if data[4:8] == b"ftyp":
        brands = {data[8:12], *(data[i : i + 4] for i in range(16, min(_uint32(data), 128), 4))}
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & _HEIC_BRANDS:
            return "HEIC"
    kinds = ", ".join(kind for kind in _OPENERS if kind != "HEIC")
    raise PhotoError("not_a_photo", "the content is no photo of a known kind", f"hand in one of {kinds}")


def in_fractions(box: Box | None, photo: Decoded) -> Box | None:
    """A box in pixels of the upright photo as fractions 0-1 of it.

    Raises:
        PhotoError: the box lies outside the photo.

    """
    if box is None:
        return None
    x1, y1 = max(box[0] / photo.width, 0.0), max(box[1] / photo.height, 0.0)
    x2, y2 = min(box[2] / photo.width, 1.0), min(box[3] / photo.height, 1.0)
    if not (x1 < x2 and y1 < y2):
        size = f"{photo.width} × {photo.height}"
        raise PhotoError("bad_box", f"the box {box} lies outside the photo of {size} pixels", "mend the box")
    return x1, y1, x2, y2


def shrink(pixels: Pixels, long_side: int) -> Pixels:
    """The photo at most `long_side` pixels long, in its own proportions; a smaller one as it is."""
    image = Image.fromarray(pixels)
    if max(image.size) > long_side:
        image.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
    return np.asarray(image)


def encode_jpeg(pixels: Pixels, quality: int = 90) -> bytes:
    """A baseline JPEG of uint8 `(H, W, 3)` pixels, with no metadata."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()


def _uint32(data: bytes) -> int:
    return int.from_bytes(data[:4], "big")


def _drafted(image: JpegImagePlugin.JpegImageFile, header: bytes) -> tuple[int, int]:
    """Sets a JPEG to be decoded reduced, within the limits; returns its full size."""
    size = image.size
    _check_pixels(size, MAX_PROGRESSIVE_PIXELS if _in_scans(image, header) else MAX_JPEG_PIXELS)
    image.draft(None, _draft_size(size))
    _check_pixels(image.size, MAX_PIXELS)
    return size


def _in_scans(image: JpegImagePlugin.JpegImageFile, header: bytes) -> bool:
    """A JPEG in several scans keeps all its coefficients while it is decoded, however small the result.

    Such are the progressive ones, and those whose first scan, which ends the header, lacks a colour.
    """
    colours = header[header.rfind(b"\xff\xda") + 4]
    return bool(image.info.get("progressive")) or colours < image.layers


def _check_pixels(size: tuple[int, int], limit: int) -> None:
    if size[0] * size[1] > limit:
        raise PhotoError(
            "too_many_pixels",
            f"the photo has {size[0]} × {size[1]} pixels, more than the {limit / 1e6:g} million allowed",
            "save it smaller; 2,000 pixels on the long side are plenty",
        )


def _draft_size(size: tuple[int, int]) -> tuple[int, int]:
    scale = next((s for s in (8, 4, 2) if max(size) >= s * DRAFT_LONG_SIDE), 1)
    return max(1, size[0] // scale), max(1, size[1] // scale)


def _orientation(image: Image.Image) -> int:
    """1-8, and 1 where the metadata says nothing that counts."""
    try:
        told = image.getexif().get(ExifTags.Base.Orientation, 1)
        return int(told) if told in _TURNS else 1
    except Exception:  # noqa: BLE001 - the pixels are sound by now; EXIF that cannot be read turns nothing
        return 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        values = np.asarray(image)
        grey = np.where(values == image.info.get("transparency"), 255, values // 257)
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise PhotoError(
            "unsupported_mode", f"the photo has 32-bit pixels (mode {image.mode})", "save it with 8 bits"
        )
    if image.mode == "CMYK":
        return _through_profile(image)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image.convert("RGB")


def _through_profile(image: Image.Image) -> Image.Image:
    embedded = image.info.get("icc_profile")
    if embedded:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
            result = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            result = None
        if result is not None:
            return result
    return image.convert("RGB")


def _translated(error: Exception, kind: str) -> PhotoError:
    if isinstance(error, Image.DecompressionBombError):
        return PhotoError("too_many_pixels", f"the {kind} photo is too large: {error}", "save it smaller")
    if "truncated" in str(error).lower():
        return PhotoError("truncated_photo", f"the {kind} photo ends too early", "copy or download it again")
    reason = " ".join(str(error).split()) or type(error).__name__
    return PhotoError("broken_photo", f"the {kind} photo cannot be decoded: {reason}", "save it again")
