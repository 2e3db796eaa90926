"""Records → JSON → the same records, and what no record is."""

import json
import math
from dataclasses import dataclass, fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinset.records import Answer, Calibrated, CatalogueState, CategoryShare, Hit, Item, ItemPhoto, PhotoHit
from twinset.served import PatchReport, PutReport, ServedCatalogue, ServedLimits
from twinset.unpacked import unpacked

TEXT = st.text(max_size=5)
REAL = st.floats(allow_nan=False)
TEXTS = st.dictionaries(TEXT, TEXT, max_size=2)


def some(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    """A few of them."""
    return st.lists(strategy, max_size=2).map(tuple)


HITS = st.builds(
    Hit,
    rank=st.integers(),
    score=REAL,
    probability=st.none() | REAL,
    photos=some(st.builds(PhotoHit, score=REAL)),
    attributes=TEXTS,
)
ANSWERS = st.builds(
    Answer,
    hits=some(HITS),
    next=st.none() | TEXT,
    catalogue=st.builds(CatalogueState),
    ms=st.dictionaries(TEXT, REAL, max_size=2),
    nothing_close=st.none() | st.booleans(),
    categories=st.none() | some(st.builds(CategoryShare, share=REAL)),
    boxes=st.none() | some(st.tuples(REAL, REAL, REAL, REAL)),
    facets=st.none() | st.dictionaries(TEXT, st.dictionaries(TEXT, st.integers(), max_size=2), max_size=2),
    calibration=st.none() | st.builds(Calibrated, false_alarms=REAL, first_score=REAL, first_spread=REAL),
    vector=st.none(),
)
ITEMS = st.builds(Item, photos=some(st.builds(ItemPhoto)), attributes=TEXTS)


@settings(max_examples=50, deadline=None)
@given(ANSWERS | ITEMS | st.builds(PutReport) | st.builds(PatchReport))
def test_there_and_back(record: Any) -> None:
    """Through JSON as text, with a field that a newer program may tell."""
    told = json.loads(json.dumps(record.to_json())) | {"new_in_another_version": [1]}
    assert unpacked(type(record), told) == record


@pytest.mark.parametrize("kind", [Answer, Item, PutReport, PatchReport, ServedCatalogue, ServedLimits])
def test_nothing_is_no_record(kind: type) -> None:
    """An empty object, and what is no object."""
    for told in ({}, [], None, "text", 3):
        with pytest.raises(ValueError, match=rf"{kind.__name__} (is|lacks)"):
            unpacked(kind, told)


@dataclass(frozen=True, slots=True)
class _Few:
    """One field of each kind."""

    text: str
    count: int
    real: float
    flag: bool
    pair: tuple[float, float]


GOOD = {"text": "a", "count": 1, "real": 2, "flag": True, "pair": [0, 1]}


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("text", 1),
        ("count", 1.0),
        ("count", True),
        ("real", True),
        ("real", "1"),
        ("flag", 1),
        ("pair", [0]),
        ("pair", None),
    ],
)
def test_values_of_another_type_are_refused(field: str, wrong: object) -> None:
    """Naming the field; a whole number is a real one too."""
    made = unpacked(_Few, GOOD)
    assert type(made.real) is float
    assert math.isclose(made.pair[1], 1.0)
    assert field in {each.name for each in fields(_Few)}
    with pytest.raises(ValueError, match=rf"_Few\.{field}"):
        unpacked(_Few, GOOD | {field: wrong})
