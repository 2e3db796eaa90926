"""What a shopper does with real photos, in a real browser, before a shop of real photos."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from twinset import Catalogue, manifest
from twinset.records import Photo
from web.conftest import Visit, served, visited

pytestmark = pytest.mark.deep


@pytest.fixture(scope="module")
def photos() -> tuple[Path, list[Photo]]:
    """luma's root, and its photos."""
    table = Path(os.environ.get("TWINSET_TEST_DATA", ""), "data/luma/photos.csv")
    if not table.exists():
        pytest.skip("TWINSET_TEST_DATA has no data/luma/photos.csv")
    return table.parent, list(manifest.read(table).photos)


@pytest.fixture(scope="module")
def shop(photos: tuple[Path, list[Photo]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of luma."""
    place = tmp_path_factory.mktemp("real") / "luma"
    Catalogue.build(place, photos[0] / "photos.csv").close()
    return place


def beside(found: list[Photo], view: str) -> list[Photo]:
    """Photos of a view, spread over what there is."""
    chosen = [photo for photo in found if photo.value("view") == view]
    return chosen[:: max(1, len(chosen) // 6)][:6]


def searched(visit: Visit, photo: Path) -> None:
    """Searches anew with a photo."""
    visit.page.locator(".home").click()
    visit.give(photo)
    visit.found()
    visit.settled()


def test_the_acts_of_a_shopper(browser: Browser, shop: Path, photos: tuple[Path, list[Photo]]) -> None:
    """Each of them, with six photos of the shop's own: the item itself stands first."""
    root, found = photos
    with served({"luma": shop}) as url, visited(browser, url, viewport={"width": 1280, "height": 900}) as visit:
        visit.page.goto(url)
        for photo in beside(found, "main"):
            searched(visit, root / photo.path)
            first = visit.page.locator(".tile .picture").first
            assert f"item={photo.item_id}" in (first.get_attribute("href") or "")
            visit.page.wait_for_function("() => document.querySelector('.tile img').naturalWidth > 0")

        visit.page.get_by_role("group", name="Category").get_by_role("button").first.click()
        visit.settled()
        narrowed = visit.ids()
        visit.page.get_by_text("Filters").first.click()
        colours = visit.page.get_by_role("group", name="colour").get_by_role("checkbox")
        colours.first.check()
        visit.settled()
        assert 0 < len(visit.ids()) <= len(narrowed)
        colours.first.uncheck()
        visit.settled()

        with visit.page.expect_request("**/v1/search?*box=*"):
            visit.page.locator(".corner.se").focus()
            for _ in range(6):
                visit.page.keyboard.press("ArrowUp")
        visit.settled()
        visit.page.get_by_role("button", name=re.compile("^Why")).first.click()
        expect(visit.page.get_by_role("dialog").locator("canvas")).to_have_count(2)
        visit.page.keyboard.press("Escape")
        rejected = visit.ids()[0]
        before = visit.page.locator(".tile .picture").first.get_attribute("href")
        visit.page.get_by_role("button", name=f"Not this: {rejected}").first.click()
        visit.page.get_by_role("button", name="Take back what I said").wait_for()
        visit.settled()
        assert visit.page.locator(".tile .picture").first.get_attribute("href") != before

        visit.page.locator(".act", has_text="More like this").first.click()
        expect(visit.page.get_by_role("heading", level=1)).to_be_visible()
        visit.page.wait_for_function("() => document.querySelector('.large img').naturalWidth > 0")
        visit.page.get_by_role("button", name="Back to the results").click()
        visit.found()
        visit.page.reload()
        visit.found()
        visit.page.get_by_role("button", name="Take back what I said").wait_for()


def test_several_real_photos_of_one_garment(browser: Browser, shop: Path, photos: tuple[Path, list[Photo]]) -> None:
    """Two views of an item are sent together, and it stands first."""
    root, found = photos
    back = next(photo for photo in found if photo.value("view") not in ("", "main"))
    main = next(photo for photo in found if photo.item_id == back.item_id and photo.value("view") == "main")
    with served({"luma": shop}) as url, visited(browser, url) as visit:
        visit.page.goto(url)
        with visit.page.expect_request("**/v1/search*") as asked:
            visit.page.locator(".target input").first.set_input_files([root / main.path, root / back.path])
        assert asked.value.headers["content-type"].startswith("multipart/form-data")
        visit.found()
        expect(visit.page.locator(".several li")).to_have_count(2)
        assert f"item={main.item_id}" in (visit.page.locator(".tile .picture").first.get_attribute("href") or "")
