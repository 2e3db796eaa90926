"""Everything in a catalogue's folder, checked against everything else."""

import time
from collections.abc import Callable
from typing import Final

from twinset.catalogue.folder import CatalogueFolder
from twinset.errors import TwinsetError
from twinset.records import Problem
from twinset.store import columns, copies, rows, vectors
from twinset.store.copies import Copies
from twinset.store.rows import Rows
from twinset.store.versions import Version

MOMENT_SECONDS: Final = 1.0
"""How long a writer may take from the commit of copies to that of their rows."""


def problems(folder: CatalogueFolder, table: Rows, pictures: Copies) -> list[Problem]:
    """What is wrong: in the rows, the copies, the live version's bundle and its derived files."""
    found = _guarded(rows.NAME, table.problems)
    found += _guarded(copies.NAME, lambda: pictures.problems() or _lasting(table, pictures))
    try:
        version = table.live()
    except TwinsetError as error:
        return found or [Problem(rows.NAME, str(error))]
    bad_bundle = _guarded(f"bundles/{version.fingerprint}", lambda: _bundle(folder, version))
    if bad_bundle:
        return found + bad_bundle
    derived = folder.derived(version)
    name = str(derived.relative_to(folder.path))
    found += _guarded(name, lambda: vectors.problems(derived, table, version, folder.id))
    place = derived.parent
    name = str((place / columns.NAME).relative_to(folder.path))
    return found + _guarded(name, lambda: columns.problems(place, table, folder.id))


def _guarded(file: str, look: Callable[[], list[str]]) -> list[Problem]:
    try:
        return [Problem(file, what) for what in look()]
    except TwinsetError as error:
        return [Problem(file, str(error))]


def _bundle(folder: CatalogueFolder, version: Version) -> list[str]:
    folder.bundle(version)
    return []


def _lasting(table: Rows, pictures: Copies) -> list[str]:
    """Looks again after a moment, since a writer commits copies before their rows."""
    lacking = without_copy(table, pictures)
    if lacking:
        time.sleep(MOMENT_SECONDS)
        lacking &= without_copy(table, pictures)
    return [f"the copy of photo {name} is missing or of other bytes" for name, _, _ in sorted(lacking)]


def without_copy(table: Rows, pictures: Copies) -> set[tuple[str, str, str]]:
    """Photo, its content, and what its copy was made from, where they differ."""
    rows, copied = table.contents(), pictures.contents()
    return {(name, content, copied.get(name, "")) for name, content in rows.items() if copied.get(name) != content}
