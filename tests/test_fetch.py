"""`data fetch` against a real server that lies, stalls and redirects."""

import csv
import itertools
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from shops import index
from twinset import fetch as package
from twinset import manifest
from twinset.cli.main import main
from twinset.errors import (
    FETCH_CODES,
    DiskFullError,
    ManifestError,
    MissingExtraError,
    PathError,
    UsageError,
)
from twinset.fetch import Fetched, Limits, fetch
from twinset.fetch.journal import Entry, Journal
from twinset.manifest import check
from web_shop import (
    Page,
    Server,
    babbles,
    bomb,
    breaks_off,
    cut_short,
    drips,
    drips_headers,
    endless,
    failing,
    good,
    long_number,
    moved,
    photo,
    resolving,
    says_nothing,
    send,
    serving,
    stalls,
)

Out = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch
QUICK = Limits(connect=1, read=0.4, answer=1, tries=2, pause=0.01)
"""For servers that are slow on purpose."""
PLENTY = Limits(pause=0.01)
"""For servers that answer, however loaded the machine is."""


@pytest.fixture
def web() -> Iterator[Server]:
    """A server without a page yet."""
    with serving({}) as server:
        yield server


def feed(folder: Path, urls: list[str], *more: str) -> Path:
    """A manifest of URLs, an item each, with an attribute."""
    rows = ["path,item_id,price", *(f'"{url}",i{n},{n}.50' for n, url in enumerate(urls)), *more]
    path = folder / "feed.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def run(web: Server, source: Path, limits: Limits = PLENTY, **options: Any) -> Fetched:
    """Fetches from a server into `out` beside the manifest."""
    return fetch(source, source.parent / "out", [web.place], limits=limits, loopback=True, **options)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def counts(done: Fetched) -> dict[str, int]:
    return {how: count for how in ("fetched", "unchanged", "kept", "stale", "gone") if (count := done.count(how))}


def refused(done: Fetched) -> dict[str, str]:
    """The code of each fault by the last part of its URL."""
    return {fault.path.rsplit("/", 1)[1]: fault.code for fault in done.faults}


def pages(count: int, **headers: str) -> dict[str, Page]:
    return {f"/p{n}.jpg": good(n, **({"etag": f'"{n}"'} | headers)) for n in range(count)}


# --- what comes of a manifest


def test_photos_come_with_a_manifest_beside(web: Server, tmp_path: Path) -> None:
    """Columns and the order of rows stay; a URL in two rows is asked once; the manifest can be read and indexed."""
    web.pages |= pages(3)
    urls = [web.url(f"/p{n}.jpg") for n in (2, 0, 1, 0)]
    source = feed(tmp_path, urls)
    done = run(web, source)
    assert counts(done) == {"fetched": 3}
    assert (done.rows, done.written, done.faults) == (4, 4, ())
    assert web.counts() == {f"/p{n}.jpg": 1 for n in range(3)}
    found = rows(done.manifest)
    assert list(found[0]) == ["path", "item_id", "price", "source_url"]
    assert [(row["item_id"], row["price"], row["source_url"]) for row in found] == [
        (f"i{n}", f"{n}.50", url) for n, url in enumerate(urls)
    ]
    for row, seed in zip(found, (2, 0, 1, 0), strict=True):
        assert (done.manifest.parent / row["path"]).read_bytes() == photo(seed)
    assert re.fullmatch(r"127\.0\.0\.1_\d+/p2-[0-9a-f]{16}\.jpg", found[0]["path"])
    assert not done.failed.exists()
    table = manifest.read(done.manifest)
    assert [fault.code for fault in table.faults] == ["duplicate_path"]
    assert check(table).photos == 3
    assert index(tmp_path / "c", done.manifest).photos == 3


def test_what_is_sent(web: Server, tmp_path: Path, monkeypatch: Patch) -> None:
    """No cookie, though one was set; no encoding is asked for; a proxy of the environment is not used."""
    web.pages |= {"/p0.jpg": good(0, set_cookie="a=b"), "/p1.jpg": good(1, set_cookie="a=b")}
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    run(web, feed(tmp_path, [web.url("/p0.jpg"), web.url("/p1.jpg")]), replace(PLENTY, concurrency=1))
    assert web.connections == 1
    for sent in web.headers:
        assert sent.keys() == {"host", "user-agent", "accept", "accept-encoding"}
        assert sent["accept-encoding"] == "identity"
        assert sent["host"] == web.place


def test_the_type_is_what_the_bytes_say(web: Server, tmp_path: Path) -> None:
    """A photo sent as text is a photo, a WebP named .jpg too; a page sent as image/jpeg is none."""
    web.pages |= {
        "/text.jpg": lambda h: send(h, 200, photo(), content_type="text/html"),
        "/webp.jpg": lambda h: send(h, 200, photo(1, "WebP"), content_type="image/jpeg"),
        "/html.jpg": lambda h: send(h, 200, b"<html>sold out</html>", content_type="image/jpeg"),
    }
    done = run(web, feed(tmp_path, [web.url(path) for path in web.pages]))
    assert refused(done) == {"html.jpg": "not_a_photo"}
    assert done.written == 2
    assert [row["item_id"] for row in rows(done.manifest)] == ["i0", "i1"]
    assert rows(done.failed) == [
        {
            "line": "4",
            "path": web.url("/html.jpg"),
            "code": "not_a_photo",
            "message": done.faults[0].message,
        }
    ]
    assert "no photo of a known kind" in done.faults[0].message


# --- servers that lie, stall and redirect


def test_slow_servers_do_not_hold_a_run(web: Server, tmp_path: Path) -> None:
    """Silence, and a byte at a time, of the body or of the headers, end with the limits; each is tried again."""
    web.pages |= {"/stalls": stalls, "/drips": drips, "/drips-headers": drips_headers}
    with pytest.raises(ManifestError, match=r"line 2, .*stalls': 127\.0\.0\.1:\d+ took too long: .*failed\.csv"):
        run(web, feed(tmp_path, [web.url(path) for path in web.pages]), QUICK)
    assert [row["code"] for row in rows(tmp_path / "out/failed.csv")] == ["timed_out"] * 3
    assert set(web.counts().values()) == {2}


def test_bad_servers_are_listed_with_the_reason(web: Server, tmp_path: Path) -> None:
    """Each kind of bad answer has its code; good photos beside them come; nothing is left half written."""
    told: dict[str, tuple[Page, str, int]] = {
        "breaks-off": (breaks_off, "broken_answer", 2),
        "says-nothing": (says_nothing, "broken_answer", 2),
        "babbles": (babbles, "broken_answer", 2),
        "long-number": (long_number, "broken_answer", 2),
        "cut-short": (cut_short, "truncated_photo", 1),
        "empty": (send, "not_a_photo", 1),
        "declared": (endless(declared=True), "photo_too_large", 1),
        "undeclared": (endless(declared=False), "photo_too_large", 1),
        "bomb": (bomb, "encoded_answer", 1),
        "partial": (lambda h: send(h, 206, photo()), "bad_status", 1),
        "unasked": (lambda h: send(h, 304), "bad_status", 1),
        "nowhere": (lambda h: send(h, 302), "bad_status", 1),
        "forbidden": (lambda h: send(h, 403, bytes(2**20)), "bad_status", 1),
        "busy": (failing(9, good()), "bad_status", 2),
        "circle": (moved("/circle"), "bad_redirect", 6),
        "to-nothing": (moved("http://[::1"), "bad_redirect", 1),
        "to-ftp": (moved("ftp://127.0.0.1/a.jpg"), "bad_url", 1),
        "to-other": (moved("http://localhost:1/a.jpg"), "host_not_allowed", 1),
        "to-other-port": (moved("http://127.0.0.1:1/a.jpg"), "host_not_allowed", 1),
        "to-metadata": (moved("http://169.254.169.254/latest/meta-data"), "host_not_allowed", 1),
        "to-user": (moved("http://shop:secret@127.0.0.1/a.jpg"), "bad_url", 1),
        "good": (good(), "", 1),
        "redirected": (moved("good?x", 301), "", 1),
    }
    web.pages |= {f"/{page}": answer for page, (answer, _, _) in told.items()}
    source = feed(tmp_path, [web.url(path) for path in web.pages])
    done = run(web, source, replace(PLENTY, concurrency=16, tries=2))
    assert refused(done) == {page: code for page, (_, code, _) in told.items() if code}
    assert set(refused(done).values()) <= {*FETCH_CODES, "truncated_photo", "not_a_photo", "photo_too_large"}
    assert {path: count for path, count in web.counts().items() if "?" not in path} == {
        f"/{page}": count for page, (_, _, count) in told.items()
    }
    assert web.sent < 80 * 2**20
    assert [row["item_id"] for row in rows(done.manifest)] == [f"i{len(told) - 2}", f"i{len(told) - 1}"]
    assert len(list((tmp_path / "out").glob("*/*"))) == 2
    assert not any("secret" in fault.message for fault in done.faults)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_five_redirects_are_followed(web: Server, tmp_path: Path, status: int) -> None:
    """Also relative ones, and from one allowed host to another; six are too many."""
    web.pages |= {f"/{n}": moved(f"./{n - 1}", status) for n in range(1, 7)} | {"/0": good()}
    done = run(web, feed(tmp_path, [web.url("/5"), web.url("/6")]))
    assert refused(done) == {"6": "bad_redirect"}
    assert done.written == 1


@pytest.mark.parametrize(
    "page",
    [
        failing(2, good()),
        failing(1, good(), 429),
        failing(1, good(), 429, retry_after="soon"),
        failing(1, good(), 503, retry_after="0"),
        failing(1, good(), 503, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"),
        failing(1, good(), 503, retry_after="Wed, 21 Oct 2015 07:28:00 -0000"),
    ],
)
def test_what_passes_is_tried_again(web: Server, tmp_path: Path, page: Page) -> None:
    """500 twice and then a photo is a photo; so is 429, whatever Retry-After says."""
    web.pages["/a.jpg"] = page
    assert counts(run(web, feed(tmp_path, [web.url("/a.jpg")]))) == {"fetched": 1}


def test_a_connection_that_breaks_once(web: Server, tmp_path: Path) -> None:
    """An answer cut midway is asked for again, whole."""
    breaks = iter([says_nothing, breaks_off, good()])
    web.pages["/a.jpg"] = lambda handler: next(breaks)(handler)  # noqa: PLW0108
    assert counts(run(web, feed(tmp_path, [web.url("/a.jpg")]))) == {"fetched": 1}


def test_retry_after_holds_for_the_whole_host(web: Server, tmp_path: Path) -> None:
    """While a host asks for a second's pause, it is asked nothing, by no one."""
    times: list[float] = []

    def noted(page: Page) -> Page:
        def answer(handler: Any) -> None:
            times.append(time.monotonic())
            page(handler)

        return answer

    web.pages |= {"/p0.jpg": noted(failing(1, good(), 429, retry_after="1")), "/p1.jpg": noted(good())}
    done = run(web, feed(tmp_path, [web.url("/p0.jpg"), web.url("/p1.jpg")]), replace(PLENTY, concurrency=1))
    assert counts(done) == {"fetched": 2}
    assert times[1] - times[0] >= 0.99


@pytest.mark.parametrize("dated", [False, True])
def test_a_host_that_asks_for_a_long_pause_is_left_alone(web: Server, tmp_path: Path, dated: bool) -> None:
    """An hour's pause is not waited for: the other photos of that host fail without being asked for."""
    hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True) if dated else "3600"
    web.pages |= pages(3) | {"/p1.jpg": failing(9, good(), 429, retry_after=hour)}
    source = feed(tmp_path, [web.url(f"/p{n}.jpg") for n in range(3)])
    done = run(web, source, replace(PLENTY, concurrency=1))
    assert refused(done) == {"p1.jpg": "host_busy", "p2.jpg": "host_busy"}
    assert re.search(r"asks for a pause of 3,[56]\d\d s: run it again later", done.faults[0].message)
    assert web.counts() == {"/p0.jpg": 1, "/p1.jpg": 1}


def test_a_host_that_never_answers_well_is_given_up(web: Server, tmp_path: Path) -> None:
    """After a while without a good answer the rest of its photos fail at once."""
    web.pages |= {f"/{n}": failing(99, good(), 502) for n in range(9)}
    source = feed(tmp_path, [web.url("/a.jpg"), *(web.url(f"/{n}") for n in range(9))])
    web.pages["/a.jpg"] = good()
    done = run(web, source, replace(PLENTY, concurrency=1, pause=0.05, patience=0.1))
    codes = list(refused(done).values())
    assert codes[-1] == "host_down"
    assert set(codes) <= {"bad_status", "host_down"}
    assert sum(web.counts().values()) < 9


def test_no_more_at_once_than_allowed(web: Server, tmp_path: Path) -> None:
    """Three requests at once to a host are three, also when another host redirects there."""

    lock, now, most = threading.Lock(), list[int](), list[int]()

    def slow(handler: Any) -> None:
        with lock:
            now.append(1)
            most.append(len(now))
        time.sleep(0.03)
        with lock:
            now.pop()
        good()(handler)

    web.pages |= {f"/{n}": slow for n in range(24)}
    with serving({f"/{n}": moved(web.url(f"/{n}")) for n in range(12, 24)}) as other:
        urls = [web.url(f"/{n}") for n in range(12)] + [other.url(f"/{n}") for n in range(12, 24)]
        source, limits = feed(tmp_path, urls), replace(PLENTY, concurrency=3)
        done = fetch(source, tmp_path / "out", [web.place, other.place], limits=limits, loopback=True)
    assert counts(done) == {"fetched": 24}
    assert max(most) == 3


# --- again


def test_again_only_what_changed_is_sent(web: Server, tmp_path: Path) -> None:
    """A second run takes 304; a changed photo comes anew, under its name; another `?v=` is the same file."""
    web.pages |= pages(3)
    source = feed(tmp_path, [web.url(f"/p{n}.jpg?v=1") for n in range(3)])
    first = rows(run(web, source).manifest)
    assert counts(run(web, source)) == {"unchanged": 3}
    assert [sent.get("if-none-match") for sent in web.headers[:3]] == [None] * 3
    assert {sent["if-none-match"] for sent in web.headers[3:]} == {'"0"', '"1"', '"2"'}
    web.pages["/p1.jpg"] = good(7, etag='"7"')
    source = feed(tmp_path, [web.url("/p0.jpg?v=1"), web.url("/p1.jpg?v=1"), web.url("/p2.jpg?v=2")])
    done = run(web, source)
    assert counts(done) == {"fetched": 2, "unchanged": 1}
    second = rows(done.manifest)
    assert [row["path"] for row in second] == [row["path"] for row in first]
    assert (done.manifest.parent / second[1]["path"]).read_bytes() == photo(7)
    assert second[2]["source_url"].endswith("?v=2")


def test_last_modified_and_no_mark_at_all(web: Server, tmp_path: Path) -> None:
    """Without an ETag the date is sent back as it came; without either the photo comes again."""
    date = "Wed, 21 Oct 2015 07:28:00 GMT"

    def dated(handler: Any) -> None:
        known = handler.headers["if-modified-since"] == date
        send(handler, 304 if known else 200, b"" if known else photo(), last_modified=date)

    web.pages |= {"/dated": dated, "/bare": good(), "/long": good(3, etag=f'"{"x" * 2000}"')}
    source = feed(tmp_path, [web.url(path) for path in web.pages])
    run(web, source)
    assert counts(run(web, source)) == {"fetched": 2, "unchanged": 1}


def test_a_file_that_was_changed_here_is_fetched_again(web: Server, tmp_path: Path) -> None:
    """A file with other bytes than were fetched, or none, is never taken for unchanged."""
    web.pages |= pages(3)
    source = feed(tmp_path, [web.url(f"/p{n}.jpg") for n in range(3)])
    done = run(web, source)
    files = [done.manifest.parent / row["path"] for row in rows(done.manifest)]
    files[0].write_bytes(photo(9))
    files[1].unlink()
    assert counts(run(web, source)) == {"fetched": 2, "unchanged": 1}
    assert [file.read_bytes() for file in files] == [photo(n) for n in range(3)]


def test_a_photo_that_fails_now_keeps_its_row(web: Server, tmp_path: Path) -> None:
    """The file of an earlier run stays, with its row, and the failure is listed; once it is back, nothing is."""
    web.pages |= pages(2)
    source = feed(tmp_path, [web.url(f"/p{n}.jpg") for n in range(2)])
    before = rows(run(web, source).manifest)
    back, web.pages["/p0.jpg"] = web.pages["/p0.jpg"], lambda handler: send(handler, 410)
    done = run(web, source)
    assert counts(done) == {"unchanged": 1, "stale": 1}
    assert rows(done.manifest) == before
    assert rows(done.failed)[0]["message"].endswith("status 410: mend the URL, or leave the row out; "
                                                    "the photo of an earlier run stays")  # fmt: skip
    web.pages["/p0.jpg"] = back
    assert run(web, source).faults == ()
    assert not done.failed.exists()


def start(web: Server, source: Path) -> "subprocess.Popen[str]":
    """The command as a process of its own."""
    words = ["data", "fetch", str(source), "--out", str(source.parent / "out"), "--allow-host", web.place]
    command = [sys.executable, "-m", "twinset", *words, "--concurrency", "3", "--test-loopback", "--json", "-q"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(what: Any, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not what() and time.monotonic() < until:
        time.sleep(0.005)
    assert what()


def test_killed_and_run_again_nothing_is_fetched_twice(web: Server, tmp_path: Path) -> None:
    """A process killed midway goes on: what it had stored is not asked for again; the result is that of one run."""

    gone, turn = threading.Event(), itertools.count()

    def gated(page: Page) -> Page:
        def answer(handler: Any) -> None:
            chosen = page if next(turn) < 15 or gone.is_set() else stalls
            chosen(handler)

        return answer

    web.pages |= {path: gated(page) for path, page in pages(30).items()}
    source = feed(tmp_path, [web.url(path) for path in web.pages])
    process = start(web, source)
    wait_for(lambda: len(web.asked) == 18)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    gone.set()
    stored = {file.name.split("-")[0] for file in (tmp_path / "out").glob("*/*.jpg")}
    assert len(stored) == 15
    assert not (tmp_path / "out/photos.csv").exists()
    with (tmp_path / "out/fetched.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"path": "torn')
    web.asked.clear()
    process = start(web, source)
    said = json.loads(process.communicate()[0])
    assert process.returncode == 0
    assert (said["kept"], said["fetched"], said["written"]) == (len(stored), 30 - len(stored), 30)
    assert set(web.counts()) == {f"/p{n}.jpg" for n in range(30)} - {f"/{stem}.jpg" for stem in stored}
    at_once = fetch(source, tmp_path / "whole", [web.place], loopback=True)
    assert at_once.manifest.read_bytes() == (tmp_path / "out/photos.csv").read_bytes()
    for row in rows(at_once.manifest):
        assert (tmp_path / "out" / row["path"]).read_bytes() == (tmp_path / "whole" / row["path"]).read_bytes()
    assert not list((tmp_path / "out").rglob("*.tmp"))
    assert counts(run(web, source)) == {"unchanged": 30}


def test_interrupted_it_ends_at_once(web: Server, tmp_path: Path) -> None:
    """Ctrl-C while servers stall ends the command within seconds, with 130 and one line."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        pytest.skip("whoever started these tests has SIGINT ignored, as shells do in the background")
    web.pages |= {"/a": stalls, "/b": stalls, "/c": good()}
    process = start(web, feed(tmp_path, [web.url(path) for path in web.pages]))
    wait_for(lambda: len(web.asked) == 3)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    assert time.monotonic() - began < 10
    assert process.returncode == 130
    assert said == "twinset: interrupted; what is committed stays\n"


def test_a_full_disk_ends_the_run(web: Server, tmp_path: Path, monkeypatch: Patch) -> None:
    """An error of the machine is raised, not listed, and the next run goes on."""
    web.pages |= pages(9)
    source = feed(tmp_path, [web.url(f"/p{n}.jpg") for n in range(9)])

    def full(path: Path, _data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("twinset.fetch.bring.write_whole", full)
        with pytest.raises(DiskFullError, match=r"no space is left to write .*: free some space and run it again"):
            run(web, source)
    assert not (tmp_path / "out/photos.csv").exists()
    assert counts(run(web, source)) == {"fetched": 9}


def test_the_journal_passes_over_what_it_cannot_read(tmp_path: Path) -> None:
    """Torn, foreign and binary lines count for nothing; what was added is there in the next run."""
    first, second = Entry("h/a.jpg", "https://h/a.jpg", "00", '"e"'), Entry("h/b.jpg", "https://h/b.jpg", "11")
    with Journal(tmp_path) as journal:
        journal.add(first)
        journal.finish()
    with (tmp_path / "fetched.jsonl").open("ab") as file:
        file.write(b'[1]\n{"path": 3}\nnull\n\xff\xfe\n{"x": 1, "path": "y"}\n{"path": "h/a.jpg", "url": "ht')
    with Journal(tmp_path) as journal:
        assert (journal.known, journal.current) == ({first.path: first}, set())
        journal.add(second)
    with Journal(tmp_path) as journal:
        assert (journal.known, journal.current) == ({first.path: first, second.path: second}, {second.path})
        journal.finish()
    with Journal(tmp_path) as journal:
        assert (len(journal.known), journal.current) == (2, set())


# --- addresses


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "0.0.0.0", "[::1]", "[::]",
     "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "127。0。0。1", "⑫7.0.0.1"],
)  # fmt: skip
def test_no_spelling_of_this_machine_is_asked(host: str, web: Server, tmp_path: Path) -> None:
    """Even where the host is allowed and there is a server, nothing connects to it."""
    source = feed(tmp_path, [f"https://{host}:{web.server_port}/a.jpg"])
    allowed = [f"{host}:{web.server_port}"]
    with pytest.raises(ManifestError, match="none of 1 rows can be fetched; line 2") as caught:
        fetch(source, tmp_path / "out", allowed, limits=replace(QUICK, tries=1))
    assert re.search("no public address|has no address", str(caught.value))
    assert web.connections == 0


@pytest.mark.parametrize("answers", [[["127.0.0.1"], ["10.0.0.1"]], [["127.0.0.1"], ["127.0.0.1", "10.0.0.1"]]])
def test_a_name_that_changes_its_address(
    web: Server, tmp_path: Path, monkeypatch: Patch, answers: list[list[str]]
) -> None:
    """A name is resolved once for a connection, which goes to that address; `Host` keeps the name."""
    asked = resolving(monkeypatch, {"shop.test": answers})
    web.pages |= {"/a.jpg": good(1), "/b.jpg": lambda h: send(h, 404, connection="close")}
    place = f"shop.test:{web.server_port}"
    source = feed(tmp_path, [f"http://{place}/{page}.jpg" for page in "abc"])
    done = fetch(source, tmp_path / "out", [place], limits=replace(PLENTY, concurrency=1), loopback=True)
    assert refused(done) == {"b.jpg": "bad_status", "c.jpg": "address_refused"}
    assert asked == ["shop.test"] * 2
    assert (web.connections, {sent["host"] for sent in web.headers}) == (1, {place})


def test_a_redirect_to_a_private_address_is_refused(web: Server, tmp_path: Path, monkeypatch: Patch) -> None:
    """Also where the host's name is allowed: the address of every hop is checked."""
    resolving(monkeypatch, {"inside.test": [["10.0.0.7"]], "metadata.test": [["169.254.169.254"]]})
    hosts = ["inside.test", "metadata.test"]
    web.pages |= {f"/{host}": moved(f"http://{host}:8443/a.jpg") for host in hosts} | {"/good": good()}
    source = feed(tmp_path, [web.url(path) for path in web.pages])
    allowed = [web.place, *(f"{host}:8443" for host in hosts)]
    done = fetch(source, tmp_path / "out", allowed, limits=PLENTY, loopback=True)
    assert refused(done) == dict.fromkeys(hosts, "address_refused")


def test_the_next_address_where_one_does_not_answer(web: Server, tmp_path: Path, monkeypatch: Patch) -> None:
    """Every address was checked: where the first refuses the connection, the second is tried."""
    resolving(monkeypatch, {"shop.test": [["::1", "127.0.0.1"]]})
    web.pages["/a.jpg"] = good()
    place = f"shop.test:{web.server_port}"
    source = feed(tmp_path, [f"http://{place}/a.jpg"])
    assert fetch(source, tmp_path / "out", [place], limits=PLENTY, loopback=True).written == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of `shop.test` with its key, signed by itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "shop.pem"
    subject = ["-subj", "/CN=shop.test", "-addext", "subjectAltName=DNS:shop.test"]
    made = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        *subject,
    ]
    subprocess.run([*made, "-days", "2", "-keyout", path, "-out", path.with_suffix(".crt")], check=True,
                   capture_output=True)  # fmt: skip
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


def test_over_tls_the_certificate_is_that_of_the_name(
    certificate: Path, tmp_path: Path, monkeypatch: Patch
) -> None:
    """The connection goes to the address, SNI and certificate keep the name; no step from HTTPS to HTTP."""
    resolving(monkeypatch, {host: [["127.0.0.1"]] for host in ("shop.test", "other.test")})
    pages = {"/a.jpg": good(), "/moved": moved("a.jpg"), "/falls": moved("http://plain.test/a.jpg")}
    with serving(pages, certificate=certificate) as web:
        places = [f"{host}:{web.server_port}" for host in ("shop.test", "other.test")]
        urls = [f"https://{places[0]}{path}" for path in pages] + [f"https://{places[1]}/other"]
        source = feed(tmp_path, urls)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        limits = replace(PLENTY, concurrency=1)
        done = fetch(source, tmp_path / "out", [*places, "plain.test:80"], limits=limits, loopback=True)
        assert refused(done) == {"falls": "not_https", "other": "bad_certificate"}
        assert "mismatch" in done.faults[1].message
        assert set(web.names) == {"shop.test", "other.test"}
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(ManifestError, match=r"certificate of shop\.test:.* is not good: self"):
            fetch(feed(tmp_path, urls[:1]), tmp_path / "new", [places[0]], limits=limits, loopback=True)


# --- manifests


def test_urls_that_differ_behind_the_question_mark(web: Server, tmp_path: Path) -> None:
    """They would be one file: the second is a fault, never the wrong photo; --keep-query takes them apart."""
    web.pages["/image"] = lambda h: send(h, 200, photo(int(h.path[-1])))
    source = feed(tmp_path, [web.url("/image?id=1"), web.url("/image?id=2"), web.url("/image?id=1")])
    done = run(web, source)
    assert [(fault.line, fault.code) for fault in done.faults] == [(3, "query_differs")]
    assert "differs from that in line 2 only behind the `?`: give --keep-query if" in done.faults[0].message
    assert [row["item_id"] for row in rows(done.manifest)] == ["i0", "i2"]
    done = run(web, source, keep_query=True)
    assert done.faults == ()
    found = [(done.manifest.parent / row["path"]).read_bytes() for row in rows(done.manifest)]
    assert found == [photo(1), photo(2), photo(1)]


def test_faulty_rows_are_listed_and_never_asked(web: Server, tmp_path: Path) -> None:
    """Rows that no manifest may have, paths on the disk, and URLs against the rules; cells stay as they are."""
    web.pages |= pages(1)
    here = web.url("/p0.jpg")
    more = [
        "a.jpg,x,1",
        "../b.jpg,x,1",
        f"{here},x",
        "https://cdn.other.example/a.jpg,x,1",
        "http://u:p@127.0.0.1/a.jpg,x,1",
        "=1+1,x,1",
        f'{here},"é, ""x"" \n y"," spaced "',
    ]
    done = run(web, feed(tmp_path, [], *more))
    assert [(fault.line, fault.code) for fault in done.faults] == [
        (2, "local_path"),
        (3, "path_outside"),
        (4, "bad_row"),
        (5, "host_not_allowed"),
        (6, "bad_url"),
        (7, "local_path"),
    ]
    assert (done.rows, web.asked) == (7, ["/p0.jpg"])
    row = rows(done.manifest)[0]
    assert (row["item_id"], row["price"], row["source_url"]) == ('é, "x" \n y', " spaced ", here)
    assert [fault["path"] for fault in rows(done.failed)][-1] == "'=1+1"


def test_a_manifest_made_here_can_be_fetched_again(web: Server, tmp_path: Path) -> None:
    """A column `source_url` that is there is used, not made twice."""
    web.pages |= pages(1)
    source = tmp_path / "feed.csv"
    source.write_text(f"source_url,item_id,path\nold,i,{web.url('/p0.jpg')}\n", encoding="utf-8")
    done = run(web, source)
    assert done.manifest.read_text(encoding="utf-8").splitlines()[0] == "source_url,item_id,path"
    assert rows(done.manifest)[0]["source_url"] == web.url("/p0.jpg")


def test_where_nothing_comes_the_manifest_stays(web: Server, tmp_path: Path) -> None:
    """No good row is bad input: the reasons are listed, and an earlier `photos.csv` is as it was."""
    web.pages |= pages(1)
    before = run(web, feed(tmp_path, [web.url("/p0.jpg")])).manifest.read_bytes()
    source = feed(tmp_path, [web.url("/gone"), web.url("/away")])
    with pytest.raises(
        ManifestError, match=r"none of 2 rows can be fetched; line 2, .*gone': .* status 404.*failed.csv"
    ):
        run(web, source)
    assert (tmp_path / "out/photos.csv").read_bytes() == before
    assert len(rows(tmp_path / "out/failed.csv")) == 2


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ([], "the manifest has no row: name a manifest whose paths are URLs"),
        (["a.jpg,x,1"], "none of 1 rows can be fetched; line 2, 'a.jpg': the path is no URL"),
        (
            ["https://other.example/a.jpg,x,1"],
            "line 2, .*: the host other.example is not allowed: add --allow-host",
        ),
    ],
)
def test_manifests_with_nothing_to_fetch(web: Server, tmp_path: Path, more: list[str], says: str) -> None:
    """Such a manifest is bad input, and no folder is made."""
    with pytest.raises(ManifestError, match=says):
        run(web, feed(tmp_path, [], *more))
    assert not (tmp_path / "out").exists()


def test_folders_that_are_not_ours(web: Server, tmp_path: Path) -> None:
    """Neither the manifest itself nor somebody's `photos.csv` is replaced; a folder has no URLs."""
    web.pages |= pages(1)
    source = feed(tmp_path, [web.url("/p0.jpg")])
    with pytest.raises(ManifestError, match="is a folder: name a manifest whose paths are URLs"):
        fetch(tmp_path, tmp_path / "out", ["h.example"])
    own = source.rename(tmp_path / "photos.csv")
    with pytest.raises(UsageError, match="holds the manifest itself, which would be replaced: name another --out"):
        fetch(own, tmp_path, [web.place], loopback=True)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/photos.csv").write_text("path,item_id\n", encoding="utf-8")
    with pytest.raises(PathError, match=r"theirs/photos\.csv was not made by `data fetch`: name another --out"):
        fetch(own, tmp_path / "theirs", [web.place], loopback=True)
    (tmp_path / "file").touch()
    with pytest.raises(PathError, match="File exists: name a place that is there"):
        fetch(own, tmp_path / "file", [web.place], loopback=True)


# --- the command


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: Patch) -> Path:
    """An empty folder, worked in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command(web: Server, tmp_path: Path, capsys: Out) -> None:
    """Counts on stdout, talk on stderr; exit 0 where some rows came, and 3 where none did."""
    web.pages |= pages(2)
    source = feed(tmp_path, [web.url("/p0.jpg"), web.url("/gone"), web.url("/p1.jpg")])
    words = [
        "data",
        "fetch",
        str(source),
        "--out",
        str(tmp_path / "out"),
        "--allow-host",
        web.place,
        "--test-loopback",
    ]
    assert main([*words, "--json"]) == 0
    seen = capsys.readouterr()
    report = json.loads(seen.out)
    assert report.pop("seconds") >= 0
    assert report == {
        "manifest": str(tmp_path / "out/photos.csv"), "rows": 3, "written": 2, "fetched": 2, "unchanged": 0,
        "kept": 0, "stale": 0, "failed": 1, "bytes": len(photo(0)) + len(photo(1)),
    }  # fmt: skip
    assert f"skipped 1 of 3 rows, see {tmp_path / 'out/failed.csv'}" in seen.err
    web.pages["/p1.jpg"] = lambda handler: send(handler, 404)
    assert main([*words, "--concurrency", "2"]) == 0
    seen = capsys.readouterr()
    assert seen.out == f"{tmp_path / 'out/photos.csv'}: 2 rows; photos: 1 unchanged\n"
    assert f"1 of these photos stay in {tmp_path / 'out/photos.csv'}, as an earlier run brought them" in seen.err
    web.pages.clear()
    shutil.rmtree(tmp_path / "out")
    assert main([*words, "-q"]) == 3
    err = capsys.readouterr().err
    assert err.startswith("twinset: none of 3 rows can be fetched; line 2, ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--out", "out"], 2, "Missing option '--allow-host'"),
        (["--allow-host", "h.example"], 2, "Missing option '--out'"),
        (["--out", "out", "--allow-host", "https://h.example/"], 2, "'https://h.example/' is no host"),
        (
            ["--out", "out", "--allow-host", "h.example", "--concurrency", "0"],
            2,
            "0 requests at once are out of range",
        ),
        (["--out", "out", "--allow-host", "h.example"], 3, "there is no manifest or folder feed.csv"),
    ],
)
def test_bad_calls_are_one_line(options: list[str], code: int, says: str, empty: Path, capsys: Out) -> None:
    """Bad hosts and numbers are usage, a missing manifest bad input."""
    assert main(["data", "fetch", "feed.csv", *options]) == code
    err = capsys.readouterr().err
    assert says in err
    assert len(err.splitlines()) == 1
    assert not list(empty.iterdir())


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: Patch) -> None:
    """The client is an extra; the command is exact, and nothing is written."""
    monkeypatch.setitem(sys.modules, "httpcore2", None)
    monkeypatch.delitem(sys.modules, "twinset.fetch.client", raising=False)
    monkeypatch.delattr(package, "client", raising=False)
    with pytest.raises(MissingExtraError, match=re.escape('not installed: pip install "twinset[fetch]"')):
        fetch(feed(tmp_path, ["https://h.example/a.jpg"]), tmp_path / "out", ["h.example"])
    assert not (tmp_path / "out").exists()


def test_index_never_opens_a_connection(tmp_path: Path, monkeypatch: Patch, capsys: Out) -> None:
    """Rows by URL are skipped, a manifest of nothing else refused; both name `data fetch`, and ask nobody."""

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    (tmp_path / "a.jpg").write_bytes(photo())
    source = feed(tmp_path, ["https://h.example/a.jpg"])
    command = ["index", str(source), "--catalogue", str(tmp_path / "c"), "--bundle", "colour", "-q"]
    assert main(command) == 3
    assert "bring them in with `twinset data fetch`" in capsys.readouterr().err
    assert main([*command[:1], str(feed(tmp_path, ["https://h.example/a.jpg"], "a.jpg,x,1")), *command[2:]]) == 0
    assert [row["code"] for row in rows(tmp_path / "c/skipped.csv")] == ["url_path"]
