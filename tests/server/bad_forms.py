"""Forms that an attacker sends: broken, cut, swollen."""

from server.live import form

PHOTO = 'Content-Disposition: form-data; name="photo"; filename="a.jpg"'
"""The head of a part that is a photo."""


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
