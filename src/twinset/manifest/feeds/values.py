"""What shops write into a cell: prices, stock, colours, categories, lists."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final, Literal

from twinset.manifest.feeds.model import Money
from twinset.manifest.notes import Notes
from twinset.where import stock_word

_COLOUR: Final = (
    "color colors colour colours farbe farben couleur couleurs colore colori cor cores kleur kleuren färg farve "
    "farge väri kolor barva farba szín culoare renk цвет колір χρώμα 色 颜色 顏色 カラー 색상"
)
_SIZE: Final = (
    "size sizes größe grösse größen taille tailles pointure taglia taglie talla tallas tamaño tamanho maat "
    "maten storlek størrelse koko rozmiar velikost veľkosť méret mărime beden размер розмір "
    "μέγεθος サイズ 尺码 尺碼 尺寸 사이즈"
)
_STOCK: Final = {
    "instock": "in_stock",
    "availablefororder": "in_stock",
    "limitedavailability": "in_stock",
    "outofstock": "out_of_stock",
    "soldout": "out_of_stock",
    "preorder": "preorder",
    "backorder": "backorder",
}
_BEST_FIRST: Final = ("in_stock", "preorder", "backorder", "out_of_stock")
UNPUBLISHED: Final = "unpublished"
"""The word for what the shop does not show; Google's feeds have none, since they leave it out."""
_SYMBOLS: Final = {"€": "EUR", "£": "GBP", "$": "", "¥": ""}
"""A dollar or a yen sign does not say whose it is."""
_PRICE: Final = re.compile(r"([A-Za-z]{3}|[€£$¥])?[ \u00a0]?([0-9][0-9., '’\u00a0\u202f]*)([A-Za-z]{3}|[€£$¥])?")
_LONGEST_PRICE: Final = 40

_COMMA: Final = re.compile(r"[,|]")
_NEXT_ADDRESS: Final = re.compile(r"[,;|\s](?=[\"'\s]{0,8}(?:https?:)?//)", re.IGNORECASE)
"""Between two addresses; a comma inside one, which should be written %2C, has no address behind it."""


def normal(text: str) -> str:
    """A text as it is compared: no matter how it is spelled in Unicode, in small or in large letters."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


_COLOUR_WORDS: Final = frozenset(normal(_COLOUR).split())
_SIZE_WORDS: Final = frozenset(normal(_SIZE).split())


def axis(name: str) -> Literal["colour", "size", ""]:
    """What an option of this name holds; empty where its name says neither, or both.

    >>> axis("Farbe"), axis("Shoe size"), axis("Material"), axis("Colour and size")
    ('colour', 'size', '', '')
    """
    words = set(re.findall(r"[^\W\d_]+", normal(name)))
    colour, size = bool(words & _COLOUR_WORDS), bool(words & _SIZE_WORDS)
    if colour == size:
        return ""
    return "colour" if colour else "size"


def slug(text: str) -> str:
    """The letters and digits of a text with `-` between its words: what two spellings of a colour share.

    >>> slug("Navy  Blue"), slug("navy/blue"), slug("藍色"), slug("+")
    ('navy-blue', 'navy-blue', '藍色', '+')
    """
    folded = normal(text).strip()
    return re.sub(r"[\W_]+", "-", folded).strip("-") or folded


def money(text: str, currency: str = "") -> Money | None:
    """A price, with or without its currency, in either order; None where it is none.

    A single comma before three digits divides thousands, every other single mark is the decimal one.

    >>> money("15.00 USD"), money("1.299,00 €")
    (Money(amount='15.00', currency='USD'), Money(amount='1299.00', currency='EUR'))
    >>> money("1,299", "SEK")
    Money(amount='1299', currency='SEK')
    >>> money("on request")
    """
    match = _PRICE.fullmatch(text.strip()) if len(text) <= _LONGEST_PRICE else None
    if match is None or (match[1] and match[3]):
        return None
    unit = match[1] or match[3] or ""
    amount = _plain(match[2])
    return Money(amount, _SYMBOLS.get(unit, unit.upper()) or currency) if amount else None


def price(text: str, currency: str, line: int, notes: Notes) -> tuple[Money | None, dict[str, str]]:
    """A cell's price; one that is none is noted, and comes back as the attribute that keeps it."""
    found = money(text, currency)
    if found is None and text:
        notes.add("bad_price", f"line {line}: {text[:_LONGEST_PRICE]}")
        return None, {"price_as_written": text}
    return found, {}


def _plain(digits: str) -> str:
    bare = re.sub(r"[\s'’]", "", digits).rstrip(".,")
    if "," in bare and "." in bare:
        decimal = max(",.", key=bare.rfind)
    elif bare.count(",") == 1 and not re.search(r",[0-9]{3}$", bare):
        decimal = ","
    else:
        decimal = "." if bare.count(".") == 1 else ""
    kept = "".join("." if mark == decimal else mark for mark in bare if mark.isdigit() or mark == decimal)
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", kept):
        return ""
    return re.sub(r"(\.[0-9]{2})0+$", r"\1", kept)  # Magento writes 34.000000


def availability(text: str) -> str:
    """A word of stock as Google's feeds spell it, `in_stock`; one that is not known as it is.

    >>> availability("In stock"), availability("https://schema.org/OutOfStock"), availability("soon")
    ('in_stock', 'out_of_stock', 'soon')
    """
    return _STOCK.get(stock_word(text), text)


def is_known(stock: str) -> bool:
    """Whether a word of stock is one of Google's."""
    return stock in _BEST_FIRST


def best_of(stocks: Iterable[str]) -> str:
    """What is said of several variants together: the best of their words, or else the first."""
    said = [stock for stock in stocks if stock]
    return next((best for best in _BEST_FIRST if best in said), said[0] if said else "")


def category(text: str) -> str:
    """The levels of `A > B/C` as a manifest writes them.

    >>> category("Home > Women > Skirts/Shorts")
    'Home/Women/Skirts-Shorts'
    """
    levels = (level.strip().replace("/", "-") for level in text.split(">"))
    return "/".join(level for level in levels if level)


def element(text: str) -> str:
    """A value that can stand in a list.

    >>> element("S|M")
    'S/M'
    """
    return text.replace("|", "/")


def listed(values: Iterable[str]) -> str:
    """Values as one cell: what is said once as it is, else a list of every element once.

    >>> listed(["S", "M", "S"]), listed(["linen|cotton", "cotton|silk"]), listed(["a|a"])
    ('S|M', 'linen|cotton|silk', 'a|a')
    """
    said = list(dict.fromkeys(value for value in values if value))
    if len(said) == 1:
        return said[0]
    return "|".join(dict.fromkeys(part for value in said for part in value.split("|")))


def addresses(text: str) -> list[str]:
    """The addresses in one cell, joined by commas, semicolons, bars or spaces, each maybe in quotes.

    Paths that are no addresses are divided at every comma.

    >>> addresses("https://a.example/w_4,h_5/1.jpg, https://a.example/2.jpg")
    ['https://a.example/w_4,h_5/1.jpg', 'https://a.example/2.jpg']
    >>> addresses("/m/b/1.jpg,/m/b/2.jpg")
    ['/m/b/1.jpg', '/m/b/2.jpg']
    """
    parts = [one for part in _NEXT_ADDRESS.split(text) for one in ([part] if "//" in part else _COMMA.split(part))]
    return [bare for part in parts if (bare := part.strip('" \t\r\n,'))]
