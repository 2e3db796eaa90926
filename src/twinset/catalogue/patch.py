"""What is said of many items, changed at once: no photo is read, none is embedded."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from twinset.catalogue import derived, ingest
from twinset.catalogue.facts import IDENTITY, MOST_FIELDS, check_facts
from twinset.catalogue.folder import open_folder
from twinset.catalogue.named import named
from twinset.catalogue.writer import writer
from twinset.errors import UsageError
from twinset.records import Photo
from twinset.served import PatchReport
from twinset.store.lock import WAIT_SECONDS

Facts = Mapping[str, str | None]
"""Values by field; None takes a field away."""
OF_PHOTOS: Final = frozenset(("box", "view"))
"""What is said of a photo by itself, not of an item."""
_OWN: Final = "category"
"""The field that a photo holds beside its attributes."""


def patch_items(path: str | Path, changes: Mapping[str, Facts], *, wait: float = WAIT_SECONDS) -> PatchReport:
    """Changes fields of items, on all their photos, of whichever source: all of it or nothing.

    Fields that are not named stay. A later `index` of the item's source puts the manifest's values back.
    `wait` is how many seconds it waits for another writer.

    Raises:
        PathError: there is no catalogue.
        UsageError: a field or value cannot be used, or decides an item's photos or embeddings.
        UnknownItemError: the catalogue does not hold one of the items.
        CatalogueError: the catalogue is damaged.
        BusyError, DiskFullError, ReadOnlyError, ResourceError: as the machine has it.

    """
    for facts in changes.values():
        check_facts(facts, IDENTITY | OF_PHOTOS)
    folder = open_folder(Path(path))
    with writer(folder, wait) as (rows, copies):
        ingest.clear(rows, copies)
        found = named(folder, rows, list(changes), undone="nothing is changed")
        told = [(row, _patched(row.photo, changes[row.photo.item_id])) for row in found]
        told = [(row, photo) for row, photo in told if ingest.told(row.photo) != ingest.told(photo)]
        try:
            if told:
                with rows.transaction():
                    rows.retell(told)
        finally:  # a run that was cut short may have changed all of it, and stopped here
            derived.catch_up(folder, rows, rows.live())
    return PatchReport(len(changes), len(found), len(told))


def _patched(photo: Photo, facts: Facts) -> Photo:
    attributes = {**photo.attributes, **{name: text for name, text in facts.items() if name != _OWN}}
    kept = {name: text for name, text in attributes.items() if text}
    if len(kept) > MOST_FIELDS:
        raise UsageError(f"{photo.item_id} would have {len(kept)} fields", f"an item has at most {MOST_FIELDS}")
    category = (facts[_OWN] or "") if _OWN in facts else photo.category
    return replace(photo, category=category, attributes=kept)
