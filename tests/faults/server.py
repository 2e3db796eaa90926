"""Runs commands in forks of one process that has loaded everything, each under the fault that is asked for.

Reads a request a line from stdin and answers each with a line on stdout, both JSON; see `harness.Server`.
"""

import contextlib
import ctypes
import io
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime  # noqa: F401 - what is loaded here need not be in every fork
import pyarrow.parquet  # noqa: F401

from faults.look import look
from twinset.catalogue import IndexOptions, index
from twinset.catalogue.patch import patch_items
from twinset.catalogue.receive import delete_item, put_item
from twinset.cli.main import main
from twinset.errors import TwinsetError
from twinset.progress import Silent

shim = ctypes.CDLL(None)


class Acknowledged(Silent):
    """Notes what is committed where the parent sees it, also once this process is dead."""

    def start(self, what: str, total: int) -> None:
        self._commits = what == "indexing"  # what is derived afterwards is counted too

    def advance(self, count: int = 1) -> None:
        if self._commits:
            shim.faults_acknowledge(ctypes.c_long(count))


def put(place: str, item_id: str, *photos: str) -> None:
    put_item(place, item_id, [Path(photo).read_bytes() for photo in photos], {"price": "1"})


def patch(place: str, change: str, *item_ids: str) -> None:
    field, _, value = change.partition("=")
    patch_items(place, {item_id: {field: value} for item_id in item_ids})


BY_API: dict[str, Callable[..., object]] = {"put": put, "patch": patch, "delete": delete_item}
"""What an API calls from Python, as commands."""


def commanded(arguments: list[str]) -> int:
    if arguments[0] not in BY_API:
        return main(arguments)
    try:
        BY_API[arguments[0]](*arguments[1:])
    except TwinsetError as error:
        sys.stderr.write(f"twinset: {error}\n")
        return error.exit_code
    return 0


def indexed(place: str, photos: str) -> int:
    """`index` from Python, as a mirror: its progress tells what is committed."""
    options = IndexOptions(source="main", mirror=True)
    index(place, photos, bundle="colour", options=options, progress=Acknowledged())
    return 0


def looked(folder: str, query: str) -> int:
    """Prints what lies in a folder, as JSON."""
    sys.stdout.write(json.dumps(look(folder, query)))
    return 0


def completed(folder: str, query: str, arguments: list[str]) -> int:
    """Prints what lies in a folder, then, on a disk that is well again, how a command ends and what lies there."""
    left = look(folder, query)
    shim.faults_arm(folder.encode(), ctypes.c_long(0), 0)
    with contextlib.redirect_stdout(io.StringIO()):
        code = commanded(arguments)
    sys.stdout.write(json.dumps({"left": left, "code": code, "found": look(folder, query)}))
    return 0


WORK = {"command": commanded, "index": indexed, "look": looked, "complete": completed}


def child(request: dict[str, Any], out: int, err: int, ready: int) -> None:
    os.dup2(out, 1)
    os.dup2(err, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    shim.faults_arm(request["below"].encode(), ctypes.c_long(request["step"]), request["mode"])
    code = 99
    try:
        os.close(ready)
        code = WORK[request["work"]](*request["with"])
    except KeyboardInterrupt:  # before the command began: `cli.run` ends it so
        code = 130
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run(request: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started, ready = os.pipe()
        process = os.fork()
        if process == 0:
            child(request, out.fileno(), err.fileno(), ready)
        os.close(ready)
        os.read(started, 1)
        os.close(started)
        began = time.monotonic()
        code = wait(process, request["signal"], request["after"])
        seconds = time.monotonic() - began
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return {
        "code": code,
        "out": texts[0],
        "err": texts[1],
        "steps": shim.faults_steps(),
        "acknowledged": shim.faults_acknowledged(),
        "seconds": seconds,
    }


def wait(process: int, number: int, after: float) -> int:
    """The exit code, negative for a signal; `number` is sent after some seconds."""
    until = time.monotonic() + after
    while time.monotonic() < until:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(process, number)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    with contextlib.redirect_stderr(io.StringIO()):
        main(["info", "--catalogue", "nowhere"])  # loads what the parser loads at its first command
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(json.loads(line))) + "\n")
        sys.stdout.flush()
