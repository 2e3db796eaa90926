r"""The filter language: `FIELD OP VALUE`, its only reader.

OP is one of `= != < <= > >=`. A VALUE that ends in `*` is a prefix, `a|b` is a list of which one suffices,
`\` takes the next character as it is. A photo's value `S|M|L` is a list too, of which one element suffices;
`S\|M\|L`, escaped, is the whole of it. `!=` is the opposite of `=`: no value of the list fits any element.
`<` and its like compare as numbers, and what is no number never matches. Several filters are all required.
White space around FIELD and around VALUE does not count, unless it is escaped; around a `|` it does.
`availability` is compared by its words, however they are spelt: `in stock` fits `in_stock` and `InStock`.
`FIELD OP VALUE:±x` is a boost: x is added to the score of what fits.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from twinset.errors import UnknownFieldError, WhereError, did_you_mean

_SHAPE: Final = re.compile(r"([^=!<>]*)(!=|<=|>=|=|<|>)(.*)", re.DOTALL)
_BOOST: Final = re.compile(r"(.*):\s*([+-][0-9]+(?:\.[0-9]+)?|[+-]\.[0-9]+)\s*", re.DOTALL)
MOST_BOOST: Final = 10.0
AVAILABILITY: Final = "availability"


@dataclass(frozen=True, slots=True)
class Alternative:
    """One of the values of a condition; `prefix` where it ended in `*`."""

    text: str
    prefix: bool

    def fits(self, element: str) -> bool:
        """Whether one element of a photo's value is this one."""
        return element.startswith(self.text) if self.prefix else element == self.text


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed `FIELD OP VALUE`."""

    field: str
    op: str
    alternatives: tuple[Alternative, ...]

    def matches(self, value: str) -> bool:
        """Whether a photo's text of this field fits."""
        if self.op in ("=", "!="):
            elements = (*value.split("|"), value)
            if self.field == AVAILABILITY:
                elements = (*map(stock_word, elements),)
            found = any(alternative.fits(e) for alternative in self.alternatives for e in elements)
            return found == (self.op == "=")
        return any(
            _compares(self.op, number(element), number(alternative.text))
            for alternative in self.alternatives
            for element in value.split("|")
        )


@dataclass(frozen=True, slots=True)
class Where:
    """Several conditions, all of them required; none matches everything."""

    conditions: tuple[Condition, ...] = ()

    def matches(self, value: Callable[[str], str]) -> bool:
        """Whether a photo fits; `value` gives its text of a field, empty where it has none.

        >>> where = parse(["category=TOPS/*", "price<20"])
        >>> where.matches({"category": "TOPS/Blouse", "price": "9.50"}.__getitem__)
        True
        """
        return all(condition.matches(value(condition.field)) for condition in self.conditions)

    def check_fields(self, known: Collection[str]) -> None:
        """Refuses a field that no photo has.

        Raises:
            UnknownFieldError: with a suggestion.

        """
        for condition in self.conditions:
            check_field(condition.field, known)


@dataclass(frozen=True, slots=True)
class Boost:
    """What is added to the score of items that fit a condition."""

    condition: Condition
    amount: float


def check_field(field: str, known: Collection[str]) -> None:
    """Refuses a field that no photo has.

    Raises:
        UnknownFieldError: with a suggestion.

    """
    if field not in known:
        mend = did_you_mean(field, known, f"fields are {', '.join(sorted(known))}")
        raise UnknownFieldError(f"no photo has a field {field!r}", mend)


def parse(texts: Iterable[str]) -> Where:
    """Parses filters.

    Raises:
        WhereError: a text is no `FIELD OP VALUE`, or compares with what is no number.

    """
    return Where(tuple(_condition(text) for text in texts))


def parse_boosts(texts: Iterable[str]) -> tuple[Boost, ...]:
    """Parses boosts, `FIELD OP VALUE:±x`; what follows the last `:` is the amount, with its sign.

    Raises:
        WhereError: a text is none, or its amount is beyond `MOST_BOOST`.

    >>> [(boost.condition.field, boost.amount) for boost in parse_boosts(["brand=Own:+0.05", "price>90:-0.1"])]
    [('brand', 0.05), ('price', -0.1)]
    """
    return tuple(_boost(text) for text in texts)


def number(text: str) -> float:
    """The number that a text is, NaN where it is none.

    >>> number("15.00"), number("15.00 USD")
    (15.0, nan)
    """
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) and "_" not in text else math.nan


def stock_word(text: str) -> str:
    """A text of `availability` without the ways in which shops spell it; one without letters as it is.

    >>> [stock_word(text) for text in ("In stock", "in_stock", "https://schema.org/InStock", "1")]
    ['instock', 'instock', 'instock', '1']
    """
    word = text.rpartition("/")[2].casefold()
    return "".join(character for character in word if character.isalpha()) or text


def _condition(text: str) -> Condition:
    match = _SHAPE.fullmatch(text)
    if match is None or not match[1].strip():
        raise WhereError(f"{text!r} is no filter", "write FIELD OP VALUE, for example category=TOPS/*")
    field, op = match[1].strip(), match[2]
    alternatives = tuple(_alternatives(_characters(match[3], text)))
    if op not in ("=", "!=") and any(math.isnan(number(a.text)) or a.prefix for a in alternatives):
        raise WhereError(f"{text!r} compares with what is no number", f"write {field}{op}20, or use =")
    if field == AVAILABILITY:
        alternatives = tuple(Alternative(stock_word(a.text), a.prefix) for a in alternatives)
    return Condition(field, op, alternatives)


def _boost(text: str) -> Boost:
    match = _BOOST.fullmatch(text)
    if match is None:
        raise WhereError(f"{text!r} is no boost", "write FIELD OP VALUE:±x, for example brand=Own:+0.05")
    amount = float(match[2])
    if abs(amount) > MOST_BOOST:
        raise WhereError(f"{text!r} adds {amount:g}", f"scores lie in [-1, 1]: add at most {MOST_BOOST:g}")
    return Boost(_condition(match[1]), amount)


def _characters(value: str, text: str) -> list[str]:
    """The characters of a value, an escaped one with its backslash; white space around them is dropped."""
    units: list[str] = []
    characters = iter(value.lstrip())
    for character in characters:
        taken = next(characters, None) if character == "\\" else ""
        if taken is None:
            raise WhereError(f"{text!r} ends in a lone backslash", r"write \\ for a backslash")
        units.append(character + taken)
    while units and units[-1].isspace():
        units.pop()
    return units


def _alternatives(characters: Sequence[str]) -> Iterable[Alternative]:
    parts: list[list[str]] = [[]]
    for character in characters:
        if character == "|":
            parts.append([])
        else:
            parts[-1].append(character)
    for part in parts:
        prefix = bool(part) and part[-1] == "*"
        kept = part[:-1] if prefix else part
        yield Alternative("".join(c[1:] if len(c) == 2 else c for c in kept), prefix)


def _compares(op: str, left: float, right: float) -> bool:
    match op:
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case _:
            return left >= right
