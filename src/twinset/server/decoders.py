"""Photos decoded in processes of their own: one that dies, hangs or swells costs the request that it served."""

import json
import os
import queue
import socket
import subprocess
import sys
import time
from typing import Final

import numpy as np

from twinset.errors import PHOTO_CODES, PhotoError, ResourceError
from twinset.photos import MAX_PIXELS, Decoded, check_size
from twinset.server.decoder import LENGTH, REPLY, THERE, Refusal, heavy

_PATIENCE: Final = 5.0
"""Seconds that one photo may take."""
_TRIES: Final = 3
_STARTING: Final = 20.0
"""Seconds that a process may take to begin, on a busy machine."""
_LONGEST_REFUSAL: Final = 16 * 1024
_OURS: Final = "TWINSET_"
"""How the settings in the environment begin, keys among them: no decoder needs to know them."""


class Decoders:
    """As many processes as are asked for; may be used by any number of threads.

    A process that ends is replaced when the next photo comes.
    """

    def __init__(self, count: int, patience: float = _PATIENCE, starting: float = _STARTING) -> None:
        self._patience = patience
        self._idle: queue.LifoQueue[_Process] = queue.LifoQueue()
        self._all = [_Process(starting) for _ in range(count)]
        for process in self._all:
            self._idle.put(process)

    def decode(self, data: bytes) -> Decoded:
        """As `photos.decode`.

        Raises:
            PhotoError: as there; also where the photo takes too long or too much memory, or ends its process.
            ResourceError: no process can be begun, or none is there in time.

        """
        check_size(len(data))
        process = self._idle.get()
        try:
            return process.decode(data, self._patience)
        finally:
            self._idle.put(process)

    def pids(self) -> list[int]:
        """The processes that are there now."""
        return [process.pid for process in self._all if process.pid]

    def close(self) -> None:
        """Ends the processes."""
        for process in self._all:
            process.end()


class _Process:
    """One process and the socket to it; used by one thread at a time."""

    def __init__(self, starting: float) -> None:
        self._starting = starting
        self._child: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None

    @property
    def pid(self) -> int:
        """Its number, 0 while there is none."""
        return self._child.pid if self._child else 0

    def decode(self, data: bytes, patience: float) -> Decoded:
        """One photo; again in a new process where one ends, for something else may have ended it."""
        for _ in range(_TRIES):
            line = self._ready()
            try:
                return _asked(line, data, time.monotonic() + patience)
            except TimeoutError:
                self.end()
                raise _error(heavy("time")) from None
            except OSError:
                self.end()
        ended = "the photo ended the process that decoded it"
        raise PhotoError("photo_too_heavy", ended, "save it again, smaller")

    def end(self) -> None:
        """Kills the process, if there is one."""
        line, child, self._line, self._child = self._line, self._child, None, None
        if line is not None:
            line.close()
        if child is not None:
            child.kill()
            child.wait()

    def _ready(self) -> socket.socket:
        """The line to a process that is there.

        Raises:
            ResourceError: none can be begun, or none is there in time: no photo is to blame.

        """
        if self._line is not None and self._child is not None and self._child.poll() is None:
            return self._line
        until = time.monotonic() + self._starting
        while True:
            self.end()
            try:
                return self._begin(until)
            except OSError as error:
                if isinstance(error, ConnectionError) and self._was_killed() and time.monotonic() < until:
                    continue
                self.end()
                why = "it takes too long" if isinstance(error, TimeoutError) else str(error)
                raise ResourceError(f"no decoder can be begun: {why}", "see `twinset doctor`") from error

    def _begin(self, until: float) -> socket.socket:
        self._line, theirs = socket.socketpair()
        with theirs:
            self._child = _begun(theirs.fileno())
        _received(self._line, len(THERE), until)
        return self._line

    def _was_killed(self) -> bool:
        """Whether a process that has ended was killed: the next may live, where one that gave up would again."""
        return self._child is not None and self._child.wait() < 0


def _begun(descriptor: int) -> subprocess.Popen[bytes]:
    # -P: where the server was started from there may be a `numpy.py` that is not ours
    command = [sys.executable, "-P", "-m", "twinset.server.decoder", str(descriptor)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(  # noqa: S603 - our own module
        command, stdin=subprocess.DEVNULL, pass_fds=(descriptor,), env=environment | threads
    )


def _asked(line: socket.socket, data: bytes, until: float) -> Decoded:
    """What the process on the other side makes of a photo; a hostile one may have taken it over.

    Raises:
        PhotoError: it refuses it.
        OSError: it does not answer in time, has ended, or answers what none of ours would.

    """
    for part in (LENGTH.pack(len(data)), data):
        _limit(line, until)
        line.sendall(part)
    refused, *shape, width, height, turned = REPLY.unpack(_received(line, REPLY.size, until))
    if refused:
        raise _error(_refusal(_received(line, min(refused, _LONGEST_REFUSAL), until)))
    if not 0 < shape[0] * shape[1] <= MAX_PIXELS or not width or not height or not 1 <= turned <= 8:
        raise _strange()
    pixels = np.frombuffer(_received(line, 3 * shape[0] * shape[1], until), np.uint8)
    return Decoded(pixels.reshape(*shape, 3), width, height, turned)


def _refusal(told: bytearray) -> Refusal:
    try:
        code, message, mend = json.loads(told)
    except (ValueError, TypeError, RecursionError) as error:
        raise _strange() from error
    if not all(isinstance(part, str) for part in (code, message, mend)) or code not in PHOTO_CODES:
        raise _strange()
    return Refusal(code, message, mend)


def _strange() -> ConnectionResetError:
    return ConnectionResetError("the decoder answers nonsense")


def _received(line: socket.socket, count: int, until: float) -> bytearray:
    buffer = bytearray(count)
    rest = memoryview(buffer)
    while rest:
        _limit(line, until)
        read = line.recv_into(rest)
        if not read:
            raise ConnectionResetError("the decoder has ended")
        rest = rest[read:]
    return buffer


def _limit(line: socket.socket, until: float) -> None:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    line.settimeout(left)


def _error(refusal: Refusal) -> PhotoError:
    return PhotoError(refusal.code, refusal.message, refusal.mend)
