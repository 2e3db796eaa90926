"""Customers' photos from reviews: each of the right item or left out and told, none twice, nothing personal."""

import csv
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from shops import cloth
from twinset import manifest, protocols
from twinset.cli.main import main
from twinset.errors import ManifestError, PathError, TwinsetError, UsageError
from twinset.join import join
from twinset.manifest import reviews
from twinset.manifest.feeds.places import Place
from twinset.manifest.reviews import Conversion, Options
from twinset.manifest.reviews.convert import COLUMNS
from twinset.manifest.reviews.pictures import links, same_picture
from twinset.manifest.reviews.report import KINDS

Out = pytest.CaptureFixture[str]
Row = dict[str, str]
GOLDEN = Path(__file__).parent / "golden"
SHOP = GOLDEN / "shopify.csv.photos.csv"
GERMAN = Options(SHOP, product_column="Artikel SKU", pictures_column="Foto")
EXPORTS = {
    "judgeme.csv": Options(SHOP),
    "yotpo.csv": Options(SHOP),
    "loox.csv": Options(SHOP),
    "okendo.csv": Options(SHOP),
    "stamped.csv": Options(SHOP),
    "powerreviews.tsv": Options(SHOP),
    "plain.csv": GERMAN,
}
STYLES = """\
path,item_id,style,colour,category,title,Variant SKU,url
https://x.example/s1.jpg,fern/moss,fern,Moss,Skirts,Fern skirt,F-1|F-2,https://s.example/products/fern
https://x.example/s2.jpg,fern/dark-plum,fern,Dark Plum,Skirts,Fern skirt,F-3,https://s.example/products/fern
https://x.example/s3.jpg,fern,fern,Moss|Dark Plum|Plum,Skirts,Fern skirt,F-1|F-2|F-3|F-4,https://s.example/products/fern
https://x.example/s4.jpg,tarn/grey,tarn,Grey,Jumpers,Tarn jumper,T-1,https://s.example/products/tarn
"""
SUPPRESS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rows_of(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def converted(
    folder: Path, text: str | bytes, options: Options | None = None, shop: str = STYLES
) -> tuple[Conversion, list[Row]]:
    """An export of a few lines, converted for the items of `shop`, unless `options` say otherwise."""
    (folder / "shop.csv").write_text(shop, encoding="utf-8")
    export = folder / "reviews_export.csv"
    export.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = reviews.convert(export, folder / "reviews.csv", options or Options(folder / "shop.csv"))
    return done, rows_of(done.manifest)


def items(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row["path"].rpartition("/")[2], row["item_id"]) for row in rows]


def first(done: Conversion, code: str) -> tuple[str, ...]:
    return next((found.first for found in done.findings if found.code == code), ())


# --- the exports of apps


@pytest.mark.parametrize("file", EXPORTS)
def test_golden_exports_become_golden_manifests(file: str, tmp_path: Path) -> None:
    """Every cell is as it was written down, and all photos are customers'."""
    done = reviews.convert(GOLDEN / "reviews" / file, tmp_path / "reviews.csv", EXPORTS[file])
    wanted = (GOLDEN / "reviews" / f"{file}.photos.csv").read_text(encoding="utf-8").splitlines()
    assert done.manifest.read_text(encoding="utf-8").splitlines() == wanted
    rows = rows_of(done.manifest)
    assert {row["domain"] for row in rows} == {"customer"}
    assert len({row["path"] for row in rows}) == len(rows) == done.photos == sum(done.splits.values())
    assert {finding.code for finding in done.findings} <= KINDS.keys()
    assert done.listed == done.photos + len(done.faults)


@pytest.mark.parametrize("file", EXPORTS)
def test_nothing_personal_is_carried_over(file: str, tmp_path: Path) -> None:
    """No name, e-mail, place, network address or text of a review stands in what is written or told."""
    done = reviews.convert(GOLDEN / "reviews" / file, tmp_path / "reviews.csv", EXPORTS[file])
    said = done.manifest.read_text(encoding="utf-8") + json.dumps(done.to_json())
    assert not re.search(r"Customer(?!s)|customer\.example|192\.0\.2|Lyon|Lovely|As shown|So soft|Line one", said)


def test_the_golden_exports_tell_their_traps(tmp_path: Path) -> None:
    """What is left out is counted by its reason, with the line and the product."""
    done = reviews.convert(GOLDEN / "reviews/judgeme.csv", tmp_path / "reviews.csv", Options(SHOP))
    assert (done.match.column, done.match.shop_column) == ("product_handle", "style")
    assert (done.match.matched, done.match.reviews, done.rows) == (4, 5, 7)
    assert first(done, "unpublished") == ("line 4: spam",)
    assert first(done, "unknown_product") == ("line 6: reed-scarf",)
    assert first(done, "unknown_colour") == ("line 3: marsh-shirt",)
    assert done.count("shared_by_items") == 2
    assert [fault.line for fault in done.faults] == [3, 6, 7, 8]
    loox = reviews.convert(GOLDEN / "reviews/loox.csv", tmp_path / "reviews.csv", Options(SHOP))
    assert first(loox, "shop_picture") == ("line 7: https://cdn.example/files/fern-1.jpg?v=99",)
    assert first(loox, "video") == ("line 6: https://images.loox.example/uploads/l4.mp4",)


def test_unpublished_reviews_only_where_they_are_asked_for(tmp_path: Path) -> None:
    """`--all` takes what is pending, spam, or held back in a column of its own."""
    yotpo = GOLDEN / "reviews/yotpo.csv"
    some = reviews.convert(yotpo, tmp_path / "reviews.csv", Options(SHOP))
    every = reviews.convert(yotpo, tmp_path / "reviews.csv", Options(SHOP, everything=True))
    told = {"9001c/original.jpg", "9003/original.jpg"}
    assert {"/".join(row["path"].split("/")[-2:]) for row in rows_of(every.manifest)} >= told
    assert every.photos == some.photos + 2
    text = "handle,status,photo\ntarn,not-yet,https://x.example/1.jpg\n"
    with pytest.raises(ManifestError, match=r"1 rows; 1 reviews .* not published.*: line 2: not-yet: .*with --all"):
        converted(tmp_path, text)


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("https://a.example/1.jpg,https://a.example/2.jpg", ["1.jpg", "2.jpg"]),
        ("https://a.example/1.jpg https://a.example/2.jpg\nhttps://a.example/1.jpg", ["1.jpg", "2.jpg"]),
        ("https://a.example/1.jpg | //a.example/2.jpg ;", ["1.jpg", "2.jpg"]),
        ('["https:\\/\\/a.example\\/1.jpg", null, 7]', ["1.jpg"]),
        ('{"images": [{"thumb": "https://a.example/t.jpg", "src": "https://a.example/1.jpg"}]}', ["1.jpg"]),
        ("['https://a.example/1.jpg', 'https://a.example/2.jpg']", ["1.jpg", "2.jpg"]),
        ("a/1.jpg;b c/2.jpg", ["1.jpg", "2.jpg"]),
        ("[" * 20000, []),
        ("[]", []),
        ("", []),
    ],
)
def test_pictures_of_a_cell(cell: str, found: list[str]) -> None:
    """However an app writes several links into one cell."""
    assert [link.rpartition("/")[2] for link in links(cell)] == found


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/1.jpg", "http://a.example/1.jpg", True),
        ("https://a.example/1.jpg?w=1", "https://a.example/1.jpg?w=2", False),
        ("https://j.imgix.net/1.jpg?w=1", "https://j.imgix.net/1.jpg", True),
        ("https://s.example/cdn/shop/files/1_200x.jpg?v=1&width=9", "https://s.example/cdn/shop/files/1.jpg", True),
        ("https://a.example/1_200x.jpg", "https://a.example/1.jpg", False),
    ],
)
def test_links_to_one_picture(one: str, other: str, same: bool) -> None:
    """Sizes are only taken off where the host is known to draw them."""
    assert (same_picture(Place(one, one)) == same_picture(Place(other, other))) is same


# --- which item


@pytest.mark.parametrize(
    ("row", "item"),
    [
        ("tarn,,,", "tarn/grey"),
        ("https://s.example/products/tarn?variant=7,,,", "tarn/grey"),
        ("fern,,,", None),
        ("fern,F-1,,", "fern/moss"),
        ("fern,F-4,,", None),
        ("fern,,Moss / S,", "fern/moss"),
        ("fern,,Dark Plum / S,", "fern/dark-plum"),
        ("fern,,Plum / S,", None),
        ("fern,,moss or dark plum,", None),
        ("fern,,S,", None),
        ("fern,,,dark plum", "fern/dark-plum"),
        ("fern,F-1,,Dark Plum", None),
        ("tarn,,Moss / M,", None),
        ("tarn,,,Teal", None),
        ("tarn,,M,", "tarn/grey"),
        (",F-1,Moss,", None),
    ],
)
def test_the_item_of_a_review(row: str, item: str | None, tmp_path: Path) -> None:
    """A SKU, a variant or a colour tells which; a guess, or an item of which no colour is known, is never made."""
    text = f"handle,sku,variant title,Farbe,photos\n{row},https://x.example/1.jpg\n"
    text += "".join(f"tarn,,,,https://x.example/{n}.jpg\n" for n in (8, 9))
    done, rows = converted(tmp_path, text)
    assert done.match.column == "handle"
    assert items(rows)[:-2] == ([("1.jpg", item)] if item else [])
    assert len(done.faults) == (item is None)


def test_the_columns_that_most_reviews_match(tmp_path: Path) -> None:
    """The pair of columns is chosen by its matches, of equals the one that leaves one item; both can be named."""
    header = "product_id,sku,barcode,photos\n"
    text = (
        header
        + "1,F-1,b1,https://x.example/1.jpg\n2,T-1,b2,https://x.example/2.jpg\n3,,b3,https://x.example/3.jpg\n"
    )
    done, rows = converted(tmp_path, text)
    assert (done.match.column, done.match.shop_column, done.match.matched) == ("sku", "Variant SKU", 2)
    assert items(rows) == [("1.jpg", "fern/moss"), ("2.jpg", "tarn/grey")]
    assert [fault.code for fault in done.faults] == ["no_product"]
    shop = tmp_path / "shop.csv"
    codes = "path,item_id,code\na.jpg,one,1\nb.jpg,two,2\nc.jpg,three,3\n"
    done, rows = converted(tmp_path, text, Options(shop, match="code"), codes)
    assert (done.match.column, done.match.matched) == ("product_id", 3)
    done, rows = converted(tmp_path, text, Options(shop, product_column="Barcode"), codes.replace(",1\n", ",b1\n"))
    assert items(rows) == [("1.jpg", "one")]


def test_products_as_items(tmp_path: Path) -> None:
    """`--items product` keeps what tells no colour, under the style."""
    text = "handle,photos\nfern,https://x.example/1.jpg\ntarn,https://x.example/2.jpg\n"
    _, rows = converted(tmp_path, text, Options(tmp_path / "shop.csv", items="product"))
    assert items(rows) == [("1.jpg", "fern"), ("2.jpg", "tarn")]
    assert [(row["style"], row["category"]) for row in rows] == [("fern", "Skirts"), ("tarn", "Jumpers")]


def test_without_a_shop_the_item_is_what_the_review_names(tmp_path: Path) -> None:
    """The column that most reviews fill, as it stands."""
    text = "id,sku,handle,photo_1,photo_2\n1,A,,https://x.example/1.jpg,\n2,B,fern,,https://x.example/2.jpg\n"
    done, rows = converted(tmp_path, text, Options())
    assert items(rows) == [("1.jpg", "A"), ("2.jpg", "B")]
    assert [row["review_id"] for row in rows] == ["1", "2"]
    assert done.match.column == "sku"


# --- splits


def test_splits_are_those_of_data_split(tmp_path: Path) -> None:
    """Colours of a style fall together; `data split --by style` over the shop and the reviews draws the same."""
    lines = [f"https://x.example/{n}.jpg,s{n % 25}/{n},s{n % 25},{n}" for n in range(60)]
    shop = "path,item_id,style,sku\n" + "\n".join(lines) + "\n"
    text = "sku,photo\n" + "".join(f"{n},https://r.example/{n}.jpg\n" for n in range(60))
    done, rows = converted(tmp_path, text, Options(tmp_path / "shop.csv", val=0.2, test=0.3, seed=3), shop)
    by_style: dict[str, set[str]] = {}
    for row in rows:
        by_style.setdefault(row["style"], set()).add(row["split"])
    assert all(len(found) == 1 for found in by_style.values())
    assert set(done.splits) == {"train", "val", "test"}
    both = tmp_path / "both.csv"
    both.write_text(
        "path,item_id,style\n" + "".join(f"{r['path'][8:]},{r['item_id']},{r['style']}\n" for r in rows)
    )
    options = ["--by", "style", "--val", "0.2", "--test", "0.3", "--seed", "3", "-q"]
    assert main(["data", "split", str(both), "--out", str(tmp_path / "split.csv"), *options]) == 0
    assert [row["split"] for row in rows_of(tmp_path / "split.csv")] == [row["split"] for row in rows]


def test_splits_of_the_shop_decide(tmp_path: Path) -> None:
    """An item, or its style, that the shop's manifest has put into a split stays there."""
    shop = "path,item_id,style,split\na.jpg,fern/moss,fern,val\nb.jpg,fern/plum,fern,\nc.jpg,tarn,,test\n"
    text = "item_id,photo\n" + "".join(f"{name},{name[-4:]}.jpg\n" for name in ("fern/moss", "fern/plum", "tarn"))
    _, rows = converted(tmp_path, text, shop=shop)
    assert [row["split"] for row in rows] == ["val", "val", "test"]


# --- files that cannot be used


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("handle,rating\nfern,5\n", {}, r"no column pictures \(it has handle, rating\): .*--pictures-column"),
        ("rating,photos\n5,a.jpg\n", {}, r"no column product \(it has rating, photos\): .*--product-column"),
        ("handle,photos\nfern,\n", {}, r"gives no photo in 1 rows; 1 rows without a picture: line 2"),
        (
            "handle,photos\nnone,a.jpg\n",
            {},
            r"none of 1 reviews names a product of .*handle 'none'; looked up in item_id, style, Variant SKU",
        ),
        ("handle,photos\nfern,a.jpg\n", {"match": "titel"}, r"has no column titel: did you mean title"),
        ("handle,photos\nfern,a.jpg\n", {"product_column": "Produkt"}, r"has no column Produkt \(it has handle"),
        ("handle,photos\ntarn,../a.jpg\n", {}, r"gives no photo in 1 rows; 1 pictures that are neither"),
        ("", {}, r"it has none"),
    ],
)
def test_exports_that_cannot_be_used(text: str, options: dict[str, str], message: str, tmp_path: Path) -> None:
    """Each is refused with what it has and the mend; nothing is written."""
    given = Options(
        tmp_path / "shop.csv", match=options.get("match", ""), product_column=options.get("product_column", "")
    )
    with pytest.raises(ManifestError, match=message):
        converted(tmp_path, text, given)
    assert not (tmp_path / "reviews.csv").exists()


def test_where_a_manifest_cannot_be_written(tmp_path: Path) -> None:
    """Not over the export, not over the shop's manifest, and not of a shop without an item."""
    export, shop = tmp_path / "export.csv", tmp_path / "shop.csv"
    export.write_text("handle,photos\nfern,a.jpg\n")
    shop.write_text(STYLES)
    with pytest.raises(UsageError, match="is the export itself"):
        reviews.convert(export, export, Options(shop))
    with pytest.raises(UsageError, match="is the shop's manifest itself"):
        reviews.convert(export, shop, Options(shop))
    with pytest.raises(PathError, match="there is no feed"):
        reviews.convert(tmp_path / "gone.csv", tmp_path / "o.csv", Options(shop))
    shop.write_text("path,item_id,domain\na.jpg,a,customer\n")
    with pytest.raises(ManifestError, match="holds no item of the shop"):
        reviews.convert(export, tmp_path / "o.csv", Options(shop))


CELLS = st.one_of(
    st.sampled_from(["fern", "F-1", "Moss / M", "https://x.example/1.jpg", "a.jpg", '["a.jpg"]', "//", "[{", "=1"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)


@SUPPRESS
@given(st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), min_size=1, max_size=5), st.booleans())
@example([("fern", "F-1", "Moss", "http://[1.jpg")], True)
@example([("", "", "", "https://x.example/1.jpg")], False)
def test_any_cells_convert_or_are_refused(tmp_path: Path, rows: list[tuple[str, ...]], with_shop: bool) -> None:
    """Whatever stands in an export, a manifest that can be read is written, or the error has its mend."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("handle", "sku", "variant", "photos"), *rows])
    try:
        done, found = converted(tmp_path, text.getvalue(), None if with_shop else Options())
    except TwinsetError as error:
        said = error.mend
    else:
        said = _readable(done, found)
    assert said


def _readable(done: Conversion, found: list[Row]) -> str:
    read = manifest.read(done.manifest, files=False)
    assert read.columns == COLUMNS
    assert read.rows == len(found) == done.photos
    assert {fault.code for fault in read.faults} <= {"url_path"}
    return "converted"


@SUPPRESS
@given(st.binary(max_size=120))
@example(b"handle,photos\nfern,\xff.jpg")
@example(b"\xff\xfe\0")
def test_any_bytes_convert_or_are_refused(tmp_path: Path, data: bytes) -> None:
    """No file ends in a traceback."""
    try:
        said = converted(tmp_path, data)[0].photos
    except TwinsetError as error:
        said = len(error.mend)
    assert said


# --- data join


def save(file: Path, pixels: "np.typing.NDArray[np.uint8]", **options: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, **options)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop's folder and its customers', with every kind of copy, one broken file and one path too many."""
    folder = tmp_path_factory.mktemp("two")
    for name, seed in {"1": 1, "2": 2, "3": 3}.items():
        save(folder / f"shop/{name}.png", cloth(seed))
    (folder / "shop/photos.csv").write_text("path,item_id,style,price\n1.png,a/x,a,5\n2.png,a/y,a,6\n3.png,b,b,7\n")
    photos = {
        "screenshot": (1, "a/x"),
        "worn": (11, "a/x"),
        "again": (11, "a/x"),
        "both": (12, "a/y"),
        "too": (12, "b"),
    }
    lines = ["path,item_id,domain,split,style"]
    for name, (seed, item) in photos.items():
        save(folder / f"customers/{name}.jpg", cloth(seed), quality=75 if name == "again" else 95)
        lines.append(f"{name}.jpg,{item},customer,{'test' if item != 'b' else 'val'},{item[0]}")
    screenshot = Image.fromarray(cloth(1)).resize((48, 48), Image.Resampling.LANCZOS)
    screenshot.save(folder / "customers/screenshot.jpg", quality=75)
    (folder / "customers/broken.jpg").write_bytes(b"no photo")
    lines += ["broken.jpg,b,customer,val,b", "gone.jpg,b,customer,val,b"]
    (folder / "customers/photos.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_copies_are_left_out_of_the_joined_manifest(two: Path) -> None:
    """The shop's own picture, one under two items, one twice; the shop's rows take their customers' split."""
    done = join([two / "shop/photos.csv", two / "customers/photos.csv"], two / "ready.csv")
    assert done.counts() == {"copy_of_shop": 1, "several_items": 2, "repeated_photo": 1, "unreadable": 1}
    assert [(row["path"], row["split"]) for row in rows_of(two / "ready.csv")] == [
        ("shop/1.png", "test"),
        ("shop/2.png", "test"),
        ("shop/3.png", ""),
        ("customers/worn.jpg", "test"),
    ]
    assert (done.customers, done.shop, done.rows) == (1, 3, 10)
    assert {fault.path: fault.code for fault in done.faults} == {
        "customers/gone.jpg": "missing_file",
        "customers/screenshot.jpg": "copy_of_shop",
        "customers/both.jpg": "several_items",
        "customers/too.jpg": "several_items",
        "customers/again.jpg": "repeated_photo",
        "customers/broken.jpg": "unreadable",
    }
    assert "shop/1.png" in next(fault.message for fault in done.faults if fault.code == "copy_of_shop")
    read = manifest.read(two / "ready.csv")
    assert not read.faults
    assert read.photos[0].value("price") == "5"
    queries, gallery = protocols.select(read.photos, *protocols.choose(read.photos))
    assert [len(queries), len(gallery)] == [1, 3]


def test_the_command_joins_and_lists(two: Path, capsys: Out) -> None:
    """What was left out is counted on stdout, and listed beside; JSON is the whole of it."""
    command = ["data", "join", str(two / "shop/photos.csv"), str(two / "customers/photos.csv")]
    assert main([*command, "--out", str(two / "ready.csv")]) == 0
    seen = capsys.readouterr()
    assert seen.out.startswith(f"{two / 'ready.csv'}: 1 customers' photos and 3 of the shop; 10 rows\n")
    assert "1 customers' photos are copies of a photo of the shop, left out" in seen.out
    assert len(rows_of(two / "ready.skipped.csv")) == 6
    assert main([*command, "--out", str(two / "ready.csv"), "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["left_out"]["several_items"] == 2


def test_manifests_that_cannot_be_joined(two: Path, tmp_path: Path) -> None:
    """A folder, a manifest elsewhere, one over itself; the same photo in two manifests counts once."""
    shop = two / "shop/photos.csv"
    with pytest.raises(UsageError, match="is a folder: name the manifest in it"):
        join([two / "shop"], two / "o.csv")
    with pytest.raises(PathError, match=r"does not lie in .*: name an --out above"):
        join([shop], tmp_path / "o.csv")
    with pytest.raises(UsageError, match="is the manifest itself"):
        join([shop], shop)
    shutil.copy(shop, two / "shop/again.csv")
    done = join([shop, two / "shop/again.csv"], two / "o.csv")
    assert (done.shop, [fault.code for fault in done.faults]) == (3, ["duplicate_path"] * 3)


def test_the_command_tells_the_match_and_lists_what_it_left_out(tmp_path: Path, capsys: Out) -> None:
    """Counts, splits, the columns that matched and findings on stdout; how to go on, on stderr."""
    command = ["data", "convert", "reviews", str(GOLDEN / "reviews/judgeme.csv"), "--shop", str(SHOP)]
    out = tmp_path / "reviews.csv"
    assert main([*command, "--out", str(out)]) == 0
    seen = capsys.readouterr()
    assert seen.out.startswith(f"{out}: 3 customers' photos of 2 items (2 test, 1 train); 7 rows\n")
    assert "4 of 5 reviews with photos matched by product_handle as the shop's style\n" in seen.out
    assert "3 photos are addresses: twinset data fetch brings them in (--allow-host judgeme.imgix.net)" in seen.err
    assert [row["code"] for row in rows_of(tmp_path / "reviews.skipped.csv")][:2] == [
        "unknown_colour",
        "unknown_product",
    ]
    assert main([*command, "--out", str(out), "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["match"]["matched"] == 4
