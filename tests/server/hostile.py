"""What an attacker sends: bombs, broken photos, broken forms, odd texts, paths that lead out."""

import io
import struct
import zlib
from collections.abc import Iterator
from urllib.parse import quote

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from server.live import form
from shops import cloth
from test_photos import bombs as pixel_bombs
from test_photos import gif, png, tiff

PHOTO = 'Content-Disposition: form-data; name="photo"; filename="a.jpg"'


def encoded(kind: str, size: int = 96, **options: object) -> bytes:
    """A photo's bytes."""
    out = io.BytesIO()
    Image.fromarray(cloth(5, size)).save(out, kind, **options)
    return out.getvalue()


def fixtures() -> dict[str, bytes]:
    """A photo of each kind."""
    kinds = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
    plain = {kind: encoded(kind) for kind in kinds}
    return plain | {"progressive": encoded("JPEG", progressive=True), "located": located()}


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
    return pixel_bombs() | {
        "png, interlaced": _interlaced(13377, 13377),
        "png of no end": png(25_000_001, 1, 1, 0),
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


def forms(photo: bytes) -> dict[str, tuple[str, bytes]]:
    """Broken forms by name: the content type, and the body; none may be answered 200."""
    kind = "multipart/form-data; boundary=b"
    good = form([(PHOTO, photo)])
    broken: dict[str, tuple[str, bytes]] = {
        "no boundary": ("multipart/form-data", good),
        "empty boundary": ("multipart/form-data; boundary=", good),
        "another boundary": ("multipart/form-data; boundary=c", good),
        "quoted boundary, never closed": ('multipart/form-data; boundary="b', form([(PHOTO, photo)], "c")),
        "boundary of 64 KiB less": (f"multipart/form-data; boundary={'b' * 20_000}", good),
        "boundary of odd bytes": ("multipart/form-data; boundary=\xff\xfe", good),
        "empty": (kind, b""),
        "only the end": (kind, b"--b--\r\n"),
        "only a boundary": (kind, b"--b\r\n"),
        "zeros": (kind, bytes(4096)),
        "line ends only": (kind, b"\r\n" * 50_000),
        "preamble of 1 MiB": (kind, b"x" * (1 << 20)),
        "cut in the head": (kind, good[:30]),
        "cut in the photo": (kind, good[:-40]),
        "no blank line": (kind, good.replace(b"\r\n\r\n", b"\r\n", 1)),
        "no disposition": (kind, form([("Content-Type: image/jpeg", photo)])),
        "no name": (kind, form([("Content-Disposition: form-data; filename=a", photo)])),
        "another name": (kind, form([(PHOTO.replace('"photo"', '"other"'), photo)])),
        "no filename": (kind, form([('Content-Disposition: form-data; name="photo"', photo)])),
        "six photos": (kind, form([(PHOTO, photo)] * 6)),
        "10,000 photos": (kind, form([(PHOTO, b"")] * 10_000)),
        "10,000 fields": (kind, form([('Content-Disposition: form-data; name="a"', b"")] * 10_000)),
        "empty photo": (kind, form([(PHOTO, b"")])),
        "a good and an empty photo": (kind, form([(PHOTO, photo), (PHOTO, b"")])),
        "head of 1 MiB": (kind, form([(PHOTO + "\r\nX: " + "a" * (1 << 20), photo)])),
        "name of 1 MiB": (kind, form([(PHOTO.replace("photo", "p" * (1 << 20)), photo)])),
        "10,000 heads": (kind, form([(PHOTO + "\r\nX: a" * 10_000, photo)])),
        "head without colon": (kind, form([("nonsense", photo)])),
        "head with NUL": (kind, form([(PHOTO + "\r\n\0: a", photo)])),
        "nested": (
            kind,
            form([("Content-Type: multipart/mixed; boundary=c\r\n" + PHOTO, form([(PHOTO, photo)], "c"))]),
        ),
        "text as photo": (kind, form([(PHOTO, b"<script>alert(1)</script>")])),
        "mixed": ("multipart/mixed; boundary=b", good),
        "urlencoded": ("application/x-www-form-urlencoded", b"photo=a"),
        "json": ("application/json", b'{"photo": "a"}'),
        "svg": ("image/svg+xml", b"<svg onload='alert(1)'/>"),
        "html": ("text/html", photo),
        "no type": ("", photo),
        "line feeds only": (kind, good.replace(b"\r\n", b"\n")),
        "behind the end": (kind, b"--b--\r\n" + good),
        "one dash": (kind, good.replace(b"--b", b"-b")),
    }
    slow = ("punycode", "idna", "unicode_escape", "utf-7", "zlib", "undefined", "rot13", "utf-16", "nonsense")
    broken |= {f"charset {name}": (f"{kind}; charset={name}", good) for name in slow}
    encodings = ("base64", "quoted-printable")
    heads = [f"{PHOTO}\r\nContent-Transfer-Encoding: {name}" for name in encodings]
    broken |= {head: (kind, form([(head, b"!" * 64)])) for head in heads}
    return broken | {f"cut at {at}": (kind, good[:at]) for at in (1, 3, 5, 20, 60, 75, 90, 95, 100, 120)}


def filenames() -> list[str]:
    """Names of files that lead somewhere or confuse; a photo under each is searched with as any other."""
    odd = [
        "",
        "../../etc/passwd",
        "/etc/passwd",
        "C:\\a",
        'a\\"b',
        "a;b=c",
        "%00.jpg",
        "a" * 4000,
        "\u202egpj.exe",
        "'",
    ]
    return [f'Content-Disposition: form-data; name="photo"; filename="{name}"' for name in odd]


def texts() -> list[str]:
    """Texts that break programs: quotes, controls, directions, formats, commands, lengths, numbers that are none."""
    controls = [chr(code) for code in (*range(32), 127, 0x85, 0xA0, 0xAD, 0x200B, 0x200D, 0x2028, 0x2029, 0xFEFF)]
    numbers = (
        *("0", "-0", "00", "1e400", "-1e400", "nan", "NaN", "inf", "-inf", "Infinity", "1_000", "0x10", "1.0.0"),
        *(
            "9" * 400,
            "-1",
            "2147483648",
            "9223372036854775808",
            "1e-400",
            "½",
            "٣",
            "1,5",
            " 1",
            "+1",
            "true",
            "null",
        ),
    )
    words = (
        *(
            "",
            " ",
            "''",
            '"',
            "`",
            "\\",
            "\\\\",
            "'; DROP TABLE photos;--",
            "' OR '1'='1",
            "1) OR (1=1",
            "%",
            "%s%s%n",
        ),
        *(
            "{0}",
            "{request}",
            "${jndi:ldap://127.0.0.1/a}",
            "{{7*7}}",
            "<%= 7*7 %>",
            "#{7*7}",
            "$(id)",
            "`id`",
            "|id",
        ),
        *(
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "javascript:alert(1)",
            "]]>",
            "<!--",
            "&amp;",
        ),
        *(
            "=HYPERLINK(1)",
            "@SUM(1)",
            "+1+1",
            "-1-1",
            "\x1b]0;a\x07",
            "\x1b[2J",
            "\r\nX-A: b",
            "\r\n\r\n<html>",
            "%0d%0a",
        ),
        *(
            "price<",
            "price<>1",
            "=",
            "a=",
            "=a",
            "a==b",
            "a|b|",
            "brand=*",
            "*",
            "a=\\",
            "brand=x:+0.1",
            ":",
            "a:b:c",
            "!",
        ),
        *(
            "Ω≈ç√",
            "田中さん",
            "العربية",
            "שלום",
            "\u202etest\u202c",
            "👩‍👩‍👧‍👦",
            "🏳️‍🌈",
            "Z̮̞̠͙͔ͅḀ̗̞͈̻̗Ḷ͙͎̯̹̞͓G̻O",
            "ﬀ",
            "ß",
            "İ",
            "\U0010ffff",
            "\ufffe",
        ),
        *(
            "__proto__",
            "constructor",
            "None",
            "undefined",
            "CON",
            "NUL",
            "a" * 499,
            "a" * 501,
            "é" * 500,
            "👍" * 500,
        ),
        *("a" * 20_000, "[" * 499, "(" * 499, "a|" * 249, "\\" * 499, "*" * 499, "'" * 499, ":" * 499, "," * 499),
    )
    return [*controls, *numbers, *words, *leading_out()[:20]]


def leading_out() -> list[str]:
    """Paths that lead out of a folder, in the ways that filters have been fooled."""
    targets = ("etc/passwd", "rows.sqlite", "catalogue.json", "proc/self/environ")
    ups = ("../", "..\\", "..;/", "....//", "%2e%2e/", "..%2f", "%2e%2e%2f", "%252e%252e%252f", "..%c0%af", "..%5c")
    deep = [up * count + target for up in ups for count in (1, 6) for target in targets]
    whole = [
        "/etc/passwd",
        "//etc/passwd",
        "\\\\host\\share\\a",
        "C:\\Windows\\win.ini",
        "file:///etc/passwd",
        "~/.ssh/id",
    ]
    cut = ["../../etc/passwd\0.jpg", "..", ".", "/", "./.", "..\0", "．．／etc/passwd", "..\u2215etc\u2215passwd"]
    return deep + whole + cut


def raw_escapes() -> list[str]:
    """Escapes of an address that are no UTF-8, or none at all."""
    return ["%", "%2", "%zz", "%ff%fe", "%c0%ae", "%ed%a0%80", "%00", "%u002e", "%f5%80%80%80", quote("\x00" * 50)]


def _interlaced(width: int, height: int) -> bytes:
    plain = bytearray(png(64, 64, 1, 0))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    plain[16:33] = head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return bytes(plain)


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
