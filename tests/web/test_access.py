"""The page for who has no mouse, sees little or nothing, or minds what moves."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from web.conftest import ADMIN, ITEMS, KEY, Visit, visited

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

FOCUSED = """() => {
    const at = document.activeElement;
    const shown = at.matches(".unseen") ? at.closest("label") : at;
    const { outlineStyle, outlineWidth } = getComputedStyle(shown);
    const name = at.ariaLabel || at.labels?.[0]?.innerText || at.innerText || at.querySelector("img")?.alt || "";
    return { name: name.trim(), tag: at.tagName, seen: outlineStyle !== "none" && parseFloat(outlineWidth) > 0 };
}"""
"""Where a keyboard is, by the name that is read out, and whether one sees it."""
SMALL = """() => [...document.querySelectorAll("a, button, summary, select, input, label.choice, label.button")]
    .filter((one) => one.checkVisibility() && !one.closest(".skip, .unseen, [hidden]"))
    .map((one) => [one.closest("label:not(.language)") ?? one, one])
    .map(([target, one]) => [target.getBoundingClientRect(), one])
    .filter(([at]) => at.width > 0 && (at.width < 23.9 || at.height < 23.9))
    .map(([at, one]) => `${one.outerHTML.slice(0, 90)} is ${at.width} x ${at.height}`)"""
"""What can be pressed and is less than 24 pixels wide or high."""
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def at(page: Page) -> str:
    """The name of what has the focus; that is never nothing, and always seen."""
    told = page.evaluate(FOCUSED)
    assert told["tag"] != "BODY", "the focus is lost"
    assert told["seen"] or told["tag"] in ("MAIN", "SECTION", "DIV"), f"nothing shows that {told} has the focus"
    return str(told["name"])


def tab(page: Page, name: str, key: str = "Tab") -> None:
    """Presses Tab until something has the focus whose name begins so."""
    passed = []
    for _ in range(250):
        page.keyboard.press(key)
        if page.evaluate("() => document.activeElement === document.body"):
            continue  # behind the last: the browser's own controls
        passed.append(at(page))
        if passed[-1].startswith(name):
            return
    raise AssertionError(f"no key leads to {name}: {passed}")


def kept(page: Page) -> str:
    """Waits until nothing is looked for; where the focus is then."""
    expect(page.locator("[aria-busy]")).to_have_count(0)
    return at(page)


def test_all_of_it_by_keys(visit: Visit) -> None:
    """From a sample to results, a chip, a filter, a verdict, why, more like this, and back."""
    page = visit.page
    tab(page, "Skip to the results")
    tab(page, "Choose photos")
    tab(page, "Sample 2")
    page.keyboard.press("Enter")
    visit.found()
    kept(page)
    chip = page.get_by_role("group", name="Category").get_by_role("button").first.inner_text()
    tab(page, chip)
    page.keyboard.press("Enter")
    assert kept(page) == chip
    expect(page.locator(".chip:focus")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Space")
    kept(page)
    tab(page, "Filters")
    page.keyboard.press("Enter")
    tab(page, "In stock")
    page.keyboard.press("Space")
    kept(page)
    expect(page.get_by_label("In stock")).to_be_checked()
    expect(page.get_by_label("In stock")).to_be_focused()
    tab(page, "Why?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").locator("canvas")).to_have_count(2)
    asked = at(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert at(page).startswith("Why?")
    assert asked == "Close"
    tab(page, "This is it")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Searched again with what you said.")
    assert kept(page).startswith("This is it")
    tab(page, "More like this")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    kept(page)
    page.go_back()
    visit.found()
    kept(page)


@pytest.mark.deep
def test_the_box_by_keys(visit: Visit) -> None:
    """Moved and made smaller with the arrows; the focus stays at the corner."""
    visit.sample()
    tab(visit.page, "Part to search with")
    tab(visit.page, "Upper left corner")
    with visit.page.expect_response(lambda one: "box=" in one.url):
        for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft"):
            visit.page.keyboard.press(key)
    assert kept(visit.page).startswith("Upper left corner")
    tab(visit.page, "Part to search with", "Shift+Tab")
    with visit.page.expect_response(lambda one: "box=" in one.url):
        visit.page.keyboard.press("ArrowUp")
    assert kept(visit.page).startswith("Part to search with")
    tab(visit.page, "Whole photo")
    with visit.page.expect_response(lambda one: "/v1/search" in one.url):
        visit.page.keyboard.press("Enter")
    kept(visit.page)


@pytest.mark.deep
def test_the_first_key_skips_to_the_results(visit: Visit) -> None:
    """What is shown stays what it is."""
    visit.sample()
    before = visit.ids()
    tab(visit.page, "Skip to the results", "Shift+Tab")
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_timeout(300)
    assert visit.ids() == before
    expect(visit.page.get_by_role("region", name="In the shop")).to_be_focused()


@pytest.mark.deep
def test_the_focus_is_kept_where_nothing_is_found(visit: Visit) -> None:
    """Who clears the filters, or tries again, is in what comes; who shows more is at the first new item."""
    page = visit.page
    visit.sample()
    tab(page, "Filters")
    page.keyboard.press("Enter")
    tab(page, "from")
    page.keyboard.type("1000")
    tab(page, "Clear filters")
    page.keyboard.press("Enter")
    visit.found()
    kept(page)
    page.route("**/v1/search*", lambda route: route.abort())
    chip = page.get_by_role("group", name="Category").get_by_role("button").first.inner_text()
    tab(page, chip)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    at(page)
    page.unroute("**/v1/search*")
    tab(page, "Try again")
    page.keyboard.press("Enter")
    visit.found()
    kept(page)
    tab(page, chip, "Shift+Tab")
    page.keyboard.press("Enter")
    kept(page)
    tab(page, "Show more")
    held = visit.hold("**/v1/search*")
    page.keyboard.press("Enter")
    visit.until(lambda: bool(held))
    assert at(page) == "Show more"
    page.keyboard.press("Enter")
    held[0].continue_()
    expect(page.locator(".tile .picture").nth(20)).to_be_focused()
    assert len(held) == 1
    visit.forgive("Failed to load resource")


@pytest.mark.deep
def test_the_other_photos_of_a_tile_by_keys(visit: Visit) -> None:
    """One that has the focus is shown."""
    visit.sample()
    tile = visit.page.locator(".tile", has=visit.page.locator(".dot")).first
    shown = tile.locator(".picture img")
    first = shown.get_attribute("src")
    tile.locator(".picture").focus()
    visit.page.keyboard.press("Tab")
    visit.page.keyboard.press("Tab")
    assert at(visit.page).endswith(", 2")
    expect(shown).not_to_have_attribute("src", first or "")
    visit.page.keyboard.press("Shift+Tab")
    expect(shown).to_have_attribute("src", first or "")


def start(visit: Visit) -> None:
    """Nothing is searched yet."""


def results(visit: Visit) -> None:
    """Items were found."""
    visit.sample()
    visit.settled()


def filters(visit: Visit) -> None:
    """With the filters open, one set."""
    visit.sample()
    visit.page.get_by_text("Filters").click()
    visit.page.get_by_label("In stock").check()
    visit.settled()


def part(visit: Visit) -> None:
    """With a box, a verdict, and a chip pressed."""
    visit.sample()
    visit.page.get_by_role("button", name="Upper left corner. Arrow keys move it.").focus()
    with visit.page.expect_response(lambda one: "box=" in one.url):
        visit.page.keyboard.press("ArrowDown")
    visit.settled()
    visit.page.get_by_role("group", name="Category").get_by_role("button").first.click()
    visit.settled()
    visit.page.get_by_role("button", name=re.compile("^This is it")).first.click()
    visit.settled()


def several(visit: Visit) -> None:
    """With two photos."""
    visit.sample()
    visit.page.locator(".add input").set_input_files(visit.photo or [])
    expect(visit.page.locator(".several li")).to_have_count(2)
    visit.found()
    visit.settled()


def why(visit: Visit) -> None:
    """With the window that explains."""
    visit.sample()
    visit.page.get_by_role("button", name=re.compile("^Why")).first.click()
    expect(visit.page.get_by_role("dialog").locator("canvas")).to_have_count(2)


def item(visit: Visit) -> None:
    """An item's page."""
    visit.page.goto(f"{visit.url}/?item=item_00011")
    visit.found()
    visit.settled()


def empty(visit: Visit) -> None:
    """Filters that nothing fits."""
    visit.sample()
    visit.page.get_by_text("Filters").click()
    visit.page.get_by_label("from").fill("1000")
    visit.page.keyboard.press("Tab")
    expect(visit.page.get_by_role("heading", name="Nothing fits these filters.")).to_be_visible()


def looking(visit: Visit) -> None:
    """Before the answer."""
    visit.page.route("**/v1/search*", lambda route: None)
    visit.page.get_by_role("button", name="Sample 1").click()
    expect(visit.page.locator(".tile.waiting")).to_have_count(12)


def error(visit: Visit) -> None:
    """A server that is gone."""
    visit.page.route("**/v1/search*", lambda route: route.abort())
    visit.page.get_by_role("button", name="Sample 1").click()
    expect(visit.page.get_by_role("alert")).to_be_visible()
    visit.forgive("Failed to load resource")


def console_door(visit: Visit) -> None:
    """The console asks for its key."""
    visit.page.goto(f"{visit.url}/admin")
    expect(visit.page.get_by_label("Admin key")).to_be_visible()
    visit.forgive("Failed to load resource")


def console(visit: Visit) -> None:
    """The console."""
    console_door(visit)
    visit.page.get_by_label("Admin key").fill(ADMIN)
    visit.page.keyboard.press("Enter")
    expect(visit.page.get_by_role("heading", name="Limits")).to_be_visible()


STATES = (start, results, filters, part, several, why, item, empty, looking, error, console_door, console)
LOOKS = [(DESK, "light"), (DESK, "dark"), (PHONE, "light"), (PHONE, "dark")]
SHORT = LOOKS[:1] + LOOKS[3:]
"""Of a state that is looked at at every change of the program."""


def faults(page: Page) -> list[str]:
    """What axe finds that is serious, or worse."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def named(value: object) -> str:
    """A state by its name."""
    return getattr(value, "__name__", "") or str(value)


@pytest.mark.parametrize(
    "state", [pytest.param(one, marks=() if one is filters else pytest.mark.deep) for one in STATES], ids=named
)
def test_axe_finds_nothing_serious(browser: Browser, url: str, taken: Path, state: Callable[[Visit], None]) -> None:
    """At a desk and on a phone, light and dark; what is not seen is not judged by its colours."""
    with visited(browser, url, viewport=DESK) as visit:
        visit.photo = taken
        visit.page.goto(url)
        state(visit)
        for viewport, scheme in SHORT if state is filters else LOOKS:
            visit.page.set_viewport_size(viewport)
            visit.page.emulate_media(color_scheme=scheme)
            assert faults(visit.page) == [], (viewport, scheme)


@pytest.mark.deep
def test_the_key_is_asked_for_accessibly(browser: Browser, locked: str) -> None:
    """By axe, on all screens; after the right key the focus is not lost."""
    with visited(browser, locked, viewport=DESK) as visit:
        visit.page.goto(locked)
        visit.page.get_by_role("button", name="Sample 1").click()
        expect(visit.page.get_by_role("heading", name="This search needs a key")).to_be_visible()
        for viewport, scheme in LOOKS:
            visit.page.set_viewport_size(viewport)
            visit.page.emulate_media(color_scheme=scheme)
            assert faults(visit.page) == [], (viewport, scheme)
            assert visit.page.evaluate(SMALL) == []
        visit.page.keyboard.type(KEY)
        visit.page.keyboard.press("Enter")
        visit.found()
        kept(visit.page)
        visit.forgive("401")


@pytest.mark.parametrize(
    "state", [pytest.param(one, marks=() if one is results else pytest.mark.deep) for one in STATES], ids=named
)
def test_it_fits_a_small_screen(browser: Browser, url: str, taken: Path, state: Callable[[Visit], None]) -> None:
    """Nothing is wider than 320 pixels; with text twice as large nothing is wider than a phone, or cut off.

    What can be pressed is never smaller than 24 pixels, on a phone and at a desk.
    """
    with visited(browser, url, viewport={"width": 320, "height": 640}, has_touch=True) as visit:
        visit.photo = taken
        visit.page.goto(url)
        state(visit)
        assert visit.page.evaluate(WIDER) == 0
        assert visit.page.evaluate(SMALL) == []
        visit.page.set_viewport_size(DESK)
        assert visit.page.evaluate(SMALL) == []
        visit.page.set_viewport_size(PHONE)
        visit.page.evaluate("() => { document.documentElement.style.fontSize = '200%' }")
        assert visit.page.evaluate(WIDER) == 0
        cut = visit.page.evaluate(
            """() => [...document.querySelectorAll("button, .button, h1, h2, p, summary, label, dt, dd")]
                .filter((one) => one.checkVisibility() && !one.closest(".unseen, .skip") && one.innerText)
                .filter((one) => getComputedStyle(one).display !== "inline")
                .filter((one) => one.scrollWidth > one.clientWidth + 1)
                .map((one) => one.outerHTML.slice(0, 120))"""
        )
        assert cut == []


@pytest.mark.deep
def test_it_is_used_with_text_twice_as_large(browser: Browser, url: str) -> None:
    """Each control is still reached and does what it says."""
    with visited(browser, url, viewport=PHONE) as visit:
        visit.page.goto(url)
        visit.page.evaluate("() => { document.documentElement.style.fontSize = '200%' }")
        visit.sample()
        visit.page.get_by_text("Filters").click()
        visit.page.get_by_label("In stock").check()
        visit.settled()
        first = visit.ids()[0]
        visit.page.get_by_role("button", name=f"Not this: {first}").click()
        expect(visit.page.get_by_role("button", name=f"Not this: {first}")).to_have_count(0)
        visit.page.get_by_role("button", name=re.compile("^Why")).first.click()
        visit.page.get_by_role("button", name="Close").click()
        visit.page.get_by_role("button", name=re.compile("^More like this")).first.click()
        expect(visit.page.get_by_role("heading", level=1)).to_be_visible()
        assert visit.page.evaluate(WIDER) == 0


@pytest.mark.deep
@pytest.mark.parametrize(("motion", "moves"), [("reduce", False), ("no-preference", True)])
def test_nothing_moves_for_who_minds(browser: Browser, url: str, motion: str, moves: bool) -> None:
    """The skeleton breathes for all others."""
    with visited(browser, url, reduced_motion=motion) as visit:
        visit.page.goto(url)
        looking(visit)
        running = visit.page.evaluate(
            "() => document.getAnimations().filter((one) => one.playState === 'running').length"
        )
        assert (running > 0) == moves


@pytest.mark.deep
@pytest.mark.parametrize("state", STATES, ids=named)
def test_who_cannot_see_is_told_what_there_is(
    browser: Browser, url: str, taken: Path, state: Callable[[Visit], None]
) -> None:
    """The language, at most one main heading, a photo's item by name; a picture without words is none to read."""
    with visited(browser, url, viewport=DESK) as visit:
        visit.photo = taken
        visit.page.goto(url)
        state(visit)
        assert visit.page.locator("html").get_attribute("lang") == "en"
        assert visit.page.locator("h1").count() <= 1
        assert visit.page.title() != ""
        tiles = visit.page.locator(".tile:not(.waiting)")
        names = tiles.locator(".picture img").evaluate_all("all => all.map((one) => one.alt)")
        assert names == visit.ids()
        assert all(names)
        assert visit.page.evaluate("() => [...document.images].every((one) => one.hasAttribute('alt'))")


@pytest.mark.deep
def test_counts_are_told(visit: Visit) -> None:
    """By the live region: how many items, how many more, that nothing fits, what an item is called."""
    status = visit.page.get_by_role("status")
    visit.sample()
    expect(status).to_have_text("20 items")
    visit.page.get_by_role("button", name="Show more").click()
    expect(status).to_have_text(f"{ITEMS} items")
    visit.page.get_by_text("Filters").click()
    visit.page.get_by_label("from").fill("1000")
    visit.page.keyboard.press("Tab")
    expect(status).to_have_text(re.compile("0 items|Nothing fits"))
    visit.page.get_by_role("button", name="Clear filters").click()
    expect(status).to_have_text("20 items")
    visit.page.get_by_role("button", name=re.compile("^More like this")).first.click()
    title = visit.page.get_by_role("heading", level=1).inner_text()
    expect(status).to_have_text(title)
