"""An answer told: a table, what stands out in it, a contact sheet."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from twinset import photos, sheet
from twinset.catalogue import Catalogue
from twinset.cli.output import Talk, print_json, print_line, print_table
from twinset.records import Answer, Hit
from twinset.sheet import Tile

_FACET_VALUES: Final = 10
"""How many values of a field the table of facets shows; `--json` has them all."""


def show(answer: Answer, talk: Talk, sheet_: Path | None, *, json: bool) -> None:
    """The hits as a table, or all as JSON; on stderr where the sheet is, and how to go on."""
    if json:
        print_json(answer.to_json())
        return
    likely = ["probability"] if answer.calibration else []
    rows = [
        [str(hit.rank), hit.item_id, f"{hit.score:.3f}", *_percent(hit), hit.category, hit.title, hit.photo]
        for hit in answer
    ]
    header = ["#", "item", "score", *likely, "category", "title", "photo"]
    print_table(header, rows, right=["#", "score", *likely])
    _say_close(answer, talk)
    if answer.facets is not None:
        print_line("")
        print_table(["field", "value", "items"], list(_facet_rows(answer.facets)), right=["items"])
    if not answer.hits:
        talk.say("nothing is found: no photo passes what is asked for")
    if answer.next:
        talk.say(f"more: --cursor {answer.next}")
    if sheet_ is not None:
        talk.say(f"sheet: {sheet_}")


def _percent(hit: Hit) -> list[str]:
    return [] if hit.probability is None else [f"{hit.probability:.0%}"]


def _say_close(answer: Answer, talk: Talk) -> None:
    told = answer.calibration
    if told is None:
        return
    if answer.nothing_close:
        alarms = f"of what is not there, at most {told.false_alarms:.0%} is to be told as close"
        talk.say(f"nothing close: no item passes the bar ({alarms})")
    if told.simulated:
        talk.say("probabilities are of simulated photos, no customers': see docs/calibration.md")


def _facet_rows(facets: Mapping[str, Mapping[str, int]]) -> Iterator[list[str]]:
    for name, values in facets.items():
        for value, count in list(values.items())[:_FACET_VALUES]:
            yield [name, value, f"{count:,}"]
        if len(values) > _FACET_VALUES:
            yield [name, f"… {len(values) - _FACET_VALUES} more values", ""]


def say_boxes(talk: Talk, answer: Answer) -> None:
    """Boxes to search with next, or why there are none."""
    if answer.boxes is None:
        talk.say("no boxes: one is given")
    elif not answer.boxes:
        talk.say("no boxes: nothing stands out")
    for box in answer.boxes or ():
        talk.say(f"try: --box {','.join(f'{side:.3f}' for side in box)}")


def draw(catalogue: Catalogue, query: Tile, answer: Answer, path: Path) -> None:
    """Writes the query and its hits, from their copies, as a contact sheet."""
    copies = catalogue.copy([hit.photo_id for hit in answer])
    hits = [
        Tile(photos.read(copies[hit.photo_id]), (f"{hit.rank}   {hit.score:.3f}   {hit.item_id}", hit.title))
        for hit in answer
        if hit.photo_id in copies
    ]
    sheet.save(path, sheet.answer_sheet(query, hits))
