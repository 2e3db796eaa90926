"""Nothing moves on a phone's screen while items and their photos come."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from shops import cloth, index
from web.conftest import Visit, served, visited

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
BELOW = re.compile(r'<footer|<button type="button" class="button more"')
ITEMS = 110
INPUT_MS = 600
"""For half a second after a press a browser takes what moves as asked for."""
WATCH = """() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const one of list.getEntries()) {
            const moved = one.sources.map(({ node, previousRect: was, currentRect: now }) =>
                `${node?.outerHTML?.slice(0, 80)} from ${was.x},${was.y} to ${now.x},${now.y}`);
            shifts.push({ value: one.value, input: one.hadRecentInput, moved });
        }
    }).observe({ type: "layout-shift", buffered: true });
}"""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of 110 items: photos of many shapes, titles of one line and of several, some without a price."""
    folder = tmp_path_factory.mktemp("many")
    draw = np.random.default_rng(3)
    lines = ["path,item_id,title,category,price,currency,colour"]
    for item in range(ITEMS):
        for view in range(1 + item % 2):
            size = (int(draw.integers(200, 500)), int(draw.integers(200, 500)))
            Image.fromarray(cloth(2 * item + view)).resize(size).save(folder / f"{item}_{view}.jpg")
            title = " ".join(["Cloth", "of many colours and a long name"][: 1 + item % 3 // 2])
            price = f"{item}.50,EUR" if item % 5 else ","
            lines.append(f"{item}_{view}.jpg,i{item},{title} {item},{'AB'[item % 2]}/Cloth,{price},c{item % 7}")
    (folder / "photos.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    index(folder / "c", folder / "photos.csv")
    with served({"c": folder / "c"}) as address:
        yield address


def slow(page: Page) -> None:
    """A line on which every photo is waited for: a tenth of a second, and 200 kB in a second for all of them."""
    line = page.context.new_cdp_session(page)
    line.send("Network.enable")
    facts = {"offline": False, "latency": 100, "downloadThroughput": 200_000, "uploadThroughput": 200_000}
    line.send("Network.emulateNetworkConditions", facts)


def noted(visit: Visit) -> list[dict[str, Any]]:
    """What has moved since this was asked last."""
    visit.page.wait_for_timeout(200)
    found: list[dict[str, Any]] = visit.page.evaluate("() => shifts.splice(0)")
    return found


def still(visit: Visit) -> None:
    """Nothing has moved by itself; hardly anything when something was pressed, but for what stands below the items.

    That button and the footer make room at once for those that are asked for.
    """
    found = noted(visit)
    unasked = [one for one in found if not one["input"]]
    assert sum(one["value"] for one in unasked) == 0, unasked
    asked = [one for one in found if not all(BELOW.match(moved) for moved in one["moved"])]
    assert sum(one["value"] for one in asked) <= 0.01, asked


def arrived(page: Page) -> None:
    """Scrolls from the top to the end, and waits until every photo is there."""
    page.evaluate("() => scrollTo(0, 0)")
    height = page.evaluate("() => innerHeight")
    for _ in range(200):
        page.mouse.wheel(0, 0.9 * height)
        page.wait_for_timeout(60)
        if page.evaluate("() => scrollY + innerHeight >= document.documentElement.scrollHeight - 2"):
            break
    else:
        raise AssertionError("the page has no end")
    loaded = (
        "() => [...document.querySelectorAll('.tile img')].every((one) => one.complete && one.naturalWidth > 0)"
    )
    page.wait_for_function(loaded)


def test_nothing_moves_while_items_come(browser: Browser, url: str) -> None:
    """The start page, twenty items that are waited for, whose photos arrive one by one."""
    with visited(browser, url, **PHONE) as visit:
        visit.page.add_init_script(f"({WATCH})()")
        visit.page.goto(url)
        asked, held = visit.hold("**/v1/search*"), visit.hold("**/v1/photos/*")
        still(visit)
        visit.page.get_by_role("button", name="Sample 2").click()
        visit.until(lambda: bool(asked))
        visit.page.wait_for_timeout(INPUT_MS)
        noted(visit)  # the start page made room for the results
        asked[0].continue_()
        visit.until(lambda: len(held) > 3)
        still(visit)
        for route in held:
            route.continue_()
        visit.page.unroute("**/v1/photos/*")
        visit.page.wait_for_function("() => document.querySelector('.tile img').naturalWidth > 0")
        still(visit)


@pytest.mark.deep
def test_nothing_moves_among_a_hundred_items(browser: Browser, many: str) -> None:
    """Shown twenty by twenty over a slow line, scrolled to the end each time."""
    with visited(browser, many, **PHONE) as visit:
        visit.page.add_init_script(f"({WATCH})()")
        visit.page.goto(many)
        slow(visit.page)
        visit.sample()
        noted(visit)  # the start page made room for the results
        for shown in (40, 60, 80, 100):
            arrived(visit.page)
            held = visit.hold("**/v1/search*")
            visit.page.get_by_role("button", name="Show more").click()
            visit.until(lambda held=held: bool(held))  # type: ignore[misc]
            visit.page.wait_for_timeout(INPUT_MS)
            held[0].continue_()
            expect(visit.page.locator(".tile:not(.waiting)")).to_have_count(shown)
            visit.page.unroute("**/v1/search*")
            still(visit)
        arrived(visit.page)
        assert visit.page.locator(".tile").count() == 100
        still(visit)
        assert visit.page.evaluate("() => document.documentElement.scrollWidth") == PHONE["viewport"]["width"]


@pytest.mark.deep
def test_nothing_moves_back_and_forth(browser: Browser, many: str) -> None:
    """An item's page and the way back: one stands where one was, and nothing moves there."""
    with visited(browser, many, **PHONE) as visit:
        visit.page.add_init_script(f"({WATCH})()")
        visit.page.goto(many)
        visit.sample()
        arrived(visit.page)
        noted(visit)  # the start page made room for the results
        tile = visit.page.locator(".tile .picture").nth(15)
        tile.scroll_into_view_if_needed()
        before = visit.page.evaluate("() => scrollY")
        assert before > 500
        tile.click()
        expect(visit.page.get_by_role("heading", level=1)).to_be_visible()
        visit.page.wait_for_function("() => document.querySelector('.large img').naturalWidth > 0")
        assert visit.page.evaluate("() => scrollY") == 0
        noted(visit)  # the results made room for the item
        visit.page.go_back()
        visit.found()
        assert abs(visit.page.evaluate("() => scrollY") - before) <= 2
        still(visit)
