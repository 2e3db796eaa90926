"""A process that decodes photos for a server, in little memory and with no way to a file; run as a module.

It is told which socket is its own. A task is the photo's bytes; an answer is what `Reply` packs.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from twinset import photos
from twinset.errors import PhotoError, ResourceError
from twinset.records import Pixels

LENGTH: Final = struct.Struct(">I")
"""In front of a task, and of a refusal: how many bytes follow."""
REPLY: Final = struct.Struct(">IIIIII")
"""In front of an answer: bytes of a refusal or 0, height and width of the pixels, width and height of
the photo, how it was turned."""
THERE: Final = b"!"
"""What a process says once it can take tasks."""
MEMORY: Final = 768 * 2**20
"""What decoding one photo may take beyond what the process has when it starts."""

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a photo was refused: the parts of a `PhotoError`."""

    code: str
    message: str
    mend: str


def main(descriptor: int) -> None:
    """Answers tasks until the other side closes the socket."""
    with socket.socket(fileno=descriptor) as line, contextlib.suppress(OSError):
        with contextlib.suppress(ImportError):  # an extra, which could not be read any more afterwards
            import pillow_heif  # noqa: F401
        _confine()
        line.sendall(THERE)
        while (task := _task(line)) is not None:
            for part in _answer(task):
                line.sendall(part)


def _task(line: socket.socket) -> bytes | None:
    """The next task; None where the other side closed the socket."""
    head = line.recv(LENGTH.size, socket.MSG_WAITALL)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    return line.recv(length, socket.MSG_WAITALL) if length else b""


def _answer(task: bytes) -> tuple[bytes | memoryview, ...]:
    """The parts of an answer."""
    try:
        decoded = photos.decode(task)
    except PhotoError as error:
        return _refused(Refusal(error.code, error.message, error.mend))
    except (ResourceError, MemoryError):
        return _refused(heavy("memory"))
    height, width = decoded.pixels.shape[:2]
    pixels: Pixels = np.ascontiguousarray(decoded.pixels)
    size = decoded.width, decoded.height, decoded.orientation
    return REPLY.pack(0, height, width, *size), pixels.data.cast("B")


def heavy(what: str) -> Refusal:
    """Of a photo that takes more memory or time than one may."""
    return Refusal("photo_too_heavy", f"the photo takes too much {what} to decode", "save it again, smaller")


def _refused(refusal: Refusal) -> tuple[bytes]:
    text = json.dumps([refusal.code, refusal.message, refusal.mend]).encode()
    return (REPLY.pack(len(text), 0, 0, 0, 0, 0) + text,)


def _confine() -> None:
    """No file is opened or grows, no connection and no process begins, memory is bounded, nothing is said in the
    server's log, and the process dies with the one that began it.
    """
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), sys.stderr.fileno())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends when its socket does, after the last answer
    if sys.platform != "linux":
        return
    import resource

    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    taken = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
    for limit, most in (
        (resource.RLIMIT_AS, taken + MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(limit, (most, most))


if __name__ == "__main__":
    main(int(sys.argv[1]))
