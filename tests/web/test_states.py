"""What a shopper sees while, before and where something does not go as it should; and what outlives it."""

import json
import re
import shutil
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Route, expect

from server.serving import serving
from twinset import Catalogue
from twinset.server.app import create_app
from twinset.server.remembered import MOST
from web.conftest import ADMIN, ITEMS, KEY, Visit, served, visited

SEARCH = "**/v1/search*"
REFUSED = "Failed to load resource"


def told(url: str, path: str, **asked: Any) -> Any:
    """What a server answers, asked without a browser."""
    with urllib.request.urlopen(f"{url}{path}?{urllib.parse.urlencode(asked, doseq=True)}") as answer:
        return json.load(answer)


def counts(visit: Visit, field: str) -> dict[str, int]:
    """The values that a field offers, with how many items there are of each."""
    choices = visit.page.locator("fieldset", has=visit.page.get_by_text(field, exact=True)).locator(".choice")
    return {
        words[0]: int(words[1]) for words in (one.inner_text().split("\n") for one in choices.all()) if words[1:]
    }


def choice(visit: Visit, field: str, value: str) -> Locator:
    """The box of a value."""
    fieldset = visit.page.locator("fieldset", has=visit.page.get_by_text(field, exact=True))
    return fieldset.locator(".choice", has_text=value).locator("input")


@pytest.fixture
def own(wardrobe_shop: Path, tmp_path: Path) -> Path:
    """A copy of the catalogue, to be changed."""
    return Path(shutil.copytree(wardrobe_shop / "c", tmp_path / "c"))


def test_a_skeleton_stands_until_items_come(visit: Visit) -> None:
    """And the page says that it is looking; what is shown is not moved by what comes instead."""
    held = visit.hold(SEARCH)
    visit.page.get_by_role("button", name="Sample 1").click()
    expect(visit.page.locator(".tile.waiting")).to_have_count(12)
    expect(visit.page.locator(".found")).to_have_attribute("aria-busy", "true")
    expect(visit.page.get_by_text("Looking …")).to_be_visible()
    visit.until(lambda: bool(held))
    held[0].continue_()
    visit.found()
    expect(visit.page.locator(".tile.waiting")).to_have_count(0)
    visit.settled()


@pytest.mark.deep
def test_what_takes_long_is_told(visit: Visit) -> None:
    """After three seconds, to who looks and to who listens; it still arrives."""
    held = visit.hold(SEARCH)
    visit.page.get_by_role("button", name="Sample 1").click()
    words = "This takes longer than usual. Still looking …"
    expect(visit.page.locator(".waits")).to_have_text("Looking …")
    expect(visit.page.locator(".waits")).to_have_text(words, timeout=6000)
    expect(visit.page.get_by_role("status")).to_have_text(words)
    held[0].continue_()
    visit.found()
    expect(visit.page.get_by_role("status")).to_have_text("20 items")
    expect(visit.page.get_by_text(words)).to_have_count(0)


def test_a_search_goes_on_when_the_browser_is_online_again(visit: Visit, taken: Path) -> None:
    """It is told that it is offline; nobody has to press anything."""
    visit.page.context.set_offline(True)
    visit.give(taken)
    expect(visit.page.get_by_role("alert")).to_contain_text("You are offline.")
    visit.page.context.set_offline(False)
    visit.found()
    expect(visit.page.get_by_role("alert")).to_have_count(0)
    visit.forgive("ERR_INTERNET_DISCONNECTED")


@pytest.mark.deep
def test_a_sample_is_searched_with_though_offline(visit: Visit) -> None:
    """Its picture is there already; the search itself waits, and says so."""
    visit.page.context.set_offline(True)
    visit.page.get_by_role("button", name="Sample 3").click()
    expect(visit.page.get_by_role("alert")).to_contain_text("You are offline.")
    visit.page.context.set_offline(False)
    visit.found()
    visit.forgive("ERR_INTERNET_DISCONNECTED")


@pytest.mark.deep
def test_a_server_that_is_gone_is_told(browser: Browser, wardrobe_shop: Path, taken: Path) -> None:
    """In words of its own, with a way to try again."""
    with served({"c": wardrobe_shop / "c"}) as address, visited(browser, address) as visit:
        visit.page.goto(address)
        visit.page.route(SEARCH, lambda route: route.abort("connectionrefused"))
        visit.give(taken)
        expect(visit.page.get_by_role("alert")).to_contain_text("The shop cannot be reached just now.")
        visit.page.unroute(SEARCH)
        visit.page.get_by_role("button", name="Try again").click()
        visit.found()
        visit.forgive(REFUSED)


@pytest.mark.deep
def test_a_server_that_was_stopped_is_told(browser: Browser, wardrobe_shop: Path, taken: Path) -> None:
    """Really stopped, after the page had come from it."""
    with visited(browser, "") as visit:
        with served({"c": wardrobe_shop / "c"}) as address:
            visit.page.goto(address)
            visit.page.wait_for_load_state("networkidle")
        visit.give(taken)
        expect(visit.page.get_by_role("alert")).to_contain_text("The shop cannot be reached just now.")
        visit.forgive("ERR_CONNECTION_REFUSED")


@pytest.mark.deep
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"public": True, "rate": 1}, "That was a lot at once."),
        ({"quota": 1}, "Today's searches are used up."),
    ],
)
def test_who_asks_too_much_is_told(
    browser: Browser, wardrobe_shop: Path, settings: dict[str, Any], words: str
) -> None:
    """By a server that lets search once."""
    with served({"c": wardrobe_shop / "c"}, **settings) as address, visited(browser, address) as visit:
        visit.page.goto(address)
        visit.sample()
        visit.page.get_by_role("button", name="New search").click()
        visit.page.get_by_role("button", name="Sample 1").click()
        expect(visit.page.get_by_role("alert")).to_contain_text(words)
        visit.forgive("429")


@pytest.mark.deep
@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (503, "overloaded", "Many people are looking just now."),
        (503, "not_ready", "The shop is just being prepared."),
        (500, "internal", "Something went wrong."),
    ],
)
def test_a_refusal_is_told_in_plain_words(visit: Visit, status: int, code: str, words: str) -> None:
    """As the server writes it; another try mends it. No word of the server's own reaches the shopper."""
    problem = {
        "type": f"urn:twinset:{code}",
        "title": code.replace("_", " "),
        "status": status,
        "detail": "inner words",
        "code": code,
        "mend": "inner mend",
        "request_id": "0",
    }

    def refuse(route: Route) -> None:
        route.fulfill(status=status, content_type="application/problem+json", body=json.dumps(problem))

    visit.page.route(SEARCH, refuse)
    visit.page.get_by_role("button", name="Sample 1").click()
    expect(visit.page.get_by_role("alert")).to_contain_text(words)
    expect(visit.page.get_by_text("inner")).to_have_count(0)
    visit.page.unroute(SEARCH)
    visit.page.get_by_role("button", name="Try again").click()
    visit.found()
    visit.forgive(str(status))


@pytest.mark.deep
def test_an_item_that_is_gone_is_told(visit: Visit) -> None:
    """Who follows an old link learns why it leads nowhere."""
    visit.page.goto(f"{visit.url}/?item=never_there")
    expect(visit.page.get_by_role("alert")).to_contain_text("This item is not in the shop any more.")
    visit.forgive("404")


@pytest.mark.deep
def test_a_shop_that_has_changed_is_told(browser: Browser, own: Path) -> None:
    """Between one page of items and the next; another search mends it."""
    with served({"c": own}, admin_key=ADMIN) as address, visited(browser, address) as visit:
        visit.page.goto(address)
        visit.sample()
        change = urllib.request.Request(
            f"{address}/v1/items",
            json.dumps({"item_00001": {"price": "1.00"}}).encode(),
            {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"},
            method="PATCH",
        )
        with urllib.request.urlopen(change) as answer:
            assert answer.status == 200
        visit.page.get_by_role("button", name="Show more").click()
        expect(visit.page.get_by_role("alert")).to_contain_text("The shop has changed.")
        visit.page.get_by_role("button", name="Try again").click()
        visit.found()
        visit.forgive("410")


def test_filters_that_nothing_fits_are_cleared(visit: Visit) -> None:
    """It is told, and one press brings the items back."""
    visit.sample()
    before = visit.ids()
    visit.page.get_by_text("Filters").click()
    visit.page.get_by_label("from").fill("1000")
    visit.page.keyboard.press("Tab")
    expect(visit.page.get_by_role("heading", name="Nothing fits these filters.")).to_be_visible()
    expect(visit.page.locator(".tile")).to_have_count(0)
    visit.page.get_by_role("button", name="Clear filters").click()
    visit.found()
    assert visit.ids() == before
    expect(visit.page.get_by_label("from")).to_have_value("")


def test_closeness_is_told_in_words(browser: Browser, both: str, wardrobe_shop: Path, tmp_path: Path) -> None:
    """By a calibrated catalogue: of what is there, and of what is not; noise is near nothing."""
    noise = np.random.default_rng(1).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    with visited(browser, both) as visit:
        visit.page.goto(both)
        visit.give(next((wardrobe_shop / "shop").rglob("item_00011/shop_01.jpg")))
        visit.found()
        first = visit.page.locator(".tile").first
        expect(first.get_by_text("Very likely the same")).to_be_visible()
        expect(visit.page.get_by_text("Very likely the same")).to_have_count(1)
        expect(visit.page.get_by_text("Nothing close here")).to_have_count(0)
        visit.page.get_by_role("button", name="New search").click()
        visit.give(tmp_path / "noise.png")
        expect(visit.page.get_by_role("heading", name="Nothing close here")).to_be_visible()
        expect(visit.page.get_by_role("status")).to_have_text("Nothing close here")
        expect(visit.page.locator(".close")).to_have_count(0)
        expect(visit.page.locator(".tile")).to_have_count(20)


@pytest.mark.deep
def test_nothing_is_told_of_closeness_where_nothing_is_calibrated(visit: Visit, wardrobe_shop: Path) -> None:
    """Not even of the very photo that the shop has."""
    visit.give(next((wardrobe_shop / "shop").rglob("item_00011/shop_01.jpg")))
    visit.found()
    expect(visit.page.locator(".close")).to_have_count(0)
    expect(visit.page.get_by_role("heading", name="Nothing close here")).to_have_count(0)


def test_a_shop_with_a_key_asks_for_it(browser: Browser, locked: str, taken: Path) -> None:
    """A wrong one is told; with the right one the search goes on with the same photo, and photos are shown."""
    with visited(browser, locked) as visit:
        visit.page.goto(locked)
        visit.give(taken)
        expect(visit.page.get_by_role("heading", name="This search needs a key")).to_be_visible()
        field = visit.page.get_by_label("This search needs a key")
        expect(field).to_be_focused()
        field.fill("not the key at all")
        field.press("Enter")
        expect(visit.page.get_by_text("This key is not right.")).to_be_visible()
        visit.page.get_by_label("This search needs a key").fill(KEY)
        visit.page.get_by_role("button", name="Go on").click()
        visit.found()
        shown = visit.page.locator(".tile .picture img").first
        expect(shown).to_have_attribute("src", re.compile("^blob:"))
        visit.page.wait_for_function("() => document.querySelector('.tile .picture img').naturalWidth > 0")
        visit.page.reload()
        visit.found()
        visit.forgive("401")


@pytest.mark.deep
def test_the_last_photo_that_was_pressed_is_shown(browser: Browser, locked: str) -> None:
    """Also where one that was pressed before arrives later."""
    with visited(browser, locked) as visit:
        visit.page.goto(locked)
        visit.page.evaluate("key => sessionStorage.setItem('twinset-key', key)", KEY)
        visit.page.goto(f"{locked}/?item=item_00011")
        large = visit.page.locator(".large img")
        visit.page.wait_for_function("() => document.querySelector('.large img')?.naturalWidth > 0")
        first = large.get_attribute("src")
        held = visit.hold("**/v1/photos/*size=640*")
        visit.page.locator(".thumb").nth(1).click()
        visit.until(lambda: bool(held))
        visit.page.locator(".thumb").nth(0).click()
        held[0].continue_()
        visit.page.wait_for_load_state("networkidle")
        visit.page.wait_for_timeout(200)
        expect(large).to_have_attribute("src", first or "")
        visit.forgive("401")


@pytest.mark.deep
def test_a_reload_keeps_the_search(visit: Visit) -> None:
    """Its photo, the box, the filters, the verdicts: the same items are shown."""
    visit.sample()
    visit.page.get_by_role("button", name="Upper left corner. Arrow keys move it.").focus()
    with visit.page.expect_response(lambda one: "box=" in one.url):
        for _ in range(4):
            visit.page.keyboard.press("ArrowDown")
    visit.settled()
    chip = visit.page.get_by_role("group", name="Category").get_by_role("button").first
    category = chip.inner_text()
    chip.click()
    visit.settled()
    visit.page.get_by_text("Filters").click()
    visit.page.get_by_label("In stock").check()
    visit.settled()
    wrong, right = visit.ids()[:2]
    visit.page.get_by_role("button", name=f"Not this: {wrong}").click()
    expect(visit.page.get_by_role("button", name=f"Not this: {wrong}")).to_have_count(0)
    visit.page.get_by_role("button", name=f"This is it: {right}").click()
    visit.settled()
    before = visit.ids()
    photo = visit.page.locator(".frame img").evaluate("one => [one.naturalWidth, one.clientWidth]")
    visit.page.reload()
    visit.found()
    visit.settled()
    assert visit.ids() == before
    assert visit.page.locator(".frame img").evaluate("one => [one.naturalWidth, one.clientWidth]") == photo
    assert visit.page.locator(".crop").evaluate("one => one.style.top") == "8%"
    pressed = visit.page.get_by_role("group", name="Category").locator("[aria-pressed=true]")
    expect(pressed).to_have_text(category)
    expect(visit.page.get_by_label("In stock")).to_be_checked()
    expect(visit.page.get_by_role("button", name=f"This is it: {right}")).to_have_attribute("aria-pressed", "true")


@pytest.mark.deep
def test_the_results_stand_again_behind_the_shops_page(browser: Browser, both: str) -> None:
    """A tile leads to the item's page in the shop, the browser's way back to what was found."""
    with visited(browser, both) as visit:
        visit.page.route(
            "https://shop.example/**", lambda route: route.fulfill(content_type="text/html", body="<p>The shop")
        )
        visit.page.goto(both)
        visit.sample()
        before = visit.ids()
        visit.page.locator(".tile .picture").nth(2).click()
        visit.page.wait_for_url(re.compile("^https://shop.example/item_"))
        visit.page.go_back()
        visit.found()
        assert visit.ids() == before


@pytest.mark.deep
def test_a_verdict_counts_although_the_server_has_forgotten(browser: Browser, wardrobe_shop: Path) -> None:
    """So many others have searched since that the query is not known any more: it is asked with the photo again."""
    with Catalogue(wardrobe_shop / "c") as catalogue:
        app = create_app(catalogue)
        with serving(app) as address, visited(browser, address) as visit:
            visit.page.goto(address)
            with visit.page.expect_response(SEARCH) as asked:
                visit.sample()
            memory = app.state.service.memory
            query = memory.get(asked.value.json()["query_id"])
            for other in range(MOST + 1):
                memory.put(str(other), query)
            first = visit.ids()[0]
            visit.page.get_by_role("button", name=f"Not this: {first}").click()
            expect(visit.page.get_by_role("status")).to_have_text("Searched again with what you said.")
            assert first not in visit.ids()
            visit.forgive("410")


@pytest.mark.deep
def test_another_language_keeps_the_search(visit: Visit) -> None:
    """What was found is shown again, in the other words; they stay chosen."""
    visit.sample()
    before = visit.ids()
    visit.page.get_by_label("Language").select_option("de")
    visit.page.wait_for_selector("html[lang=de]")
    visit.found()
    assert visit.ids() == before
    visit.page.get_by_role("button", name="Neue Suche").click()
    visit.page.goto(visit.url)
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Mit einem Foto finden")


@pytest.mark.deep
def test_counts_are_those_of_the_catalogue(visit: Visit) -> None:
    """A chosen value leaves the others of its field to choose; counts of other fields are of what is left."""
    visit.sample()
    every = told(visit.url, "/v1/facets")
    visit.page.get_by_text("Filters").click()
    offered = counts(visit, "pattern")
    assert offered == every["pattern"]
    first, second = list(offered)[1:3]
    choice(visit, "pattern", first).check()
    visit.settled()
    assert counts(visit, "pattern") == offered
    left = told(visit.url, "/v1/facets", where=f"pattern={first}")
    shown = counts(visit, "colour")
    assert shown
    assert shown == {value: left["colour"][value] for value in shown}
    assert len(visit.ids()) == offered[first]
    choice(visit, "pattern", second).check()
    visit.settled()
    assert len(visit.ids()) == min(20, offered[first] + offered[second])
    assert counts(visit, "pattern") == offered
    colour = next(iter(counts(visit, "colour")))
    choice(visit, "colour", colour).check()
    visit.settled()
    left = told(visit.url, "/v1/facets", where=[f"pattern={first}|{second}", f"colour={colour}"])
    assert counts(visit, "pattern") == {one: left["pattern"][one] for one in counts(visit, "pattern")}
    expect(visit.page.get_by_text("Filters (3)")).to_be_visible()
    choice(visit, "colour", colour).uncheck()
    choice(visit, "pattern", second).uncheck()
    choice(visit, "pattern", first).uncheck()
    visit.settled()
    assert counts(visit, "pattern") == every["pattern"]


@pytest.mark.deep
def test_prices_have_bounds(visit: Visit) -> None:
    """Each by itself, and both together; what is no price bounds nothing."""
    visit.sample()
    visit.page.get_by_text("Filters").click()

    def shown() -> list[float]:
        visit.settled()
        return [float(text.removeprefix("€")) for text in visit.page.locator(".price").all_inner_texts()]

    everything = shown()
    for name, value in (("from", "30"), ("to", "50")):
        field = visit.page.get_by_label(name, exact=True)
        field.fill(value)
        with visit.page.expect_response(SEARCH):
            field.press("Tab")
    assert shown()
    assert all(30 <= price <= 50 for price in shown())
    visit.page.get_by_label("to", exact=True).fill("-5")
    with visit.page.expect_response(SEARCH):
        visit.page.keyboard.press("Tab")
    assert max(shown()) > 50
    visit.page.get_by_label("from", exact=True).fill("")
    with visit.page.expect_response(SEARCH):
        visit.page.keyboard.press("Tab")
    assert shown() == everything


@pytest.mark.deep
def test_what_is_sold_out_is_left_out_and_more_is_shown(visit: Visit) -> None:
    """More items come behind those that stand there; who pressed is at the first new one."""
    out = {
        f"item_{number:05d}"
        for number in range(1, ITEMS + 1)
        if told(visit.url, f"/v1/items/item_{number:05d}")["attributes"]["availability"] == "out_of_stock"
    }
    assert out
    visit.sample()
    first = visit.ids()
    visit.page.get_by_role("button", name="Show more").click()
    expect(visit.page.locator(".tile")).to_have_count(ITEMS)
    assert visit.ids()[:20] == first
    expect(visit.page.locator(".tile .picture").nth(20)).to_be_focused()
    expect(visit.page.get_by_role("button", name="Show more")).to_have_count(0)
    expect(visit.page.get_by_role("status")).to_have_text(f"{ITEMS} items")
    visit.page.get_by_text("Filters").click()
    stock = visit.page.locator(".choice", has_text="In stock")
    assert stock.inner_text().split("\n") == ["In stock", str(ITEMS - len(out))]
    stock.locator("input").check()
    visit.settled()
    assert sum(counts(visit, "pattern").values()) == ITEMS - len(out)
    visit.page.get_by_role("button", name="Show more").click()
    expect(visit.page.locator(".tile")).to_have_count(ITEMS - len(out))
    links = visit.page.locator(".tile .picture").evaluate_all("all => all.map(one => one.href)")
    assert not any(item in link for item in out for link in links)


@pytest.mark.deep
def test_every_thumbnail_shows_its_photo(visit: Visit) -> None:
    """One after another, forth and back."""
    visit.page.goto(f"{visit.url}/?item=item_00011")
    thumbs = visit.page.locator(".thumb")
    expect(thumbs).to_have_count(2)
    photos = [one["photo_id"] for one in told(visit.url, "/v1/items/item_00011")["photos"]]
    for place in (1, 0, 1):
        thumbs.nth(place).click()
        expect(visit.page.locator(".large img")).to_have_attribute("src", re.compile(photos[place]))
        visit.page.wait_for_function("() => document.querySelector('.large img').naturalWidth > 0")


@pytest.mark.deep
def test_catalogues_are_chosen_by_the_address(browser: Browser, both: str) -> None:
    """The one that is named is searched, its photos are shown, and every address keeps naming it."""
    with visited(browser, both) as visit:
        visit.page.goto(f"{both}/?catalogue=c")
        visit.sample()
        tile = visit.page.locator(".tile .picture").first
        expect(tile.locator("img")).to_have_attribute("src", re.compile("catalogue=c"))
        assert "shop.example" not in (tile.get_attribute("href") or "")
        address = tile.evaluate("one => one.href")
        visit.page.get_by_role("button", name=re.compile("^More like this")).first.click()
        expect(visit.page.get_by_role("heading", level=1)).to_be_visible()
        assert "catalogue=c" in visit.page.url
        expect(visit.page.get_by_role("link", name="See it in the shop")).to_have_count(0)
        visit.page.goto(address)
        expect(visit.page.get_by_role("heading", level=1)).to_be_visible()
        expect(visit.page.get_by_role("link", name="See it in the shop")).to_have_count(0)
        visit.page.goto(f"{both}/?catalogue=known&item=item_00011")
        expect(visit.page.get_by_role("link", name="See it in the shop")).to_be_visible()


@pytest.mark.deep
def test_an_item_can_be_opened_in_another_tab(visit: Visit) -> None:
    """By the address of its tile."""
    visit.page.goto(f"{visit.url}/?lang=de")
    visit.page.get_by_role("button", name="Beispiel 2").click()
    visit.found()
    address = visit.page.locator(".tile .picture").first.evaluate("one => one.href")
    assert "lang=de" in address
