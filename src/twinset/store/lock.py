"""One writer at a time: a lock of the operating system, which a killed process gives up by itself."""

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from twinset.errors import BusyError, ReadOnlyError, disk_errors
from twinset.files import lock
from twinset.store.database import may_write

WAIT_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.1
_NAME: Final = "writer.lock"


@contextmanager
def writing(folder: Path, wait: float = WAIT_SECONDS) -> Iterator[None]:
    """Holds the writer's lock of a catalogue.

    Raises:
        ReadOnlyError: the folder may not be written.
        BusyError: another process holds it longer than `wait` seconds; the message names it.
        DiskFullError, ResourceError: the disk refused a write meanwhile.

    """
    if not may_write(folder):
        raise ReadOnlyError(f"{folder} may not be written", "mend its permissions, or work on a copy")
    with disk_errors(folder), (folder / _NAME).open("a+", encoding="utf-8") as file:
        _acquire(file.fileno(), folder, wait)
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": platform.node()}))
        file.flush()
        yield
        file.truncate(0)


def _acquire(descriptor: int, folder: Path, wait: float) -> None:
    until = time.monotonic() + wait
    while True:
        try:
            return lock(descriptor)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                raise BusyError(
                    f"{folder} is being written by {_holder(folder)}", "wait until it ends, then run it again"
                ) from error
            time.sleep(_POLL_SECONDS)


def _holder(folder: Path) -> str:
    try:
        held = json.loads((folder / _NAME).read_text(encoding="utf-8"))
        return f"process {held['pid']} on {held['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
