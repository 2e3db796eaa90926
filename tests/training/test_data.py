"""Manifests → what is trained on, what judges it, and what is said about it."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from twinset import photos as photo_files
from twinset.errors import ManifestError, UnknownFieldError, UsageError
from twinset.manifest import read
from twinset.manifest.split import assign, parse_hold_out
from twinset.photos import encode_jpeg, in_fractions
from twinset.preprocess import Preprocess, grown
from twinset.training import augment
from twinset.training.data import Selection, gather, readable
from twinset.training.draws import LOOKS, generator
from twinset.training.loader import Loader

Row = Sequence[str]
COLUMNS = ("path", "item_id", "domain", "split", "view", "style")


def shop(folder: Path, rows: Sequence[Row]) -> Path:
    """A manifest of small photos, each of one colour."""
    folder.mkdir(parents=True)
    for i, (path, *_) in enumerate(rows):
        pixels = np.full((12, 8, 3), 9 * i % 256, np.uint8)
        (folder / path).write_bytes(encode_jpeg(pixels))
    with (folder / "photos.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return folder / "photos.csv"


def rows(splits: Sequence[str], items: int = 3) -> list[Row]:
    """A customer and a shop photo of `items` items in each split."""
    return [
        (f"{split}{item}{domain}.jpg", f"{split}{item}", domain, split, "", "")
        for split in splits
        for item in range(items)
        for domain in ("customer", "shop")
    ]


def test_train_rows_are_trained_on_and_val_rows_judge(tmp_path: Path) -> None:
    """Test rows take no part; rows without a split are in both."""
    table = shop(tmp_path / "a", [*rows(["train", "val", "test"]), ("every.jpg", "val0", "shop", "", "", "")])
    found = gather([table])
    assert {photo.value("split") for photo in found.train} == {"train", ""}
    [judge] = found.validations
    assert (judge.name, judge.protocol.name, judge.split) == ("a", "consumer-to-shop", "val")
    assert {photo.value("split") for photo in judge.photos} == {"val", ""}
    assert not any("split by item" in note for note in found.notes)


def test_without_val_rows_items_are_split_and_it_is_said(tmp_path: Path) -> None:
    """The same split that `data split` makes, both domains of an item together."""
    table = shop(tmp_path / "a", [(*row[:3], "", "", "") for row in rows(["x"], items=40)])
    found = gather([table])
    photos = read(table).photos
    expected = [photo.path for photo, split in zip(photos, assign(photos), strict=True) if split == "train"]
    assert [photo.path for photo in found.train] == expected
    assert 0 < len(expected) < 80
    assert {photo.item_id for photo in found.train}.isdisjoint(
        photo.item_id for photo in found.validations[0].photos
    )
    assert any("no row is in split val: split by item into" in note for note in found.notes)


def test_given_test_rows_stay_out_when_val_is_made(tmp_path: Path) -> None:
    """Only train rows are divided."""
    table = shop(tmp_path / "a", rows(["train", "test"], items=30))
    found = gather([table])
    used = [*found.train, *found.validations[0].photos]
    assert all(photo.item_id.startswith("train") for photo in used)
    assert len(used) == 60


def test_several_manifests_keep_their_roots_and_their_items_apart(tmp_path: Path) -> None:
    """The same item id in two shops is two items; each judges by itself; folders of one name get numbers."""
    tables = [shop(tmp_path / place / "shop", rows(["train", "val"])) for place in ("x", "y")]
    found = gather(tables)
    assert {photo.item_id.split("/")[0] for photo in found.train} == {"shop", "shop-2"}
    assert len({photo.path for photo in found.train}) == len(found.train) == 12
    for photo in found.train:
        place = "x" if photo.path.startswith("shop/") else "y"
        assert found.files[photo.path].read_bytes()
        assert found.files[photo.path].parent == (tmp_path / place / "shop").resolve()
    assert [part.name for part in found.validations] == ["shop", "shop-2"]


def test_held_out_rows_take_no_part(tmp_path: Path) -> None:
    """Neither in training nor in validation, and their number is told."""
    table = shop(tmp_path / "a", rows(["train", "val"], items=12))
    hold_out = parse_hold_out("item_id=0-7")
    found = gather([table], Selection(hold_out=hold_out))
    used = [*found.train, *found.validations[0].photos]
    held = [photo for photo in read(table).photos if hold_out.holds(photo)]
    assert held
    assert not [photo for photo in used if hold_out.holds(photo)]
    assert f"a: {len(held)} photos are held out" in found.notes


def test_without_customers_other_views_stand_for_them(tmp_path: Path) -> None:
    """A shop's own photos train from the other views to the main one."""
    views = [(f"{i}{view}.jpg", str(i), "shop", "train", view, "") for i in range(3) for view in ("main", "back")]
    found = gather([shop(tmp_path / "a", [*views, *((f"v{p}", i, d, "val", w, s) for p, i, d, _, w, s in views)])])
    assert {(photo.view, photo.domain) for photo in found.train} == {("main", "shop"), ("back", "customer")}
    assert found.validations[0].protocol.name == "views"
    assert any("no customer photos: views other than main stand for them" in note for note in found.notes)
    [judged] = [note for note in found.notes if "judged by" in note]
    assert judged.startswith("a: judged by 3 queries in 3 items (protocol views, split val): too few")


def test_a_manifest_that_cannot_judge_says_so(tmp_path: Path) -> None:
    """Val rows without a right answer are no validation."""
    table = shop(tmp_path / "a", [*rows(["train"]), ("v.jpg", "v", "customer", "val", "", "")])
    found = gather([table])
    assert not found.validations
    assert any(note.startswith("a: no validation") for note in found.notes)


def test_nothing_to_train_on_is_bad_input(tmp_path: Path) -> None:
    """The error says which rows are needed."""
    with pytest.raises(ManifestError, match="no photo is left to train on: give rows whose split is train"):
        gather([shop(tmp_path / "a", rows(["val", "test"]))])


def test_unreadable_photos_are_left_out_and_listed(tmp_path: Path) -> None:
    """Of training and validation; the others stay."""
    table = shop(tmp_path / "a", rows(["train", "val"]))
    for name in ("train0shop.jpg", "val1customer.jpg"):
        (table.parent / name).write_bytes(b"no photo")
    found = gather([table])
    sound = readable(found, Loader(found.files, Preprocess(16), 0.0))
    assert [fault.path for fault in sound.unreadable] == ["train0shop.jpg", "val1customer.jpg"]
    assert {fault.code for fault in sound.faults} == {"not_a_photo"}
    assert len(sound.train) == 5
    assert len(sound.validations[0].photos) == 5
    assert sound.digest != found.digest


def test_training_sees_what_indexing_sees(wardrobe: Path) -> None:
    """Without augmentation a training photo is, bit for bit, what the embedder would show the model."""
    table = read(wardrobe)
    prepare, margin = Preprocess(48), 0.1
    files = {photo.path: table.root / photo.path for photo in table.photos}
    chosen = [photo for photo in table.photos if photo.box][:3] + [
        photo for photo in table.photos if not photo.box
    ][:2]
    batch = Loader(files, prepare, margin).batch(chosen)
    for photo, seen in zip(chosen, batch, strict=True):
        decoded = photo_files.decode(files[photo.path].read_bytes())
        box = in_fractions(photo.box, decoded)
        assert np.array_equal(seen, prepare.apply(decoded.pixels, None if box is None else grown(box, margin)))


def test_looks_differ_by_step_and_place_and_repeat_by_key(wardrobe: Path) -> None:
    """The same key is the same look; another is another."""
    table = read(wardrobe)
    photos = table.photos[:2]
    loader = Loader({photo.path: table.root / photo.path for photo in photos}, Preprocess(32), 0.0)

    def batch(step: int) -> torch.Tensor:
        return loader.batch(photos, [augment.light(generator(0, LOOKS, step, place)) for place in range(2)])

    assert torch.equal(batch(3), batch(3))
    assert not torch.equal(batch(3), batch(4))
    assert not torch.equal(batch(3)[0], batch(3)[1])


def test_a_look_keeps_the_colour_of_the_garment() -> None:
    """A red photo stays the reddest, a grey one stays nearly grey; at least 3/4 of each side is seen."""
    prepare = Preprocess(16)
    for key in range(50):
        look = augment.light(generator(0, LOOKS, key))
        assert look.cut[2] - look.cut[0] >= 0.75
        assert look.cut[3] - look.cut[1] >= 0.75
        red = augment.seen(look, prepare, np.full((20, 20, 3), (180, 40, 50), np.uint8), None)[8, 8].astype(int)
        grey = augment.seen(look, prepare, np.full((20, 20, 3), 120, np.uint8), None)[8, 8].astype(int)
        assert red[0] - red[1:].max() > 60
        assert grey.max() - grey.min() < 30


def test_the_ground_of_a_letterbox_keeps_its_colour() -> None:
    """As the bundle fills it up, whatever the light."""
    look = augment.Look((0, 0, 1, 1), False, np.full(3, 0.7, np.float32), 1.0)
    square = augment.seen(look, Preprocess(16), np.full((16, 4, 3), 100, np.uint8), None)
    assert (square[:, :6] == 255).all()
    assert (square[:, 6:10] < 100).all()


def test_a_mirrored_look_is_the_mirror_image() -> None:
    """Left and right change places, nothing else."""
    left = np.zeros((16, 16, 3), np.uint8)
    left[:, :8] = 200
    look = augment.Look((0, 0, 1, 1), True, np.ones(3, np.float32), 1.0)
    assert np.array_equal(augment.seen(look, Preprocess(16), left, None), left[:, ::-1])


def test_the_digest_follows_rows_and_files(tmp_path: Path) -> None:
    """Another item, box or split of one row, train or val, or another file, is another digest."""
    table = shop(tmp_path / "a", rows(["train", "val"]))
    text, first = table.read_text(), gather([table]).digest
    assert gather([table]).digest == first
    for old, new in (("train0,cust", "train1,cust"), ("val0,shop,val", "val0,shop,test")):
        table.write_text(text.replace(old, new, 1))
        assert gather([table]).digest != first
    table.write_text(text.replace("style\n", "box\n").replace(",train,,\n", ',train,,"0,0,4,4"\n', 1))
    assert gather([table]).digest != first
    table.write_text(text)
    (table.parent / "val0shop.jpg").write_bytes(b"longer than it was" * 99)
    assert gather([table]).digest != first


def test_filters_choose_rows_and_unknown_columns_are_refused(tmp_path: Path) -> None:
    """A misspelt column, in a filter or as what is held out, never means "all rows"."""
    table = shop(tmp_path / "a", rows(["train", "val"]))
    found = gather([table], Selection(where=("item_id=train0|train1|val0|val1",)))
    assert {photo.item_id for photo in found.train} == {"train0", "train1"}
    for selection in (Selection(where=("itm=x",)), Selection(hold_out=parse_hold_out("itm=0-7"))):
        with pytest.raises(UnknownFieldError, match="itm"):
            gather([table], selection)


def test_two_manifests_of_one_folder_are_one_shop(tmp_path: Path) -> None:
    """`train.csv` beside `val.csv`: no item is divided, nothing is split anew; one manifest twice is refused."""
    table = shop(tmp_path / "a", rows(["train", "val"]))
    lines = table.read_text().splitlines()
    for split in ("train", "val"):
        part = [lines[0], *(line for line in lines[1:] if f",{split}," in line)]
        (table.parent / f"{split}.csv").write_text("\n".join(part))
    found = gather([table.parent / "train.csv", table.parent / "val.csv"])
    assert found.digest == gather([table]).digest
    assert not any("split by item" in note for note in found.notes)
    with pytest.raises(UsageError, match="is named twice: name each manifest once"):
        gather([table, table.parent / "." / "photos.csv"])
    with pytest.raises(UsageError, match="one photos root cannot hold for several"):
        gather([table, table.parent / "val.csv"], Selection(photos_root=table.parent))


def test_a_validation_whose_queries_are_broken_judges_no_more(tmp_path: Path) -> None:
    """It is said before training begins, not when the first epoch is over."""
    table = shop(tmp_path / "a", rows(["train", "val"]))
    for item in range(3):
        (table.parent / f"val{item}customer.jpg").write_bytes(b"no photo")
    found = gather([table])
    sound = readable(found, Loader(found.files, Preprocess(16), 0.0))
    assert found.validations
    assert not sound.validations
    assert any("no validation" in note for note in sound.notes)
