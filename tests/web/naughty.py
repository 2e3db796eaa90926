"""Texts that break pages, markup, scripts, addresses that run, odd characters; and a shop of them."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from server.bad_texts import leading_out
from server.bad_texts import texts as broken
from server.serving import serving
from shops import index, picture
from twinset import Catalogue
from twinset.server.app import create_app
from twinset.settings import ServeSettings
from web.conftest import ADMIN

FIELDS = ("item_id", "title", "category", "url", "style", "price", "currency", "availability", "brand", "colour")
RESERVED = frozenset(("path", "item_id", "domain", "split", "box", "view", *FIELDS))

_ACT = "window.pwned=1"
_TAGS = (
    *("img src=x", "svg", "body", "video src=x", "audio src=x", "details open", "input autofocus", "object data=x"),
    *("iframe src=x", "select autofocus", "marquee", "style", "math", "link rel=stylesheet href=x", "x tabindex=0"),
)
_HAPPENINGS = ("onerror", "onload", "onfocus", "ontoggle", "onmouseover", "onpointerenter", "onclick")
_BREAKS = (
    *(
        "",
        '"',
        "'",
        "`",
        '">',
        "'>",
        "-->",
        "]]>",
        "\\",
        "\\'",
        '\\"',
        "&quot;>",
        "\u2028",
        "\u2029",
        "%22%3E",
        "{{",
    ),
    *("</title>", "</textarea>", "</style>", "</script>", "</noscript>", "</template>", "</select>", "*/", "//\n"),
)
_MARKS = (
    f"<script>{_ACT}</script>",
    f"<ScRiPt>{_ACT}//",
    f"<img src=x onerror={_ACT}>",
    f" onerror={_ACT} x=",
    f";{_ACT};alert(1)//",
)
_SCHEMES = (
    *(
        "javascript:",
        "JaVaScRiPt:",
        "java\tscript:",
        "java\nscript:",
        "\x01javascript:",
        " javascript:",
        "vbscript:",
    ),
    *(
        "javascript&colon;",
        "javascript%3A",
        "\u3000javascript:",
        "feed:javascript:",
        "view-source:",
        "about:",
        "blob:",
    ),
    *("data:text/html,<script>", "data:text/html;base64,", "data:,", "file:///", "intent:", "ftp://", "//", "\\\\"),
    *("https:", "http://", "https://u:p@127.0.0.1/", "https://127.0.0.1:0/", "http://[", "https://\u202e", "ws://"),
)
_TEMPLATES = (
    *("{{%s}}", "${%s}", "#{%s}", "<%%=%s%%>", "{%%%s%%}", "[[%s]]", "@{%s}", "{%s}", "%%{%s}", "$(%s)", "`%s`"),
    *("eval(%s)", "{{constructor.constructor('%s')()}}", "{0.__class__.%s}", "%%s%%n%s", "<!--#exec %s-->"),
)
_NAMES = (
    *("__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf", "__defineGetter__"),
    *("__lookupSetter__", "then", "length", "name", "undefined", "null", "NaN", "Infinity", "true", "false"),
    *("this", "arguments", "window", "document", "location", "innerHTML", "onclick", "toJSON", "isPrototypeOf"),
    *("hidden", "class", "text", "key", "aria", "href", "src", "style", "id", "title"),
)
_STYLES = (
    *("}body{display:none}", "expression(alert(1))", "url(javascript:alert(1))", "@import 'x';", "</style><b>"),
    *("background:url(x)", "color:red;}*{color:red", "\\3c script\\3e", "--x:1;", "!important", "var(--ground)"),
)
_TABLES = (
    "Robert'); DROP TABLE photos;--",
    "' UNION SELECT 1--",
    "1; SELECT 1",
    '" OR ""="',
    "x' AND 1=0 --",
    "/**/",
)
_LONG = (
    *(
        "W" * 500,
        "\u4e00" * 500,
        "a\u0301" * 250,
        "\U0001f455" * 250,
        "-" * 500,
        "\u00ad" * 400,
        "word " * 90 + "end",
    ),
    *("https://shop.example/" + "a" * 450, "Donaudampfschifffahrtsgesellschaft" * 14, "\u200b" * 400 + "x"),
)
_MARKED = (
    *("\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069", "\u200e", "\u200f"),
    *("\u061c", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\ufff9", "\ufffb", "\ufffd", "\uffff"),
    *("\u034f", "\u115f", "\u3164", "\u180e", "\U000e0041", "\U0001f3fb", "\u20e3", "\ufe0f", "\u0300" * 40),
    *map(chr, (*range(1, 32), *range(127, 160))),
)
_SCRIPTS = (
    *(
        "مرحبا بالعالم",
        "שלום עולם",
        "ภาษาไทย",
        "हिन्दी",
        "ελληνικά",
        "日本語の服",
        "한국어 옷",
        "ქართული",
        "አማርኛ",
        "ΑaАａ",
    ),
    *(
        "👗👠👜",
        "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
        "👩🏽‍🚀",
        "🇩🇪🇯🇵",
        "ﷺ",
        "﷽",
        "İıŞş",
        "ẞß",
        "ﬃ",
        "½⅓",
        "①②",
        "Ｆｕｌｌ",
        "𝕗𝕒𝕟𝕔𝕪",
        "ʇxǝʇ",
        "Ṱ̺̺o͞ ̷i̲̬n̡v̴o͕k̺e",
    ),
)


def texts() -> list[str]:
    """More than 500 different texts, each of which a catalogue can hold and show; the worst are spread over all."""
    made = [
        *(f"<{tag} {happens}={_ACT}>" for tag in _TAGS for happens in _HAPPENINGS),
        *(one + mark for one in _BREAKS for mark in _MARKS),
        *(scheme + end for scheme in _SCHEMES for end in (_ACT, "alert(1)")),
        *(template % _ACT for template in _TEMPLATES),
        *(template % "7*7" for template in _TEMPLATES),
        *(f"a{mark}b" for mark in _MARKED),
        *(*_NAMES, *_STYLES, *_TABLES, *_LONG, *_SCRIPTS, *leading_out()[:30]),
        *(text for text in broken() if len(text) <= 500),
    ]
    kept = dict.fromkeys(text for text in made if text.strip() and _storable(text))
    return sorted(kept, key=_mixed)


def _mixed(text: str) -> int:
    """An order that mixes the kinds, the same each time."""
    return sum(ord(letter) * (place + 1) for place, letter in enumerate(text)) * 2_654_435_761 % 2**32


def _storable(text: str) -> bool:
    return "\0" not in text and not any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)


@dataclass
class Naughty:
    """A server whose catalogue holds the texts, all its items, and the folder."""

    url: str
    ids: list[str]
    catalogue: Catalogue
    folder: Path


def drawn(folder: Path, told: list[str]) -> Path:
    """A shop's manifest: an item for each text, its fields are texts after it, columns are named by them."""
    (folder / "shop").mkdir()
    names = [name for name in dict.fromkeys(text.strip() for text in told) if name not in RESERVED]
    lines: list[list[str]] = [["path", *FIELDS, *names]]
    for number, text in enumerate(told):
        path = named(folder / "shop", text, number)
        fields = [told[(number + 7 * place) % len(told)] for place in range(len(FIELDS) - 2)]
        fields[0] = identity(text, number)
        few = [told[(number + place) % 150 % len(told)] for place in (0, 50)]
        more = [text if name == names[number % len(names)] else "" for name in names]
        lines.append([path, *fields, *few, *more])
    table = io.StringIO(newline="")
    csv.writer(table).writerows(lines)
    manifest = folder / "shop/photos.csv"
    manifest.write_bytes(table.getvalue().encode())
    return manifest


def named(folder: Path, text: str, number: int) -> str:
    """A photo, by the text where the disk and a manifest take that as a file's name."""
    path = f"{text}.png"
    if {"/", "\\"} & set(text) or len(path.encode()) > 255 or path.startswith("."):
        path = f"{number}.png"
    Image.fromarray(picture(number)).save(folder / path, "PNG")
    return path


def identity(text: str, number: int) -> str:
    """An item's id; what no address can carry is made another: a part that leads up, a question, a line break."""
    odd = text in {".", ".."} or text.endswith("/similar") or "\n" in text
    return f"{text} {number}".replace("\n", " ") if odd else text


@contextmanager
def naughty(folder: Path, told: list[str]) -> Iterator[Naughty]:
    """A server of them."""
    index(folder / "c", drawn(folder, told))
    ids = [identity(text, number) for number, text in enumerate(told)]
    settings = ServeSettings(admin_key=ADMIN, most_hits=200)
    with Catalogue(folder / "c") as catalogue, serving(create_app(catalogue, settings)) as url:
        yield Naughty(url, ids, catalogue, folder)
