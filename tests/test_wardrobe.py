"""The drawn wardrobe: the same photos for one seed, a manifest that fits them, and an honest difficulty."""

import csv
import hashlib
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from twinset.datasets.wardrobe import COLUMNS, Drawn, draw, photos
from twinset.datasets.wardrobe.style import items
from twinset.errors import UsageError

PINNED = ("2.4.6", "13.0.0")


def checksum(drawn: Iterable[Drawn]) -> str:
    found = hashlib.sha256()
    for photo in drawn:
        found.update(repr(photo.pixels.shape).encode() + photo.pixels.tobytes())
    return found.hexdigest()


@pytest.fixture(scope="module")
def wardrobe() -> list[Drawn]:
    return list(photos(24, 5))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("wardrobe"), items=24, seed=5)


def test_one_seed_draws_the_same_pixels_twice_and_another_seed_others() -> None:
    """The pixels are a function of the seed."""
    assert checksum(photos(3, 5)) == checksum(photos(3, 5))
    assert checksum(photos(3, 5)) != checksum(photos(3, 6))


@pytest.mark.skipif((np.__version__, PIL.__version__) != PINNED, reason="pinned for these versions")
def test_the_pixels_are_those_of_the_release() -> None:
    """Under the pinned versions a release draws what the release before it drew."""
    assert checksum(photos(3, 7)) == "7851abd944f7b1fd82413967f65ee984187cf506950837f3f0eb15dfb5565feb"


def test_item_n_is_the_same_however_many_are_drawn(wardrobe: list[Drawn]) -> None:
    """An item's photos do not depend on how many items are asked for."""
    few = list(photos(4, 5))
    assert [photo.row() for photo in few] == [photo.row() for photo in wardrobe[: len(few)]]
    assert checksum(few) == checksum(wardrobe[: len(few)])


def test_more_photos_leave_the_first_ones_as_they_are() -> None:
    """Further views and customers come after the ones already drawn."""
    more = list(photos(1, 5, shop_photos=4, customer_photos=2))
    fewer = list(photos(1, 5))
    assert checksum([*more[:2], more[4]]) == checksum(fewer)
    assert [photo.domain for photo in more] == ["shop"] * 4 + ["customer"] * 2
    assert {photo.view for photo in more[:4]} == {"main", "back", "detail"}


def test_the_manifest_has_a_line_for_each_file_and_a_file_for_each_line(folder: Path) -> None:
    """The columns are the agreed ones, and every path in them is a readable photo."""
    with folder.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 24 * 3
    written = {path.relative_to(folder.parent).as_posix() for path in folder.parent.rglob("*.jpg")}
    assert {row["path"] for row in rows} == written
    for row in rows[:6]:
        with Image.open(folder.parent / row["path"]) as image:
            assert image.format == "JPEG"
            assert image.mode == "RGB"
        assert row["path"].startswith(f"{row['category']}/{row['item_id']}/{row['domain']}_")
        assert float(row["price"]) > 0


def test_the_manifest_tells_what_photos_tells(folder: Path, wardrobe: list[Drawn]) -> None:
    """Drawing to disk, on several threads, keeps facts and order."""
    with folder.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))[1:]
    assert [tuple(line) for line in lines] == [photo.row() for photo in wardrobe]


def test_progress_counts_every_photo(tmp_path: Path) -> None:
    """The caller hears of each item's photos once."""
    told: list[int] = []
    draw(tmp_path, items=2, seed=1, shop_photos=3, customer_photos=2, advance=told.append)
    assert told == [5, 5]


def test_domains_and_views(wardrobe: list[Drawn]) -> None:
    """A shop's first photo is the main view; a customer's has no view."""
    for first, second, third in zip(*[iter(wardrobe)] * 3, strict=True):
        assert (first.domain, first.view) == ("shop", "main")
        assert second.domain == "shop"
        assert second.view in {"back", "detail"}
        assert (third.domain, third.view) == ("customer", "")
        assert first.item_id == second.item_id == third.item_id


def test_boxes_lie_in_the_photo_and_hold_most_of_it(wardrobe: list[Drawn]) -> None:
    """Every photo but a close look has a box, inside the photo and not small."""
    for photo in wardrobe:
        height, width, channels = photo.pixels.shape
        assert (channels, photo.pixels.dtype) == (3, np.uint8)
        if photo.view == "detail":
            assert photo.box is None
            continue
        assert photo.box is not None
        x1, y1, x2, y2 = photo.box
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height
        assert (x2 - x1) * (y2 - y1) > 0.15 * width * height


def test_a_style_lies_in_one_split_and_all_splits_occur() -> None:
    """Colourways of one style are never divided among splits, whose sizes are about 6 : 1 : 3."""
    of_style: dict[str, set[str]] = {}
    for item in islice(items(3), 1000):
        of_style.setdefault(item.style, set()).add(item.split)
    assert all(len(splits) == 1 for splits in of_style.values())
    drawn = [next(iter(splits)) for splits in of_style.values()]
    shares = [drawn.count(split) / len(drawn) for split in ("train", "val", "test")]
    assert shares == pytest.approx([0.6, 0.1, 0.3], abs=0.07)


def test_colourways_share_a_design_and_differ_in_colour_and_item() -> None:
    """Two or three items make a style: one design, different colours."""
    of_style: dict[str, list[tuple[str, str]]] = {}
    for item in islice(items(3), 90):
        of_style.setdefault(item.style, []).append((item.item_id, item.way.ground.family))
    for pairs in list(of_style.values())[:-1]:
        assert len(pairs) in {2, 3}
        assert len({item_id for item_id, _ in pairs}) == len(pairs)
        assert len({family for _, family in pairs}) == len(pairs)


def test_no_two_items_of_a_wardrobe_are_alike() -> None:
    """No two of 200 items agree in category, cut, pattern, its measure and colour."""
    seen = {(item.design, item.way.ground.name) for item in islice(items(7), 200)}
    assert len(seen) == 200
    broad = {(i.design.category, i.design.fabric.pattern, i.way.ground.family) for i in islice(items(7), 200)}
    assert len(broad) > 190


def test_dresses_tops_and_trousers_all_occur() -> None:
    """A hundred items hold every large category and many patterns."""
    drawn = list(islice(items(7), 100))
    assert {item.design.category.split("/")[0] for item in drawn} == {"DRESSES", "TOPS", "TROUSERS"}
    assert len({item.design.fabric.pattern for item in drawn}) >= 10


def colours(pixels: np.ndarray) -> np.ndarray:
    bins = np.asarray(Image.fromarray(pixels).resize((96, 96))).astype(np.int64) // 32
    counts = np.bincount((bins[..., 0] * 64 + bins[..., 1] * 8 + bins[..., 2]).ravel(), minlength=512)
    root = np.sqrt(counts)
    return root / np.linalg.norm(root)


def test_colour_alone_finds_some_items_and_far_from_all() -> None:
    """A colour histogram's recall@1 from customer to shop is between 0.10 and 0.50 on 200 items."""
    found: dict[str, list[np.ndarray]] = {"shop": [], "customer": []}
    names: dict[str, list[str]] = {"shop": [], "customer": []}
    for photo in photos(200, 7):
        found[photo.domain].append(colours(photo.pixels))
        names[photo.domain].append(photo.item_id)
    likeness = np.array(found["customer"]) @ np.array(found["shop"]).T
    best = [names["shop"][column] for column in likeness.argmax(axis=1)]
    recall = np.mean([a == b for a, b in zip(best, names["customer"], strict=True)])
    assert 0.10 <= recall <= 0.50


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"items": 0}, "0 items cannot be drawn"),
        ({"items": 20_001}, "20001 items cannot be drawn"),
        ({"items": 1, "shop_photos": 0}, "0 shop photos cannot be drawn"),
        ({"items": 1, "customer_photos": -1}, "-1 customer photos cannot be drawn"),
    ],
)
def test_impossible_wardrobes_are_refused(tmp_path: Path, asked: dict[str, int], said: str) -> None:
    """A wardrobe without items or photos, or too large, is refused before anything is written."""
    out = tmp_path / "out"
    with pytest.raises(UsageError, match=said):
        draw(out, seed=1, **asked)
    assert not out.exists()
    with pytest.raises(UsageError, match=said):
        next(photos(seed=1, **asked))
