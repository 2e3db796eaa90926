"""Photos that an attacker sends: bombs, broken ones, and ones with very much beside few pixels."""

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from shops import cloth
from test_photos import bombs as pixel_bombs
from test_photos import gif, png, tiff


def encoded(kind: str, size: int = 96, **options: object) -> bytes:
    """A photo's bytes."""
    out = io.BytesIO()
    Image.fromarray(cloth(5, size)).save(out, kind, **options)
    return out.getvalue()


def fixtures() -> dict[str, bytes]:
    """A photo of each kind."""
    kinds = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
    plain = {kind: encoded(kind) for kind in kinds}
    packed = encoded("TIFF", compression="tiff_lzw")  # read by a library that says on stderr what it thinks of it
    return plain | {"packed": packed, "progressive": encoded("JPEG", progressive=True), "located": located()}


def located() -> bytes:
    """A JPEG that tells where and with what it was taken."""
    exif = Image.Exif()
    exif[0x010E], exif[0x010F] = "a secret place", "a secret camera"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    return encoded("JPEG", exif=exif)


def mutants(count: int, seed: int) -> Iterator[bytes]:
    """Fixtures with bytes changed, removed, doubled, cut off, put together, or lengths made extreme."""
    rng = np.random.Generator(np.random.PCG64(seed))
    sources = list(fixtures().values())
    for _ in range(count):
        data = bytearray(sources[rng.integers(len(sources))])
        for _ in range(int(rng.integers(1, 8))):
            at, span = int(rng.integers(len(data))), int(rng.integers(1, 64))
            match int(rng.integers(6)):
                case 0:
                    data[at] ^= 1 << int(rng.integers(8))
                case 1:
                    data[at : at + span] = rng.integers(0, 256, span, np.uint8).tobytes()
                case 2:
                    del data[at : at + span]
                case 3:
                    data[at:at] = data[at : at + span]
                case 4:
                    data[at : at + 4] = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff")[
                        int(rng.integers(3))
                    ]
                case _:
                    other = sources[rng.integers(len(sources))]
                    data[at:] = other[int(rng.integers(len(other))) :]
            if not data:
                break
        yield bytes(data) or b"\0"


def bombs() -> dict[str, bytes]:
    """Photos that are small and would become large, none of which may be decoded."""
    kinds = ((1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2), (1, 3), (8, 3), (8, 4), (8, 6), (16, 6))
    claiming = {f"png of kind {kind}": _claiming(13377, 13377, *kind) for kind in kinds}
    upside_down = struct.pack("<IIIIiiHHIIiiII", 118, 0, 54, 40, 6000, -6000, 1, 24, 0, 0, 0, 0, 0, 0)
    return {
        **pixel_bombs(),
        **claiming,
        "png, interlaced": _claiming(13377, 13377, 8, 2, interlaced=1),
        "png of no end": _claiming(2**31 - 1, 2**31 - 1, 16, 6),
        "png of a line": png(25_000_001, 1, 1, 0),
        "webp, canvas": b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\0",
        "bmp, upside down": b"BM" + upside_down,
        "tiff of a line": tiff(2**31, 1),
        "gif of two frames": gif((65535, 65535), (65535, 65535))[:-1] * 2,
    }


def swollen() -> dict[str, bytes]:
    """Photos of few pixels with very much beside them: read or refused, but never for long."""
    told = PngInfo()
    for number in range(8):
        told.add_text(f"t{number}", "a" * (12 << 20), zip=True)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 8, 8, 0) + b"\x02\x02\x44\x01\0"
    return {
        "png, text of 96 MiB": encoded("PNG", pnginfo=told),
        "png, profile of 64 MiB": _with_chunk(encoded("PNG"), b"iCCP", b"p\0\0" + zlib.compress(bytes(64 << 20))),
        "jpeg, profile of 4 MiB": encoded("JPEG", icc_profile=bytes(4 << 20)),
        "png, exif of 8 MiB": _with_chunk(encoded("PNG"), b"eXIf", b"II*\0" + bytes(8 << 20)),
        "gif, 100,000 frames": gif((8, 8), (8, 8))[:-1] + frame * 100_000 + b";",
        "apng, 100,000 frames said": _with_chunk(encoded("PNG"), b"acTL", struct.pack(">II", 100_000, 0)),
        "tiff, 65,535 directories": tiff(8, 8, 65_535),
        "jpeg, 5,000 empty scans": _scans(5000),
    }


def _claiming(width: int, height: int, depth: int, colour: int, interlaced: int = 0) -> bytes:
    """A PNG that claims a size and a kind of pixels."""
    plain = png(64, 64, 1, 0)
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return plain[:12] + head + struct.pack(">I", zlib.crc32(head)) + plain[33:]


def _with_chunk(data: bytes, name: bytes, content: bytes) -> bytes:
    """A PNG with one more chunk, before its pixels."""
    at = 33
    chunk = struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    return data[:at] + chunk + data[at:]


def _scans(count: int) -> bytes:
    """A progressive JPEG of very many scans, each of which is decoded for itself."""
    data = encoded("JPEG", 640, progressive=True)
    at = data.index(b"\xff\xda")
    until = data.index(b"\xff\xda", at + 2)
    return data[:until] + data[at:until] * min(count, (15 << 20) // (until - at)) + data[until:]


def disguised() -> dict[str, bytes]:
    """Files of other kinds, as any other name or type would bring them: none is a photo to us."""
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    return {
        "svg": svg,
        "svg behind white": b" \n" * 500 + b'<?xml version="1.0"?>' + svg,
        "html": b"<!doctype html><script>alert(1)</script>",
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99999 99999\n(%pipe%id) (w) file\n",
        "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj",
        "psd": b"8BPS\0\x01" + bytes(6) + b"\0\x03\0\0\xff\xff\0\0\xff\xff\0\x08\0\x03",
        "jpeg 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(64),
        "fits": b"SIMPLE  =                    T".ljust(2880),
        "icns": b"icns\0\0\0\x10ic09\0\0\0\x08",
        "mvg": b"push graphic-context\nfill 'url(https://127.0.0.1/\"|id\")'",
        "zip": b"PK\x03\x04" + bytes(200),
        "gzip": b"\x1f\x8b\x08" + bytes(200),
        "pickle": b"\x80\x04cos\nsystem\n(S'id'\ntR.",
        "ppm": b"P6 99999 99999 255\n",
        "xbm": b"#define a_width 99999\n#define a_height 99999\nstatic char a_bits[] = {\n",
    }
