"""Faults at chosen steps: the server of forks, the commands that write, and what must hold after each fault."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import pytest
from PIL import Image

from shops import age, other_bundle, picture, shop
from twinset.errors import ResourceError

COUNT, ONCE, FULL, DEAD, KILL, TORN = range(6)
"""What a step meets, as in shim.c: nothing, an error, a disk that stays full, one that is gone, two kills."""
NEVER: Final = (signal.SIGKILL, 120.0)
"""A signal, and after how many seconds it is sent."""
KILLED: Final = -signal.SIGKILL
State = dict[str, Any]
"""What lies in a folder, by name: see `server.state`."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, what it did to the disk, counted, and how many photos it said to be stored."""

    code: int
    out: str
    err: str
    steps: int
    acknowledged: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Command:
    """A command that writes: its arguments, with places in braces, and what lies there when it begins.

    `again` are the exit codes of a second run where the first had done its work before it failed.
    """

    arguments: str
    begins: str = "catalogue"
    again: tuple[int, ...] = (0,)


COMMANDS: Final = {
    "index": Command("index {shop}/photos.csv --catalogue {here}/c --bundle colour", "nothing"),
    "update": Command("index {changed}/photos.csv --catalogue {here}/c --source main"),
    "replace": Command("index {changed}/photos.csv --catalogue {here}/c --source main --replace"),
    "remove": Command("remove i001 i003 --catalogue {here}/c", again=(0, 3)),
    "remove-where": Command("remove --where view=v1 --catalogue {here}/c", again=(0, 3)),
    "snapshot": Command("snapshot {here}/s --catalogue {here}/c", again=(0, 3)),
    "dump": Command("dump --catalogue {here}/c --out {here}/d.parquet", again=(0, 3)),
    "load": Command("load {here}/d.parquet --catalogue {here}/l", "dump", again=(0, 3)),
    "repair": Command("verify --repair --catalogue {here}/c"),
    "upgrade": Command("upgrade --catalogue {here}/c --bundle {middle} -q", again=(0, 2)),
    "rollback": Command("upgrade --catalogue {here}/c --rollback -q", "upgraded", again=(0, 2)),
    "put": Command("put {here}/c new {shop}/001/0.png {shop}/002/0.png"),
    "put-other": Command("put {here}/c new {shop}/002/0.png {shop}/003/0.png", "received"),
    "patch": Command("patch {here}/c price=99 i001 i002 i003"),
    "delete": Command("delete {here}/c new", "received", again=(0, 3)),
    "remove-received": Command("remove new --catalogue {here}/c", "received", again=(0, 3)),
    "snapshot-received": Command("snapshot {here}/s --catalogue {here}/c", "received", again=(0, 3)),
    "dump-received": Command("dump --catalogue {here}/c --out {here}/d.parquet", "received", again=(0, 3)),
    "prune": Command("upgrade --catalogue {here}/c --prune -q", "upgraded"),
    "embed": Command("embed {faulty}/photos.csv --out {here}/v.npz --bundle colour", "nothing"),
    "split": Command("data split {shop}/photos.csv --out {here}/p.csv", "nothing"),
}


BEFORE: Final = (("catalogue", "index"), ("upgraded", "upgrade"), ("dump", "dump"), ("received", "put"))
"""What lies there when a command begins, and the command that leaves it so."""


class Server:
    """One process that forks for each command; see server.py."""

    def __init__(self, shim: Path) -> None:
        environment = os.environ | {"LD_PRELOAD": str(shim), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        tests = str(Path(__file__).parent.parent)
        environment["PYTHONPATH"] = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-m", "faults.server"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def close(self) -> None:
        """Ends it."""
        self._process.communicate()

    def run(
        self,
        work: str,
        given: list[Any],
        below: Path,
        fault: tuple[int, int] = (COUNT, 0),
        sent: tuple[int, float] = NEVER,
    ) -> Ran:
        """Runs one; `fault` is what and at which step, `sent` a signal and after how many seconds."""
        mode, step = fault
        number, after = sent
        request = {"work": work, "with": given, "below": str(below), "step": step, "mode": mode}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request | {"signal": number, "after": after}) + "\n")
        self._process.stdin.flush()
        return Ran(**json.loads(self._process.stdout.readline()))


def built_shim(folder: Path) -> Path:
    """The shim, compiled; skips where that cannot be."""
    if not sys.platform.startswith("linux"):
        pytest.skip("LD_PRELOAD and /proc are Linux's")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    out, source = folder / "shim.so", Path(__file__).with_name("shim.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", out, source, "-ldl"], check=True)
    return out


class Arena:
    """A server, what commands begin with, and the folder in which they work."""

    def __init__(self, folder: Path, shim: Path) -> None:
        self.server = Server(shim)
        self.here = folder / "here"
        self._begins = folder / "begins"
        self._places = {"here": self.here, "middle": other_bundle(folder / "middle"), **_shops(folder)}
        self._query = str(self._places["shop"] / "001/0.png")
        self.prepare("nothing")
        for name, before in BEFORE:
            assert self.start(before).code == 0
            shutil.copytree(self.here, self._begins / name)
        shutil.rmtree(self._begins / "dump/c")
        self._known: dict[str, tuple[State, State, int]] = {}

    def prepare(self, begins: str) -> None:
        """Puts what a command begins with into place."""
        (self._begins / "nothing").mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.here, ignore_errors=True)
        shutil.copytree(self._begins / begins, self.here)

    def start(self, name: str, fault: tuple[int, int] = (COUNT, 0), sent: tuple[int, float] = NEVER) -> Ran:
        """Runs a command on what it begins with."""
        self.prepare(COMMANDS[name].begins)
        return self.again(name, fault, sent)

    def again(self, name: str, fault: tuple[int, int] = (COUNT, 0), sent: tuple[int, float] = NEVER) -> Ran:
        """Runs a command on what lies there."""
        return self.server.run("command", [self._arguments(name)], self.here, fault, sent)

    def look(self) -> State:
        """What lies there, as a reader finds it."""
        ran = self.server.run("look", [str(self.here), self._query], self.here)
        assert ran.code == 0, ran.err
        found: State = json.loads(ran.out)
        return found

    def complete(self, name: str, mode: int) -> tuple[State, int, str, State]:
        """What lies there, read on a disk as the mode has it; then how the command ends, and what lies there."""
        given = [str(self.here), self._query, self._arguments(name)]
        ran = self.server.run("complete", given, self.here, (mode, 1))
        assert ran.code == 0, ran.err
        told = json.loads(ran.out)
        return told["left"], told["code"], ran.err, told["found"]

    def _arguments(self, name: str) -> list[str]:
        return COMMANDS[name].arguments.format(**self._places).split()

    def known(self, name: str) -> tuple[State, State, int]:
        """What a command finds, what it leaves where nothing disturbs it, and in how many steps."""
        if name not in self._known:
            self.prepare(COMMANDS[name].begins)
            old = self.look()
            ran = self.again(name)
            assert ran.code == 0, ran.err
            self._known[name] = (old, self.look(), ran.steps)
        return self._known[name]

    def check(self, name: str, mode: int, step: int) -> None:
        """One fault: how the command ends, what is there afterwards, and that a later run completes it."""
        old, new, _ = self.known(name)
        ran = self.start(name, (mode, step))
        left, code, said, found = self.complete(name, FULL if mode == FULL else COUNT)
        if ran.code == 0:
            assert settled(left, new)
        elif mode in (KILL, TORN):
            assert ran.code == KILLED
        else:
            check_words(ran, self.here, "free some space" if mode == FULL else "check the disk|free some space")
        check_between(old, left, new, tidy=mode in (ONCE, FULL) and ran.code != 0)
        assert code == 0 or (code in COMMANDS[name].again and settled(left, new)), said
        assert settled(found, new)
        assert leftovers(found) == []


class Arenas:
    """Arenas that share work."""

    def __init__(self, arenas: Sequence[Arena]) -> None:
        self._count = len(arenas)
        self._free: SimpleQueue[Arena] = SimpleQueue()
        for arena in arenas:
            self._free.put(arena)

    def close(self) -> None:
        """Ends their servers."""
        for _ in range(self._count):
            self._free.get().server.close()

    @contextmanager
    def one(self) -> Iterator[Arena]:
        """An arena that nobody else uses meanwhile."""
        arena = self._free.get()
        try:
            yield arena
        finally:
            self._free.put(arena)

    def check(self, name: str, mode: int, steps: Callable[[int], Iterable[int]]) -> int:
        """Checks a fault at steps that are chosen by how many there are; returns how many were checked."""
        with self.one() as arena:
            chosen = list(steps(arena.known(name)[2]))
        with ThreadPoolExecutor(self._count) as pool:
            for found in [pool.submit(self._check, name, mode, step) for step in chosen]:
                found.result()
        return len(chosen)

    def _check(self, name: str, mode: int, step: int) -> None:
        with self.one() as arena:
            try:
                arena.check(name, mode, step)
            except AssertionError as error:
                error.add_note(f"{name}, fault {mode} at step {step}")
                raise


def check_words(ran: Ran, here: Path, needs: str) -> None:
    """One line: a place, what is wrong with it, and what is needed."""
    assert ran.code == ResourceError.exit_code, ran
    assert ran.err.startswith("twinset: "), ran.err
    assert ran.err.count("\n") == 1, ran.err
    assert str(here) in ran.err
    assert re.search(needs, ran.err), ran.err


def check_between(old: State, left: State, new: State, *, tidy: bool) -> None:
    """Each photo, and each file, is there as before or as after, none lost and none that neither has."""
    for name in left.keys() | new.keys():
        before, now, after = old.get(name), left.get(name), new.get(name)
        if name not in new:
            assert name.endswith("tmp"), name
            assert not tidy, f"{name} is left over"
        elif isinstance(now, dict):
            begun, ended = before or {"photos": {}, "hits": []}, after
            assert isinstance(ended, dict)
            for photo in now["photos"].keys() | begun["photos"].keys() | ended["photos"].keys():
                assert now["photos"].get(photo) in (begun["photos"].get(photo), ended["photos"].get(photo)), photo
            for state in (begun, ended):
                if now["photos"] == state["photos"]:
                    assert now["hits"] == state["hits"]
            assert all(" is missing or of other bytes" in problem for problem in now["problems"]), now["problems"]
        elif isinstance(now, list):
            assert before in (None, now), f"{name} was whole"
        else:
            assert now in (before, after), name


def settled(found: State, new: State) -> bool:
    """Whether all that should be there is, whatever waits to be cleared away."""
    return all(same(found.get(name), state) for name, state in new.items())


def same(one: Any, other: Any) -> bool:
    """Whether two states tell the same, temporary files aside."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, "leftovers": []} == {**other, "leftovers": []}
    return bool(one == other)


def leftovers(found: State) -> list[str]:
    """Temporary files, wherever they are."""
    inside = [name for state in found.values() if isinstance(state, dict) for name in state["leftovers"]]
    return [*inside, *(name for name in found if name.endswith("tmp"))]


def _shops(folder: Path) -> dict[str, Path]:
    """A shop of 36 photos; the same with other photos, prices and items; and one with a faulty photo."""
    first = shop(folder / "shop", 12, 3)
    other = shop(folder / "changed", 14, 3)
    for path, seed in (("002/1.png", 901), ("004/0.png", 902), ("005/2.png", 903)):
        Image.fromarray(picture(seed)).save(other.parent / path)
        age(other.parent / path)
    lines = other.read_text(encoding="utf-8").replace(",10,", ",12,").splitlines()
    other.write_text("\n".join(line for line in lines if not line.startswith(("000/", "007/"))) + "\n")
    faulty = shop(folder / "faulty", 5, 1)
    (faulty.parent / "002/0.png").write_bytes(b"no photo")
    return {"shop": first.parent, "changed": other.parent, "faulty": faulty.parent}
