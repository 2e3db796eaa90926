"""The page, the console and their files over HTTP: served whole, kept by who has them, and nothing beside them."""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection
from importlib import resources
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from server.live import Answer
from server.serving import serving
from shops import build, shop
from twinset import Catalogue
from twinset.errors import PathError
from twinset.server.app import create_app
from twinset.settings import ServeSettings

WEB = Path(str(resources.files("twinset") / "web"))
FILES = sorted(str(path.relative_to(WEB)) for path in WEB.rglob("*") if path.is_file())
PAGES = {"index.html": "/", "admin.html": "/admin"}
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
}
SHOP, BLOG = "https://shop.example", "https://blog.shop.example"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of one item."""
    folder = tmp_path_factory.mktemp("pages")
    build(folder / "c", shop(folder / "shop", items=1, views=1)).close()
    return folder / "c"


@pytest.fixture(scope="module")
def url(place: Path) -> Iterator[str]:
    """A server as it is begun without any setting."""
    with Catalogue(place) as catalogue, serving(create_app(catalogue)) as address:
        yield address


@pytest.fixture(scope="module")
def guarded(place: Path) -> Iterator[str]:
    """A server with keys, whose page two sites may show."""
    settings = ServeSettings(key="k" * 16, admin_key="a" * 16, allow_origin=(SHOP, BLOG))
    with Catalogue(place) as catalogue, serving(create_app(catalogue, settings)) as address:
        yield address


def ask(url: str, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
    """One request, its path as it is written here."""
    with closing(HTTPConnection(urlsplit(url).netloc, timeout=20)) as line:
        line.request(method, path, headers=dict(headers or {}))
        got = line.getresponse()
        return Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())


def place_of(name: str) -> str:
    """The address of a file of `web/`."""
    return PAGES.get(name, f"/web/{name}")


def named(name: str) -> set[str]:
    """The addresses here that a file names: what a page links, what a module imports, or shows."""
    if Path(name).suffix not in (".html", ".js", ".css"):
        return set()
    text = (WEB / name).read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    found = re.findall(
        r"""(?:src|href)="(/[^"]*)"|(?:from|import) "(\.[^"]*)"|"(/web/[^"]*)"|url\((/[^)]*)\)""", text
    )
    return {urljoin(place_of(name), address) for one in found for address in one if address}


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_as_it_lies(name: str, url: str) -> None:
    """By its own type, which no browser may doubt; a HEAD tells the same without it."""
    got = ask(url, place_of(name))
    assert (got.status, got.body) == (200, (WEB / name).read_bytes())
    assert got.headers["content-type"] == TYPES[Path(name).suffix]
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["cache-control"] == "no-cache"
    head = ask(url, place_of(name), "HEAD")
    assert (head.status, head.body) == (200, b"")
    same = ("content-type", "content-length", "etag", "content-security-policy")
    assert [head.headers.get(one) for one in same] == [got.headers.get(one) for one in same]


def test_no_name_leads_nowhere_and_no_file_is_dead(url: str) -> None:
    """From the two pages, and the button for others' pages, every file is reached."""
    waiting, seen = ["index.html", "admin.html", "button.js"], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for address in named(name):
            assert ask(url, address).status == 200, f"{name} names {address}"
            if address.startswith("/web/"):
                waiting.append(address.removeprefix("/web/"))
    assert seen == set(FILES)
    assert len(named("index.html")) >= 4
    assert place_of("words/en.js") in named("words.js")


def test_the_page_asks_for_all_its_modules_at_once() -> None:
    """Each that is imported somewhere, and no other: over a slow network one after another would take seconds."""
    waiting, imported = {"/web/app.js"}, set[str]()
    while waiting:
        address = waiting.pop()
        new = {one for one in named(address.removeprefix("/web/")) if one.endswith(".js")} - imported
        imported |= new
        waiting |= new
    page = (WEB / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'rel="modulepreload" href="([^"]*)"', page) == sorted(imported)


@pytest.mark.parametrize("path", ["/", "/web/app.js", "/web/samples/1.jpg"])
def test_what_is_kept_is_not_sent_again(path: str, url: str) -> None:
    """Named alone, among others, weakened by a proxy, or by `*`; another tag is answered whole."""
    first = ask(url, path)
    tag = first.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    for told in (tag, f"W/{tag}", f'"other", {tag}', f'W/"other" ,W/{tag}', "*"):
        got = ask(url, path, headers={"If-None-Match": told})
        assert (got.status, got.body, got.headers["etag"]) == (304, b"", tag), told
        assert got.headers.get("content-security-policy") == first.headers.get("content-security-policy")
    for told in ('"other"', tag.strip('"'), "", f'"{tag[1:-2]}"'):
        assert ask(url, path, headers={"If-None-Match": told}).status == 200, told


@pytest.mark.parametrize("path", ["/", "/admin"])
def test_the_policy_lets_only_our_own_files_in(path: str, url: str, guarded: str) -> None:
    """No script or style from elsewhere, nor written into the page; the console is shown in no other's page."""
    for address, framing in ((url, "'none'"), (guarded, f"{SHOP} {BLOG}" if path == "/" else "'none'")):
        headers = ask(address, path).headers
        rules = dict(one.strip().split(" ", 1) for one in headers["content-security-policy"].split(";"))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
        assert rules["img-src"] == "'self' blob:"
        assert rules["base-uri"] == rules["form-action"] == "'none'"
        assert rules["frame-ancestors"] == framing
        assert "unsafe" not in headers["content-security-policy"]
        assert "x-frame-options" not in headers
        assert headers["referrer-policy"] == "no-referrer"


def test_pages_hold_no_script_or_style(url: str) -> None:
    """Which their policy would refuse: every script is a file, and no element has a style or a handler."""
    for path in PAGES.values():
        text = ask(url, path).body.decode()
        assert re.findall(r"<script[^>]*>", text) == re.findall(r'<script type="module" src="/web/\w+\.js">', text)
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)


@pytest.mark.parametrize(
    "path",
    [
        "/web/",
        "/web",
        "/web/nothing.js",
        "/web/index.html",
        "/web/admin.html",
        "/web/words",
        "/web/words/",
        "/web/./app.js",
        "/web//app.js",
        "//web/app.js",
        "/web/app.js/",
        "/web/app.js%00",
        "/web/app.js%00.svg",
        "/web/APP.JS",
        "/web/words/../app.js",
        "/web/../served.py",
        "/web/%2e%2e/served.py",
        "/web/..%2fserved.py",
        "/web/%252e%252e/served.py",
        "/web/..%5cserved.py",
        "/web/../../../etc/passwd",
        "/web//etc/passwd",
        "/web/%2fetc%2fpasswd",
        "/web/server/app.py",
        "/index.html",
        "/admin/",
        "/admin.html",
    ],
)
def test_nothing_else_is_served(path: str, url: str) -> None:
    """No path leads out of the folder, and a page has one address only."""
    got = ask(url, path)
    assert (got.status, got.code()) == (404, "not_found")
    assert got.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
    assert got.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", ["/", "/admin", "/web/app.js"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
def test_pages_are_only_read(path: str, method: str, url: str) -> None:
    """Other methods are refused as elsewhere, and told which there are."""
    got = ask(url, path, method)
    assert (got.status, got.code(), got.headers["allow"]) == (405, "method_not_allowed", "GET, HEAD")


def test_pages_need_no_key_and_tell_nothing(url: str, guarded: str) -> None:
    """They are the same of every server; what they ask for needs the key."""
    for name in FILES:
        assert ask(guarded, place_of(name)).body == ask(url, place_of(name)).body
    for path in ("/v1/limits", "/v1/catalogue", "/v1/versions", "/v1/facets", "/v1/photos/a"):
        got = ask(guarded, path)
        assert (got.status, got.code()) == (401, "wrong_key"), path


def test_another_sites_page_may_load_the_button(guarded: str) -> None:
    """Where it is allowed; a module of another site is loaded as what its server lets be read."""
    got = ask(guarded, "/web/button.js", headers={"Origin": SHOP})
    assert got.headers["access-control-allow-origin"] == SHOP
    assert got.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "Origin" in got.headers["vary"]
    foreign = ask(guarded, "/web/button.js", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers
    assert foreign.headers["cross-origin-resource-policy"] == "same-origin"


def test_a_shop_has_a_theme_of_its_own(place: Path, url: str, tmp_path: Path) -> None:
    """It stands in for the empty one; a file that is not there is told before anything is served."""
    theme = tmp_path / "theme.css"
    theme.write_text(":root { --accent: #083 }", encoding="utf-8")
    assert ask(url, "/web/theme.css").body == (WEB / "theme.css").read_bytes()
    settings = ServeSettings(theme=str(theme))
    with Catalogue(place) as catalogue, serving(create_app(catalogue, settings)) as themed:
        got = ask(themed, "/web/theme.css")
        assert (got.body, got.headers["content-type"]) == (theme.read_bytes(), TYPES[".css"])
        assert ask(themed, "/web/theme.css", headers={"If-None-Match": got.headers["etag"]}).status == 304
    missing = ServeSettings(theme=str(tmp_path / "no.css"))
    with Catalogue(place) as catalogue, pytest.raises(PathError, match=r"no\.css cannot be read: .*--theme"):
        create_app(catalogue, missing)
