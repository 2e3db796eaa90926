"""What a shopper does, in a real browser."""

import base64
import io
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from web.conftest import Visit, visited

KEEP_SENT = """() => {
    const real = fetch;
    window.sent = [];
    window.fetch = (address, options) => {
        if (String(address).includes("/v1/search")) sent.push(options.body);
        return real(address, options);
    };
}"""
"""The photos that a page sends, kept: a browser does not tell bodies that are files."""
SENT = """() => Promise.all(sent.map((one) => new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.split(",")[1]);
    reader.readAsDataURL(one);
})))"""


def test_a_sample_finds_items(visit: Visit) -> None:
    """With titles and prices; what was found is told to who listens."""
    visit.sample()
    expect(visit.page.locator(".tile")).to_have_count(20)
    assert re.fullmatch(r"€\d+\.\d\d", visit.page.locator(".price").first.inner_text())
    expect(visit.page.get_by_role("status")).to_have_text("20 items")
    assert visit.page.title() == "In the shop"


def test_a_photo_is_picked_dropped_and_pasted(visit: Visit, taken: Path) -> None:
    """Each leads to the same items; what is sent is upright, of 1024 pixels, and without metadata."""
    visit.page.evaluate(KEEP_SENT)
    visit.page.locator(".target input").first.set_input_files(taken)
    visit.found()
    picked = visit.ids()
    give = """async ([text, kind]) => {
        const data = new DataTransfer();
        const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
        data.items.add(new File([bytes], "x.jpg", { type: "image/jpeg" }));
        const facts = { bubbles: true, cancelable: true };
        dispatchEvent(kind === "drop" ? new DragEvent("drop", { dataTransfer: data, ...facts })
                                      : new ClipboardEvent("paste", { clipboardData: data, ...facts }));
    }"""
    for kind in ("drop", "paste"):
        visit.page.get_by_role("button", name="New search").click()
        visit.page.evaluate(give, [base64.b64encode(taken.read_bytes()).decode(), kind])
        visit.found()
        assert visit.ids() == picked
    sent = [base64.b64decode(text) for text in visit.page.evaluate(SENT)]
    assert len(sent) == 3
    assert b"Exif" in taken.read_bytes()[:200]
    for data in sent:
        with Image.open(io.BytesIO(data)) as received:
            assert (received.format, received.size, dict(received.getexif())) == ("JPEG", (768, 1024), {})


@pytest.mark.deep
def test_chips_and_filters_narrow(visit: Visit) -> None:
    """None is set at first; each narrows what is shown, and is taken back."""
    visit.sample()
    chips = visit.page.get_by_role("group", name="Category").get_by_role("button")
    assert [chip.get_attribute("aria-pressed") for chip in chips.all()] == ["false"] * chips.count()
    chips.first.click()
    expect(visit.page.get_by_role("group", name="Category").locator("[aria-pressed=true]")).to_have_count(1)
    visit.found()
    narrowed = visit.ids()
    assert 0 < len(narrowed) < 20
    visit.page.get_by_role("group", name="Category").locator("[aria-pressed=true]").click()
    expect(visit.page.locator(".tile:not(.waiting)")).to_have_count(20)
    visit.page.get_by_text("Filters").click()
    visit.page.get_by_label("In stock").check()
    expect(visit.page.get_by_text("Filters (1)")).to_be_visible()


@pytest.mark.deep
def test_more_like_this_has_an_address_and_a_way_back(visit: Visit, browser: Browser, url: str) -> None:
    """The item's address opens the same in another browser; back leads to the results, without asking again."""
    visit.sample()
    before = visit.ids()
    visit.page.get_by_role("button", name=re.compile("^More like this")).nth(1).click()
    heading = visit.page.get_by_role("heading", level=1)
    title = heading.inner_text()
    assert "?item=" in visit.page.url
    with visited(browser, url) as other:
        other.page.goto(visit.page.url)
        expect(other.page.get_by_role("heading", level=1)).to_have_text(title)
    asked: list[str] = []
    visit.page.on("request", lambda one: "/v1/search" in one.url and asked.append(one.url))
    visit.page.go_back()
    visit.found()
    assert visit.ids() == before
    assert asked == []


@pytest.mark.deep
def test_a_verdict_ranks_anew(visit: Visit) -> None:
    """What is not it is gone, and is told."""
    visit.sample()
    first = visit.ids()[0]
    visit.page.get_by_role("button", name=f"Not this: {first}").click()
    expect(visit.page.get_by_role("status")).to_have_text("Searched again with what you said.")
    assert first not in visit.ids()
    right = visit.ids()[3]
    visit.page.get_by_role("button", name=f"This is it: {right}").click()
    expect(visit.page.get_by_role("button", name=f"This is it: {right}")).to_have_attribute("aria-pressed", "true")


@pytest.mark.deep
def test_why_shows_both_photos(visit: Visit) -> None:
    """With a layer over each, in a window that Escape closes."""
    visit.sample()
    visit.page.get_by_role("button", name=re.compile("^Why")).first.click()
    expect(visit.page.get_by_role("dialog").locator("canvas")).to_have_count(2)
    visit.page.keyboard.press("Escape")
    expect(visit.page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.deep
def test_the_box_moves_by_keys_and_by_pointer(visit: Visit) -> None:
    """Each time it is searched with the part; the whole photo is one press away."""
    visit.sample()
    corner = visit.page.get_by_role("button", name="Upper left corner. Arrow keys move it.")
    corner.focus()
    with visit.page.expect_request(lambda one: "box=0.1000" in one.url):
        for _ in range(5):
            visit.page.keyboard.press("ArrowRight")
            visit.page.keyboard.press("ArrowDown")
        visit.page.wait_for_function("() => document.querySelector('.crop').style.left === '10%'")
    visit.found()
    frame = visit.page.locator(".frame").bounding_box()
    assert frame is not None
    visit.page.mouse.move(frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2)
    visit.page.mouse.down()
    visit.page.mouse.move(frame["x"] + frame["width"] / 2 - 20, frame["y"] + frame["height"] / 2, steps=4)
    with visit.page.expect_request(lambda one: "box=0." in one.url and "box=0.1000" not in one.url):
        visit.page.mouse.up()
    assert visit.page.locator(".crop").evaluate("one => parseFloat(one.style.left)") < 10
    with visit.page.expect_request(lambda one: "/v1/search" in one.url and "box=" not in one.url):
        visit.page.get_by_role("button", name="Whole photo").click()


@pytest.mark.deep
def test_several_photos_of_one_garment(visit: Visit, wardrobe_shop: Path) -> None:
    """One is added, one is taken away."""
    photo = next((wardrobe_shop / "shop").rglob("customer_01.jpg"))
    visit.sample()
    visit.page.locator(".add input").set_input_files(photo)
    expect(visit.page.locator(".several li")).to_have_count(2)
    visit.found()
    visit.page.get_by_role("button", name="Remove photo 1").click()
    expect(visit.page.locator(".frame")).to_have_count(1)
    visit.found()


@pytest.mark.deep
@pytest.mark.parametrize(("lang", "word"), [("de", "Mit einem Foto finden"), ("ja", "写真で見つける")])
def test_other_languages(browser: Browser, url: str, lang: str, word: str) -> None:
    """By the address; the page says which it is."""
    with visited(browser, url) as other:
        other.page.goto(f"{url}/?lang={lang}")
        expect(other.page.get_by_role("heading", level=1)).to_have_text(word)
        assert other.page.locator("html").get_attribute("lang") == lang


def test_what_is_no_photo_is_told(visit: Visit, tmp_path: Path) -> None:
    """In plain words, where another may be given."""
    (tmp_path / "x.jpg").write_bytes(b"no photo")
    visit.page.locator(".target input").first.set_input_files(tmp_path / "x.jpg")
    expect(visit.page.get_by_role("alert")).to_contain_text("cannot be shown as a photo")
