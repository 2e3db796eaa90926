"""A page of another origin, in a real browser: it changes and reads nothing, unless its origin is allowed."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.openapi.utils import get_openapi
from playwright.sync_api import Browser, Page

from server.serving import serving
from shops import build, shop
from twinset import Catalogue
from twinset.server.app import create_app
from twinset.server.routes import admin, facts, items, pages, search, versions
from twinset.settings import ServeSettings
from web.conftest import ADMIN
from web.elsewhere import EMPTY, Asked, Book, Kept, elsewhere

OURS = "bar.localhost"
SITES = ("foo.localhost", OURS)
"""Of another site; and of ours, at another port."""
UNSAFE = [
    (method.upper(), path.replace("{item_id}", "i001"))
    for router in (search.router, items.router, facts.router, admin.router, versions.router, pages.router)
    for path, operations in get_openapi(title="", version="", routes=router.routes)["paths"].items()
    for method in operations
    if method != "get"
]
"""Every route that is no question."""
READ = [
    *(
        "/",
        "/admin",
        "/web/app.js",
        "/web/samples/1.jpg",
        "/v1/catalogue",
        "/v1/limits",
        "/v1/facets",
        "/openapi.json",
    ),
    *("/v1/items/i001", "/metrics", "/healthz", "/readyz", "/v1/versions", "/v1/nothing"),
]

BODIES = """(kind) => {
    const bytes = new Uint8Array([0xff, 0xd8, 0xff, 0xe0]);
    const event = { query_id: "a", item_id: "i001", position: 1, kind: "click" };
    const form = new FormData();
    form.append("photo", new Blob([bytes], { type: "image/jpeg" }), "a.jpg");
    form.append("attributes", '{"title": "taken over"}');
    return {
        none: undefined,
        json: new Blob([JSON.stringify(event)], { type: "application/json" }),
        patch: new Blob(['{"i001": {"title": "taken over"}}'], { type: "application/json" }),
        plain: JSON.stringify(event),
        query: new URLSearchParams(event),
        form,
        photo: new Blob([bytes], { type: "image/jpeg" }),
    };
}"""
FETCHED = f"""async ([asked, headers]) => {{
    const bodies = ({BODIES})();
    const told = [];
    for (const [method, url, mode, credentials, body] of asked) {{
        const options = {{ method, mode, credentials, headers, body: bodies[body] }};
        const line = await fetch(url, options).then(
            async (answer) => [answer.type, answer.status, await answer.text(), [...answer.headers].length],
            (error) => [error.name, 0, "", 0]);
        told.push(line);
    }}
    return told;
}}"""
"""Each as `[type or error, status, body, headers]`, as the page learns of it."""


@dataclass
class Place:
    """A server with what it holds, and all that it was asked."""

    url: str
    catalogue: Catalogue
    events: Path
    book: Book

    def state(self) -> tuple[Any, ...]:
        """What a page elsewhere could change: the catalogue, the file of events, what is counted of searches."""
        asking = urllib.request.Request(f"{self.plain}/metrics", headers={"Authorization": f"Bearer {ADMIN}"})
        with urllib.request.urlopen(asking) as answer:
            lines = answer.read().decode().splitlines()
        counted = [line for line in lines if line.startswith(("twinset_stage", "twinset_first", "twinset_nothing"))]
        return self.catalogue.moment(), self.catalogue.item("i001"), self.events.read_text(), counted

    @property
    def plain(self) -> str:
        """The same server, by a name that every program knows."""
        return self.url.replace(OURS, "127.0.0.1")

    def foreign(self) -> list[Asked]:
        """What a page asked that is none of the server's."""
        return [one for one in self.book.asked if one.sent.get("sec-fetch-site") in {"cross-site", "same-site"}]


@contextmanager
def placed(folder: Path, *origins: str) -> Iterator[Place]:
    """A server of a small shop, at `OURS`."""
    settings = ServeSettings(
        admin_key=ADMIN, events=str(folder / "events"), allow_host=(OURS,), allow_origin=origins
    )
    with build(folder / "c", shop(folder / "shop", items=4)) as catalogue:
        app, book = create_app(catalogue, settings), Book()
        app.add_middleware(Kept, book=book)
        with serving(app) as address:
            url = address.replace("127.0.0.1", OURS)
            yield Place(url, catalogue, folder / "events", book)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server that allows no other origin."""
    with placed(tmp_path_factory.mktemp("foreign")) as made:
        yield made


@pytest.fixture(params=SITES)
def page(request: pytest.FixtureRequest, browser: Browser, place: Place) -> Iterator[Page]:
    """A page elsewhere; whatever it did, nothing has changed, and nothing let it read."""
    place.book.asked.clear()
    before = place.state()
    context = browser.new_context()
    with elsewhere(request.param, {"/": EMPTY}) as origin:
        opened = context.new_page()
        opened.set_default_timeout(10_000)
        opened.goto(origin)
        yield opened
        context.close()
    assert place.state() == before
    for asked in place.foreign():
        assert "access-control-allow-origin" not in asked.headers, asked
        assert "set-cookie" not in asked.headers, asked


def refused(place: Place) -> set[tuple[str, str]]:
    """Which changes were asked for; each was refused, by the server or, before that, by the browser."""
    unsafe = [one for one in place.foreign() if one.method not in {"GET", "HEAD", "OPTIONS"}]
    assert {one.status for one in unsafe} <= {403}
    return {(one.method, one.path) for one in unsafe}


def test_no_change_is_fetched(page: Page, place: Place) -> None:
    """By no route, mode, credentials or body; what reaches the server is refused, nothing is readable."""
    bodies = ("none", "json", "patch", "plain", "query", "form", "photo")
    asked = [
        [method, place.url + path, mode, credentials, body]
        for method, path in UNSAFE
        for mode in ("cors", "no-cors")
        for credentials in ("omit", "include")
        for body in bodies
    ]
    assert len(UNSAFE) == 7
    told = page.evaluate(FETCHED, [asked, {}])
    assert len(told) == 7 * 28
    assert {tuple(line) for line in told} == {("TypeError", 0, "", 0)}
    assert refused(place) >= {(method, path) for method, path in UNSAFE if method == "POST"}
    assert {one.method for one in place.foreign()} >= {"OPTIONS", "POST"}


@pytest.mark.deep
def test_not_even_with_the_key(page: Page, place: Place) -> None:
    """A header that tells the key has to be asked for, and nobody is let ask."""
    asked = [[method, place.url + path, "cors", "include", "patch"] for method, path in UNSAFE]
    told = page.evaluate(FETCHED, [asked, {"Authorization": f"Bearer {ADMIN}"}])
    assert {tuple(line) for line in told} == {("TypeError", 0, "", 0)}
    assert {one.method for one in place.foreign()} == {"OPTIONS"}


@pytest.mark.deep
def test_nothing_is_read(page: Page, place: Place) -> None:
    """By fetch, in whichever mode; it is told no status, no text and no header."""
    photo = f"/v1/photos/{place.catalogue.item('i001').photos[0].photo_id}?size=160"
    asked = [
        [method, place.url + path, mode, credentials, "none"]
        for path in (*READ, photo)
        for method in ("GET", "HEAD")
        for mode in ("cors", "no-cors")
        for credentials in ("omit", "include")
    ]
    told = page.evaluate(FETCHED, [asked, {}])
    assert {tuple(line) for line in told} <= {("TypeError", 0, "", 0), ("opaque", 0, "", 0)}
    assert len(place.foreign()) >= len(asked) / 2


@pytest.mark.deep
def test_no_form_is_posted(page: Page, place: Place) -> None:
    """As each type that a form has, to each route that is posted to, into a frame."""
    posted = [path for method, path in UNSAFE if method == "POST"]
    post = """async ([url, enctype]) => {
        const frame = document.createElement("iframe");
        frame.name = `frame${Math.random()}`;
        const form = document.createElement("form");
        Object.assign(form, { method: "post", action: url, enctype, target: frame.name });
        const field = document.createElement("input");
        field.name = '{"query_id": "a", "item_id": "i001", "position": 1, "kind": "';
        field.value = 'click"}';
        form.append(field);
        document.body.append(frame, form);
        const loaded = new Promise((done) => frame.addEventListener("load", done));
        form.submit();
        await loaded;
        try { return frame.contentDocument?.body.textContent ?? "hidden"; } catch { return "hidden"; }
    }"""
    types = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
    for path in posted:
        for enctype in types:
            assert page.evaluate(post, [place.url + path, enctype]) in {"hidden", ""}, (path, enctype)
    assert refused(place) == {("POST", path) for path in posted}
    assert len([one for one in place.foreign() if one.method == "POST"]) == len(posted) * len(types)


@pytest.mark.deep
def test_no_beacon_and_no_request_of_old(page: Page, place: Place) -> None:
    """`sendBeacon` arrives and is refused; `XMLHttpRequest` is told nothing."""
    beacon = f"""([url]) => Object.values(({BODIES})()).map((body) => {{
        try {{ return navigator.sendBeacon(url, body); }} catch (error) {{ return error.name; }} }})"""
    old = """([method, url]) => new Promise((done) => {
        const asking = new XMLHttpRequest();
        asking.open(method, url);
        asking.withCredentials = true;
        asking.setRequestHeader("Content-Type", "text/plain");
        asking.onloadend = () => done([asking.status, asking.responseText, asking.getAllResponseHeaders()]);
        asking.send('{"i001": {"title": "taken over"}}');
    })"""
    for method, path in UNSAFE:
        if method == "POST":
            page.evaluate(beacon, [place.url + path])
        assert page.evaluate(old, [method, place.url + path]) == [0, "", ""]
    for path in READ:
        assert page.evaluate(old, ["GET", place.url + path]) == [0, "", ""]
    page.wait_for_timeout(300)
    assert refused(place) == {(method, path) for method, path in UNSAFE if method == "POST"}


@pytest.mark.deep
def test_nothing_is_shown_or_run(page: Page, place: Place) -> None:
    """Neither as a picture, a style, a script, a film nor an object."""
    embed = """([name, url, facts]) => new Promise((done) => {
        const made = document.createElement(name);
        Object.assign(made, facts);
        made.onload = () => done("load");
        made.onerror = () => done("error");
        const where = { link: "href", object: "data" }[name] ?? "src";
        made[where] = url;
        document.body.append(made);
    })"""
    photo = f"{place.url}/v1/photos/{place.catalogue.item('i001').photos[0].photo_id}"
    pictures = (photo, f"{place.url}/web/samples/1.jpg", f"{place.url}/web/icon.svg")
    tried = [
        *(("img", url, told) for url in pictures for told in ({}, {"crossOrigin": "anonymous"})),
        *(("script", place.url + path, {}) for path in READ),
        *(("script", place.url + path, {"type": "module"}) for path in READ),
        ("script", f"{place.url}/web/button.js", {"type": "module"}),
        ("link", f"{place.url}/web/style.css", {"rel": "stylesheet"}),
        ("object", f"{place.url}/", {}),
        ("video", photo, {}),
    ]
    before = page.evaluate("() => Object.keys(window).length")
    for name, url, told in tried:
        assert page.evaluate(embed, [name, url, told]) == "error", (name, url, told)
    assert page.evaluate("() => Object.keys(window).length") == before
    assert page.evaluate("() => customElements.get('twinset-search') === undefined")


def blank(page: Page, address: str) -> bool:
    """Whether a frame of an address shows nothing."""
    made = page.evaluate_handle(
        """(url) => new Promise((done) => {
            const frame = document.createElement("iframe");
            frame.onload = () => done(frame);
            frame.src = url;
            document.body.append(frame);
        })""",
        address,
    )
    element = made.as_element()
    frame = element.content_frame() if element else None
    assert frame is not None
    frame.wait_for_url(lambda url: url != "about:blank")
    return frame.url.startswith("chrome-error://")


@pytest.mark.deep
def test_no_page_of_ours_is_framed(page: Page, place: Place) -> None:
    """Neither the search, the console nor an answer."""
    for path in ("/", "/?embedded&lang=de", "/?item=i001", "/admin", "/v1/catalogue", "/web/icon.svg"):
        assert blank(page, place.url + path), path
    assert [one.status for one in place.foreign() if one.path == "/admin"] == [200]


@pytest.mark.deep
def test_a_window_that_is_opened_is_cut_off(page: Page, place: Place) -> None:
    """It knows no opener, its opener does not reach it, and messages do nothing."""
    with page.expect_popup() as opening:
        page.evaluate("(url) => { window.other = open(url); }", f"{place.url}/admin")
    popup = opening.value
    popup.wait_for_load_state()
    popup.get_by_label("Admin key").wait_for()
    assert popup.evaluate("opener") is None
    page.wait_for_function("other.closed")
    page.evaluate("(key) => other.postMessage({ twinset: 'close', key }, '*')", ADMIN)
    assert popup.get_by_label("Admin key").input_value() == ""
    assert popup.url == f"{place.url}/admin"


@pytest.mark.deep
def test_a_name_that_was_bound_to_us(browser: Browser, place: Place) -> None:
    """A page that has our address under a name of its own is of that origin, and is answered nothing."""
    context = browser.new_context()
    opened = context.new_page()
    stolen = place.url.replace(OURS, "evil.localhost")
    for path in READ:
        answer = opened.goto(stolen + path)
        assert answer is not None
        assert (answer.status, answer.json()["code"]) == (421, "wrong_host"), path
    opened.route(f"{stolen}/theirs", lambda route: route.fulfill(body=EMPTY, content_type="text/html"))
    opened.goto(f"{stolen}/theirs")
    before = place.state()
    asked = [[method, stolen + path, "cors", "include", "patch"] for method, path in UNSAFE]
    told = opened.evaluate(FETCHED, [asked, {"Authorization": f"Bearer {ADMIN}"}])
    assert {line[1] for line in told} == {421}
    assert place.state() == before
    context.close()


@pytest.mark.deep
def test_an_allowed_origin(browser: Browser, tmp_path: Path) -> None:
    """It searches and reads, by its name and without credentials; without the key it changes nothing."""
    photo = next(shop(tmp_path / "other").parent.rglob("0.png")).read_bytes()
    with elsewhere("shop.localhost", {"/": EMPTY}) as origin, placed(tmp_path, origin) as place:
        context = browser.new_context()
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.goto(origin)
        ask = """async ([method, url, body, headers]) => {
            if (Array.isArray(body)) body = new Blob([new Uint8Array(body)], { type: "image/png" });
            const answer = await fetch(url, { method, body, headers, mode: "cors" });
            return [answer.status, await answer.text(), answer.headers.get("X-Request-ID")];
        }"""

        def asked(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
            status, text, told = page.evaluate(ask, [method, place.url + path, body, headers])
            assert told
            return status, json.loads(text) if text else None

        status, answer = asked("POST", "/v1/search?k=2", list(photo))
        assert (status, len(answer["hits"])) == (200, 2)
        first = answer["hits"][0]
        kind = {"Content-Type": "application/json"}
        verdict = {"query_id": answer["query_id"], "positive": [first["item_id"]]}
        assert asked("POST", "/v1/feedback?k=2", json.dumps(verdict), **kind)[0] == 200
        event = {"query_id": answer["query_id"], "item_id": first["item_id"], "position": 1, "kind": "click"}
        assert asked("POST", "/v1/events", json.dumps(event), **kind) == (204, None)
        for path in ("/v1/catalogue", "/v1/items/i001", "/v1/items/i001/similar", "/v1/facets", "/v1/limits"):
            assert asked("GET", path)[0] == 200, path
        before = place.catalogue.moment()
        key = {"Authorization": f"Bearer {ADMIN}"}
        assert asked("POST", "/v1/versions/rollback")[1]["code"] == "wrong_key"
        assert asked("GET", "/metrics")[1]["code"] == "wrong_key"
        for method, path in UNSAFE:
            if method != "POST":
                told = page.evaluate(FETCHED, [[[method, place.url + path, "cors", "omit", "patch"]], key])
                assert told == [["TypeError", 0, "", 0]]
        credentials = page.evaluate(FETCHED, [[["GET", f"{place.url}/v1/limits", "cors", "include", "none"]], {}])
        assert credentials == [["TypeError", 0, "", 0]]
        assert place.catalogue.moment() == before
        shown = """(url) => new Promise((done) => {
            const shown = new Image();
            shown.crossOrigin = "anonymous";
            shown.onload = () => done(shown.naturalWidth);
            shown.onerror = () => done(0);
            shown.src = url;
        })"""
        assert page.evaluate(shown, f"{place.url}/v1/photos/{first['photo_id']}?size=160") > 0
        assert not blank(page, f"{place.url}/?embedded")
        assert blank(page, f"{place.url}/admin")
        told = {one.headers.get("access-control-allow-origin") for one in place.foreign() if "origin" in one.sent}
        assert told == {origin}
        assert not [one for one in place.foreign() if "access-control-allow-credentials" in one.headers]
        with elsewhere("foo.localhost", {"/": EMPTY}) as other:
            page.goto(other)
            got = page.evaluate(FETCHED, [[["GET", f"{place.url}/v1/limits", "cors", "omit", "none"]], {}])
            assert got == [["TypeError", 0, "", 0]]
            assert blank(page, f"{place.url}/?embedded")
        context.close()
