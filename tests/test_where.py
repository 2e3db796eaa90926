"""The filter language: operators, prefixes, lists and escapes against a slow matcher; bad filters are refused."""

import contextlib
import math
import operator
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from twinset import where
from twinset.errors import UnknownFieldError, WhereError
from twinset.records import Photo

OPERATORS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
SPECIAL = "\\|* "


def holds(text: str, value: str) -> bool:
    """Whether a photo whose every field is `value` fits the one filter `text`."""
    return where.parse([text]).matches(lambda _: value)


def escaped(text: str) -> str:
    return "".join(f"\\{character}" for character in text)


@pytest.mark.parametrize(
    ("text", "fits", "misses"),
    [
        ("domain=shop", ["shop"], ["", "Shop", "shops", "customer"]),
        ("domain!=shop", ["", "Shop", "customer"], ["shop"]),
        ("category=TOPS/*", ["TOPS/", "TOPS/T_Shirt"], ["TOPS", "", "DRESSES/TOPS/"]),
        ("category!=TOPS/*", ["TOPS", ""], ["TOPS/T_Shirt"]),
        ("size=S|M", ["S", "M", "M|L", "XL|S"], ["L", "", "SM"]),
        ("size!=S|M", ["L", "", "XL|L"], ["S", "L|M"]),
        ("size=S*|XL", ["S", "SM", "L|XL"], ["XXL", ""]),
        ("size=", ["", "|S"], ["S"]),
        ("view!=main|", ["back", "detail"], ["main", ""]),
        ("title=*", ["", "anything"], []),
        (r"title=5\*", ["5*"], ["5", "55"]),
        (r"title=5\**", ["5*", "5* wool"], ["55"]),
        (r"title=a\|b", ["a|b"], ["a", "b", "a|b|c"]),
        (r"title=a\|*", ["a|b", "a|b|c"], ["a", "ab"]),
        (r"title=a\\b", [r"a\b"], ["ab"]),
        (r"title=\ a\ ", [" a "], ["a"]),
        ("title= red dress ", ["red dress"], [" red dress "]),
        ("title=a=b", ["a=b"], ["a"]),
        ("title=衬衫*", ["衬衫 白"], ["裤子"]),
        ("price<20", ["9", "19.99", "-3", "1e1", "30|15"], ["20", "", "15 USD", "nan", "-inf", "free", "1_0"]),
        ("price<=20", ["20", "20.0"], ["20.01", "twenty"]),
        ("price>20", ["20.5", "20|21"], ["20", "inf", "1_000"]),
        ("price >= 20", ["20", " 20 "], ["19", ""]),
        ("price<10|30", ["29"], ["30"]),
    ],
)
def test_grammar(text: str, fits: list[str], misses: list[str]) -> None:
    """Each form of a filter fits exactly the values that it should."""
    assert [value for value in (*fits, *misses) if holds(text, value)] == fits


def test_all_filters_are_required_and_none_fits_everything() -> None:
    """Several filters must all hold for a photo; no filter holds for each."""
    photo = Photo("a.jpg", "1", category="TOPS/Blouse", attributes={"price": "9.50", "colour": "red"})
    for texts, fits in (
        ([], True),
        (["category=TOPS/*", "price<20"], True),
        (["category=TOPS/*", "price<20", "colour=blue"], False),
        (["price>5", "price<9"], False),
    ):
        assert where.parse(texts).matches(photo.value) is fits


@pytest.mark.parametrize(
    "text", ["", "domain", "=shop", "  =shop", "!=a", "a!b", "title=a\\", "price<", "price>1*"]
)
def test_no_filter(text: str) -> None:
    """What is no FIELD OP VALUE, ends in a lone backslash or compares with no number is refused as usage."""
    with pytest.raises(WhereError, match=r"is no filter|lone backslash|compares with what is no number") as caught:
        where.parse([text])
    assert (caught.value.exit_code, caught.value.code) == (2, "bad_where")
    assert caught.value.mend


@pytest.mark.parametrize("text", ["price<cheap", "price>=1_000", "price<nan", "price>inf", "price<5|x"])
def test_comparing_with_no_number(text: str) -> None:
    """An order with what is no finite number is refused, and the mend shows a number."""
    with pytest.raises(WhereError, match=r"compares with what is no number: write price.*20, or use ="):
        where.parse([text])


def test_unknown_field() -> None:
    """A field that no photo has exits 2 with the nearest name, or with all names where none is near."""
    known = {"colour", "price", "path"}
    where.parse(["colour=red", "price<3"]).check_fields(known)
    with pytest.raises(UnknownFieldError, match="no photo has a field 'color': did you mean colour") as caught:
        where.parse(["price<3", "color=red"]).check_fields(known)
    assert (caught.value.exit_code, caught.value.code) == (2, "unknown_field")
    with pytest.raises(UnknownFieldError, match="fields are colour, path, price"):
        where.parse(["zzz=1"]).check_fields(known)


@given(st.text())
@example(" a|b ")
@example("\\")
@example("*")
def test_any_text_survives_escaped(text: str) -> None:
    """Any text, escaped, equals exactly itself."""
    assert holds(f"field={escaped(text)}", text)
    assert not holds(f"field!={escaped(text)}", text)
    assert not holds(f"field={escaped(text + 'x')}", text)


@given(st.lists(st.text()))
@example(["a" + " " * 50_000])
@example([" " * 50_000])
def test_parsing_raises_nothing_else(texts: list[str]) -> None:
    """Any text is parsed, or refused with `WhereError`, in no time."""
    begun = time.perf_counter()
    with contextlib.suppress(WhereError):
        where.parse(texts).matches(lambda field: field)
    assert time.perf_counter() - begun < 1


@settings(max_examples=400)
@given(
    st.sampled_from(sorted(OPERATORS)),
    st.lists(st.tuples(st.text(f"a1.{SPECIAL}", max_size=3), st.booleans()), min_size=1, max_size=3),
    st.lists(st.text("a1. ", max_size=3), min_size=1, max_size=3),
)
def test_against_a_slow_matcher(op: str, options: list[tuple[str, bool]], elements: list[str]) -> None:
    """A filter put together from known parts fits as a loop over those parts says."""
    text = f"field{op}" + "|".join(escaped(option) + "*" * prefix for option, prefix in options)
    value = "|".join(elements)
    if op in ("=", "!="):
        found = False
        for option, prefix in options:
            for element in [*elements, value]:
                found = found or (element[: len(option)] == option if prefix else element == option)
        assert holds(text, value) is (found == (op == "="))
        return
    limits = [slow_number(option) for option, _ in options]
    if any(prefix for _, prefix in options) or None in limits:
        with pytest.raises(WhereError, match="no number"):
            where.parse([text])
        return
    found = False
    for limit in limits:
        for element in elements:
            number = slow_number(element)
            found = found or (number is not None and limit is not None and OPERATORS[op](number, limit))
    assert holds(text, value) is found


def slow_number(text: str) -> float | None:
    """A number of digits with at most one point among them, by hand."""
    digits = text.strip().replace(".", "", 1)
    return float(text) if digits and digits.isdigit() else None


@pytest.mark.parametrize("text", ["", " ", "x", "1,5", "1 2", "0x10", "1_0", "nan", "inf", "-infinity", "9" * 400])
def test_no_number(text: str) -> None:
    """What is no finite decimal number is NaN, which compares with nothing."""
    assert math.isnan(where.number(text))
