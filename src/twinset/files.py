"""Files and folders that appear whole or not at all."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twinset.errors import PathError, disk_errors


def write_whole(path: Path, *parts: bytes | memoryview) -> None:
    """Writes beside `path`, brings it to the disk, then takes its place: a reader sees the old file or the new."""
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    to_disk(path.parent)


@contextmanager
def appearing(out: Path) -> Iterator[Path]:
    """A name beside `out`, where nothing is, for what takes its place at the end, and is removed if it fails.

    Raises:
        PathError: something is at `out`, or there is no folder for it.
        DiskFullError, ResourceError: the disk refused a write meanwhile.

    """
    if out.exists() or out.is_symlink():
        raise PathError(f"{out} is there already", "name a place where nothing is")
    if not out.parent.is_dir():
        raise PathError(f"there is no folder {out.parent}", "make it first")
    temporary = out.with_name(f"{out.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with disk_errors(out):
            yield temporary
            to_disk(temporary)
            temporary.rename(out)
            to_disk(out.parent)
    except BaseException:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
        raise


def to_disk(path: Path) -> None:
    """Brings what a folder holds by name to the disk."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
