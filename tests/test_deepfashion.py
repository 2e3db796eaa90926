"""DeepFashion's format becomes a manifest whose every row is good; whatever is odd in it is counted and named."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from deepfashion_layout import Layout, Shown, lay_out
from twinset import manifest
from twinset.cli.main import main
from twinset.datasets.deepfashion import COLUMNS, Conversion, convert, parse
from twinset.datasets.deepfashion.report import KINDS
from twinset.datasets.deepfashion.rows import lines, parsed, split_cells
from twinset.datasets.deepfashion.scale import Frame
from twinset.errors import ManifestError, PathError, TwinsetError
from twinset.manifest.notes import Notes

Out = pytest.CaptureFixture[str]
Rows = dict[str, dict[str, str]]
FOLDER = "img/TOPS/Blouse/id_00000001"
CUSTOMER, SHOP = f"{FOLDER}/comsumer_01.jpg", f"{FOLDER}/shop_01.jpg"


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """Both trees of 12 drawn items, with every trap; each test converts it anew."""
    return lay_out(tmp_path_factory.mktemp("deepfashion"), highres=True)


def table(done: Conversion) -> Rows:
    """The rows of the manifest by path."""
    with done.manifest.open(encoding="utf-8", newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file, strict=True)}


def place(photo: Shown, folder: str) -> str:
    """Where a photo lies in a tree."""
    path = photo.path.replace("img/", f"{folder}/", 1)
    return path.replace("Summer_Wear", "Summer_Suit") if "highres" in folder else path


def count(done: Conversion, name: str) -> int:
    return next(count.found for count in done.counts if count.name == name)


def photo(path: Path, size: tuple[int, int] = (225, 300)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, "grey").save(path, "JPEG")


def small(root: Path, pairs: list[str], **files: list[str]) -> Path:
    """A set of hand-written rows: a photo of 225 × 300 for each path below `img`, files with count and header."""
    for cell in {cell for row in pairs for cell in row.split()[:2] if cell.startswith("img/")}:
        photo(root / cell)
    written(root / "Eval/list_eval_partition.txt", ["a b item_id evaluation_status", *pairs])
    for name, rows in files.items():
        written(root / f"Anno/{name}.txt", rows if name.startswith("list_item") else ["name of columns", *rows])
    return root


def written(path: Path, rows: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    count = len(rows) - ("list_item" not in path.name)
    path.write_text("\n".join([str(count), *rows]) + "\n", encoding="utf-8")


def one_pair(split: str = "train") -> str:
    return f"{CUSTOMER} {SHOP} id_00000001 {split}"


# --- the whole layout


def test_every_photo_of_the_pairs_becomes_a_good_row(layout: Layout) -> None:
    """Low-resolution photos are the default; each pair's photos stand once, with all that their path tells."""
    done = convert(layout.root)
    found = manifest.read(done.manifest)
    assert found.faults == ()
    assert found.columns == COLUMNS
    assert done.tree == "Img/img"
    facts = {(p.path, p.item_id, p.category, p.domain, p.value("split")) for p in found.photos}
    wanted = layout.paired()
    assert facts == {(place(p, "Img/img"), p.item_id, p.category, p.domain, p.split) for p in wanted}
    assert len(found.photos) == len(wanted) == done.photos
    checked = manifest.check(found)
    assert checked.ok
    assert len(checked.splits) == 3


def test_boxes_are_the_annotated_ones_in_the_low_resolution_tree(layout: Layout) -> None:
    """A box stays as it is; one without an area or without a row is empty, one beyond the photo is clipped."""
    rows = table(convert(layout.root))
    shown = {photo.path: photo for photo in layout.paired()}
    for path, photo in shown.items():
        box = rows[place(photo, "Img/img")]["box"]
        if path in (layout.traps["zero_box"], layout.traps["no_box"]):
            assert box == ""
        elif path == layout.traps["clipped_box"]:
            height, width = photo.drawn.pixels.shape[:2]
            assert photo.box is not None
            assert box == f"0,{photo.box[1]},{round(width * 300 / height)},300"
        elif photo.box:
            assert box == ",".join(str(side) for side in photo.box)


def test_boxes_are_scaled_in_the_high_resolution_tree(layout: Layout) -> None:
    """Boxes and landmarks in 300-pixel coordinates fit the drawn garment in the large photo."""
    done = convert(layout.root, highres=True)
    rows = table(done)
    assert done.tree == "Img/img_highres"
    for photo in layout.paired():
        row = rows[place(photo, "Img/img_highres")]
        if photo.path not in layout.traps.values() and photo.drawn.box:
            box = [float(side) for side in row["box"].split(",")]
            assert box == pytest.approx(photo.drawn.box, abs=1.5)
            x, y = row["landmarks"].split("|")[0].removeprefix("visible ").split(",")
            assert (float(x), float(y)) == pytest.approx((box[2], box[1]), abs=0.01)
    clipped = next(photo for photo in layout.photos if photo.path == layout.traps["clipped_box"])
    height, width = clipped.drawn.pixels.shape[:2]
    assert rows[place(clipped, "Img/img_highres")]["box"].endswith(f",{width},{height}")
    assert manifest.check(manifest.read(done.manifest)).ok


def test_summer_suit_is_found_where_the_annotations_say_summer_wear(layout: Layout) -> None:
    """In the high-resolution tree the folder has another name; the category keeps the annotations' one."""
    done = convert(layout.root, highres=True)
    suits = {path: row for path, row in table(done).items() if "/Summer_Suit/" in path}
    assert len(suits) == done.finding("renamed_folder").count == 4
    assert {row["category"] for row in suits.values()} == {"TOPS/Summer_Wear"}
    assert convert(layout.root).finding("renamed_folder").count == 0


def test_every_trap_is_counted_and_named(layout: Layout) -> None:
    """Counts that are wrong, rows of another form, doubled pairs, photos without box or pair: all are told."""
    done = convert(layout.root)
    assert {finding.code: finding.count for finding in done.findings} == {
        "wrong_count": 1,
        "malformed_row": 3,
        "duplicate_pair": 1,
        "photo_in_several_pairs": 44,
        "item_without_pair": 1,
        "photo_without_pair": 2,
        "no_box": 1,
        "zero_box": 1,
        "clipped_box": 1,
    }
    assert done.finding("wrong_count").first == ("list_bbox_consumer2shop.txt: says 49, has 46 rows",)
    assert [place.split(":")[0] for place in done.finding("malformed_row").first] == [
        "list_eval_partition.txt, line 51",
        "list_eval_partition.txt, line 52",
        "list_bbox_consumer2shop.txt, line 48",
    ]
    assert done.finding("item_without_pair").first == (layout.one_sided,)
    assert done.finding("zero_box").first == (layout.traps["zero_box"].replace("img/", "Img/img/", 1),)
    assert [(fault.code, fault.path) for fault in done.faults] == [
        ("missing_file", layout.traps["missing"]),
        ("path_outside", "img/../../out/id_00000001/comsumer_09.jpg"),
        ("path_outside", "/etc/comsumer_01.jpg"),
        ("path_outside", "img\\..\\comsumer_01.jpg"),
    ]
    assert done.listed == done.photos + 4


def test_counts_stand_beside_the_published_ones(layout: Layout) -> None:
    """Each total says whether it is the published one; splits and categories add up to all photos."""
    done = convert(layout.root)
    assert sum(split["customer"] + split["shop"] for split in done.splits.values()) == done.photos
    assert sum(split["items"] for split in done.splits.values()) == count(done, "items") == 11
    assert sum(split["pairs"] for split in done.splits.values()) == count(done, "pairs") == 48
    assert sum(done.categories.values()) == done.photos
    assert {count.name for count in done.counts if count.agrees} == {"attributes"}
    assert not done.agrees
    assert done.to_json()["counts"][0] == {"name": "photos", "found": 43, "published": 239_557, "agrees": False}


def test_landmarks_and_attributes_are_columns_that_filters_understand(layout: Layout) -> None:
    """Lists of landmarks and attributes, the type of clothes and the variation, as text for `--where`."""
    from twinset import where

    found = manifest.read(convert(layout.root).manifest).photos
    for text in ("landmarks=cut_off *", "attributes=batwing sleeve", "attributes=v-neck", "clothes_type=upper"):
        of_filter = [p for p in found if where.parse([text]).matches(p.value)]
        assert 0 < len(of_filter) <= len(found)
    photo = next(p for p in found if p.domain == "customer" and p.item_id == "id_00000004")
    assert photo.value("attributes") == "batwing sleeve|detail 14"
    assert photo.value("variation") == "medium_zoom"
    points = {"upper": 6, "lower": 4, "full": 8}[photo.value("clothes_type")]
    assert len(photo.value("landmarks").split("|")) == points


@pytest.mark.parametrize("traps", [True, False])
def test_converting_twice_writes_the_same_bytes(tmp_path: Path, traps: bool) -> None:
    """The manifest of an earlier run is replaced, by the same bytes."""
    root = lay_out(tmp_path, 6, traps=traps, customer_photos=1).root
    first = convert(root).manifest.read_bytes()
    again = convert(root)
    assert again.manifest.read_bytes() == first
    assert sorted(path.name for path in root.iterdir()) == ["Anno", "Eval", "Img", "photos.csv"]
    assert bool(again.faults) is traps


# --- trees and files that are not there


def test_high_resolution_alone(tmp_path: Path) -> None:
    """Without the small photos the large ones are used, boxes scaled by the long side, which is told."""
    made = lay_out(tmp_path, 3, lowres=False, highres=True, traps=False)
    done = convert(tmp_path)
    rows = table(done)
    assert done.tree == "Img/img_highres"
    assert done.finding("guessed_scale").count == done.photos == 12
    for photo in made.photos:
        if photo.drawn.box:
            box = [float(side) for side in rows[place(photo, "Img/img_highres")]["box"].split(",")]
            assert box == pytest.approx(photo.drawn.box, abs=1.5)


def test_photos_at_the_root(tmp_path: Path) -> None:
    """`img` and the annotation files may lie directly in the root; only the pairs' file must be there."""
    small(tmp_path, [one_pair()])
    (tmp_path / "Eval/list_eval_partition.txt").rename(tmp_path / "list_eval_partition.txt")
    written(tmp_path / "list_bbox_consumer2shop.txt", ["header", f"{SHOP} 1 1 1 2 30 40"])
    done = convert(tmp_path)
    rows = table(done)
    assert (done.tree, rows.keys()) == ("img", {CUSTOMER, SHOP})
    assert rows[SHOP]["box"] == "1,2,30,40"
    assert rows[CUSTOMER]["box"] == rows[CUSTOMER]["attributes"] == ""
    assert done.finding("missing_annotation").count == 5
    assert done.finding("missing_annotation").first[0] == "list_landmarks_consumer2shop.txt"


@pytest.mark.parametrize(
    ("missing", "highres", "message"),
    [
        (".", False, r"there is no folder .*name the folder that holds Anno, Eval and Img"),
        ("Img", False, "no folder Img/img or img: unpack the photos there$"),
        ("", True, "no folder Img/img_highres or img_highres: .*leave out --highres"),
        ("Eval", False, "no Eval/list_eval_partition.txt"),
    ],
)
def test_what_must_be_there(tmp_path: Path, missing: str, highres: bool, message: str) -> None:
    """Without photos, without the demanded tree or without the pairs nothing is converted."""
    for folder in {"Img/img", "Eval"} - {"Img/img" if missing == "Img" else ""}:
        (tmp_path / folder).mkdir(parents=True)
    if missing == "":
        small(tmp_path, [one_pair()])
    root = tmp_path / "nowhere" if missing == "." else tmp_path
    with pytest.raises(PathError, match=message) as caught:
        convert(root, highres=highres)
    assert caught.value.exit_code == 3
    assert not (root / "photos.csv").exists()


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "has no pair in list_eval_partition.txt: the file is empty"),
        (["img/a.jpg img/b.jpg"], r"has no pair .*line 3: img/a.jpg img/b.jpg: a row is CONSUMER_PHOTO SHOP_PHOTO"),
        (["/a.jpg ../b.jpg id_1 train"], r"none of 2 photos can be used; line 3, '../b.jpg': the path must stay"),
        (["img/a.jpg img/b.jpg id_1 train"], r"'img/a.jpg': the path is not img/BIG/small/ITEM/PHOTO"),
    ],
)
def test_without_one_good_photo_nothing_changes(tmp_path: Path, pairs: list[str], message: str) -> None:
    """Where no photo can be used, the first reason is told, and a manifest that is there stays."""
    small(tmp_path, pairs)
    (tmp_path / "img").mkdir(exist_ok=True)
    (tmp_path / "photos.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(ManifestError, match=message):
        convert(tmp_path)
    assert (tmp_path / "photos.csv").read_text(encoding="utf-8") == "mine"


# --- paths


def test_paths_that_lead_out_are_never_opened(tmp_path: Path) -> None:
    """By `..`, absolute, with a backslash or a NUL, or through a link: a fault, though the photo is there."""
    root = tmp_path / "set"
    outside = tmp_path / "TOPS/Blouse/id_00000001/comsumer_02.jpg"
    photo(outside)
    bad = [
        "img/../../TOPS/Blouse/id_00000001/comsumer_02.jpg",
        str(outside),
        "img\\TOPS\\a.jpg",
        f"{FOLDER}/a\0.jpg",
    ]
    linked = [f"{FOLDER}/comsumer_03.jpg", "img/TOPS/Linked/id_00000001/comsumer_02.jpg"]
    small(root, [one_pair()])
    (root / linked[0]).symlink_to(outside)
    (root / "img/TOPS/Linked").symlink_to(tmp_path / "TOPS/Blouse")
    rows = [f"{path} {SHOP} id_00000001 train" for path in (*bad, *linked)]
    written(root / "Eval/list_eval_partition.txt", ["a b item_id status", one_pair(), *rows])
    done = convert(root)
    assert table(done).keys() == {CUSTOMER, SHOP}
    assert [(fault.line, fault.path) for fault in done.faults] == list(enumerate((*bad, *linked), 4))
    assert [fault.code for fault in done.faults] == ["path_outside"] * 3 + ["bad_path"] + ["path_outside"] * 2


def test_two_spellings_of_a_path_are_one_photo(tmp_path: Path) -> None:
    """`./` and `//` do not make a second photo, which would be a faulty row."""
    photo(tmp_path / CUSTOMER)
    pairs = [one_pair(), f"./{CUSTOMER} img//{SHOP.removeprefix('img/')} id_00000001 train"]
    done = convert(small(tmp_path, pairs, list_bbox_consumer2shop=[f"./{SHOP} 1 1 1 2 30 40"]))
    assert table(done)[SHOP]["box"] == "1,2,30,40"
    assert (done.photos, done.faults, done.finding("duplicate_pair").count) == (2, (), 1)
    assert done.finding("photo_in_several_pairs").count == 0


def test_two_photos_in_one_file(tmp_path: Path) -> None:
    """Where Summer_Wear and Summer_Suit are both named and one file is there, the second is a fault, not a row."""
    wear, suit = (f"img/TOPS/{name}/id_00000001/shop_01.jpg" for name in ("Summer_Wear", "Summer_Suit"))
    rows = [f"{CUSTOMER} {path} id_00000001 train" for path in (suit, wear)]
    small(tmp_path, rows)
    (tmp_path / wear).unlink()
    done = convert(tmp_path)
    assert manifest.read(done.manifest).faults == ()
    assert [(fault.path, fault.code) for fault in done.faults] == [(wear, "duplicate_path")]


def test_a_link_that_leads_out_has_no_second_name(tmp_path: Path) -> None:
    """A photo of Summer_Wear that leads out is a fault, also where Summer_Suit has one of that name."""
    root, (wear, suit) = (
        tmp_path / "set",
        (f"img/TOPS/{n}/id_00000001/shop_01.jpg" for n in ("Summer_Wear", "Summer_Suit")),
    )
    small(root, [f"{CUSTOMER} {wear} id_00000001 train"])
    photo(root / suit)
    (root / wear).rename(tmp_path / "out.jpg")
    (root / wear).symlink_to(tmp_path / "out.jpg")
    assert [(fault.path, fault.code) for fault in convert(root).faults] == [(wear, "path_outside")]


# --- annotations that contradict each other


def test_the_item_column_wins_over_the_folder(tmp_path: Path) -> None:
    """A photo in another item's folder belongs to the item of its row; it is counted."""
    done = convert(small(tmp_path, [f"{CUSTOMER} {SHOP} id_00000009 val"]))
    assert {row["item_id"] for row in table(done).values()} == {"id_00000009"}
    assert done.finding("item_not_of_path").count == 2


def test_a_photo_in_two_splits_is_held_out(tmp_path: Path) -> None:
    """Test wins over val and train, in any order of the rows, so that nothing tested is trained on."""
    other = f"{FOLDER}/shop_02.jpg"
    rows = [one_pair("test"), f"{CUSTOMER} {other} id_00000001 val", f"{CUSTOMER} {other} id_00000001 train"]
    done = convert(small(tmp_path, rows))
    assert {path: row["split"] for path, row in table(done).items()} == {
        CUSTOMER: "test",
        SHOP: "test",
        other: "val",
    }
    assert done.finding("photo_in_several_splits").first == (CUSTOMER, other)
    assert done.finding("item_in_several_splits").first == ("id_00000001: test, val",)


def test_a_photo_under_two_items_keeps_the_first(tmp_path: Path) -> None:
    """The first row of a photo names its item; the contradiction is counted with both."""
    other = "img/TOPS/Blouse/id_00000002/shop_01.jpg"
    done = convert(small(tmp_path, [one_pair(), f"{CUSTOMER} {other} id_00000002 train"]))
    assert table(done)[CUSTOMER]["item_id"] == "id_00000001"
    assert done.finding("photo_of_several_items").first == (f"{CUSTOMER}: id_00000001, id_00000002",)


def test_domains_follow_the_file_names(tmp_path: Path) -> None:
    """A pair the wrong way round, and a source_type of the other domain, are counted; the name counts."""
    boxes = [f"{SHOP} 1 2 1 2 30 40", f"{CUSTOMER} 1 2 1 2 30 40"]
    pairs = [f"{SHOP} {CUSTOMER} id_00000001 train"]
    done = convert(small(tmp_path, pairs, list_bbox_consumer2shop=boxes))
    assert {path: row["domain"] for path, row in table(done).items()} == {CUSTOMER: "customer", SHOP: "shop"}
    assert done.finding("domain_not_of_column").count == 2
    assert done.finding("domain_not_of_box_file").first == (SHOP,)


def test_a_name_without_a_domain_takes_its_column(tmp_path: Path) -> None:
    """Where a file's name says nothing, the first column is the customer's, the second the shop's."""
    rows = [f"{FOLDER}/a.jpg {FOLDER}/b.jpg id_00000001 train"]
    found = table(convert(small(tmp_path, rows)))
    assert [found[f"{FOLDER}/{name}.jpg"]["domain"] for name in "ab"] == ["customer", "shop"]


def test_items_across_categories_and_of_one_domain(tmp_path: Path) -> None:
    """An item in two categories is one item, counted; one whose customer photo is missing is kept and counted."""
    coat = "img/TOPS/Coat/id_00000001/shop_01.jpg"
    lone = [f"img/TOPS/Coat/id_00000002/{name}_01.jpg" for name in ("comsumer", "shop")]
    rows = [one_pair(), f"{CUSTOMER} {coat} id_00000001 train", f"{lone[0]} {lone[1]} id_00000002 train"]
    small(tmp_path, rows)
    (tmp_path / lone[0]).unlink()
    done = convert(tmp_path)
    assert done.finding("item_in_several_categories").first == ("id_00000001: TOPS/Blouse, TOPS/Coat",)
    assert done.finding("one_sided_item").first == ("id_00000002: shop",)
    assert lone[1] in table(done)


def test_annotations_that_do_not_fit_each_other(tmp_path: Path) -> None:
    """Doubled rows, another clothes_type, items that the list lacks: the first row and the box's type count."""
    boxes = [f"{SHOP} 1 1 1 2 30 40", f"{SHOP} 1 1 9 9 90 90"]
    marks = [f"{SHOP} 2 1 " + "0 1 2 " * 4, f"{CUSTOMER} 2 3 " + "1 3 4 " * 4]
    listed = ["id_00000007", "id_00000001 2"]
    root = small(
        tmp_path,
        [one_pair()],
        list_bbox_consumer2shop=boxes,
        list_landmarks_consumer2shop=marks,
        list_item_consumer2shop=listed,
    )
    done = convert(root)
    rows = table(done)
    assert (rows[SHOP]["box"], rows[SHOP]["clothes_type"]) == ("1,2,30,40", "upper")
    assert (rows[CUSTOMER]["clothes_type"], rows[CUSTOMER]["variation"]) == ("lower", "large_pose")
    assert rows[CUSTOMER]["landmarks"] == "|".join(["occluded 3,4"] * 4)
    assert done.finding("duplicate_annotation").first == (f"{SHOP}, line 4",)
    assert done.finding("type_not_of_box_file").first == (SHOP,)
    assert done.finding("item_not_listed").first == ("id_00000001",)
    assert done.finding("item_without_pair").first == ("id_00000007",)


def test_attributes_keep_their_places(tmp_path: Path) -> None:
    """A name's row of another form does not shift the names after it; `|` cannot stand in a list's element."""
    names = ["红 red 1", "broken", "中文 名 a|b c 2", "x striped shirt 3", "y red 1"]
    values = ["id_00000001 1 1 1 1 1 1", "id_00000001  1 1 1  -1 1", "id_00000002 1 1", "id_00000003 1 2 0 0 0"]
    done = convert(small(tmp_path, [one_pair()], list_attr_cloth=names, list_attr_items=values))
    assert table(done)[SHOP]["attributes"] == "red|attribute 2|a/b c"
    assert done.finding("malformed_row").count == 4
    assert count(done, "attributes") == 5


def test_values_without_names_are_left_out(tmp_path: Path) -> None:
    """Without the names of the attributes the column is empty, and the missing file is told."""
    done = convert(small(tmp_path, [one_pair()], list_attr_items=["id_00000001 1 1 0"]))
    assert table(done)[SHOP]["attributes"] == ""
    assert "list_attr_cloth.txt" in done.finding("missing_annotation").first


def test_a_photo_that_cannot_be_decoded_keeps_its_row(tmp_path: Path) -> None:
    """Its box, whose fit cannot be known, is empty; `data check` will tell of the photo itself."""
    small(tmp_path, [one_pair()], list_bbox_consumer2shop=[f"{SHOP} 1 1 1 2 30 40"])
    (tmp_path / SHOP).write_bytes(b"no photo")
    done = convert(tmp_path)
    assert table(done)[SHOP]["box"] == ""
    assert done.finding("unread_size").first == (SHOP,)


def test_high_resolution_of_another_shape_is_told(tmp_path: Path) -> None:
    """Each axis has its own scale; where they differ by more than a twentieth the photo is named."""
    small(tmp_path, [one_pair()], list_bbox_consumer2shop=[f"{SHOP} 1 1 10 20 30 40"])
    photo(tmp_path / SHOP.replace("img/", "img_highres/", 1), (450, 900))
    photo(tmp_path / CUSTOMER.replace("img/", "img_highres/", 1), (450, 600))
    done = convert(tmp_path, highres=True)
    assert table(done)[SHOP.replace("img/", "img_highres/", 1)]["box"] == "20,60,60,120"
    assert done.finding("other_shape").count == 1


# --- files as bytes


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("head", ["1\nimage a b c\n", "1\n", "image a b c\n", ""])
def test_ends_of_lines_marks_and_missing_heads(tmp_path: Path, end: str, bom: str, head: str) -> None:
    """BOM, CRLF, tabs, blank lines, no count, no header: the rows are found; a missing count is told."""
    small(tmp_path, [one_pair()])
    text = bom + head.replace("\n", end) + end + f"\t{CUSTOMER}   {SHOP}\tid_00000001  train  " + end
    (tmp_path / "Eval/list_eval_partition.txt").write_bytes(text.encode())
    done = convert(tmp_path)
    assert (done.photos, done.splits["train"]["pairs"]) == (2, 1)
    assert done.finding("wrong_count").count == (not head.startswith("1"))


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    """Names in another encoding are told of; the English ones are still read."""
    small(tmp_path, [one_pair()], list_attr_items=["id_00000001 1 -1"])
    data = "2\nheader of columns\n红色 red 1\n条纹 striped 1\n".encode("gb18030")
    (tmp_path / "Anno/list_attr_cloth.txt").write_bytes(data)
    done = convert(tmp_path)
    assert done.finding("not_utf8").first == ("list_attr_cloth.txt",)
    assert table(done)[SHOP]["attributes"] == "red"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """An annotation file that is gone when it is read is a bad path."""
    with pytest.raises(PathError, match=r"gone.txt cannot be read"):
        lines(tmp_path / "gone.txt", Notes(KINDS))


CELLS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1).filter(
        lambda t: t.strip(" \t\r") == t
    )
)


@given(CELLS, st.lists(st.sampled_from([" ", "   ", "\t", " \t "]), min_size=30, max_size=30))
def test_cells_come_back_from_ragged_lines(cells: list[str], gaps: list[str]) -> None:
    """Whatever runs of blanks and tabs stand between them, the cells are the same."""
    cells = [cell.replace(" ", "_").replace("\t", "_") for cell in cells[:29]]
    line = "".join(gap + cell for gap, cell in zip(gaps, cells, strict=False)) + gaps[-1] + "\r"
    assert split_cells(line) == cells


@given(
    st.lists(
        st.sampled_from(["img/a.jpg", "1", "2", "3", "9", "-1", "0", "nan", "1e999", "1_0", "id_1", "test", ""])
    )
)
@example(["img/a.jpg", "1", "1", "1", "2", "3", "4"])
@example(["id_1", "1", "0", "-1"])
def test_parsers_accept_or_refuse(cells: list[str]) -> None:
    """Any cells are a record or a ValueError; numbers of a record are finite."""
    for parser in (
        parse.pair,
        parse.item,
        parse.box,
        parse.landmarks,
        parse.attribute_name,
        parse.attribute_values,
    ):
        try:
            row = parser(cells)
        except ValueError:
            continue
        if isinstance(row, parse.BoxRow):
            assert np.isfinite(row.box).all()
        if isinstance(row, parse.LandmarksRow):
            assert np.isfinite([side for _, *sides in row.points for side in sides]).all()
            assert len(row.points) == parse.LANDMARKS[row.clothes_type]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text("0123 \t\r\nabi/_\ufeff\x85", max_size=60))
@example("9" * 5000)
def test_every_line_is_a_row_or_is_told(tmp_path: Path, text: str) -> None:
    """Of any text each line that is not blank is count, header, row or malformed."""
    path, notes = tmp_path / "a.txt", Notes(KINDS)
    path.write_bytes(text.encode())
    rows = list(parsed(path, parse.item, notes, header=False))
    bad = sum(finding.count for finding in notes.findings() if finding.code == "malformed_row")
    body = [line for line in text.removeprefix("\ufeff").split("\n") if line.strip(" \t\r")]
    assert len(body) - (len(rows) + bad) in (0, 1)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=80), st.binary(max_size=80))
def test_any_bytes_convert_or_are_refused(tmp_path: Path, head: bytes, tail: bytes) -> None:
    """Random bytes around a good pair end in a manifest whose every row is good, or in one of our errors."""
    small(tmp_path, [one_pair()])
    data = head + f"\n{one_pair()}\n".encode() + tail
    (tmp_path / "Eval/list_eval_partition.txt").write_bytes(data)
    (tmp_path / "Anno").mkdir(exist_ok=True)
    (tmp_path / "Anno/list_bbox_consumer2shop.txt").write_bytes(data)
    try:
        done = convert(tmp_path)
    except TwinsetError:
        return
    assert manifest.read(done.manifest).faults == ()


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        ((200, 5, 200, 9), (None, "zero_box")),
        ((9, 5, 8, 9), (None, "zero_box")),
        ((5, 5, 5.5, 9), (None, "zero_box")),
        ((100, 5, 120, 9), (None, "outside_box")),
        ((-30, -30, 0.4, 50), (None, "outside_box")),
        ((-1, 2, 101, 101), ((0, 2, 100, 100), "clipped_box")),
        ((0, 0, 100, 100), ((0, 0, 100, 100), "")),
    ],
)
def test_boxes_at_the_edges(box: tuple[float, float, float, float], kept: object) -> None:
    """Corners on the edge stay; a box without a pixel is none, outside the photo or in itself."""
    assert Frame(100, 100).box(box) == kept


SIDES = st.floats(-1e5, 1e5)


@given(st.tuples(SIDES, SIDES, SIDES, SIDES), st.integers(1, 5000), st.integers(1, 5000), st.floats(1, 20))
def test_boxes_end_up_inside_their_photo(
    box: tuple[float, float, float, float], width: int, height: int, scale: float
) -> None:
    """A box of any numbers lies in the photo, at least a pixel wide and high, or is empty, and is told of."""
    kept, oddity = Frame(width, height, scale, scale).box(box)
    assert oddity in KINDS or not oddity
    if kept is None:
        assert oddity in ("zero_box", "outside_box")
        return
    assert 0 <= kept[0] < kept[0] + 1 <= kept[2] <= width
    assert 0 <= kept[1] < kept[1] + 1 <= kept[3] <= height


# --- the command


def test_the_command_prints_tables_and_lists_what_it_left_out(layout: Layout, capsys: Out) -> None:
    """`data convert` names the tree, the totals beside the published ones, and every finding."""
    capsys.readouterr()
    assert main(["data", "convert", "deepfashion-c2s", str(layout.root)]) == 0
    seen = capsys.readouterr()
    assert seen.out.startswith(f"{layout.root / 'photos.csv'}: 43 photos of Img/img; the pairs name 47")
    assert "239,557" in seen.out
    assert "says 49, has 46 rows" in seen.out
    skipped = layout.root / "photos.skipped.csv"
    assert f"skipped 4 of 47 rows, see {skipped}" in seen.err
    assert len(skipped.read_text(encoding="utf-8").splitlines()) == 5


def test_the_command_as_json(layout: Layout, capsys: Out) -> None:
    """`--json` is the whole report, `--highres` the other tree."""
    capsys.readouterr()
    assert main(["data", "convert", "deepfashion-c2s", str(layout.root), "--highres", "--json", "-q"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report) == [
        "manifest", "tree", "photos", "listed", "counts", "splits", "categories", "findings", "faults", "agrees",
    ]  # fmt: skip
    assert report["tree"] == "Img/img_highres"
    assert report == json.loads(json.dumps(convert(layout.root, highres=True).to_json()))


def test_the_list_of_an_earlier_run_goes(tmp_path: Path, capsys: Out) -> None:
    """A run that leaves nothing out leaves no list of what was left out."""
    command = ["data", "convert", "deepfashion-c2s", str(small(tmp_path, [one_pair()])), "-q"]
    (tmp_path / SHOP).rename(tmp_path / "kept")
    assert main(command) == 0
    assert (tmp_path / "photos.skipped.csv").is_file()
    (tmp_path / "kept").rename(tmp_path / SHOP)
    assert main(command) == 0
    assert not (tmp_path / "photos.skipped.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["deepfashion-cs2", "."], 2, "No such command 'deepfashion-cs2': did you mean 'deepfashion-c2s'?"),
        (["street2shop", "."], 2, "No such command 'street2shop': see twinset --help"),
        (["deepfashion-c2s", "nowhere"], 3, "there is no folder nowhere"),
    ],
)
def test_bad_calls_are_one_line(arguments: list[str], code: int, says: str, capsys: Out) -> None:
    """An unknown format is usage, with a suggestion; a folder that is not there bad input."""
    assert main(["data", "convert", *arguments]) == code
    assert capsys.readouterr().err.strip().startswith(f"twinset: {says}")


def test_an_annotation_file_without_one_row_is_refused(tmp_path: Path) -> None:
    """A ruined file of boxes must not pass for a set without boxes; taken away it is only reported."""
    lay_out(tmp_path, items=9, traps=False)
    boxes = tmp_path / "Anno/list_bbox_consumer2shop.txt"
    boxes.write_text("garbage\n")
    with pytest.raises(ManifestError, match=r"list_bbox_consumer2shop\.txt holds no row that can be read"):
        convert(tmp_path)
    assert not (tmp_path / "photos.csv").exists()
    boxes.unlink()
    assert convert(tmp_path).finding("missing_annotation")
