"""Forms that an attacker sends: broken, cut, swollen."""

from collections.abc import Iterator

import numpy as np

from server.live import form

KIND = "multipart/form-data; boundary=b"
PHOTO = 'Content-Disposition: form-data; name="photo"; filename="a.jpg"'
"""The head of a part that is a photo."""


def forms(photo: bytes) -> dict[str, tuple[str, bytes]]:
    """Broken forms by name: the content type, and the body; none may be answered 200."""
    kind = KIND
    good = form([(PHOTO, photo)])
    broken: dict[str, tuple[str, bytes]] = {
        "no boundary": ("multipart/form-data", good),
        "empty boundary": ("multipart/form-data; boundary=", good),
        "another boundary": ("multipart/form-data; boundary=c", good),
        "quoted boundary, never closed": ('multipart/form-data; boundary="b', form([(PHOTO, photo)], "c")),
        "boundary of 64 KiB less": (f"multipart/form-data; boundary={'b' * 20_000}", good),
        "boundary of line ends": ("multipart/form-data; boundary*=utf-8''%0d%0a", good),
        "padded boundary": (kind, good.replace(b"--b\r", b"--b \r")),
        "boundary in the photo": (kind, form([(PHOTO, photo + b"\r\n--bc")])),
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


def floods() -> Iterator[tuple[str, bytes]]:
    """Forms of 20 MiB by name, in which a parser stops at every few bytes, or at none."""
    begin = form([(PHOTO, b"")]).removesuffix(b"\r\n--b--\r\n")
    for filling in (b"\r\n--b\r", b"\r\n--bx", b"\r\n--b-", b"\r\n--", b"\r\n", b"--b", b"\r", b"-", b"\0"):
        yield repr(filling), begin + filling * ((20 << 20) // len(filling))
    yield "padding", begin + b"\r\n--b" + b" " * (20 << 20)
    yield "behind the end", begin + b"\r\n--b--" + b"\r\n--b--" * (5 << 19)


def mutants(photo: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Forms whose lines are left out, doubled, exchanged or replaced by odd ones: content types and bodies."""
    rng = np.random.Generator(np.random.PCG64(seed))
    good = [b"--b", b"\r\n", PHOTO.encode(), b"\r\n", b"\r\n", photo, b"\r\n", b"--b", b"--", b"\r\n"]
    odd = [
        *(b"--b", b"--", b"-", b"\r", b"\n", b"\r\n", b"\0", b" ", b":", b";", b'"', b"=", b"b", b"\xff\xfe", b""),
        *(b"\r\n--b\r\n", b"\r\n--b--\r\n", b"\r\n--b\t\r\n", b"Content-Type: image/png", b"X: y", b"a" * 5000),
        *(PHOTO.replace(old, new).encode() for old, new in (('"', ""), ("photo", "attributes"), ("; ", ";;"))),
        *(b"Content-Disposition: form-data", b"Content-Disposition: form-data; name*=utf-8''%ff%00; filename=a"),
    ]
    kinds = [KIND] * 12 + [
        *("", "multipart/form-data", f"{KIND}; boundary=c", f"{KIND}; charset=utf-16", "multipart/form-data;b"),
        *('multipart/form-data; boundary="b', "multipart/mixed; boundary=b", "MULTIPART/form-data; Boundary=b"),
    ]
    for _ in range(count):
        lines = list(good)
        for _ in range(int(rng.integers(1, 6))):
            at, other = rng.integers(len(lines), size=2)
            match int(rng.integers(5)):
                case 0:
                    del lines[at]
                case 1:
                    lines.insert(at, lines[other])
                case 2:
                    lines[at], lines[other] = lines[other], lines[at]
                case 3:
                    lines[at] = odd[rng.integers(len(odd))]
                case _:
                    lines[at : at + 1] = [lines[at][:other], odd[rng.integers(len(odd))], lines[at][other:]]
        yield kinds[rng.integers(len(kinds))], b"".join(lines)


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
