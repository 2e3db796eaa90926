"""Photos decoded in processes of their own: equal to decoding here, and nothing that one does harms another."""

import io
import itertools
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shops import picture
from twinset import photos
from twinset.errors import PhotoError, ResourceError
from twinset.server.decoders import Decoders


def encoded(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    """A photo's bytes."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


SMALL = encoded(picture(1), "PNG")


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    """Two of them."""
    made = Decoders(2)
    yield made
    made.close()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_same_as_here(kind: str, decoders: Decoders) -> None:
    """Pixels, the size of the source, a reduced JPEG's too, and how it was turned."""
    large = np.random.Generator(np.random.PCG64(3)).integers(0, 256, (900, 1300, 3), np.uint8)
    lying = Image.Exif()
    lying[0x0112] = 6
    given = [encoded(picture(2), kind), encoded(large, kind)]
    if kind in ("PNG", "JPEG", "WEBP"):
        given.append(encoded(picture(2), kind, exif=lying))
    for data in given:
        ours, theirs = photos.decode(data), decoders.decode(data)
        assert np.array_equal(ours.pixels, theirs.pixels)
        size = ours.width, ours.height, ours.orientation
        assert size == (theirs.width, theirs.height, theirs.orientation)
    assert len(given) == 2 or ours.orientation == 6


@pytest.mark.parametrize(
    "data", [b"", b"no photo", SMALL[:60], b"\xff\xd8\xff" + bytes(100), bytes(photos.MAX_BYTES + 1)]
)
def test_what_is_refused_here_is_refused_there(data: bytes, decoders: Decoders) -> None:
    """By the same error; the process goes on."""
    with pytest.raises(PhotoError, match=r".") as ours:
        photos.decode(data)
    before = decoders.pids()
    with pytest.raises(PhotoError, match=r".") as theirs:
        decoders.decode(data)
    assert (theirs.value.code, theirs.value.message, theirs.value.mend) == (
        ours.value.code,
        ours.value.message,
        ours.value.mend,
    )
    assert set(before) <= set(decoders.pids())


def test_a_killed_process_costs_nothing_or_its_own_photo() -> None:
    """Killed between photos or in the midst of one, it is replaced; others are served meanwhile."""
    decoders = Decoders(2)
    done, codes = itertools.count(1), set()

    def decode(_: int) -> bool:
        try:
            found = decoders.decode(SMALL)
        except PhotoError as refused:
            codes.add(refused.code)
            return False
        if next(done) % 10 == 0:
            for pid in decoders.pids():
                os.kill(pid, signal.SIGKILL)
        return np.array_equal(found.pixels, picture(1))

    with ThreadPoolExecutor(2) as pool:
        good = sum(pool.map(decode, range(60)))
    assert good > 50
    assert codes <= {"photo_too_heavy"}
    assert np.array_equal(decoders.decode(SMALL).pixels, picture(1))
    decoders.close()


def test_a_process_that_is_killed_while_it_starts_is_begun_again() -> None:
    """As often as it is killed, within the time that it may take: the photo is none the worse."""
    decoders, killed = Decoders(1), set[int]()
    with ThreadPoolExecutor(1) as pool:
        decoded = pool.submit(decoders.decode, SMALL)
        while len(killed) < 6:
            for pid in set(decoders.pids()) - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            time.sleep(0.001)
        assert np.array_equal(decoded.result(30).pixels, picture(1))
    decoders.close()


def test_a_process_that_cannot_start_is_no_fault_of_the_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives up by itself, or is not there at all: that is told at once."""
    for program, why in (("/bin/false", "the decoder has ended"), ("/nowhere/python", "No such file")):
        monkeypatch.setattr(sys, "executable", program)
        begun = time.monotonic()
        with pytest.raises(ResourceError, match=f"no decoder can be begun: .*{why}"):
            Decoders(1).decode(SMALL)
        assert time.monotonic() - begun < 5


def test_nothing_is_imported_from_where_the_server_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of anybody's may hold a module named as one of ours, or as one that we use."""
    for name in ("numpy", "PIL", "socket", "twinset"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(3)", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    decoders = Decoders(1)
    assert np.array_equal(decoders.decode(SMALL).pixels, picture(1))
    decoders.close()


def test_a_photo_that_takes_too_long_is_given_up() -> None:
    """Its process is ended, and the next photo has a new one."""
    decoders = Decoders(1, patience=0.3)
    decoders.decode(SMALL)
    first = decoders.pids()
    os.kill(first[0], signal.SIGSTOP)
    with pytest.raises(PhotoError, match="too much time") as refused:
        decoders.decode(SMALL)
    assert refused.value.code == "photo_too_heavy"
    assert decoders.decode(SMALL).width == picture(1).shape[1]
    assert decoders.pids() != first
    decoders.close()


@pytest.mark.skipif(not Path("/proc/self/limits").is_file(), reason="this system does not list limits")
def test_a_process_is_confined(decoders: Decoders) -> None:
    """It can make no file grow, begin no process, say nothing, and has little memory."""
    decoders.decode(SMALL)
    limits = Path(f"/proc/{decoders.pids()[0]}/limits").read_text(encoding="ascii").splitlines()
    soft = {line[:26].strip(): line[26:].split()[0] for line in limits[1:]}
    assert (soft["Max file size"], soft["Max processes"], soft["Max core file size"]) == ("0", "0", "0")
    assert int(soft["Max address space"]) < 4 * 2**30
    status = Path(f"/proc/{decoders.pids()[0]}/status").read_text(encoding="utf-8")
    assert "NoNewPrivs:\t1" in status
    assert Path(f"/proc/{decoders.pids()[0]}/fd/2").readlink() == Path(os.devnull)


def test_closed_decoders_leave_no_process() -> None:
    """Nothing of them is left."""
    decoders = Decoders(2)
    decoders.decode(SMALL)
    pids = decoders.pids()
    decoders.close()
    assert pids
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
