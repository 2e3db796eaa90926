"""What is under way while a shopper does something else: it neither speaks nor shows where it does not belong."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from web.conftest import KEY, Visit, visited

PHONE = {"width": 390, "height": 700}
pytestmark = pytest.mark.deep


def chip(visit: Visit, place: int) -> str:
    """Presses a category; its name."""
    one = visit.page.get_by_role("group", name="Category").get_by_role("button").nth(place)
    one.click()
    return one.inner_text()


def settled(visit: Visit) -> None:
    """Waits until nothing is asked for."""
    visit.page.wait_for_function("() => !document.querySelector('[aria-busy]')")


def test_more_of_an_earlier_search_is_dropped(visit: Visit) -> None:
    """It comes when a category is chosen already."""
    visit.sample()
    held = visit.hold("**/v1/search?*cursor=*")
    visit.page.get_by_role("button", name="Show more").click()
    visit.until(lambda: bool(held))
    name = chip(visit, 0)
    visit.until(lambda: visit.page.locator(".chip[aria-pressed=true]").count() >= 2)
    settled(visit)
    before = visit.ids()
    held[0].continue_()
    visit.page.wait_for_load_state("networkidle")
    visit.page.wait_for_timeout(200)
    assert visit.ids() == before
    expect(visit.page.get_by_role("button", name=name, exact=True)).to_have_attribute("aria-pressed", "true")


def test_more_that_fails_leaves_what_was_found(visit: Visit) -> None:
    """It is told beside the button, which works again."""
    visit.sample()
    before = visit.ids()
    visit.page.route("**/v1/search?*cursor=*", lambda route: route.abort())
    visit.page.get_by_role("button", name="Show more").click()
    expect(visit.page.get_by_role("alert")).to_contain_text("cannot be reached")
    assert visit.ids() == before
    assert visit.page.locator(".waiting").count() == 0
    visit.page.unroute("**/v1/search?*cursor=*")
    visit.page.get_by_role("button", name="Show more").click()
    visit.until(lambda: len(visit.ids()) > len(before))
    expect(visit.page.get_by_role("alert")).to_have_count(0)
    visit.forgive("ERR_FAILED")


def test_a_box_that_is_left_asks_for_nothing(visit: Visit) -> None:
    """An item is opened within the moment that the box waits for another key."""
    visit.sample()
    visit.page.locator(".corner.nw").focus()
    visit.page.keyboard.press("ArrowRight")
    visit.page.locator(".act", has_text="More like this").first.click()
    expect(visit.page.get_by_role("heading", level=1)).to_be_visible()
    visit.page.wait_for_timeout(600)
    expect(visit.page.locator(".itempage .grid:not([aria-hidden]) .tile").first).to_be_visible()


def test_filters_that_were_given_up_are_asked_for_on_the_way_back(visit: Visit) -> None:
    """What is shown is what is set."""
    visit.sample()
    held = visit.hold("**/v1/search?*where=*")
    chip(visit, 0)
    visit.until(lambda: bool(held))
    visit.page.get_by_text("Filters").click()
    visit.page.locator(".filters fieldset input[type=checkbox]").first.check()
    visit.page.get_by_label("In stock").check()
    visit.page.locator(".act", has_text="More like this").first.click()
    expect(visit.page.locator(".itempage h1")).to_be_visible()
    visit.page.unroute_all(behavior="ignoreErrors")
    with visit.page.expect_request("**/v1/search?*where=availability*"):
        visit.page.go_back()
    expect(visit.page.get_by_text("Filters (2)")).to_be_visible()


def test_a_verdict_that_was_given_up_counts_on_the_way_back(visit: Visit) -> None:
    """And can be taken back."""
    visit.sample()
    before = visit.ids()
    held = visit.hold("**/v1/feedback?*")
    visit.page.get_by_role("button", name=f"Not this: {before[0]}").click()
    visit.until(lambda: bool(held))
    visit.page.locator(".act", has_text="More like this").nth(3).click()
    expect(visit.page.locator(".itempage h1")).to_be_visible()
    visit.page.unroute_all(behavior="ignoreErrors")
    visit.page.go_back()
    expect(visit.page.get_by_role("button", name="Take back what I said")).to_be_visible()
    settled(visit)
    assert before[0] not in visit.ids()
    visit.page.get_by_role("button", name="Take back what I said").click()
    expect(visit.page.get_by_role("button", name="Take back what I said")).to_have_count(0)
    assert visit.ids() == before


def test_an_item_that_was_left_says_nothing(visit: Visit) -> None:
    """Neither in the title nor to who listens."""
    visit.sample()
    held = visit.hold("**/v1/items/**")
    visit.page.locator(".act", has_text="More like this").first.click()
    visit.until(lambda: len(held) == 2)
    visit.page.go_back()
    visit.found()
    for one in held:
        one.continue_()
    visit.page.wait_for_load_state("networkidle")
    visit.page.wait_for_timeout(200)
    assert visit.page.title() == "In the shop"
    expect(visit.page.locator(".looking")).to_be_visible()


def test_what_is_no_photo_leaves_what_is_shown(visit: Visit, tmp_path: Path) -> None:
    """Told above it: a file that is none by its name, and one by its bytes."""
    visit.sample()
    before = visit.ids()
    for kind in ("application/pdf", "image/jpeg"):
        visit.page.evaluate(
            """(type) => {
                const data = new DataTransfer();
                data.items.add(new File(["no photo"], "a", { type }));
                dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
            }""",
            kind,
        )
        expect(visit.page.get_by_role("alert")).to_contain_text("cannot be shown as a photo")
        visit.found()
        assert visit.ids() == before


def test_text_is_dropped_where_it_belongs(visit: Visit) -> None:
    """Only files are taken from where they fall."""
    taken = visit.page.evaluate(
        """() => ["text/plain", "file"].map((kind) => {
            const data = new DataTransfer();
            if (kind === "file") data.items.add(new File([""], "a.txt"));
            else data.setData(kind, "20");
            return !dispatchEvent(new DragEvent("dragover", { dataTransfer: data, cancelable: true }));
        })"""
    )
    assert taken == [False, True]


def test_the_place_is_kept(browser: Browser, url: str, wardrobe_shop: Path) -> None:
    """After a new search, an item, a page elsewhere, and a reload."""
    with visited(browser, url, viewport=PHONE) as visit:
        visit.page.goto(url)
        visit.sample()
        where = 1200
        visit.page.evaluate("(y) => scrollTo(0, y)", where)
        for leave in ("new", "item", "elsewhere", "reload"):
            visit.page.wait_for_function(f"() => Math.abs(scrollY - {where}) < 2")
            if leave == "new":
                visit.page.evaluate("() => document.querySelector('.again').click()")
                visit.page.locator(".start").wait_for()
            elif leave == "item":
                visit.page.evaluate("() => document.querySelectorAll('.act')[8].click()")
                visit.page.locator(".itempage h1").wait_for()
            elif leave == "elsewhere":
                visit.page.goto(f"{url}/admin")
                visit.page.get_by_label("Admin key").wait_for()
            if leave == "reload":
                visit.page.reload()
            else:
                visit.page.go_back()
            visit.found()
        visit.page.wait_for_function(f"() => Math.abs(scrollY - {where}) < 2")
        visit.forgive("401")


def test_filters_leave_it_open_whether_the_shop_has_it(browser: Browser, both: str, wardrobe_shop: Path) -> None:
    """A photo of an item that is there, among those of another category."""
    with visited(browser, both) as visit:
        visit.page.goto(both)
        visit.give(next((wardrobe_shop / "shop").rglob("item_00011/shop_01.jpg")))
        visit.found()
        chips = visit.page.get_by_role("group", name="Category").get_by_role("button").count()
        for place in range(chips):
            chip(visit, place)
            settled(visit)
            expect(visit.page.get_by_text("This shop seems not to have it")).to_have_count(0)


def test_photos_come_back_with_a_key(browser: Browser, locked: str) -> None:
    """One that could not be fetched is fetched with the next search."""
    with visited(browser, locked) as visit:
        visit.page.goto(locked)
        visit.page.evaluate("key => sessionStorage.setItem('twinset-key', key)", KEY)
        visit.page.reload()
        visit.page.route("**/v1/photos/**", lambda route: route.abort())
        visit.sample()
        expect(visit.page.locator(".tile img.lost").first).to_be_attached()
        visit.page.unroute_all(behavior="ignoreErrors")
        visit.page.get_by_role("button", name="New search").click()
        visit.sample()
        visit.page.wait_for_function("() => document.querySelector('.tile img').naturalWidth > 0")
        expect(visit.page.locator(".tile img.lost")).to_have_count(0)
        visit.wrong.clear()


def test_events_are_of_the_answer_that_showed_the_hit(visit: Visit, wardrobe_shop: Path) -> None:
    """Of a further page too; a question why is no list that was shown."""
    noted = wardrobe_shop / "events.jsonl"
    before = len(noted.read_text(encoding="utf-8").splitlines())
    visit.sample()
    visit.page.locator(".act", has_text="Why").first.click()
    expect(visit.page.get_by_role("dialog").locator("canvas")).to_have_count(2)
    visit.page.keyboard.press("Escape")
    visit.page.get_by_role("button", name="Show more").click()
    visit.until(lambda: len(visit.ids()) > 20)
    visit.page.locator(".tile").last.scroll_into_view_if_needed()
    told = lambda: [json.loads(line) for line in noted.read_text(encoding="utf-8").splitlines()[before:]]  # noqa: E731
    visit.until(lambda: any(one["event"] == "view" and one["position"] > 20 for one in told()))
    answers = {one["query_id"]: one for one in told() if one["event"] == "search"}
    assert [one["first"] for one in answers.values()] == [1, 21]
    for one in told():
        if one["event"] == "view":
            of = answers[one["query_id"]]
            assert of["first"] <= one["position"] < of["first"] + of["hits"]


def test_a_suggested_part_is_a_press_away(visit: Visit, taken: Path) -> None:
    """The box lies at it, and it is searched with."""
    visit.give(taken)
    visit.found()
    with visit.page.expect_request("**/v1/search?*box=*"):
        visit.page.get_by_role("button", name="Part 1").click()
    expect(visit.page.get_by_role("button", name="Part 1")).to_have_attribute("aria-pressed", "true")
    assert visit.page.locator(".crop").evaluate("one => one.style.width") != "100%"
    expect(visit.page.get_by_role("button", name="Whole photo")).to_have_attribute("aria-pressed", "false")


def test_a_phone_takes_a_photo(browser: Browser, url: str) -> None:
    """With its camera, where there is a finger; a desk is not asked to."""
    for touch in (True, False):
        with visited(browser, url, viewport=PHONE, has_touch=touch, is_mobile=touch) as visit:
            visit.page.goto(url)
            expect(visit.page.locator("input[capture=environment]")).to_have_count(int(touch))


def test_a_link_is_passed_on_without_what_is_of_the_visitor(browser: Browser, url: str) -> None:
    """Neither the frame around it nor the language."""
    with visited(browser, url, permissions=["clipboard-read", "clipboard-write"]) as visit:
        visit.page.goto(f"{url}/?item=item_00001&lang=de&embedded")
        visit.page.get_by_role("button", name="Link kopieren").click()
        expect(visit.page.get_by_text("Link kopiert.").first).to_be_visible()
        assert visit.page.evaluate("navigator.clipboard.readText()") == f"{url}/?item=item_00001"
