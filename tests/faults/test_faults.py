"""The N-th write fails: the old state answers, exit code 5 names the place and the need, a later run completes."""

import signal
from collections.abc import Callable

import numpy as np
import pytest

from faults.harness import COMMANDS, COUNT, DEAD, FULL, KILL, ONCE, TORN, Arenas, leftovers, settled

Record = Callable[[str, object], None]


@pytest.mark.parametrize("mode", [ONCE, FULL])
@pytest.mark.parametrize(("name", "every"), [("index", 30), ("update", 20), ("remove", 10), ("snapshot", 20)])
def test_a_write_fails(arenas: Arenas, name: str, every: int, mode: int) -> None:
    """A sample of steps, once and for good: see `Arena.check`."""
    assert arenas.check(name, mode, lambda steps: range(3, steps + 1, every)) > 5


def test_a_process_is_killed_at_a_write(arenas: Arenas) -> None:
    """A sample of steps of `index`, before a write and half-way through it."""
    for mode in (KILL, TORN):
        assert arenas.check("index", mode, lambda steps: range(5, steps + 1, 50)) > 3


@pytest.mark.deep
@pytest.mark.parametrize("name", COMMANDS)
def test_every_write_fails(arenas: Arenas, name: str, record_property: Record) -> None:
    """Every step of every command that writes fails once; at every third the disk is full from then on, or gone."""
    record_property("once", arenas.check(name, ONCE, lambda steps: range(1, steps + 1)))
    record_property("full", arenas.check(name, FULL, lambda steps: range(1, steps + 1, 3)))
    record_property("gone", arenas.check(name, DEAD, lambda steps: range(1, steps + 1, 15)))


@pytest.mark.deep
@pytest.mark.parametrize("name", COMMANDS)
def test_ctrl_c_at_random_moments(arenas: Arenas, name: str, record_property: Record) -> None:
    """Ten times: exit code 130, one line, no temporary file, and a later run completes."""
    generator, hit = np.random.Generator(np.random.PCG64(sum(name.encode()))), 0
    with arenas.one() as arena:
        _, new, _ = arena.known(name)
        seconds = arena.start(name).seconds
        for _ in range(10):
            ran = arena.start(name, sent=(signal.SIGINT, float(generator.random()) * seconds))
            left, code, said, found = arena.complete(name, COUNT)
            assert ran.code in (0, 130), ran
            if ran.err and ran.code:
                assert ran.err.splitlines()[-1] == "twinset: interrupted; what is committed stays"
            assert "Traceback" not in ran.err
            hit += ran.code == 130
            assert [name for name in leftovers(left) if "tmp" in name] == []
            assert code == 0 or (code in COMMANDS[name].again and settled(left, new)), said
            assert settled(found, new)
            assert leftovers(found) == []
    record_property("interrupted", hit)
    assert hit > 2
