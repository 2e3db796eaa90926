"""Texts that break pages, in every field: shown as text, none runs, none leads elsewhere than to the web."""

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from PIL import ExifTags, Image
from playwright.sync_api import Browser, Page, Route, expect

from server.serving import serving
from shops import picture
from twinset.catalogue.patch import patch_items
from twinset.server.app import create_app
from twinset.settings import ServeSettings
from web.conftest import ADMIN, visited
from web.naughty import RESERVED, Naughty, naughty, texts

ALL = texts()
FEW = ALL[::15]
KEY = "k" * 16
RUN = "Failed to load resource"
"""What the browser says of every refusal: that one was answered is no fault of the page."""


def safe(text: str) -> str:
    """A text as a part of an address."""
    return quote(text, safe="")


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Naughty]:
    """A shop of all the texts."""
    with naughty(tmp_path_factory.mktemp("texts"), ALL) as made:
        yield made


@contextmanager
def harmless(browser: Browser, url: str, *, refused: bool = False) -> Iterator[Page]:
    """A visit in which nothing runs, asks, or breaks a policy; where it is `refused`, the browser says so."""
    with visited(browser, url, viewport={"width": 1280, "height": 900}) as visit:
        yield visit.page
        assert visit.page.evaluate("window.pwned") is None
        if refused:
            visit.wrong = [wrong for wrong in visit.wrong if not wrong.startswith(RUN)]


def start(page: Page, url: str) -> None:
    """The page as who comes to it sees it; the same address again would show the last search."""
    page.goto("about:blank")
    page.goto(url)


def searched(page: Page) -> None:
    """Searches with a sample."""
    page.get_by_role("button", name="Sample 1").click()
    page.wait_for_selector(".grid .tile:not(.waiting)")


def everything(page: Page) -> None:
    """Asks for more until there is none."""
    while page.locator(".more").count():
        before = page.locator(".tile:not(.waiting)").count()
        page.locator(".more").click()
        page.wait_for_function(f"() => document.querySelectorAll('.tile:not(.waiting)').length > {before}")


def content(page: Page, selector: str) -> list[str]:
    """The text of elements, letter by letter."""
    found: list[str] = page.eval_on_selector_all(selector, "all => all.map((one) => one.textContent)")
    return found


def only_to_the_web(page: Page) -> None:
    """No link leads to what runs, and each that leaves is cut off from here."""
    links = page.eval_on_selector_all("a[href]", "all => all.map((one) => [one.protocol, one.target, one.rel])")
    assert {protocol for protocol, _, _ in links} <= {"http:", "https:"}
    assert {rel for _, target, rel in links if target} <= {"noopener"}
    kinds = "all => all.map((one) => one.nodeName + [...one.attributes].filter((a) => /^on/.test(a.name)).length)"
    made = set(page.eval_on_selector_all("main *", kinds))
    assert not [one for one in made if not one.endswith("0")]
    assert not {"SCRIPT0", "IFRAME0", "OBJECT0", "STYLE0", "SVG0", "VIDEO0", "MARQUEE0", "BASE0", "LINK0"} & made


def readable(text: str) -> str:
    """As the page writes a value."""
    return text.rpartition("/")[2].replace("_", " ")


def shown_as_text(page: Page, shop: Naughty, least: int) -> None:
    """Each tile has its item's title, letter by letter."""
    titles = content(page, ".tile .title")
    assert len(titles) == len(shop.ids)
    assert sorted(titles) == sorted(shop.catalogue.item(name).title for name in shop.ids)
    assert len(set(titles) & set(ALL)) >= least
    only_to_the_web(page)


def test_results_and_an_item_show_text(browser: Browser, tmp_path: Path) -> None:
    """Of a few items; a page of one, with every field."""
    with naughty(tmp_path, FEW) as shop, harmless(browser, shop.url) as page:
        page.goto(shop.url)
        searched(page)
        everything(page)
        shown_as_text(page, shop, len(FEW) - 1)
        shown = next(name for name in shop.ids if name.startswith("<"))
        page.goto(f"{shop.url}/?item={safe(shown)}")
        item_page(page, shop, shown)


def item_page(page: Page, shop: Naughty, name: str) -> None:
    """A page of one item: title, facts and name as they are."""
    item = shop.catalogue.item(name)
    page.wait_for_selector(".item h1, [role=alert]", state="attached")
    assert content(page, "h1") == [item.title or name], name
    told = {readable(field) for field in item.attributes} - {"price", "currency", "split", "availability"}
    assert set(content(page, "dt")) == told
    assert page.title() == " ".join((item.title or name).split()) or not (item.title or name).isprintable()
    only_to_the_web(page)


@pytest.mark.deep
def test_all_in_results(browser: Browser, every: Naughty) -> None:
    """Every text is a title, an id, a category, an address, a price …; chips and filters of them narrow."""
    assert len(ALL) >= 500
    with harmless(browser, every.url) as page:
        page.goto(every.url)
        searched(page)
        for chip in range(page.locator("[aria-label=Category] .chip").count()):
            narrowed(page, chip)
        everything(page)
        shown_as_text(page, every, len(ALL) - 5)
        page.locator(".filters > summary").click()
        page.locator(".rest > summary").first.click()
        boxes = page.locator("fieldset .choice")
        assert boxes.count() >= 20
        for place in (0, 3, 11, 13):
            boxes.nth(place).click()
            page.wait_for_selector(".found:not([aria-busy])")
            assert page.locator(".tile:not(.waiting)").count() >= 1
            assert page.get_by_role("alert").count() == 0
            page.get_by_role("checkbox", checked=True).click()
            page.wait_for_selector(".found:not([aria-busy])")


def narrowed(page: Page, chip: int) -> None:
    """A chip leads to items of its category, and back."""
    chips = page.locator("[aria-label=Category] .chip")
    word = chips.nth(chip).text_content()
    chips.nth(chip).click()
    page.wait_for_selector(".found:not([aria-busy]) [aria-label=Category] [aria-pressed=true]")
    assert set(content(page, ".tile:not(.waiting) .said .quiet")) == {word}
    page.locator("[aria-label=Category] [aria-pressed=true]").click()
    page.wait_for_selector(".found:not([aria-busy])")


def counted(told: list[str], route: Route) -> None:
    """An answer with other counts and categories: 72 values of 6 fields, each a text."""
    answer = route.fetch()
    facts = answer.json()
    facts["facets"] = {told[72 + field]: dict.fromkeys(told[12 * field :][:12], 1) for field in range(6)}
    facts["categories"] = [{"category": text, "share": 0.1} for text in told[:6]]
    route.fulfill(response=answer, json=facts)


@pytest.mark.deep
def test_all_as_counts_and_categories(browser: Browser, every: Naughty) -> None:
    """As fields, values and chips, a few dozen a search: what the server may count of any shop."""
    with harmless(browser, every.url) as page:
        for first in range(0, len(ALL), 72):
            told = (ALL + ALL)[first : first + 84]
            page.route("**/v1/search?*", partial(counted, told))
            start(page, every.url)
            searched(page)
            page.locator(".filters > summary").click()
            assert content(page, "legend")[-6:] == [readable(text) for text in told[72:78]]
            values = content(page, ".choice span:not(.quiet)")[-72:]
            assert sorted(values) == sorted(readable(text) for text in told[:72])
            assert content(page, "[aria-label=Category] .chip") == [readable(text) for text in told[:6]]
            only_to_the_web(page)
            page.unroute("**/v1/search?*")


@pytest.mark.deep
def test_items_of_all(browser: Browser, every: Naughty) -> None:
    """Their pages by address, and what is like them, after they were told more by the API."""
    some = every.ids[::4]
    field = {name for name in ALL if name.isprintable() and not set("=!<>") & set(name) and name == name.strip()}
    fields = sorted(name for name in field - RESERVED if len(name) <= 100)
    patch = {name: {fields[place % len(fields)]: ALL[place], "material": name} for place, name in enumerate(some)}
    patch_items(every.folder / "c", patch)
    with harmless(browser, every.url) as page:
        for name in some:
            page.goto(f"{every.url}/?item={safe(name)}")
            item_page(page, every, name)
            assert readable(name) in content(page, "dd") or "|" in name


@pytest.mark.deep
def test_why_and_verdicts_of_all(browser: Browser, every: Naughty) -> None:
    """An item is explained, and judged, by whatever id; of a screen of them."""
    with harmless(browser, every.url) as page:
        page.goto(every.url)
        searched(page)
        names = page.eval_on_selector_all(".tile .acts", "all => all.map((one) => one.ariaLabel)")
        for place in range(len(names)):
            page.locator(".tile").nth(place).get_by_text("Why?", exact=True).click()
            expect(page.get_by_role("dialog").locator("canvas")).to_have_count(2)
            only_to_the_web(page)
            page.keyboard.press("Escape")
            expect(page.get_by_role("dialog")).to_have_count(0)
        for place in (0, 1, 2):
            page.locator(".tile").nth(place).get_by_text("Not this", exact=True).click()
            page.wait_for_selector(".found:not([aria-busy])")
        expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.deep
def test_in_the_address(browser: Browser, every: Naughty) -> None:
    """As an item's id, a catalogue's name and a language that are none: said in the page's own words."""
    with harmless(browser, every.url, refused=True) as page:
        for place in range(0, len(ALL), 5):
            told = [safe(ALL[(place + more) % len(ALL)]) for more in (0, 1, 2)]
            page.goto(f"{every.url}/?item={told[0]}&catalogue={told[1]}&lang={told[2]}&embedded={told[0]}")
            page.wait_for_selector("[role=alert]")
            assert content(page, "[role=alert] p") in (
                ["Something went wrong. Please try again."],
                ["This search leads nowhere: the shop has no such catalogue."],
            )
            assert page.locator("html").get_attribute("lang") in {"en", "de", "ja"}
            only_to_the_web(page)


@pytest.mark.deep
def test_as_a_key(browser: Browser, every: Naughty) -> None:
    """What is no key is told to be wrong, and another can be given, whatever it was."""
    settings = ServeSettings(key=KEY, admin_key=ADMIN)
    with serving(create_app(every.catalogue, settings)) as url, harmless(browser, url, refused=True) as page:
        for path, word in (("/", "This search needs a key"), ("/admin", "Admin key")):
            page.goto(url + path)
            if path == "/":
                page.get_by_role("button", name="Sample 1").click()
            for text in [*ALL[::40], "ключ", "é" * 16, "👗", "a\tb", " ", "a b", "\x7f"]:
                if text.strip():
                    page.get_by_label(word).fill(text)
                    page.get_by_label(word).press("Enter")
                    page.wait_for_selector("#main form:not([aria-busy])")
                    page.get_by_label(word).wait_for()
                    only_to_the_web(page)
            page.get_by_label(word).fill(f" {KEY if path == '/' else ADMIN} ")
            page.get_by_label(word).press("Enter")
            page.wait_for_selector(".grid .tile:not(.waiting)" if path == "/" else "table")


@pytest.mark.deep
def test_as_a_problem(browser: Browser, every: Naughty) -> None:
    """Whatever a refusal tells: a shopper reads the page's own words, the console its detail as text."""
    with harmless(browser, every.url, refused=True) as page:
        told: dict[str, Any] = {}

        def refuse(route: Route) -> None:
            route.fulfill(status=422, content_type="application/problem+json", body=json.dumps(told))

        page.route(re.compile("/v1/|/metrics"), refuse)
        for text in [*ALL[::20], "__proto__", "constructor", "toString"]:
            told |= dict.fromkeys(("type", "title", "detail", "code", "mend", "request_id"), text)
            page.goto(f"{every.url}/?item=x")
            expect(page.get_by_role("alert")).to_contain_text("Something went wrong")
            page.goto(f"{every.url}/admin")
            page.wait_for_selector(".error")
            assert content(page, ".error") == [text]
            only_to_the_web(page)


@pytest.mark.deep
def test_as_a_photo(browser: Browser, every: Naughty, tmp_path: Path) -> None:
    """As a file's name, its type, and in what a camera writes into it; a photo that is none tells nothing of it."""
    with harmless(browser, every.url, refused=True) as page:
        page.on("requestfinished", lambda one: "/v1/search" in one.url and sent.append(one.headers))
        sent: list[dict[str, str]] = []
        for text in ALL[::25]:
            exif = Image.Exif()
            for tag in (ExifTags.Base.ImageDescription, ExifTags.Base.Artist, ExifTags.Base.Copyright):
                exif[tag] = text
            exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"UNICODE\0" + text.encode("utf-16")
            photo = io.BytesIO()
            Image.fromarray(picture(1, 64)).save(photo, "JPEG", exif=exif, comment=text.encode())
            start(page, every.url)
            given = {"name": f"{text}.jpg", "mimeType": "image/jpeg", "buffer": photo.getvalue()}
            page.locator(".target input").first.set_input_files(files=[given])  # type: ignore[list-item]
            page.wait_for_selector(".grid .tile:not(.waiting)")
            only_to_the_web(page)
            start(page, every.url)
            broken = given | {"buffer": b"no photo"}
            page.locator(".target input").first.set_input_files(files=[broken])  # type: ignore[list-item]
            expect(page.get_by_role("alert")).to_contain_text("cannot be shown as a photo")
        assert len(sent) == len(ALL[::25])


@pytest.mark.deep
def test_the_console(browser: Browser, every: Naughty) -> None:
    """Catalogues by such names; a sample search in it."""
    names = [text for text in ALL[::13] if len(text) <= 200]
    served = dict.fromkeys(names, every.catalogue)
    settings = ServeSettings(admin_key=ADMIN)
    with serving(create_app(served, settings)) as url, harmless(browser, url) as page:
        with harmless(browser, url) as other:
            for name in names[::5]:
                other.goto(f"{url}/?catalogue={safe(name)}")
                searched(other)
        page.add_init_script(f"sessionStorage.setItem('twinset-key', '{ADMIN}')")
        page.goto(f"{url}/admin")
        page.wait_for_selector("table")
        assert names == content(page, "nav a")
        for name in names[::5]:
            page.goto(f"{url}/admin?catalogue={safe(name)}")
            page.wait_for_selector("table")
            assert content(page, "h2")[0] == name
        photo = io.BytesIO()
        Image.fromarray(picture(1, 64)).save(photo, "JPEG")
        given = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo.getvalue()}
        page.locator("input[type=file]").set_input_files(files=[given])  # type: ignore[list-item]
        page.wait_for_selector(".grid .tile:not(.waiting)")
        only_to_the_web(page)


@pytest.mark.deep
@pytest.mark.parametrize("path", ["/", "/admin"])
def test_the_policy_lets_no_text_become_markup(browser: Browser, every: Naughty, path: str) -> None:
    """Not even by a mistake of the page: every way throws or stays without effect, and is reported."""
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(
        "window.reports = [];"
        "addEventListener('securitypolicyviolation', (event) => reports.push(event.effectiveDirective))"
    )
    page.goto(every.url + path)
    for write in (
        "document.body.innerHTML = '<b>'",
        "document.body.outerHTML = '<b>'",
        "document.body.insertAdjacentHTML('beforeend', '<b>')",
        "document.write('<b>')",
        "new DOMParser().parseFromString('<b>', 'text/html')",
        "document.createElement('iframe').srcdoc = '<b>'",
        "document.createElement('script').src = '/web/app.js'",
        "document.createElement('script').textContent = 'window.pwned = 1'",
        "document.createRange().createContextualFragment('<b>')",
        "trustedTypes.createPolicy('any', {})",
    ):
        tried = f"() => {{ try {{ {write}; return 'done'; }} catch (error) {{ return error.name; }} }}"
        assert page.evaluate(tried) == "TypeError", write
    for made in ("onclick", "onerror"):
        page.evaluate(
            f"() => {{ const a = document.createElement('a'); document.body.append(a); "
            f"try {{ a.setAttribute('{made}', 'window.pwned=1'); }} catch {{ }} a.{made}?.(); }}"
        )
    assert page.evaluate("window.pwned") is None
    page.wait_for_function("reports.length > 0")
    assert set(page.evaluate("reports")) <= {"require-trusted-types-for", "trusted-types", "script-src-attr"}
    context.close()
