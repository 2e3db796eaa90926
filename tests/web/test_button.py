"""The button on a shop's page of another origin, with a strict policy of its own, as docs/page.md tells it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FrameLocator, Locator, Page, expect

from server.serving import serving
from shops import index
from twinset import Catalogue
from twinset.catalogue.patch import patch_items
from twinset.datasets import wardrobe
from twinset.server.app import create_app
from twinset.settings import ServeSettings
from web.conftest import CHROMIUM, Visit, visited
from web.elsewhere import Book, Kept, elsewhere

DOCUMENT = Path(__file__).parents[2] / "docs/page.md"
SECTION = DOCUMENT.read_text(encoding="utf-8").partition("## The button")[2].partition("\n## ")[0]
SNIPPETS = dict[str, list[str]]()
for language, snippet in re.findall(r"```(\w+)\n(.*?)```", SECTION, re.DOTALL):
    SNIPPETS.setdefault(language, []).append(snippet)
SEARCH = "https://search.shop.example"
DESK = {"width": 1280, "height": 900}
OPENED = "Find it by photo"


@dataclass
class Shop:
    """A shop's page, the search's server, and what that noted and was asked."""

    url: str
    search: str
    events: Path
    book: Book
    pages: dict[str, str]

    def noted(self) -> list[dict[str, Any]]:
        """What shoppers did, without the answers."""
        lines = map(json.loads, self.events.read_text(encoding="utf-8").splitlines())
        return [line for line in lines if line["event"] != "search"]


def page_of(search: str, *buttons: str, lang: str = "en") -> str:
    """A shop's page with the documented script and buttons."""
    script, button = SNIPPETS["html"][0].replace(SEARCH, search).strip().split("\n")
    shown = "".join(f"<p>{one}</p>" for one in buttons or (button,))
    head = f'<meta charset="utf-8"><title>Shop</title><link rel="stylesheet" href="/shop.css">{script}'
    return f'<!doctype html><html lang="{lang}">{head}<main><h1>Shop</h1>{shown}</main>'


@contextmanager
def opened(folder: Path, *, allowed: bool = True, events: bool = True) -> Iterator[Shop]:
    """A shop's page, and a server of two catalogues that allows it, or does not."""
    pages = {"/product": "<!doctype html><html lang=en><title>Product</title>", "/shop.css": SNIPPETS["css"][0]}
    policy = {"Content-Security-Policy": ""}
    with elsewhere("shop.localhost", pages, policy) as url:
        settings = ServeSettings(
            allow_host=("search.localhost",),
            allow_origin=(url if allowed else "https://shop.example",),
            events=str(folder / "events") if events else "",
        )
        (folder / "events").write_text("")
        with Catalogue(folder / "c") as catalogue, Catalogue(folder / "few") as few:
            ids = [hit.item_id for hit in catalogue.search(next(folder.rglob("customer_01.jpg")), k=100)]
            patch_items(folder / "c", {name: {"url": f"{url}/product?{name}"} for name in ids})
            app, book = create_app({"c": catalogue, "few": few}, settings), Book()
            app.add_middleware(Kept, book=book)
            with serving(app) as address:
                search = address.replace("127.0.0.1", "search.localhost")
                told = SNIPPETS["text"][0].replace(SEARCH, search).strip()
                policy["Content-Security-Policy"] = (
                    f"default-src 'none'; {told}; style-src 'self'; require-trusted-types-for 'script'; "
                    "trusted-types 'none'; base-uri 'none'"
                )
                pages["/"] = page_of(search)
                yield Shop(url, search, folder / "events", book, pages)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two drawn catalogues."""
    place = tmp_path_factory.mktemp("button")
    index(place / "c", wardrobe.draw(place / "shop", items=12, seed=7))
    index(place / "few", wardrobe.draw(place / "other", items=3, seed=8))
    return place


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Shop]:
    """The shop, allowed."""
    with opened(folder) as shop:
        yield shop


@pytest.fixture
def shop(served: Shop) -> Iterator[Shop]:
    """The shop, with its own page, and nothing noted yet."""
    before = dict(served.pages)
    served.events.write_text("")
    served.book.asked.clear()
    yield served
    served.pages.clear()
    served.pages.update(before)


@pytest.fixture
def visit(browser: Browser, shop: Shop) -> Iterator[Visit]:
    """A visit to the shop."""
    with visited(browser, shop.url, viewport=DESK) as opened:
        opened.page.goto(shop.url)
        yield opened


def button(page: Page, name: str = OPENED) -> Locator:
    """The shop's button."""
    return page.locator("twinset-search").get_by_role("button", name=name, exact=True)


def within(page: Page) -> FrameLocator:
    """What stands in the frame."""
    return page.frame_locator("twinset-search iframe")


def sample(page: Page) -> FrameLocator:
    """Opens the search, and searches with a sample."""
    button(page).click()
    frame = within(page)
    frame.get_by_role("button", name="Sample 2").click()
    frame.locator(".grid .tile:not(.waiting)").first.wait_for()
    return frame


def back(page: Page) -> None:
    """Waits until no search is open and the focus is at the button."""
    page.wait_for_function(
        """() => {
            const [one] = document.querySelectorAll("twinset-search");
            return document.activeElement === one && one.shadowRoot.activeElement.part.contains("button")
                && !one.shadowRoot.querySelector("dialog");
        }"""
    )


def test_a_sample_finds_items_over_the_shop(visit: Visit, shop: Shop) -> None:
    """In a frame of the search's origin, loaded when asked for; Escape closes it, with the focus back."""
    assert [one.path for one in shop.book.asked] == ["/web/button.js", "/web/languages.js"]
    assert button(visit.page).evaluate("made => getComputedStyle(made).backgroundColor") == "rgb(20, 20, 40)"
    frame = sample(visit.page)
    expect(frame.locator(".tile")).to_have_count(12)
    assert visit.page.frames[1].url.startswith(f"{shop.search}/?embedded=&lang=en")
    visit.page.keyboard.press("Escape")
    visit.page.wait_for_function(
        "() => !document.querySelector('twinset-search').shadowRoot.querySelector('dialog')"
    )
    back(visit.page)


@pytest.mark.deep
def test_escape_and_the_cross_close_it(visit: Visit) -> None:
    """Wherever the focus is; a window inside closes first; it opens again, and twice pressed it opens once."""
    frame = sample(visit.page)
    frame.get_by_role("button", name=re.compile("^Why")).first.click()
    expect(frame.get_by_role("dialog")).to_have_count(1)
    visit.page.keyboard.press("Escape")
    expect(frame.get_by_role("dialog")).to_have_count(0)
    expect(visit.page.locator("twinset-search dialog")).to_have_count(1)
    visit.page.get_by_role("button", name="Close").click()
    back(visit.page)
    button(visit.page).dblclick()
    expect(visit.page.locator("twinset-search dialog")).to_have_count(1)
    visit.page.get_by_role("button", name="Close").focus()
    visit.page.keyboard.press("Escape")
    back(visit.page)


@pytest.mark.deep
@pytest.mark.parametrize("width", [1280, 390])
def test_the_cross_hides_nothing(visit: Visit, width: int) -> None:
    """Of what may be pressed in the frame."""
    visit.page.set_viewport_size({"width": width, "height": 800})
    frame = sample(visit.page)
    cross = visit.page.get_by_role("button", name="Close").bounding_box()
    again = frame.get_by_role("button", name="New search").bounding_box()
    assert cross is not None
    assert again is not None
    assert again["x"] + again["width"] <= cross["x"]


@pytest.mark.deep
def test_by_keyboard_alone(visit: Visit, shop: Shop) -> None:
    """From the shop's page into the frame, to an item's page in the shop."""
    page, press = visit.page, visit.page.keyboard.press

    def reach(kind: str) -> None:
        for _ in range(80):
            if page.frames[1].evaluate("document.activeElement.className") == kind:
                return
            press("Tab")
        raise AssertionError(kind)

    press("Tab")
    back(page)
    press("Enter")
    within(page).get_by_role("heading", level=1).wait_for()
    reach("sample")
    press("Enter")
    within(page).locator(".grid .tile:not(.waiting)").first.wait_for()
    reach("picture")
    press("Enter")
    page.wait_for_url(f"{shop.url}/product?*")


@pytest.mark.deep
@pytest.mark.parametrize(
    ("lang", "attributes", "word"),
    [
        ("de", "", "Mit einem Foto finden"),
        ("de-CH", "", "Mit einem Foto finden"),
        ("de", ' lang="ja"', "写真で見つける"),
        ("fr", "", "Find it by photo"),
        ("", "", "Find it by photo"),
    ],
)
def test_its_language(browser: Browser, shop: Shop, lang: str, attributes: str, word: str) -> None:
    """The element's, else the page's, else the browser's."""
    shop.pages["/"] = page_of(shop.search, f"<twinset-search{attributes}>{OPENED}</twinset-search>", lang=lang)
    with visited(browser, shop.url) as visit:
        visit.page.goto(shop.url)
        button(visit.page).click()
        expect(within(visit.page).get_by_role("heading", level=1)).to_have_text(word)


@pytest.mark.deep
def test_two_buttons_of_two_catalogues(browser: Browser, shop: Shop) -> None:
    """Each opens its own search."""
    other = SNIPPETS["html"][1].strip().replace("shoes", "few")
    shop.pages["/"] = page_of(shop.search, SNIPPETS["html"][0].strip().split("\n")[1], other)
    with visited(browser, shop.url, viewport=DESK) as visit:
        visit.page.goto(shop.url)
        expect(sample(visit.page).locator(".tile")).to_have_count(12)
        visit.page.keyboard.press("Escape")
        button(visit.page, "写真で探す").click()
        frame = within(visit.page)
        expect(visit.page.locator("twinset-search dialog")).to_have_count(1)
        frame.locator(".sample").first.click()
        frame.locator(".grid .tile:not(.waiting)").first.wait_for()
        expect(frame.locator(".tile")).to_have_count(3)
        assert frame.locator("html").get_attribute("lang") == "ja"


@pytest.mark.deep
def test_axe_finds_nothing_serious(visit: Visit) -> None:
    """On the shop's page with the search open, and in the frame."""
    sample(visit.page)
    for where in (visit.page, visit.page.frames[1]):
        found = Axe().run(where)  # type: ignore[arg-type] - a frame has what it needs of a page
        serious = [one for one in found.response["violations"] if one["impact"] in {"serious", "critical"}]
        assert serious == []
        assert len(found.response["passes"]) > 5


@pytest.mark.deep
def test_an_item_leads_the_shops_own_tab(visit: Visit, shop: Shop) -> None:
    """The whole tab, not the frame; the click is noted although the page is left by it, and views are."""
    frame = sample(visit.page)
    frame.locator(".tile .picture").nth(1).click()
    visit.page.wait_for_url(f"{shop.url}/product?*")
    assert len(visit.page.frames) == 1
    visit.page.wait_for_timeout(500)
    (click,) = [one for one in shop.noted() if one["event"] == "click"]
    assert (click["position"], f"{shop.url}/product?{click['item_id']}") == (2, visit.page.url)


@pytest.mark.deep
def test_views_are_noted_once(visit: Visit, shop: Shop) -> None:
    """Of what was half in sight for a second, and of what is scrolled to later."""
    frame = sample(visit.page)
    visit.page.wait_for_timeout(400)
    assert shop.noted() == []
    seen = """() => [...document.querySelectorAll(".tile")].filter((tile) => {
        const { top, bottom, height } = tile.getBoundingClientRect();
        return Math.min(bottom, innerHeight) - Math.max(top, 0) >= height / 2; }).length"""
    visit.page.wait_for_timeout(1500)
    count = visit.page.frames[1].evaluate(seen)
    assert 0 < count < 12
    visit.until(lambda: len(shop.noted()) >= count)
    assert sorted(one["position"] for one in shop.noted()) == list(range(1, count + 1))
    frame.locator(".tile").last.scroll_into_view_if_needed()
    visit.page.wait_for_timeout(1500)
    frame.locator(".tile").first.scroll_into_view_if_needed()
    visit.page.wait_for_timeout(1500)
    views = [one["position"] for one in shop.noted()]
    assert len(views) == len(set(views)) > count
    assert 12 in views
    assert {one["event"] for one in shop.noted()} == {"view"}


@pytest.mark.deep
def test_where_events_are_off_none_is_sent(browser: Browser, folder: Path) -> None:
    """Neither a view nor a click."""
    with opened(folder, events=False) as shop, visited(browser, shop.url, viewport=DESK) as visit:
        visit.page.goto(shop.url)
        frame = sample(visit.page)
        visit.page.wait_for_timeout(1500)
        frame.locator(".tile .picture").first.click()
        visit.page.wait_for_url(f"{shop.url}/product?*")
        assert "/v1/search" in {one.path for one in shop.book.asked}
        assert "/v1/events" not in {one.path for one in shop.book.asked}


@pytest.mark.deep
def test_where_a_frame_may_keep_nothing(browser: Browser, shop: Shop, tmp_path: Path) -> None:
    """A browser that forbids storage to frames of other sites: it searches all the same."""
    (tmp_path / "Default").mkdir()
    facts = {"profile": {"cookie_controls_mode": 1, "block_third_party_cookies": True}}
    (tmp_path / "Default/Preferences").write_text(json.dumps(facts), encoding="utf-8")
    context = browser.browser_type.launch_persistent_context(
        tmp_path, executable_path=CHROMIUM, args=["--no-sandbox"], locale="en-GB", viewport=DESK
    )
    try:
        page = context.new_page()
        wrong = list[str]()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(shop.url)
        frame = sample(page)
        expect(frame.locator(".tile")).to_have_count(12)
        kept = "() => { try { localStorage.getItem('a'); return 'kept'; } catch (error) { return error.name; } }"
        assert page.frames[-1].evaluate(kept) == "SecurityError"
        frame.get_by_role("button", name=re.compile("^More like this")).first.click()
        frame.get_by_role("heading", level=1).wait_for()
        assert wrong == []
    finally:
        context.close()


@pytest.mark.deep
def test_an_origin_that_is_not_allowed_gets_nothing(browser: Browser, folder: Path) -> None:
    """No element, no frame; what stands between the tags stays."""
    with opened(folder, allowed=False) as shop:
        context = browser.new_context()
        page = context.new_page()
        page.goto(shop.url)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("customElements.get('twinset-search') === undefined")
        expect(page.get_by_text(OPENED)).to_be_visible()
        expect(page.get_by_role("button")).to_have_count(0)
        assert {one.path for one in shop.book.asked} == {"/web/button.js"}
        context.close()
