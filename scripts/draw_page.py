"""Draws docs/page/*.jpg: every state of the page and the console in Chromium, of drawn garments. Takes a minute.

    python scripts/draw_page.py [FOLDER]

It needs `chromium` on the path and the extra `dev`.
"""

import csv
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, Route, sync_playwright

PLACE: Final = Path(__file__).parent.parent / "docs/page"
ADMIN: Final = "drawn-for-the-docs"
KEY: Final = "a-shopper-has-this"
DESK: Final = {"width": 1200, "height": 800}
PHONE: Final = {"width": 390, "height": 844}
SIZES: Final = ("S|M|L", "XS|S|M", "M|L|XL", "S|M")
SHOP_PAGE: Final = """<!doctype html><html lang="en"><title>A shop</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; margin: 3rem }}</style>
<h1>A shop</h1><p>Seen something you like?</p>
<script type="module" src="{url}/web/button.js"></script>
<twinset-search>Find it by photo</twinset-search>"""


@dataclass(frozen=True)
class Studio:
    """A browser, servers of one shop, and where pictures go."""

    browser: Browser
    out: Path
    url: str
    locked: str
    customer: Path
    noise: Path

    @contextmanager
    def page(self, size: dict[str, int] = DESK, *, dark: bool = False, lang: str = "en-GB") -> Iterator[Page]:
        """A page of its own, at the start of a visit."""
        scheme = "dark" if dark else "light"
        context = self.browser.new_context(
            viewport={"width": size["width"], "height": size["height"]},
            color_scheme=scheme,
            locale=lang,
            has_touch=size is PHONE,
            reduced_motion="reduce",
        )
        page = context.new_page()
        page.goto(self.url)
        page.locator(".start").wait_for()
        yield page
        context.close()

    def keep(self, page: Page, name: str, *, whole: bool = False) -> None:
        """Keeps what is seen, once every picture in sight is there."""
        page.wait_for_function(
            "() => [...document.images].every((one) => one.complete || one.getBoundingClientRect().y > innerHeight)"
        )
        page.wait_for_timeout(150)
        page.screenshot(path=self.out / f"{name}.jpg", type="jpeg", quality=82, full_page=whole)
        print(name)

    def searched(self, page: Page, photo: Path | None = None) -> None:
        """Searches with a photo; waits for the items."""
        page.locator(".target input").first.set_input_files(photo or self.customer)
        page.locator(".grid:not([aria-hidden]) .tile").first.wait_for()


def starts(studio: Studio) -> None:
    """The first view, for each language and screen."""
    for name, size, dark, lang in (
        ("start", DESK, False, "en-GB"),
        ("start-phone-dark", PHONE, True, "en-GB"),
        ("start-german", PHONE, False, "de-DE"),
        ("start-japanese", PHONE, False, "ja-JP"),
    ):
        with studio.page(size, dark=dark, lang=lang) as page:
            studio.keep(page, name)


def results(studio: Studio) -> None:
    """What was found, and what a shopper does with it."""
    with studio.page() as page:
        studio.searched(page)
        studio.keep(page, "results")
        page.locator(".filters > summary").click()
        page.get_by_label("In stock").check()
        page.get_by_label("XL").check()
        page.get_by_text("Filters (2)").wait_for()
        page.wait_for_function("() => !document.querySelector('[aria-busy]')")
        studio.keep(page, "filters")
        page.get_by_label("from").fill("9000")
        page.get_by_label("from").blur()
        page.get_by_text("Nothing fits these filters.").wait_for()
        studio.keep(page, "empty")
    with studio.page() as page:
        studio.searched(page)
        page.locator(".query .chip").nth(1).click()
        page.wait_for_function("() => !document.querySelector('[aria-busy]')")
        studio.keep(page, "part")
        page.locator(".act", has_text="Why").first.click()
        page.locator(".why canvas").nth(1).wait_for()
        studio.keep(page, "why")
        page.keyboard.press("Escape")
        page.locator(".act", has_text="Not this").nth(1).click()
        page.locator(".act", has_text="This is it").first.click()
        page.locator("[aria-pressed=true]", has_text="This is it").wait_for()
        page.wait_for_function("() => !document.querySelector('[aria-busy]')")
        studio.keep(page, "verdict")
        page.locator(".act", has_text="More like this").first.click()
        page.locator(".itempage .grid:not([aria-hidden])").wait_for()
        studio.keep(page, "item")
    with studio.page() as page:
        studio.searched(page)
        page.locator(".add input").set_input_files(studio.noise.with_name("second.jpg"))
        page.locator(".several li").nth(1).wait_for()
        page.wait_for_function("() => !document.querySelector('[aria-busy]')")
        studio.keep(page, "several")
    with studio.page() as page:
        studio.searched(page, studio.noise)
        studio.keep(page, "nothing-close")
    with studio.page(PHONE, dark=True) as page:
        studio.searched(page)
        studio.keep(page, "results-phone-dark")
        page.locator(".act", has_text="More like this").first.click()
        page.locator(".itempage .grid:not([aria-hidden])").wait_for()
        studio.keep(page, "item-phone-dark")


def waits(studio: Studio) -> None:
    """While it is looked for, and where that fails."""
    with studio.page(PHONE) as page:
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        page.route("**/v1/search**", hold)  # it takes no built-in
        page.locator(".target input").first.set_input_files(studio.customer)
        page.locator(".waiting").first.wait_for()
        studio.keep(page, "looking")
        page.locator(".long").wait_for()
        studio.keep(page, "slow")
        held[0].fulfill(status=503, json={"code": "overloaded"}, content_type="application/problem+json")
        page.get_by_role("alert").wait_for()
        studio.keep(page, "error")
    with studio.page(PHONE) as page:
        page.context.set_offline(True)
        page.locator(".target input").first.set_input_files(studio.customer)
        page.get_by_role("alert").wait_for()
        studio.keep(page, "offline")
    with studio.page(PHONE) as page:
        page.locator(".target input").first.set_input_files(studio.noise.with_name("text.jpg"))
        page.get_by_role("alert").wait_for()
        studio.keep(page, "no-photo")
    with studio.page(PHONE) as page:
        page.goto(studio.locked)
        page.locator(".target input").first.set_input_files(studio.customer)
        page.locator("input[type=password]").wait_for()
        studio.keep(page, "key")


def shop(studio: Studio, address: str) -> None:
    """The search over a shop's own page, and the console."""
    with studio.page() as page:
        page.goto(address)
        page.get_by_text("Find it by photo").click()
        frame = page.frame_locator("iframe")
        frame.locator(".target input").first.set_input_files(studio.customer)
        frame.locator(".grid:not([aria-hidden]) .tile").first.wait_for()
        page.wait_for_timeout(1000)
        studio.keep(page, "button")
        page.goto(f"{studio.url}/admin")
        page.locator("input").fill(ADMIN)
        page.keyboard.press("Enter")
        page.locator("table").first.wait_for()
        page.locator("main input[type=file]").set_input_files(studio.customer)
        page.locator(".grid .tile").first.wait_for()
        studio.keep(page, "console", whole=True)


def twinset(*command: str) -> None:
    """Runs a command of twinset."""
    subprocess.run([sys.executable, "-m", "twinset", *command, "--quiet"], check=True, stdout=subprocess.DEVNULL)


def prepared(home: Path) -> Path:
    """A shop of drawn garments with sizes, calibrated, with two versions; its catalogue."""
    twinset("demo", "--out", str(home / "shop"))
    table, catalogue = home / "shop/photos.csv", home / "catalogue"
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["size"] = SIZES[sum(row["item_id"].encode()) % len(SIZES)]
    with table.open("w", encoding="utf-8", newline="") as file:
        written = csv.DictWriter(file, list(rows[0]))
        written.writeheader()
        written.writerows(rows)
    twinset("index", str(table), "--catalogue", str(catalogue), "--bundle", "colour")
    twinset("upgrade", "--catalogue", str(catalogue), "--bundle", "default")
    calibrated = ("--split", "test", "--catalogue", str(catalogue))
    twinset("calibrate", str(table), *calibrated)
    for name, number in (("customer", 66), ("second", 67)):
        shutil.copy(next((home / "shop").rglob(f"item_000{number}/customer_01.jpg")), home / f"{name}.jpg")
    pixels = np.random.default_rng(3).integers(0, 256, (24, 18, 3), np.uint8)
    Image.fromarray(pixels).resize((360, 480), Image.Resampling.BICUBIC).save(home / "noise.jpg")
    (home / "text.jpg").write_text("no photo", encoding="utf-8")
    return catalogue


@contextmanager
def served(catalogue: Path, *options: str) -> Iterator[str]:
    """A server process; its address."""
    command = [sys.executable, "-m", "twinset", "serve", "--catalogue", str(catalogue), "--port", "0", *options]
    log = catalogue.with_name("log")
    with (
        log.open("a") as told,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True) as process,
    ):
        if process.stdout is None:
            raise RuntimeError("the server tells no address")
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.terminate()


@contextmanager
def shop_page(home: Path) -> Iterator[tuple[str, Path]]:
    """The address of a shop's own page, and the file that it shows."""
    home.mkdir()
    handler = partial(_Quiet, directory=home)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", home / "index.html"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Says nothing."""


def main() -> None:
    """Draws all of them."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else PLACE
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        catalogue = prepared(home)
        with (
            shop_page(home / "site") as (address, page),
            served(catalogue, "--admin-key", ADMIN, "--allow-origin", address) as url,
            served(catalogue, "--key", KEY) as locked,
            sync_playwright() as playwright,
        ):
            page.write_text(SHOP_PAGE.format(url=url), encoding="utf-8")
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            studio = Studio(browser, out, url, locked, home / "customer.jpg", home / "noise.jpg")
            starts(studio)
            results(studio)
            waits(studio)
            shop(studio, address)
            browser.close()


if __name__ == "__main__":
    main()
