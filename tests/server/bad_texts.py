"""Texts that an attacker sends: odd ones, and paths that lead out."""

from urllib.parse import quote


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
