"""How soon a shopper sees results: the page in Chromium before a real server, beside sending the photo as it is.

Usage: page.py MANIFEST [--searches 200].

The manifest's photos are indexed with the bundle `default`, and its customer photos (its shop photos where it has
none) are picked in the page one after another; time runs from the moment that the browser hands the file over until
the first items are drawn, and until the first of their pictures is. Then a photo of 12 megapixels, twelve of those
photos side by side, is searched with over an emulated slow 4G as Chromium's tools set it: 1.44 Mbit/s down,
675 kbit/s up, 562 ms there and back; once more with a processor four times slower; and posted as it is, which is
what a form does. The last figure is of a first visit over that network.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from playwright.sync_api import CDPSession, Page, sync_playwright

from twinset import Catalogue, manifest

SLOW_4G: Final = {"offline": False, "latency": 562.5, "downloadThroughput": 180_000, "uploadThroughput": 84_375}
"""Bytes a second."""
REPEATS: Final = 5
WATCH: Final = """() => {
    window.times = {};
    addEventListener("change", () => { times = { start: performance.now() }; }, true);
    new MutationObserver(() => {
        const tile = document.querySelector(".grid:not([aria-hidden]) .tile");
        if (!tile || !times.start || times.items) return;
        requestAnimationFrame(() => { times.items ??= performance.now() - times.start; });
        const shown = tile.querySelector("img");
        const done = () => { times.picture ??= performance.now() - times.start; };
        if (shown.complete && shown.naturalWidth) done();
        else shown.addEventListener("load", done, { once: true });
    }).observe(document.body, { childList: true, subtree: true });
}"""


@contextmanager
def served(catalogue: Path, log: Path) -> Iterator[str]:
    """A server process, and its address."""
    command = [sys.executable, "-m", "twinset", "serve", "--catalogue", str(catalogue), "--port", "0", "--quiet"]
    with (
        log.open("w") as told,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.terminate()


def searched(page: Page, photo: Path) -> dict[str, float]:
    """Milliseconds until the first items, and their first picture, for a photo that is picked."""
    page.get_by_role("button", name="New search").or_(page.locator(".target")).first.wait_for()
    if page.locator(".again").is_visible():
        page.locator(".again").click()
    page.locator(".target input").first.set_input_files(photo)
    page.wait_for_function("() => times.picture", timeout=120_000)
    found: dict[str, float] = page.evaluate("times")
    return found


def posted(page: Page, photo: Path) -> float:
    """Milliseconds until the answer to a photo that is sent as it is."""
    page.locator(".again").click()
    page.evaluate(
        "() => document.querySelector('.target input').addEventListener('change', (e) => "
        "{ e.stopImmediatePropagation(); window.file = e.target.files[0]; }, true)"
    )
    page.locator(".target input").first.set_input_files(photo)
    page.wait_for_function("() => window.file")
    spent: float = page.evaluate(
        "async () => { const start = performance.now();"
        " const answer = await fetch('/v1/search', { method: 'POST', body: file }); await answer.json();"
        " return performance.now() - start; }"
    )
    return spent


def phone_photo(photos: Sequence[Path], out: Path) -> Path:
    """Twelve photos side by side in 4000 × 3000 pixels, with a sensor's noise."""
    sheet = Image.new("RGB", (4000, 3000))
    for place, path in enumerate(photos[:12]):
        with Image.open(path) as one:
            sheet.paste(one.convert("RGB").resize((1000, 1000)), (place % 4 * 1000, place // 4 * 1000))
    noise = np.random.default_rng(0).normal(0, 4, (3000, 4000, 3))
    noisy = np.clip(np.asarray(sheet) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(out, quality=92)
    return out


def told(name: str, found: Sequence[dict[str, float]]) -> None:
    """Prints medians and 95th percentiles."""
    for what in ("items", "picture"):
        times = [one[what] for one in found]
        print(f"{name}, first {what}: median {np.median(times):.0f} ms, p95 {np.percentile(times, 95):.0f} ms")


def visited(page: Page) -> float:
    """Milliseconds of a first visit, nothing of it kept from an earlier one, until a photo can be given."""
    start = time.perf_counter()
    page.reload()
    page.locator(".target").wait_for()
    return (time.perf_counter() - start) * 1e3


def slowly(page: Page, devtools: CDPSession, photo: Path) -> None:
    """The large photo over a slow network."""
    devtools.send("Network.emulateNetworkConditions", SLOW_4G)
    told("12 MP over slow 4G", [searched(page, photo) for _ in range(REPEATS)])
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    told("12 MP over slow 4G, processor / 4", [searched(page, photo) for _ in range(REPEATS)])
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    print(f"12 MP over slow 4G, posted as it is: {posted(page, photo):.0f} ms")
    devtools.send("Network.setCacheDisabled", {"cacheDisabled": True})
    print(f"first visit over slow 4G: {np.median([visited(page) for _ in range(REPEATS)]):.0f} ms")


def main() -> None:
    """Indexes, serves, opens a browser, and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--searches", type=int, default=200)
    asked = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is not installed: apt-get install chromium")
    table = manifest.read(asked.manifest)
    chosen = [photo for photo in table.photos if photo.domain == "customer"] or list(table.photos)
    photos = [table.root / photo.path for photo in chosen]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        Catalogue.build(home / "c", asked.manifest).close()
        large = phone_photo(photos, home / "large.jpg")
        with served(home / "c", home / "log") as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 390, "height": 844})
            page.goto(url)
            page.evaluate(WATCH)
            picked = [photos[place * len(photos) // asked.searches] for place in range(asked.searches)]
            told("on the same machine", [searched(page, photo) for photo in picked])
            print(f"12 MP: {large.stat().st_size / 1e6:.1f} MB")
            slowly(page, page.context.new_cdp_session(page), large)
            browser.close()


if __name__ == "__main__":
    main()
