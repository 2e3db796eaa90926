"""Bytes or a path → upright RGB pixels: the only module that decodes, and every limit on hostile input.

A plug-in of Pillow is chosen here by the file's first bytes and called directly, so no other plug-in ever
sees the data, and the pixels are counted before any is decoded.
"""

import hashlib
import io
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

from twinset.errors import PathError, PhotoError
from twinset.records import Pixels

MAX_BYTES: Final = 20 * 2**20
MAX_PIXELS: Final = 25_000_000
MAX_JPEG_PIXELS: Final = 100_000_000
MAX_PROGRESSIVE_PIXELS: Final = 50_000_000
DRAFT_LONG_SIDE: Final = 640
"""JPEG photos are decoded at 1/2, 1/4 or 1/8 as long as their long side stays at least this."""

_HEIC_MEND: Final = 'pip install "twinset[heic]"'


def _open_heic(file: io.BytesIO) -> Image.Image:
    try:
        import pillow_heif
    except ImportError as error:
        raise PhotoError("heic_needs_extra", "HEIC photos need the extra `heic`", _HEIC_MEND) from error
    image: Image.Image = pillow_heif.HeifImageFile(file)  # type: ignore[no-untyped-call]
    return image


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


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded photo: its pixels, upright, and the size of the upright source before any reduction."""

    pixels: Pixels
    width: int
    height: int


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
    except OSError as error:
        raise PathError(f"{path} cannot be read: {error.strerror}", "name a photo that is there") from error
    _check_bytes(data)
    return data


def content_hash(data: bytes) -> str:
    """SHA-256 of a photo's bytes, as hex."""
    return hashlib.sha256(data).hexdigest()


def decode(data: bytes) -> Decoded:
    """Decodes the bytes of a photo; the limits are checked before any pixel is decoded.

    Raises:
        PhotoError: the photo is over a limit, of another kind, truncated or broken.

    """
    _check_bytes(data)
    kind = _sniff(data)
    try:
        with _OPENERS[kind](io.BytesIO(data)) as image:
            _check_source_pixels(image, kind)
            source = image.size
            if kind == "JPEG":
                image.draft(None, _draft_size(source))
            _check_decoded_pixels(image)
            upright = _upright(image)
            turned = (upright.width > upright.height) != (source[0] > source[1])
            width, height = source[::-1] if turned and source[0] != source[1] else source
            return Decoded(np.asarray(_rgb(upright)), width, height)
    except PhotoError:
        raise
    except Exception as error:
        raise _translated(error, kind) from error


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


def _check_bytes(data: bytes) -> None:
    if len(data) > MAX_BYTES:
        raise PhotoError(
            "photo_too_large",
            f"the photo has more than {MAX_BYTES // 2**20} MiB",
            "save it smaller; 2,000 pixels on the long side are plenty",
        )


def _sniff(data: bytes) -> str:
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


def _uint32(data: bytes) -> int:
    return int.from_bytes(data[:4], "big")


def _check_source_pixels(image: Image.Image, kind: str) -> None:
    """A progressive JPEG keeps all its coefficients while it is decoded, however small the result."""
    limit = MAX_PIXELS
    if kind == "JPEG":
        limit = MAX_PROGRESSIVE_PIXELS if image.info.get("progressive") else MAX_JPEG_PIXELS
    _check_pixels(image.size, limit)


def _check_decoded_pixels(image: Image.Image) -> None:
    _check_pixels(image.size, MAX_PIXELS)


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


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - the pixels are sound by now; EXIF that cannot be read turns nothing
        turn = None
    return image if turn is None else image.transpose(turn)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) // 257).astype(np.uint8)).convert("RGB")
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
    return PhotoError("broken_photo", f"the {kind} photo cannot be decoded: {error}", "save it again")
