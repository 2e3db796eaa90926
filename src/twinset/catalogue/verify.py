"""Everything in a catalogue's folder, checked against everything else."""

import time
from collections.abc import Callable
from typing import Final

from twinset.catalogue.folder import CatalogueFolder
from twinset.errors import IntegrityError, ResourceError, TwinsetError
from twinset.progress import SILENT, Progress
from twinset.records import Problem
from twinset.store import columns, copies, graph, received, rows, vectors
from twinset.store.copies import Copies
from twinset.store.database import MEND
from twinset.store.rows import Rows
from twinset.store.versions import Version

MOMENT_SECONDS: Final = 1.0
"""How long a writer may take from the commit of copies to that of their rows."""
_REPAIR: Final = "run `twinset verify --repair`"
_COPIES: Final = f"{_REPAIR}; where a source is gone too, put the photo back into it, or remove the photo"
_RECEIVED: Final = "put the item again, or bring the file back from a snapshot; until then its copy stands in"
_BUNDLE: Final = f"{_REPAIR}, which restores a bundle that ships; else bring its folder back from a snapshot"


def problems(folder: CatalogueFolder, table: Rows, pictures: Copies, progress: Progress = SILENT) -> list[Problem]:
    """What is wrong: in the rows, the copies, the bundles of all versions, and what is derived."""
    found = _guarded(rows.NAME, MEND, lambda: table.problems(progress))
    if not found:
        found += _guarded(received.NAME, _RECEIVED, lambda: received.problems(table, progress))
    found += _guarded(copies.NAME, _COPIES, lambda: pictures.problems(progress) or _lasting(table, pictures))
    try:
        versions = table.versions.all()
    except TwinsetError as error:
        return found or [Problem(rows.NAME, error.message, MEND)]
    for version in versions:
        found += _of_version(folder, table, version, progress)
    place, name = folder.path / "derived", f"derived/{columns.NAME}"
    return found + _guarded(name, _REPAIR, lambda: columns.problems(place, table, folder.id, progress))


def _of_version(folder: CatalogueFolder, table: Rows, version: Version, progress: Progress) -> list[Problem]:
    def bundle() -> list[str]:
        folder.bundle(version)
        return []

    place = folder.derived(version)
    return [
        *_guarded(f"bundles/{version.fingerprint}", _BUNDLE, bundle),
        *_guarded(
            f"derived/{place.name}", _REPAIR, lambda: vectors.problems(place, table, version, folder.id, progress)
        ),
        *_guarded(
            f"derived/{place.name}/{graph.NAME}",
            _REPAIR,
            lambda: vectors.graph_problems(place, version, folder.id),
        ),
    ]


def _guarded(file: str, mend: str, look: Callable[[], list[str]]) -> list[Problem]:
    try:
        return [Problem(file, what, mend) for what in look()]
    except IntegrityError as error:
        return [Problem(file, error.message, mend)]
    except ResourceError:
        raise
    except TwinsetError as error:
        return [Problem(file, error.message, error.mend)]


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
