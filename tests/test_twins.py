"""Near-identical photos are found however they were saved, others are not, and recall with them is told apart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shops import cloth, picture
from twinset import twins
from twinset.evaluate import evaluate
from twinset.protocols import PROTOCOLS
from twinset.records import Photo, Pixels


def save(folder: Path, name: str, pixels: Pixels, **options: int) -> Photo:
    """A photo's file, of an item of its own."""
    Image.fromarray(pixels).save(folder / name, **options)
    return Photo(name, name.split(".", maxsplit=1)[0], category="TOPS")


def test_the_same_picture_saved_again_is_a_twin(tmp_path: Path) -> None:
    """JPEG of quality 75 and another size are twins of the photo; another picture, or a patch of it, is none."""
    pixels = cloth(1)
    patched = pixels.copy()
    patched[30:48, 30:48] = (pixels[30:48, 30:48].astype(int) + 40).clip(0, 255)
    larger = np.asarray(Image.fromarray(pixels).resize((192, 192), Image.Resampling.BICUBIC))
    photos = [
        save(tmp_path, "a.png", pixels),
        save(tmp_path, "other.png", cloth(2)),
        save(tmp_path, "again.jpg", pixels, quality=75),
        save(tmp_path, "patched.png", patched),
        save(tmp_path, "larger.png", larger),
    ]
    assert twins.find(photos, tmp_path) == ((0, 2), (0, 4), (2, 4))
    assert twins.find(photos[1:2], tmp_path) == ()
    assert twins.find([], tmp_path) == ()


def test_a_copy_of_half_the_size_is_a_twin(tmp_path: Path) -> None:
    """Its sides are rounded, and so it is of a slightly other shape."""
    pixels = cloth(1, 256)[:, :201]
    half = np.asarray(Image.fromarray(pixels).resize((100, 128), Image.Resampling.LANCZOS))
    photos = [save(tmp_path, "a.png", pixels), save(tmp_path, "half.jpg", half, quality=75)]
    assert twins.find(photos, tmp_path) == ((0, 1),)


def test_another_category_or_another_box_is_no_twin(tmp_path: Path) -> None:
    """One picture of a whole outfit under two ids shows two items: told apart by category, or by their boxes."""
    pixels = np.concatenate([picture(1, 60), picture(2, 60)], axis=1)
    top = replace(save(tmp_path, "a.png", pixels), box=(0, 0, 60, 60))
    same, other = replace(save(tmp_path, "b.png", pixels), box=top.box), save(tmp_path, "c.png", pixels)
    assert twins.find([top, same, other], tmp_path) == ((0, 1),)
    assert twins.find([top, replace(same, category="SKIRTS")], tmp_path) == ()


def test_a_photo_that_cannot_be_read(tmp_path: Path) -> None:
    """Then nothing is said of twins."""
    assert twins.find([save(tmp_path, "a.png", picture(1)), Photo("gone.png", "b")], tmp_path) is None


def test_many_photos_against_a_slow_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pair within the limit is found, and no other, whatever the size of the blocks."""
    monkeypatch.setattr(twins, "_ROWS_AT_ONCE", 500)
    generator = np.random.default_rng(3)
    base = generator.integers(0, 256, (12, 16, 16, 3))
    wobble = generator.integers(-4, 5, (90, 16, 16, 3))
    wobble[::4, 3, 3, 1] += 12
    small = (base[generator.integers(0, 12, 90)] + wobble).clip(0, 255).astype(np.uint8)
    categories = generator.integers(0, 2, 90)

    def apart(i: int, j: int) -> int:
        return int(np.abs(small[i].astype(int) - small[j].astype(int)).max())

    pairs = [(i, j) for i in range(90) for j in range(i + 1, 90) if categories[i] == categories[j]]
    slow = [pair for pair in pairs if apart(*pair) <= twins.LEVELS]
    assert 20 < len(slow) < 400
    assert sorted(twins.pairs(small, categories)) == slow


def test_recall_where_twins_of_right_answers_are_right_too() -> None:
    """A twin of the right photo under another id, ranked first, is found; the plain figures stay as they are."""
    photos = [
        Photo("q1", "a", domain="customer"),
        Photo("q2", "b", domain="customer"),
        *(Photo(name, name) for name in ("a", "b", "twin of a", "c")),
    ]
    vectors = {"q1": [1, 0], "q2": [0, 1], "a": [0.8, 0.6], "b": [0.6, 0.8], "twin of a": [1, 0], "c": [0, 1]}
    table = np.array([vectors[photo.path] for photo in photos], np.float32)
    found = evaluate(
        photos,
        lambda chosen: (chosen, table[[photos.index(photo) for photo in chosen]]),
        PROTOCOLS["consumer-to-shop"],
        "all",
        twins=lambda gallery: [(0, 2), (1, 1)] if [p.path for p in gallery][2] == "twin of a" else None,
    )
    assert (found.recall[1], found.recall[5]) == (0, 1)
    told = found.to_json()["duplicates"]
    assert told == {
        "pairs": 1,
        "photos": 2,
        "items": 2,
        "queries": 1,
        "recall@1": 0.5,
        "recall@5": 1,
        "recall@10": 1,
        "recall@20": 1,
        "recall@50": 1,
    }
