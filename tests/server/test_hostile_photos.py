"""Photos that break programs are sent to a server: each is answered or refused by a code, and others are served."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from server import bad_photos
from server.bad_forms import PHOTO
from server.conftest import AS_ADMIN, FORM, answer
from server.live import Answer, Live, form
from twinset.errors import PHOTO_CODES

Record = Callable[[str, object], None]


def refused(got: Answer) -> str:
    """The code of a refusal, which is a photo's."""
    assert got.status in {400, 413, 415, 422}, got
    code = got.code()
    assert code in PHOTO_CODES, code
    return code


def test_bombs_are_refused_before_they_are_decoded(live: Live, record_property: Record) -> None:
    """Each in a moment, and neither the server nor the process that reads its head takes memory for it."""
    bombs = bad_photos.bombs()
    assert len(bombs) >= 30
    before, took = live.facts(), {}
    live.forget_peaks()
    for name, bomb in bombs.items():
        begun = time.monotonic()
        assert refused(live.search(bomb)) in {"too_many_pixels", "broken_photo"}, name
        took[name] = time.monotonic() - begun
    record_property("slowest", max(took.items(), key=lambda one: one[1]))
    assert sorted(took.values())[len(took) // 2] < 0.3, took
    assert max(took.values()) < 3, took
    server, decoders = live.peaks()
    record_property("peaks beyond, MiB", (round(server - before.memory, 1), round(decoders - before.decoders, 1)))
    assert server - before.memory < 100
    assert decoders - before.decoders < 100


@pytest.mark.deep
def test_sixteen_bombs_at_once(live: Live, record_property: Record) -> None:
    """Others are answered meanwhile, and the memory of all processes stays bounded."""
    bombs = list(bad_photos.bombs().values())
    with ThreadPoolExecutor(16) as pool:
        sent = [pool.submit(live.search, bomb) for bomb in bombs * 12]
        begun = time.monotonic()
        answer(live)
        record_property("golden meanwhile", time.monotonic() - begun)
        assert {refused(one.result()) for one in sent} <= {"too_many_pixels", "broken_photo"}
    assert live.facts().memory < 1000


def test_much_beside_few_pixels(live: Live, record_property: Record) -> None:
    """Text, profiles, EXIF, frames and directories beyond measure: read or refused, and never for long."""
    took = {}
    for name, photo in bad_photos.swollen().items():
        begun = time.monotonic()
        got = live.search(photo)
        took[name] = round(time.monotonic() - begun, 3)
        assert got.status == 200 or refused(got), (name, got)
    record_property("took", took)
    assert max(took.values()) < 10, took


@pytest.mark.parametrize("count", [200, pytest.param(5000, marks=pytest.mark.deep)])
def test_mutants_of_photos(count: int, live: Live, golden: Any, record_property: Record) -> None:
    """A photo with some bytes changed is answered or refused by a code, eight at once; the golden answer stands."""
    answered, mutants = 0, list(bad_photos.mutants(count, seed=count))
    with ThreadPoolExecutor(8) as pool:
        for first in range(0, count, 100):
            got = list(pool.map(live.search, mutants[first : first + 100]))
            answered += sum(one.status == 200 for one in got)
            assert all(one.status == 200 or refused(one) for one in got)
            assert answer(live) == golden
    record_property("answered", answered)
    assert 0 < answered < count


def test_what_is_no_photo_is_refused_under_every_type(live: Live) -> None:
    """The bytes say what it is, not the name and not the type; what is refused is never sent back."""
    for name, data in bad_photos.disguised().items():
        for kind in ("image/jpeg", "image/svg+xml", "application/octet-stream"):
            got = live.ask("POST", "/v1/search", data, {"Content-Type": kind})
            assert (got.status, refused(got)) == (415, "not_a_photo"), (name, got)
            assert data not in got.body


def test_hostile_photos_are_put_no_better(live: Live) -> None:
    """An item keeps no bomb, nothing disguised, and of mutants those that decode."""
    photos = [*bad_photos.bombs().values(), *bad_photos.disguised().values(), *bad_photos.mutants(40, seed=3)]
    for photo in photos:
        got = live.ask("PUT", "/v1/items/bad", form([(PHOTO, photo)]), AS_ADMIN | FORM)
        assert got.status == 200 or refused(got)
    assert live.ask("DELETE", "/v1/items/bad", headers=AS_ADMIN).status in {200, 404}


def test_a_photo_of_other_contents_comes_back_as_our_own_jpeg(live: Live) -> None:
    """A photo with a page, or an archive, behind it is shown without."""
    behind = b"<script>alert(1)</script>PK\x03\x04"
    put = form([(PHOTO, bad_photos.encoded("JPEG") + behind)])
    assert live.ask("PUT", "/v1/items/both", put, AS_ADMIN | FORM).status == 200
    (photo,) = live.ask("GET", "/v1/items/both").json()["photos"]
    got = live.ask("GET", f"/v1/photos/{photo['photo_id']}")
    assert live.ask("DELETE", "/v1/items/both", headers=AS_ADMIN).status == 200
    assert (got.headers["content-type"], got.headers["x-content-type-options"]) == ("image/jpeg", "nosniff")
    assert b"script" not in got.body
    assert b"PK" not in got.body[-40:]


def test_a_killed_decoder_costs_its_own_request_only(live: Live, record_property: Record) -> None:
    """Decoders are killed under load: every answer is right, or that photo's own refusal; others come at once."""
    golden, photo, killed = answer(live)["hits"], bad_photos.encoded("JPEG"), 0
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(live.search, photo) for _ in range(300)]
        while killed < 50 and not all(one.done() for one in sent):
            for child in live.children():
                try:
                    os.kill(child, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                killed += 1
            time.sleep(0.02)
        got = [one.result() for one in sent]
    good = [one for one in got if one.status == 200]
    record_property("killed, answered", (killed, len(good)))
    assert all(one.json()["hits"] == golden for one in good)
    assert {one.code() for one in got if one.status != 200} <= {"photo_too_heavy", "overloaded"}
    assert len(got) - len(good) <= killed
    assert live.search(photo).status == 200
    assert live.children()
