"""A real browser before a real server of drawn garments."""

import csv
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image
from playwright.sync_api import Browser, Dialog, Page, Route, expect, sync_playwright

from server.serving import serving
from shops import index
from twinset import Catalogue
from twinset.cli.main import main
from twinset.server.app import create_app
from twinset.settings import ServeSettings

CHROMIUM = shutil.which("chromium")
ADMIN = "a" * 16
KEY = "k" * 16
ITEMS = 24


@dataclass
class Visit:
    """A page, the address of its server, and what went wrong in it: nothing may."""

    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)
    photo: Path | None = None
    agreed: str = ""

    def answer(self, dialog: Dialog) -> None:
        """Agrees to the one that is to come; any other should not be there."""
        if dialog.message == self.agreed:
            dialog.accept()
            return
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def found(self) -> None:
        """Waits for items."""
        self.page.wait_for_selector(".grid .tile:not(.waiting)")

    def settled(self) -> None:
        """Waits until nothing is looked for."""
        expect(self.page.locator("[aria-busy]")).to_have_count(0)

    def ids(self) -> list[str]:
        """Which items are shown, by the names of their acts."""
        return [
            name or ""
            for name in self.page.eval_on_selector_all(".tile .acts", "all => all.map(one => one.ariaLabel)")
        ]

    def sample(self, number: int = 2) -> None:
        """Searches with a sample."""
        self.page.get_by_role("button", name=f"Sample {number}").click()
        self.found()

    def give(self, photo: Path) -> None:
        """Picks a photo; waits for nothing."""
        self.page.locator(".target input[type=file]").first.set_input_files(photo)

    def hold(self, pattern: str) -> list[Route]:
        """Keeps requests from the server until the test sends them on; they come into the list."""
        held: list[Route] = []

        def keep(route: Route) -> None:
            held.append(route)

        self.page.route(pattern, keep)
        return held

    def until(self, done: Callable[[], bool]) -> None:
        """Waits for something that the page itself does not show."""
        for _ in range(300):
            if done():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError("it did not come")

    def forgive(self, words: str) -> None:
        """Takes errors with these words from what went wrong: at least one was to come."""
        kept = [told for told in self.wrong if words not in told]
        assert len(kept) < len(self.wrong), f"nothing told of {words}: {self.wrong}"
        self.wrong[:] = kept


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, where it is installed."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def wardrobe_shop(wardrobe: Path, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn shop of 24 items that other tests have, too, to be added to, and its catalogue `c`."""
    place = tmp_path_factory.mktemp("page")
    shutil.copytree(wardrobe.parent, place / "shop")
    shutil.copytree(built, place / "c")
    return place


@pytest.fixture(scope="package")
def url(wardrobe_shop: Path) -> Iterator[str]:
    """A server of it."""
    settings = ServeSettings(admin_key=ADMIN, events=str(wardrobe_shop / "events.jsonl"))
    with Catalogue(wardrobe_shop / "c") as catalogue, serving(create_app(catalogue, settings)) as address:
        yield address


@contextmanager
def served(places: dict[str, Path], **settings: Any) -> Iterator[str]:
    """A server of catalogues by name; its address."""
    with ExitStack() as stack:
        opened = {name: stack.enter_context(Catalogue(place)) for name, place in places.items()}
        yield stack.enter_context(serving(create_app(opened, ServeSettings(**settings))))


@pytest.fixture(scope="session")
def known(wardrobe_shop: Path) -> Path:
    """The same shop, calibrated, each item with a page in a shop elsewhere."""
    manifest = wardrobe_shop / "shop" / "linked.csv"
    with (wardrobe_shop / "shop" / "photos.csv").open(encoding="utf-8", newline="") as file:
        rows = [row | {"url": f"https://shop.example/{row['item_id']}"} for row in csv.DictReader(file)]
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    place = wardrobe_shop / "known"
    index(place, manifest)
    assert main(["calibrate", str(manifest), "-c", str(place), "-q", "--split", "all", "--false-alarm", "0.1"]) == 0
    return place


@pytest.fixture(scope="package")
def both(wardrobe_shop: Path, known: Path) -> Iterator[str]:
    """A server of two catalogues: `known`, which answers where none is named, and `c`."""
    with served({"known": known, "c": wardrobe_shop / "c"}) as address:
        yield address


@pytest.fixture(scope="package")
def locked(wardrobe_shop: Path) -> Iterator[str]:
    """A server that asks for a key."""
    with served({"c": wardrobe_shop / "c"}, key=KEY) as address:
        yield address


@pytest.fixture(scope="session")
def taken(wardrobe_shop: Path) -> Path:
    """A customer's photo as a phone stores it: 3 megapixels, lying on its side, with where it was taken."""
    with Image.open(next((wardrobe_shop / "shop").rglob("customer_01.jpg"))) as drawn:
        lying = drawn.resize((1536, 2048)).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    lying.save(wardrobe_shop / "taken.jpg", exif=exif)
    return wardrobe_shop / "taken.jpg"


@contextmanager
def visited(browser: Browser, url: str, **options: Any) -> Iterator[Visit]:
    """A visit in a browser that remembers nothing; ends with nothing gone wrong."""
    context = browser.new_context(locale="en-GB", **options)
    visit = Visit(context.new_page(), url)
    visit.page.set_default_timeout(15_000)
    visit.page.on("pageerror", lambda error: visit.wrong.append(f"error: {error}"))
    visit.page.on("console", lambda told: told.type == "error" and visit.wrong.append(told.text))
    visit.page.on("dialog", visit.answer)
    visit.page.add_init_script(
        "addEventListener('securitypolicyviolation', (event) => console.error('policy', event.violatedDirective))"
    )
    try:
        yield visit
        assert visit.wrong == []
    finally:
        visit.page.unroute_all(behavior="ignoreErrors")
        context.close()


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Visit]:
    """A visit at a desk."""
    with visited(browser, url, viewport={"width": 1280, "height": 900}) as opened:
        opened.page.goto(url)
        yield opened
