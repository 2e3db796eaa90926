"""The console, for who has the admin key."""

import re
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from shops import other_bundle
from twinset.catalogue.upgrade import prepare, switch
from web.conftest import ADMIN, ITEMS, Visit, served, visited

REFUSED = "Failed to load resource"
ENOUGH = 100
"""Searches by which drift is judged."""


@pytest.fixture
def two(wardrobe_shop: Path, tmp_path: Path) -> Iterator[str]:
    """A server of a catalogue with two versions, of which the second answers."""
    place = Path(shutil.copytree(wardrobe_shop / "c", tmp_path / "c"))
    switch(place, prepare(place, other_bundle(tmp_path / "middle")).version)
    with served({"c": place}, admin_key=ADMIN, quota=1000) as address:
        yield address


def enter(visit: Visit, key: str = ADMIN) -> None:
    """Gives the key."""
    visit.page.goto(f"{visit.url}/admin")
    visit.page.get_by_label("Admin key").fill(key)
    visit.page.get_by_role("button", name="Go on").click()


def table(visit: Visit, title: str) -> Locator:
    """The table below a heading."""
    heading = visit.page.get_by_role("heading", name=title, exact=True)
    return visit.page.locator("section", has=heading).last


def rows(visit: Visit, title: str) -> dict[str, str]:
    """What it says, by the first cell of each row."""
    cells = [row.locator("th, td").all_inner_texts() for row in table(visit, title).locator("tbody tr").all()]
    return {row[0]: " | ".join(row[1:]) for row in cells}


def test_the_console_tells_and_rolls_back(browser: Browser, two: str) -> None:
    """How much there is, by which versions; after a question the other version answers."""
    with visited(browser, two) as visit:
        enter(visit)
        expect(visit.page.get_by_role("heading", name="Limits")).to_be_visible()
        told = rows(visit, "c")
        assert (told["Items"], told["Photos"]) == (str(ITEMS), str(2 * ITEMS))
        assert re.search(r"20\d\d", told["Last written"])
        assert told["Score drift"].startswith("not calibrated")
        versions = rows(visit, "Versions")
        assert list(versions) == ["2", "1"]
        assert versions["2"].startswith("middle | ")
        assert versions["2"].endswith("| 48 | answers")
        assert not versions["1"].endswith("answers")
        assert rows(visit, "Limits")["searches a day"] == "1,000"
        visit.agreed = "Make the version of c answer again that answered before?"
        visit.page.get_by_role("button", name="Roll back").click()
        expect(visit.page.get_by_role("status")).to_have_text("Rolled back.")
        expect(table(visit, "Versions").locator("tr", has_text="colour")).to_contain_text("answers")
        expect(table(visit, "Versions").locator("tr", has_text="middle")).not_to_contain_text("answers")
        visit.forgive(REFUSED)


@pytest.mark.deep
def test_who_says_no_rolls_nothing_back(browser: Browser, two: str) -> None:
    """The version that answers goes on to."""
    with visited(browser, two) as visit:
        enter(visit)
        asked: list[str] = []
        visit.page.on("request", lambda one: "rollback" in one.url and asked.append(one.url))
        visit.page.get_by_role("button", name="Roll back").click()
        visit.until(lambda: bool(visit.wrong))
        assert rows(visit, "Versions")["2"].endswith("answers")
        assert asked == []
        visit.forgive("dialog: Make the version of c")
        visit.forgive(REFUSED)


@pytest.mark.deep
def test_a_sample_search_finds(browser: Browser, both_admin: str, wardrobe_shop: Path) -> None:
    """With how long each step took; the items lead to their pages. Every catalogue is a press away."""
    with visited(browser, both_admin) as visit:
        enter(visit)
        for name in ("known", "c", "known"):
            visit.page.get_by_role("link", name=name, exact=True).click()
            expect(visit.page.get_by_role("heading", name=name, exact=True)).to_be_visible()
            expect(visit.page.locator("nav [aria-current=page]")).to_have_text(name)
        photo = next((wardrobe_shop / "shop").rglob("item_00011/shop_01.jpg"))
        visit.page.locator("input[type=file]").set_input_files(photo)
        expect(visit.page.locator(".tile")).to_have_count(5)
        expect(visit.page.get_by_text(re.compile(r"decode .* ms .* total"))).to_be_visible()
        visit.page.wait_for_function("() => document.querySelector('.tile img').naturalWidth > 0")
        assert "item_00011" in (visit.page.locator(".tile .picture").first.get_attribute("href") or "")
        visit.page.reload()
        expect(visit.page.get_by_role("heading", name="Requests")).to_be_visible()
        assert rows(visit, "Requests")["/v1/search"] == "200 | 1"
        visit.forgive(REFUSED)


@pytest.mark.deep
def test_drift_is_told_of_a_calibrated_catalogue(browser: Browser, both_admin: str, wardrobe_shop: Path) -> None:
    """As soon as enough was searched."""
    with visited(browser, both_admin) as visit:
        enter(visit)
        expect(visit.page.get_by_role("heading", name="Requests")).to_be_visible()
        assert "too few searches" in rows(visit, "known")["Score drift"]
        photo = next((wardrobe_shop / "shop").rglob("item_00011/shop_01.jpg")).read_bytes()
        for _ in range(ENOUGH):
            search = urllib.request.Request(f"{both_admin}/v1/search", photo, {"Content-Type": "image/jpeg"})
            urllib.request.urlopen(search).close()
        visit.page.goto(f"{visit.url}/admin")
        expect(visit.page.get_by_role("heading", name="Requests")).to_be_visible()
        assert re.fullmatch(r"-?\d+(\.\d+)? standard deviations", rows(visit, "known")["Score drift"])
        visit.forgive(REFUSED)


@pytest.fixture
def both_admin(wardrobe_shop: Path, known: Path) -> Iterator[str]:
    """A server of two catalogues that has an admin."""
    with served({"known": known, "c": wardrobe_shop / "c"}, admin_key=ADMIN) as address:
        yield address


@pytest.mark.deep
def test_nothing_is_told_without_the_key(browser: Browser, url: str) -> None:
    """Nor with a wrong one, which is told; nor where the server has no admin."""
    with visited(browser, url) as visit:
        answers: list[str] = []
        visit.page.on("response", lambda one: "/v1/" in one.url and one.ok and answers.append(one.url))
        visit.page.goto(f"{url}/admin")
        expect(visit.page.get_by_label("Admin key")).to_be_focused()
        expect(visit.page.get_by_role("table")).to_have_count(0)
        enter(visit, "b" * 16)
        expect(visit.page.get_by_text("This key is not right.")).to_be_visible()
        expect(visit.page.get_by_role("table")).to_have_count(0)
        expect(visit.page.get_by_role("button", name="Roll back")).to_have_count(0)
        assert [one for one in answers if "versions" in one or "metrics" in one] == []
        visit.forgive(REFUSED)


@pytest.mark.deep
def test_a_server_without_an_admin_says_so(browser: Browser, both: str) -> None:
    """And how to have one."""
    with visited(browser, both) as visit:
        visit.page.goto(f"{both}/admin")
        expect(visit.page.get_by_text("this server lets nobody change it")).to_be_visible()
        expect(visit.page.get_by_role("table")).to_have_count(0)
        visit.forgive(REFUSED)
