"""What tells without opening a photo that it is still the same: its file's size and modification time."""

import os
import time
from pathlib import Path
from typing import Final

from twinset.records import Photo, box_text
from twinset.store.schema import Row

_YOUNG_NS: Final = 2 * 10**9
"""The coarsest clock of a file system: what changes within it may bear the same time as before."""


def stamp(path: Path) -> int:
    """A file's modification time in nanoseconds, to be asked for before it is read; 0 where it tells nothing.

    So it is with a file younger than two seconds, or from the future: its next change may bear the same time.

    Raises:
        OSError: the file is missing.

    """
    changed = path.stat().st_mtime_ns
    return changed if changed + _YOUNG_NS < time.time_ns() else 0


def stands(root: Path, row: Row, photo: Photo) -> bool:
    """Whether a photo is embedded as before, and its file has the size and time that it had when it was read."""
    if row.mtime_ns == 0 or seen(row.photo) != seen(photo):
        return False
    try:
        facts = os.stat(f"{root}/{photo.path}")  # noqa: PTH116 - making a Path takes longer than looking
    except OSError:
        return False
    return (facts.st_size, facts.st_mtime_ns) == (row.size, row.mtime_ns)


def seen(photo: Photo) -> tuple[str, str]:
    """What decides an embedding beside the file's bytes; boxes as they are stored."""
    return box_text(photo.box), photo.domain
