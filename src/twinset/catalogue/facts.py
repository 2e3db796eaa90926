"""What is said of an item field by field, handed in by itself: checked as the columns of a manifest are."""

from collections.abc import Collection, Mapping
from typing import Final

from twinset.errors import UsageError
from twinset.manifest.read import wrong_values

LONGEST_ID: Final = 512
MOST_FIELDS: Final = 100
LONGEST_FIELD: Final = 100
LONGEST_VALUE: Final = 10_000
IDENTITY: Final = frozenset(("path", "item_id", "photo_id", "domain"))
"""What decides which photo it is, and whether it is indexed: nobody says it of an item."""
_QUESTION: Final = "/similar"
_OPERATORS: Final = frozenset("=!<>")


def check_item(item_id: str) -> None:
    """Refuses what cannot be an item's id.

    Raises:
        UsageError: it is empty, longer than `LONGEST_ID` characters, not printable, or ends as an address does.

    """
    if not (0 < len(item_id) <= LONGEST_ID and item_id.strip() and item_id.isprintable()):
        raise UsageError(
            f"{item_id[:40]!r} is no item id", f"give 1 to {LONGEST_ID} printable characters, not only spaces"
        )
    if item_id.endswith(_QUESTION):
        raise UsageError(
            f"the item id {item_id[-40:]!r} ends in {_QUESTION}",
            "give it another end: its address would ask what is similar to an item",
        )


def check_facts(facts: Mapping[str, str | None], refused: Collection[str] = IDENTITY) -> None:
    """Refuses fields and values that a manifest could not hold, and fields that are `refused` here.

    Raises:
        UsageError: naming the first one.

    """
    if len(facts) > MOST_FIELDS:
        raise UsageError(f"{len(facts)} fields are given", f"an item has at most {MOST_FIELDS}")
    for field, value in facts.items():
        if field in refused:
            raise UsageError(f"{field} is no field to set", "leave it out")
        if field != field.strip() or not _is_field(field):
            raise UsageError(
                f"{field[:40]!r} is no name of a field",
                f"1 to {LONGEST_FIELD} printable characters, none of {' '.join(sorted(_OPERATORS))}",
            )
        if value is not None:
            _check_value(field, value)
    wrong = wrong_values({field: value for field, value in facts.items() if value is not None})
    if wrong is not None:
        raise UsageError(wrong[1], "mend the value")


def _is_field(field: str) -> bool:
    return 0 < len(field) <= LONGEST_FIELD and field.isprintable() and _OPERATORS.isdisjoint(field)


def _check_value(field: str, value: str) -> None:
    if not isinstance(value, str):
        raise UsageError(f"{field} is {value!r}", "give its value as text")
    if len(value) > LONGEST_VALUE:
        raise UsageError(f"{field} has {len(value):,} characters", f"at most {LONGEST_VALUE:,} are kept")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{field} holds half a character at {error.start}", "give its value in UTF-8") from error
    if "\0" in value:
        raise UsageError(f"{field} holds a NUL", "leave it out")
