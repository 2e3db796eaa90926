"""Files and folders that appear whole or not at all."""

import fcntl
import glob
import os
import shutil
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from twinset.errors import DiskFullError, PathError, disk_errors

_ROOM: Final = ".twinset-tmp"


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file beside `path` that takes its place once it is on the disk: a reader sees the old one or the new."""
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    to_disk(path.parent)


def write_whole(path: Path, *parts: bytes | memoryview) -> None:
    """Writes a file as `replacing` does."""
    with replacing(path) as file:
        file.writelines(parts)


@contextmanager
def appearing(out: Path, *, instead: bool = False) -> Iterator[Path]:
    """A name beside `out`, where nothing is, for what takes its place at the end, and is removed if it fails.

    With `instead` it replaces what is at `out`, which stays where it fails. What processes left that were killed
    meanwhile is removed first.

    Raises:
        PathError: something is at `out`, or there is no folder for it.
        DiskFullError, ResourceError: the disk refused a write meanwhile.

    """
    _sweep(out)
    if not instead and (out.exists() or out.is_symlink()):
        raise PathError(f"{out} is there already", "name a place where nothing is")
    if not out.parent.is_dir():
        raise PathError(f"there is no folder {out.parent}", "make it first")
    with disk_errors(out), _room(out) as room:
        place = room / out.name
        yield place
        to_disk(place)
        old = room / f"{out.name}.old"
        if instead and out.exists():
            out.rename(old)
        try:
            place.rename(out)
            to_disk(out.parent)
        except OSError:
            if not place.exists():
                out.rename(place)
            if old.exists():
                old.rename(out)
            raise


@contextmanager
def _room(out: Path) -> Iterator[Path]:
    """A folder beside `out` that is locked while its process lives."""
    room = out.with_name(f"{out.name}.{uuid.uuid4().hex[:8]}{_ROOM}")
    room.mkdir()
    try:
        with _locked(room):
            yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _sweep(out: Path) -> None:
    """Removes the rooms that nobody holds any more."""
    for room in out.parent.glob(f"{glob.escape(out.name)}.*{_ROOM}"):
        with suppress(OSError), _locked(room):
            shutil.rmtree(room)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds a folder's lock, which a killed process gives up by itself.

    Raises:
        OSError: another process holds it, or there is no such folder.

    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def remove_folders(place: Path, but: Collection[str]) -> None:
    """Removes the folders in a place, with all that they hold, except those of these names.

    Raises:
        OSError: one cannot be; names the folder, where the library names what lies in it without its place.

    """
    for folder in place.iterdir() if place.is_dir() else ():
        if folder.is_dir() and folder.name not in but:
            try:
                shutil.rmtree(folder)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(folder)) from error


def lock(descriptor: int) -> None:
    """Takes the operating system's lock of an opened file or folder, which a killed process gives up by itself.

    Raises:
        BlockingIOError: another process holds it.

    """
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def to_disk(path: Path) -> None:
    """Brings a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_space(path: Path, needed: int) -> None:
    """Refuses to begin what the disk of `path` cannot hold: `needed` bytes, by an estimate that is rather low.

    Raises:
        DiskFullError: less is free.

    """
    with disk_errors(path):
        free = shutil.disk_usage(path if path.exists() else path.parent).free
    if free < needed:
        raise DiskFullError(
            f"{path} needs about {_megabytes(needed)} more, and its disk has {_megabytes(free)} free",
            "free some space and run it again",
        )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
