"""A shop's export becomes a manifest: one row a picture, nothing lost, and whatever is odd is counted and told."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from twinset import manifest, where
from twinset.cli.main import main
from twinset.errors import ManifestError, PathError, TwinsetError, UsageError
from twinset.manifest import feeds
from twinset.manifest.feeds import Conversion, Options, values
from twinset.manifest.feeds.pairs import pairs
from twinset.manifest.feeds.places import Place, place
from twinset.manifest.feeds.report import KINDS
from twinset.manifest.feeds.rows import COLUMNS
from twinset.manifest.table import Confined

Out = pytest.CaptureFixture[str]
Row = dict[str, str]
GOLDEN = Path(__file__).parent / "golden"
FEEDS = {"shopify.csv": "shopify", "merchant.tsv": "merchant", "merchant.xml": "merchant", "magento.csv": "magento"}
PLAIN = Options()
WHOLE = Options(currency="EUR", shop_url="https://shop.example/")
SUPPRESS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rows_of(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def options_of(name: str) -> Options:
    return PLAIN if name == "merchant" else WHOLE


def golden(file: str, folder: Path, options: Options | None = None) -> tuple[Conversion, list[Row]]:
    """One of the golden exports, converted."""
    name = FEEDS[file]
    done = feeds.convert(name, GOLDEN / file, folder / "photos.csv", options or options_of(name))
    return done, rows_of(done.manifest)


def converted(
    name: str, folder: Path, text: str | bytes, options: Options = PLAIN, suffix: str = ".csv"
) -> tuple[Conversion, list[Row]]:
    """A feed of a few lines, converted."""
    feed = folder / f"feed{suffix}"
    feed.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = feeds.convert(name, feed, folder / "photos.csv", options)
    return done, rows_of(done.manifest)


def cells(rows: list[Row], *columns: str) -> list[tuple[str, ...]]:
    return [tuple(row[column] for column in columns) for row in rows]


def first(done: Conversion, code: str) -> tuple[str, ...]:
    return next((found.first for found in done.findings if found.code == code), ())


def table(header: str, *rows: str) -> str:
    return "\n".join((header, *rows)) + "\n"


# --- golden exports


@pytest.mark.parametrize("file", FEEDS)
def test_golden_exports_become_golden_manifests(file: str, tmp_path: Path) -> None:
    """Every cell of every row is as it was written down; all rows are good, but that addresses are yet to fetch."""
    done, _ = golden(file, tmp_path)
    wanted = (GOLDEN / f"{file}.photos.csv").read_text(encoding="utf-8").splitlines()
    assert done.manifest.read_text(encoding="utf-8").splitlines() == wanted
    read = manifest.read(done.manifest, files=False)
    assert {fault.code for fault in read.faults} == {"url_path"}
    assert read.rows == done.photos
    assert len(read.faults) == done.addresses
    assert read.columns[: len(COLUMNS)] == COLUMNS
    assert read.columns[len(COLUMNS) :] == done.columns


@pytest.mark.parametrize("file", FEEDS)
def test_every_picture_stands_once_or_is_listed(file: str, tmp_path: Path) -> None:
    """No path stands twice, each item has one main view, and photos and faults add up to what is listed."""
    done, rows = golden(file, tmp_path)
    assert len({row["path"] for row in rows}) == len(rows) == done.photos
    assert [row["item_id"] for row in rows if row["view"] == "main"] == list(
        dict.fromkeys(r["item_id"] for r in rows)
    )
    assert done.listed == done.photos + len(done.faults)
    assert {finding.code for finding in done.findings} <= KINDS.keys()


@pytest.mark.parametrize(
    ("file", "understood", "left_out"),
    [
        ("shopify.csv", ["Handle", "Title", "Variant Price", "Image", "Variant Image", "Option"], ["dune-cap"]),
        (
            "merchant.tsv",
            ["item_group_id", "title", "link", "image_link", "additional_image_link", "price", "availability"],
            [""],
        ),
        (
            "magento.csv",
            ["name", "price", "base_image", "additional_", "configurable_variations", "store_view_code"],
            ["GH", ""],
        ),
    ],
)
def test_no_column_is_lost(file: str, understood: list[str], left_out: list[str], tmp_path: Path) -> None:
    """Every value of a column that is not understood stands in that column of the manifest, alone or in a list."""
    _, rows = golden(file, tmp_path)
    with (GOLDEN / file).open(encoding="utf-8", newline="") as source:
        lines = list(csv.DictReader(source, delimiter="\t" if file.endswith("tsv") else ","))
    key = next(iter(lines[0]))
    checked = 0
    for name in lines[0]:
        if name.startswith(tuple(understood)) or name in ("color", "size"):
            continue
        column = {"style": "shopify:style"}.get(name, name.removeprefix("g:"))
        kept = {part for row in rows for part in (row[column], *row[column].split("|"))}
        for line in lines:
            if line[name] and line[key] not in left_out:
                checked += 1
                found = kept | {row.get(f"{name}@fr", "") for row in rows}
                assert line[name].replace(" EUR", "" if name == "sale price" else " EUR") in found, (name, line)
    assert checked > 20


@pytest.mark.parametrize("file", FEEDS)
def test_a_product_as_the_item(file: str, tmp_path: Path) -> None:
    """With `--items product` the item is the style, in all its colours and sizes; pictures are the same."""
    by_colour = {row["path"] for row in golden(file, tmp_path)[1]}
    options = Options("product", options_of(FEEDS[file]).currency)
    done, rows = golden(file, tmp_path, options)
    assert {row["path"] for row in rows} == by_colour
    assert all(row["item_id"] == row["style"] for row in rows)
    assert done.items == len({row["style"] for row in rows})
    for code in ("picture_without_colour", "named_colour", "shared_by_colours", "colour_without_picture"):
        assert done.count(code) == 0


@pytest.mark.parametrize("file", ["shopify.csv", "magento.csv", "merchant.tsv"])
@pytest.mark.parametrize(
    "saved",
    [
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.decode().encode("utf-16"),
        lambda data: data + b"\n  \n\n",
    ],
    ids=["bom", "crlf", "utf-16", "blank lines"],
)
def test_however_the_file_was_saved(file: str, saved: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """A byte order mark, the ends of lines, UTF-16 and blank lines change nothing but lines within cells."""
    name = FEEDS[file]
    before, wanted = golden(file, tmp_path)
    data = saved((GOLDEN / file).read_bytes())
    done, rows = converted(name, tmp_path, data, options_of(name), (GOLDEN / file).suffix)
    assert [{key: text.replace("\r\n", "\n") for key, text in row.items()} for row in rows] == wanted
    assert done.findings == before.findings


@pytest.mark.parametrize(("file", "separator"), [("shopify.csv", ";"), ("magento.csv", ";"), ("magento.csv", "\t")])
def test_another_separator_is_found_and_told(file: str, separator: str, tmp_path: Path) -> None:
    """An export saved again by a spreadsheet has semicolons, or tabs."""
    name = FEEDS[file]
    _, wanted = golden(file, tmp_path)
    again = io.StringIO(newline="")
    with (GOLDEN / file).open(encoding="utf-8", newline="") as source:
        csv.writer(again, delimiter=separator).writerows(csv.reader(source))
    done, rows = converted(name, tmp_path, again.getvalue(), options_of(name))
    assert rows == wanted
    assert first(done, "other_separator") == (f"feed.csv: {'semicolons' if separator == ';' else 'tabs'}",)


# --- Shopify

SHOPIFY = "Handle,Title,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant Price,Image Src,Variant Image"


def test_the_golden_shopify_export_tells_its_traps(tmp_path: Path) -> None:
    """Each oddity that was put into the export is counted, and its place named."""
    done, _ = golden("shopify.csv", tmp_path)
    assert {finding.code: finding.count for finding in done.findings} == {
        "renamed_column": 1,
        "option_kept": 1,
        "not_on_sale": 2,
        "bad_price": 1,
        "zero_price": 1,
        "several_prices": 2,
        "bad_position": 1,
        "no_picture": 1,
        "named_colour": 3,
        "picture_without_colour": 2,
        "shared_by_products": 1,
        "bad_address": 1,
        "plain_http": 1,
    }
    assert first(done, "bad_price") == ("line 10: on request",)
    assert first(done, "bad_position") == ("line 8: x",)
    assert [(fault.line, fault.path, fault.code) for fault in done.faults] == [
        (11, "https://cdn.example/files/bags.jpg", "shared_picture"),
        (12, "ftp://cdn.example/cap.jpg", "bad_address"),
    ]
    assert "the picture is that of quay-tote, line 9, already" in done.faults[0].message


def test_the_row_of_a_picture_says_nothing_of_its_colour(tmp_path: Path) -> None:
    """Shopify lists pictures beside variants by chance: only `Variant Image` claims one."""
    text = table(
        SHOPIFY,
        "a,A,Color,Red,,,9,https://x.example/1.jpg,https://x.example/2.jpg",
        "a,,,Blue,,,9,https://x.example/2.jpg,https://x.example/1.jpg",
    )
    _, rows = converted("shopify", tmp_path, text)
    assert cells(rows, "path", "item_id", "colour") == [
        ("https://x.example/2.jpg", "a/red", "Red"),
        ("https://x.example/1.jpg", "a/blue", "Blue"),
    ]


def test_a_picture_that_no_colour_claims_is_of_the_product_alone(tmp_path: Path) -> None:
    """In several colours its colour is not known, and told; in one colour there is no doubt."""
    several = table(SHOPIFY, "a,A,Color,Red,,,9,https://x.example/1.jpg,", "a,,,Blue,,,9,,")
    done, rows = converted("shopify", tmp_path, several)
    assert cells(rows, "item_id", "style", "colour") == [("a", "a", "Red|Blue")]
    assert first(done, "picture_without_colour") == ("a: https://x.example/1.jpg",)
    assert first(done, "colour_without_picture") == ("a/red", "a/blue")
    done, rows = converted("shopify", tmp_path, several.replace("Blue", "Red"))
    assert cells(rows, "item_id", "style", "colour") == [("a/red", "a", "Red")]
    assert not first(done, "picture_without_colour")


@pytest.mark.parametrize(
    ("alt", "file", "item"),
    [
        ("Worn, in navy blue", "1", "a/navy-blue"),
        ("BLUE.", "1", "a/blue"),
        ("", "a_navy-blue_2", "a/navy-blue"),
        ("", "a-ecru", "a/écru"),
        ("blue and écru", "1", "a"),
        ("bluebell", "1", "a"),
        ("blue", "ecru", "a/blue"),
        ("Red Kite coat", "red-kite", "a"),
        ("", "1", "a"),
    ],
)
def test_a_picture_may_name_its_colour(alt: str, file: str, item: str, tmp_path: Path) -> None:
    """Its text, else its file: one colour in whole words, the longer one of two, none of the product's own name."""
    text = table(
        SHOPIFY.replace("Image Src", "Image Alt Text,Image Src"),
        "a,Red Kite coat,Color,Navy Blue,,,9,,https://x.example/nb.jpg,https://x.example/nb.jpg",
        "a,,,Blue,,,9,,,https://x.example/b.jpg",
        "a,,,Écru,,,9,,,https://x.example/e.jpg",
        "a,,,Red,,,9,,,https://x.example/r.jpg",
        f"a,,,,,,,{alt if ',' not in alt else chr(34) + alt + chr(34)},https://x.example/{file}.jpg,",
    )
    done, rows = converted("shopify", tmp_path, text)
    assert {row["path"]: row["item_id"] for row in rows}[f"https://x.example/{file}.jpg"] == item
    assert done.count("named_colour") == (item != "a")


@pytest.mark.parametrize(
    ("colour", "size"),
    [("Color", "Size"), ("Colour", "Shoe size"), ("Farbe", "GRÖSSE"), ("Couleur", "Taille"), ("色", "サイズ")],
)
def test_options_in_many_languages(colour: str, size: str, tmp_path: Path) -> None:
    """Option names are read in small and large letters, in either order."""
    text = table(SHOPIFY, f"a,A,{size},S,{colour},Rot,9,https://x.example/1.jpg,", "a,,,M,,Rot,9,,")
    done, rows = converted("shopify", tmp_path, text)
    assert cells(rows, "item_id", "colour", "size") == [("a/rot", "Rot", "S|M")]
    assert not done.count("option_kept")


def test_other_options_are_attributes(tmp_path: Path) -> None:
    """An option that is neither, or both, or a second colour, is kept under its name and told."""
    text = table(
        SHOPIFY,
        "a,A,Color,Red,Lining colour,Gold,9,https://x.example/1.jpg,",
        "b,B,Colour/Size,Red M,,,9,https://x.example/2.jpg,",
    )
    done, rows = converted("shopify", tmp_path, text)
    assert cells(rows, "item_id", "Lining colour", "Colour/Size") == [("a/red", "Gold", ""), ("b", "", "Red M")]
    assert first(done, "option_kept") == ("Lining colour", "Colour/Size")


def test_colours_are_one_however_they_are_spelled(tmp_path: Path) -> None:
    """Small and large letters, spaces and strokes make no other colour; the first spelling is told."""
    text = table(
        SHOPIFY,
        "a,A,Color,Navy/White,Size,S,9,https://x.example/1.jpg,",
        "a,,,navy  white,,M,9,,",
    )
    done, rows = converted("shopify", tmp_path, text)
    assert cells(rows, "item_id", "colour", "size") == [("a/navy-white", "Navy/White", "S|M")]
    assert first(done, "colour_spelled") == ("a: Navy/White, navy  white",)


def test_the_columns_of_new_exports(tmp_path: Path) -> None:
    """Shopify renamed its columns: both generations are read alike."""
    text = table(
        "Title,URL handle,Type,Status,Published on online store,SKU,Option1 name,Option1 value,Price,"
        "Inventory tracker,Inventory quantity,Continue selling when out of stock,Product image URL,Image position,"
        "Image alt text,Variant image URL",
        "Moor vest,moor-vest,Vests,Active,TRUE,MV,Color,Teal,12.50,shopify,0,FALSE,https://x.example/2.jpg,2,back,"
        "https://x.example/1.jpg",
        ",moor-vest,,,,,,,,,,,https://x.example/1.jpg,1,front,",
    )
    done, rows = converted("shopify", tmp_path, text, WHOLE)
    columns = ("path", "item_id", "view", "title", "url", "price", "currency", "availability", "alt", "SKU", "Type")
    shared = ("Moor vest", "https://shop.example/products/moor-vest", "12.50", "EUR", "out_of_stock")
    assert cells(rows, *columns) == [
        ("https://x.example/1.jpg", "moor-vest/teal", "main", *shared, "front", "MV", "Vests"),
        ("https://x.example/2.jpg", "moor-vest/teal", "other", *shared, "back", "MV", "Vests"),
    ]
    assert done.findings == ()


@pytest.mark.parametrize(
    ("tracker", "quantity", "policy", "stock"),
    [
        ("", "0", "deny", "in_stock"),
        ("shopify", "3", "deny", "in_stock"),
        ("shopify", "0", "deny", "out_of_stock"),
        ("shopify", "-2", "deny", "out_of_stock"),
        ("shopify", "-2", "continue", "in_stock"),
        ("shopify", "", "deny", ""),
        ("shopify", "many", "deny", ""),
        ("shopify", "9" * 5000, "deny", "in_stock"),
    ],
)
def test_stock_of_a_shopify_variant(tracker: str, quantity: str, policy: str, stock: str, tmp_path: Path) -> None:
    """Nobody counts, some are left, or it is sold all the same: in stock; without a quantity nothing is said."""
    header = f"{SHOPIFY},Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy"
    row = f"a,A,Color,Red,,,9,https://x.example/1.jpg,,{tracker},{quantity},{policy}"
    assert cells(converted("shopify", tmp_path, table(header, row))[1], "availability") == [(stock,)]


def test_rows_without_a_handle_follow_the_one_above(tmp_path: Path) -> None:
    """A continuation that leaves the handle out is the product's above, and told; above all there is none."""
    text = table(
        SHOPIFY,
        ",,,,,,,https://x.example/0.jpg,",
        "a,A,,,,,9,https://x.example/1.jpg,",
        ",,,,,,,https://x.example/2.jpg,",
    )
    done, rows = converted("shopify", tmp_path, text)
    assert cells(rows, "path", "item_id") == [("https://x.example/1.jpg", "a"), ("https://x.example/2.jpg", "a")]
    assert first(done, "no_id") == ("line 2", "line 4")
    assert [(f.line, f.path, f.code) for f in done.faults] == [(2, "https://x.example/0.jpg", "bad_row")]


def test_what_the_feed_does_not_say_is_told(tmp_path: Path) -> None:
    """Without currency, title or the page's address the cells are empty, and each is counted."""
    done, rows = converted("shopify", tmp_path, table(SHOPIFY, "a,,,,,,9,https://x.example/1.jpg,"))
    assert cells(rows, "title", "url", "price", "currency") == [("", "", "9", "")]
    for code in ("no_currency", "no_title", "no_url"):
        assert first(done, code) == ("a",)


def test_a_variant_that_is_filled_once_speaks_of_the_product(tmp_path: Path) -> None:
    """Only a column that later variants fill too differs between colours."""
    text = table(
        f"{SHOPIFY},Vendor,Variant Barcode",
        "a,A,Color,Red,,,9,https://x.example/1.jpg,https://x.example/1.jpg,Tern,111",
        "a,,,Blue,,,9,https://x.example/2.jpg,https://x.example/2.jpg,,222",
    )
    _, rows = converted("shopify", tmp_path, text)
    assert cells(rows, "item_id", "Vendor", "Variant Barcode") == [
        ("a/red", "Tern", "111"),
        ("a/blue", "Tern", "222"),
    ]


# --- Google Merchant

MERCHANT = "id\titem_group_id\tcolor\tsize\ttitle\tprice\timage_link\tadditional_image_link"


def tsv(*rows: str) -> str:
    return table(MERCHANT, *(row.replace("~", "\t") for row in rows))


def test_the_golden_merchant_feeds_tell_their_traps(tmp_path: Path) -> None:
    """Each oddity of the feed as a table, and as XML, is counted; what is shared is listed with its owner."""
    done, _ = golden("merchant.tsv", tmp_path)
    assert {finding.code: finding.count for finding in done.findings} == {
        "unknown_availability": 1,
        "shared_by_products": 1,
        "shared_by_colours": 1,
    }
    assert [(fault.line, fault.code) for fault in done.faults] == [
        (4, "shared_picture"),
        (6, "shared_picture"),
        (7, "bad_row"),
    ]
    assert "already; it was to be rill-sock's too" in done.faults[1].message
    done, rows = golden("merchant.xml", tmp_path)
    assert [finding.code for finding in done.findings] == ["no_url"]
    assert done.faults == ()
    assert rows[0]["price"] == "49.00", "the price of shipping is not the price"


def test_the_picture_of_several_products_goes_to_the_first(tmp_path: Path) -> None:
    """The others are listed; a product that keeps none is told too."""
    done, rows = converted(
        "merchant",
        tmp_path,
        tsv(*(f"p{n}~~~~T~1 EUR~https://x.example/same.jpg~" for n in range(4))),
        suffix=".tsv",
    )
    assert cells(rows, "item_id", "path") == [("p0", "https://x.example/same.jpg")]
    assert done.count("shared_by_products") == len(done.faults) == 3
    assert {fault.code for fault in done.faults} == {"shared_picture"}
    assert first(done, "no_picture") == ("p1", "p2", "p3")


def test_sizes_are_a_list_and_prices_the_lowest(tmp_path: Path) -> None:
    """Filters find each size, and the price compares as a number."""
    done, rows = converted(
        "merchant",
        tmp_path,
        tsv(
            "1~g~Red~S~T~20.00 EUR~https://x.example/r.jpg~",
            "2~g~Red~M|L~T~15.00 EUR~https://x.example/r.jpg~",
            "3~g~Red~XL~T~9.00 USD~https://x.example/r.jpg~",
        ),
        suffix=".tsv",
    )
    assert cells(rows, "item_id", "size", "price", "currency") == [("g/red", "S|M/L|XL", "15.00", "EUR")]
    assert where.parse(["size=XL", "price<16"]).matches(rows[0].__getitem__)
    assert first(done, "several_prices") == first(done, "several_currencies") == ("g/red",)


def test_a_quote_that_never_closes_swallows_nothing(tmp_path: Path) -> None:
    """Text feeds write inches as quotes: every row stays a row, and it is told."""
    done, rows = converted(
        "merchant",
        tmp_path,
        tsv('1~~~~"Best skirt~1 EUR~https://x.example/1.jpg~', '2~~~~12" heel~1 EUR~https://x.example/2.jpg~'),
        suffix=".tsv",
    )
    assert cells(rows, "item_id", "title") == [("1", '"Best skirt'), ("2", '12" heel')]
    assert first(done, "unquoted") == ("feed.tsv",)


def test_names_of_columns_as_shops_write_them(tmp_path: Path) -> None:
    """`g:image_link`, `Image Link` and `image_link` are one; a column that stands twice keeps both values."""
    text = "ID,g:title,Image Link,additional image link,additional image link,colour\n"
    text += "1,T,https://x.example/1.jpg,https://x.example/2.jpg,https://x.example/3.jpg,Red\n"
    done, rows = converted("merchant", tmp_path, text)
    assert cells(rows, "path", "item_id") == [(f"https://x.example/{n}.jpg", "1/red") for n in (1, 2, 3)]
    assert first(done, "repeated_column") == ("additional image link",)


def test_rows_of_another_length(tmp_path: Path) -> None:
    """A short row is filled up and told; one with a cell too many cannot be read, and is listed."""
    text = "id,title,image_link,brand\n1,T,https://x.example/1.jpg\n2,T,https://x.example/2.jpg,B,more\n3,T,https://x.example/3.jpg,B,\n"
    done, rows = converted("merchant", tmp_path, text)
    assert cells(rows, "item_id", "brand") == [("1", ""), ("3", "B")]
    assert first(done, "short_row") == ("line 2",)
    assert [(f.line, f.code, f.message) for f in done.faults] == [
        (3, "bad_row", "the row has 5 cells, the header 4")
    ]


def test_ids_that_stand_twice(tmp_path: Path) -> None:
    """Facts are the first row's, pictures all, and it is told."""
    text = "id,title,image_link\n1,First,https://x.example/1.jpg\n1,Second,https://x.example/2.jpg\n"
    done, rows = converted("merchant", tmp_path, text)
    assert cells(rows, "path", "title") == [
        ("https://x.example/1.jpg", "First"),
        ("https://x.example/2.jpg", "First"),
    ]
    assert first(done, "repeated_id") == ("line 3: 1",)


RSS = '<rss xmlns:g="http://base.google.com/ns/1.0"><channel>{}</channel></rss>'
ITEM = "<item><g:id>1</g:id><g:image_link>https://x.example/1.jpg</g:image_link>{}</item>"


@pytest.mark.parametrize(
    "text",
    [
        RSS.format(ITEM.format("<g:title>T</g:title><link>https://s.example/1</link>")),
        RSS.format(ITEM.format("<title>T</title><link>https://s.example/1</link>"))
        .replace("g:", "shop:")
        .replace("xmlns:g", "xmlns:shop"),
        RSS.format(ITEM.format("<title>T</title><link>https://s.example/1</link>")).replace(
            ' xmlns:g="http://base.google.com/ns/1.0"', ""
        ),
        (
            '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><entry><g:id>1</g:id>'
            '<title>T</title><link rel="self" href="https://s.example/feed"/><link href="https://s.example/1"/>'
            "<g:image_link>https://x.example/1.jpg</g:image_link></entry></feed>"
        ),
        (
            '<a:feed xmlns:a="http://www.w3.org/2005/Atom"><a:entry><a:id>1</a:id><a:title>T</a:title>'
            '<a:link rel="alternate" href="https://s.example/1"/><image_link>https://x.example/1.jpg</image_link>'
            "</a:entry></a:feed>"
        ),
    ],
    ids=["rss", "another prefix", "undeclared prefix", "atom", "atom with a prefix"],
)
def test_name_spaces_of_xml(text: str, tmp_path: Path) -> None:
    """Google's elements are known by their name space, whatever the prefix; Atom's link stands in `href`."""
    _, rows = converted("merchant", tmp_path, text, suffix=".xml")
    assert cells(rows, "path", "item_id", "title", "url") == [
        ("https://x.example/1.jpg", "1", "T", "https://s.example/1")
    ]


def test_nothing_inside_an_entry_is_lost(tmp_path: Path) -> None:
    """Attributes, stray text, foreign and nested elements are attributes of the photo."""
    text = RSS.format(ITEM.format('<a:b xmlns:a="urn:a" k="v">w</a:b><description>x<p>y</p></description>z'))
    _, rows = converted("merchant", tmp_path, text.replace("<item>", '<item n="7">'), suffix=".xml")
    columns = ("@n", "a:b", "a:b@k", "description", "description.p", "text", "id")
    assert cells(rows, *columns) == [("7", "w", "v", "x", "y", "z", "1")]


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>' + RSS.format("&b;"),
        f'<!DOCTYPE lolz [<!ENTITY file SYSTEM "file:///etc/passwd">]>{RSS.format(ITEM.format("&file;"))}',
        '<!DOCTYPE lolz SYSTEM "https://evil.example/feed.dtd">' + RSS.format(ITEM.format("")),
    ],
    ids=["entities that grow", "a file", "elsewhere"],
)
def test_document_types_are_refused(text: str, tmp_path: Path) -> None:
    """No entity is defined, so none expands; nothing is opened and nothing written."""
    with pytest.raises(ManifestError, match=r"feed\.xml has a document type \(<!DOCTYPE lolz>\): take it out"):
        converted("merchant", tmp_path, text, suffix=".xml")
    assert not (tmp_path / "photos.csv").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RSS.format("<item>"), r"feed\.xml, line 1, column \d+: mismatched tag: mend the XML"),
        ("\n\n<rss>\n<item>&nbsp;</item></rss>", r"feed\.xml, line 4, column 7: undefined entity"),
        ("<rss><channel/></rss>", r"feed\.xml has neither item nor entry"),
        ("<item>" + "<a>" * 60 + "</a>" * 60 + "</item>", "elements lie more than 50 deep"),
        (RSS.format("<item><g:id>1</g:id></item>"), r"feed\.xml names no picture in 1 rows of 1 products"),
    ],
)
def test_xml_that_cannot_be_read_says_where(text: str, message: str, tmp_path: Path) -> None:
    """Line and column, and how to mend it."""
    with pytest.raises(ManifestError, match=message):
        converted("merchant", tmp_path, text, suffix=".xml")


# --- Magento

MAGENTO = (
    "sku,product_type,visibility,name,price,base_image,additional_images,additional_attributes,"
    "configurable_variations"
)


def test_the_golden_magento_export_tells_its_traps(tmp_path: Path) -> None:
    """Each oddity that was put into the export is counted; relative paths stay below the root."""
    done, rows = golden("magento.csv", tmp_path)
    assert {finding.code: finding.count for finding in done.findings} == {
        "renamed_column": 1,
        "store_view": 1,
        "malformed_attributes": 1,
        "missing_variant": 1,
        "hidden_alone": 1,
        "no_url": 1,
        "not_on_sale": 2,
        "zero_price": 1,
        "several_prices": 2,
        "no_selection": 1,
        "no_picture": 1,
        "colour_without_picture": 1,
        "named_colour": 1,
        "picture_without_colour": 1,
        "shared_by_products": 1,
        "bad_address": 2,
    }
    assert [(fault.line, fault.path, fault.code) for fault in done.faults] == [
        (8, "../../etc/kt.jpg", "path_outside"),
        (8, "C:\\kt.jpg", "bad_address"),
        (9, "l/b/lb-blue-1.jpg", "shared_picture"),
        (10, "/n/o/none.jpg", "bad_row"),
    ]
    assert (done.photos, done.addresses) == (6, 1)
    assert rows[0]["path"] == "l/b/lb-blue-0.jpg"


def test_relative_paths_are_read_below_the_photos_root(tmp_path: Path) -> None:
    """Where the media folder is at hand the manifest is good as it is."""
    from PIL import Image

    from shops import picture

    _, rows = converted(
        "magento", tmp_path, table(MAGENTO, "A,simple,,T,1,/m/b/a.jpg,,color=Red,", "B,simple,,T,1,/m/b/b.jpg,,,")
    )
    for seed, row in enumerate(rows):
        (tmp_path / "media" / row["path"]).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(seed)).save(tmp_path / "media" / row["path"])
    read = manifest.read(tmp_path / "photos.csv", photos_root=tmp_path / "media")
    assert read.faults == ()
    assert [photo.item_id for photo in read.photos] == ["A/red", "B"]


def test_variants_belong_to_their_configurable_product(tmp_path: Path) -> None:
    """Simple rows that variations name are no products; those in two go to the first, a lone one stays."""
    text = table(
        MAGENTO,
        "A-r,simple,,r,5,/a/r.jpg,,color=Red,",
        'A,configurable,,A,,,,,"sku=A-r,color=Red"',
        'B,configurable,,B,,/a/b.jpg,,,"sku=A-r,color=Red,price=7,image=/a/i.jpg'
        '|sku=A-g,color=Green, dark,price=8,image=/a/g.jpg"',
        'C,simple,,C,6,/a/c.jpg,,"colour=Blue|Grey,size=M",',
    )
    done, rows = converted("magento", tmp_path, text, Options(currency="SEK"))
    assert cells(rows, "path", "item_id", "price", "colour") == [
        ("a/r.jpg", "A/red", "5", "Red"),
        ("a/i.jpg", "B/red", "7", "Red"),
        ("a/g.jpg", "B/green-dark", "8", "Green, dark"),
        ("a/b.jpg", "B", "7", "Red|Green, dark"),
        ("a/c.jpg", "C/blue-grey", "6", "Blue/Grey"),
    ]
    assert rows[-1]["size"] == "M"
    assert first(done, "variant_of_several") == ("A-r: A, B",)
    assert first(done, "missing_variant") == ("B: A-g",)


def test_variations_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """What is understood of them counts; the rest is told with its line."""
    text = table(
        MAGENTO, "A,configurable,,A,,/a/a.jpg,,,sku=A-r;color=Red", "B,configurable,,B,,/a/b.jpg,,,nothing"
    )
    done, rows = converted("magento", tmp_path, text)
    assert cells(rows, "path", "item_id") == [("a/a.jpg", "A"), ("a/b.jpg", "B")]
    assert first(done, "malformed_variation") == ("line 3: nothing",)
    assert first(done, "missing_variant") == ("A: A-r;color=Red", "B: ")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a=1,b=2", {"a": "1", "b": "2"}),
        ("a=1, 2 and 3,b=x|y", {"a": "1, 2 and 3", "b": "x|y"}),
        ('a="1,b=2",c=3', {"a": "1,b=2", "c": "3"}),
        ('"a=1,b=2",c="say ""hi"""', {"a": "1,b=2", "c": 'say "hi"'}),
        ("a=,b=2", {"a": "", "b": "2"}),
        ("a=1,a=2", {"a": "1|2"}),
        ("a=1,", {"a": "1"}),
        ("a=line\nbreak", {"a": "line\nbreak"}),
        ("", {}),
    ],
)
def test_additional_attributes(text: str, found: Row) -> None:
    """A comma divides where a key follows, and not in quotes."""
    assert pairs(text) == (found, "")


@pytest.mark.parametrize(("text", "rest"), [("odd", "odd"), ("a=1,b", ""), ('a="1"x', "x"), ('a="1",=x', "=x")])
def test_what_is_no_pair_is_handed_back(text: str, rest: str) -> None:
    """Nothing is lost: the rest of the cell comes back as it is."""
    assert pairs(text)[1] == rest


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,6}", fullmatch=True), st.text('ab ,=|"\n', max_size=8), max_size=5))
@example({"a": 'b,c="d"'})
def test_quoted_attributes_come_back(attributes: Row) -> None:
    """Every value in quotes, with its quotes doubled, is read as it was, but for blanks and commas around it."""
    text = ",".join(f'{key}="{value.replace(chr(34), chr(34) * 2)}"' for key, value in attributes.items())
    assert pairs(text) == ({key: value.strip(", ") for key, value in attributes.items()}, "")


# --- what every format shares


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("15.00 USD", "15.00", "USD"),
        ("15 usd", "15", "USD"),
        ("USD 15.00", "15.00", "USD"),
        ("15,00 €", "15.00", "EUR"),
        ("£1,299.50", "1299.50", "GBP"),
        ("1.299,50", "1299.50", "SEK"),
        ("1 299,50", "1299.50", "SEK"),
        ("1,299", "1299", "SEK"),
        ("1.299.000", "1299000", "SEK"),
        ("1'299.00 CHF", "1299.00", "CHF"),
        ("34.000000", "34.00", "SEK"),
        ("0.5", "0.5", "SEK"),
        ("$5", "5", "SEK"),
        ("12,-", None, None),
        ("-5", None, None),
        ("USD 5 EUR", None, None),
        ("1.2.3,4,5", None, None),
        ("1e9", None, None),
        ("٣", None, None),
        (" " * 100_000, None, None),
        ("1" + " " * 100_000 + "x", None, None),
        ("", None, None),
    ],
)
def test_prices(text: str, amount: str | None, currency: str | None) -> None:
    """Amounts as numbers, whoever's decimal mark; a currency in front or behind; anything else is no price."""
    found = values.money(text, "SEK")
    assert (found and found.amount, found and found.currency) == (amount, currency)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://x.example/a.jpg", Place("https://x.example/a.jpg", "https://x.example/a.jpg")),
        ("HTTPS://X.example/a.jpg?v=12", Place("HTTPS://X.example/a.jpg?v=12", "https://x.example/a.jpg")),
        (
            "https://x.example/a.jpg?w=1&v=12",
            Place("https://x.example/a.jpg?w=1&v=12", "https://x.example/a.jpg?w=1&v=12"),
        ),
        ("//x.example/a.jpg", Place("https://x.example/a.jpg", "https://x.example/a.jpg")),
        ("/m/b/./a.jpg", Place("m/b/a.jpg", "m/b/a.jpg")),
        ("https:///a.jpg", "bad_address"),
        ("https://[x/a.jpg", "bad_address"),
        ("https://x.example/a\n.jpg", "bad_address"),
        ("ftp://x.example/a.jpg", "bad_address"),
        ("data:image/png;base64,AAAA", "bad_address"),
        ("file:///etc/passwd", "bad_address"),
        ("a/../../b.jpg", "path_outside"),
        ("a\\b.jpg", "path_outside"),
        ("a\0.jpg", "bad_path"),
        ("/", "bad_path"),
    ],
)
def test_places_of_pictures(text: str, found: Place | str, tmp_path: Path) -> None:
    """Addresses and paths below the root, each by one key; everything else has the manifest's code."""
    where_ = place(text, Confined(tmp_path))
    assert (where_ if isinstance(where_, Place) else where_[0]) == found


def test_lines_in_another_encoding_are_told(tmp_path: Path) -> None:
    """One line in Windows-1252 among others in UTF-8: both are read right."""
    data = table(
        SHOPIFY, "a,Été,,,,,9,https://x.example/1.jpg,"
    ).encode() + "b,Grün €,,,,,9,https://x.example/2.jpg,\n".encode("cp1252")
    done, rows = converted("shopify", tmp_path, data)
    assert cells(rows, "title") == [("Été",), ("Grün €",)]
    assert first(done, "other_encoding") == ("line 3",)


def test_columns_that_would_hide_the_manifests_own(tmp_path: Path) -> None:
    """A shop's `split`, `box` or `domain` is kept under another name, and a column without a name gets one."""
    text = table(f"{SHOPIFY},split,domain,box,path,", "a,A,,,,,9,https://x.example/1.jpg,,half,web,large,/x,extra")
    done, rows = converted("shopify", tmp_path, text)
    assert rows[0]["path"] == "https://x.example/1.jpg"
    columns = ("shopify:split", "shopify:domain", "shopify:box", "shopify:path", "column 14")
    assert cells(rows, *columns) == [("half", "web", "large", "/x", "extra")]
    assert done.count("renamed_column") == 4
    assert {fault.code for fault in manifest.read(done.manifest).faults} == {"url_path"}


def test_very_long_values_are_cut_and_told(tmp_path: Path) -> None:
    """A description with a picture inside would make the manifest unreadable."""
    text = table(f"{SHOPIFY},Body (HTML)", f"a,A,,,,,9,https://x.example/1.jpg,,{'x' * 200_000}")
    done, rows = converted("shopify", tmp_path, text)
    assert len(rows[0]["Body (HTML)"]) == 100_000
    assert done.count("long_value") == 1
    assert manifest.read(done.manifest).rows == 1
    assert csv.field_size_limit() == 131_072


def test_two_products_under_one_name_are_told(tmp_path: Path) -> None:
    """A product called as another one in a colour would be one item with it."""
    text = tsv("a~~Red~~T~1 EUR~https://x.example/1.jpg~", "a/red~~~~T~1 EUR~https://x.example/2.jpg~")
    done, _ = converted("merchant", tmp_path, text, suffix=".tsv")
    assert first(done, "same_name") == ("a/red: a, a/red",)


@pytest.mark.parametrize(
    ("name", "data", "error", "message"),
    [
        (
            "shopify",
            b"sku,name\n1,2\n",
            ManifestError,
            r"has no column handle \(it has sku, name\): name the file as",
        ),
        ("magento", b"id\tname\n", ManifestError, r"has no column sku"),
        ("merchant", b"", ManifestError, r"has no column id \(it has none\)"),
        ("shopify", b"PK\x03\x04...", ManifestError, r"is packed, or a spreadsheet: unpack it, or save it as CSV"),
        ("shopify", b'Handle,Title\na,"b\n', ManifestError, r"line 2: unexpected end of data: mend its quotes"),
        ("shopify", b'Handle,Title\na,"b"c\n', ManifestError, r"line 2: ',' expected after '\"'"),
        ("shopify", b"Handle,Title\na,b\n", ManifestError, r"names no picture in 1 rows of 1 products: export it"),
        (
            "magento",
            b"sku,base_image\nA,../a.jpg\n",
            ManifestError,
            r"no picture that can be used; line 2, '../a.jpg': the path",
        ),
    ],
)
def test_feeds_that_cannot_be_used(
    name: str, data: bytes, error: type[TwinsetError], message: str, tmp_path: Path
) -> None:
    """Each is refused with the file, the place, and the mend; nothing is written."""
    with pytest.raises(error, match=message):
        converted(name, tmp_path, data)
    assert not (tmp_path / "photos.csv").exists()


def test_where_a_manifest_cannot_be_written(tmp_path: Path) -> None:
    """Not over the feed itself, not on a folder, not in one that is not there; an unread feed changes nothing."""
    feed = tmp_path / "feed.csv"
    feed.write_text("Handle,Image Src\na,https://x.example/1.jpg\n")
    with pytest.raises(UsageError, match="is the feed itself, which would be gone: name another --out"):
        feeds.convert("shopify", feed, tmp_path / "./feed.csv")
    with pytest.raises(PathError, match="is a folder: name the manifest"):
        feeds.convert("shopify", feed, tmp_path)
    with pytest.raises(PathError, match="there is no folder"):
        feeds.convert("shopify", feed, tmp_path / "none/photos.csv")
    with pytest.raises(PathError, match=r"there is no feed .*gone\.csv: name the file"):
        feeds.convert("shopify", tmp_path / "gone.csv", tmp_path / "photos.csv")
    with pytest.raises(PathError, match="cannot be read: Is a directory"):
        feeds.convert("shopify", tmp_path, tmp_path / "photos.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["feed.csv"]


def test_options_are_checked() -> None:
    """A currency has three letters, a shop's address a scheme and a host."""
    for currency in ("EURO", "E1R", "eur", "€€€"):
        with pytest.raises(UsageError, match="is no currency: give its three letters"):
            Options(currency=currency)
    for url in ("shop.example", "ftp://shop.example", "https://"):
        with pytest.raises(UsageError, match=r"for example https://shop\.example"):
            Options(shop_url=url)


# --- any shop

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)


def product() -> st.SearchStrategy[list[tuple[str, str, list[int], int]]]:
    """Variants of a product: colour, size, the pictures in their rows, and the one that they claim (0: none)."""
    colours = st.sampled_from(["", "Red", "Navy Blue", "red"])
    sizes = st.sampled_from(["", "S", "M|L"])
    return st.lists(
        st.tuples(colours, sizes, st.lists(st.integers(1, 9), max_size=3), st.integers(0, 9)),
        min_size=1,
        max_size=4,
    )


@SUPPRESS
@given(
    st.dictionaries(st.text("abc-", min_size=1, max_size=3), product(), min_size=1, max_size=4),
    st.sampled_from(["colour", "product"]),
)
@example({"a": [("Red", "S", [1], 1)], "b": [("Red", "S", [1], 0)]}, "colour")
def test_every_picture_of_any_shop_stands_once(
    tmp_path: Path, shop: dict[str, list[tuple[str, str, list[int], int]]], by: str
) -> None:
    """Whatever is written as a Shopify export: each picture in one row, at a product that names it first."""
    lines, named = [], dict[str, str]()
    for handle, variants in shop.items():
        for colour, size, own, claimed in variants:
            image = f"https://x.example/{claimed}.jpg" if claimed else ""
            lines.append([handle, "T", "Color", colour, "Size", size, "9", "", image])
            lines += [[handle, "", "", "", "", "", "", f"https://x.example/{n}.jpg", ""] for n in own]
        for _, _, own, claimed in variants:
            for n in (*own, *([claimed] if claimed else [])):
                named.setdefault(f"https://x.example/{n}.jpg", handle)
    text = io.StringIO(newline="")
    csv.writer(text).writerows([SHOPIFY.split(","), *lines])
    if not named:
        with pytest.raises(ManifestError, match="names no picture"):
            converted("shopify", tmp_path, text.getvalue())
        return
    done, rows = converted(
        "shopify", tmp_path, text.getvalue(), Options("product" if by == "product" else "colour")
    )
    assert {row["path"]: row["style"] for row in rows} == named
    assert len(rows) == len(named) == done.photos
    assert done.count("shared_by_products") + done.count("shared_by_colours") == len(done.faults)
    for item in {row["item_id"] for row in rows}:
        own = [row for row in rows if row["item_id"] == item]
        assert [row["view"] == "main" for row in own] == [True] + [False] * (len(own) - 1)
        assert len({(row["colour"], row["size"], row["price"]) for row in own}) == 1


@SUPPRESS
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
@example([("a", "\0"), ("b", "\r"), ("style", "x"), ("a ", "=1")])
def test_any_text_in_any_column_is_kept(tmp_path: Path, columns: list[tuple[str, str]]) -> None:
    """A manifest of a feed with any columns can be read, and has their values."""
    text = io.StringIO(newline="")
    header = ["Handle", "Image Src", *(f"x{name}" for name, _ in columns)]
    csv.writer(text).writerows([header, ["a", "https://x.example/1.jpg", *(text for _, text in columns)]])
    done, rows = converted("shopify", tmp_path, text.getvalue())
    kept = "\n".join(rows[0].values())
    for _, value in columns:
        assert value.strip() in kept
    assert manifest.read(done.manifest).rows == 1


@SUPPRESS
@given(st.sampled_from(sorted(feeds.READERS)), st.binary(max_size=200))
@example("merchant", b"<rss>")
@example("merchant", b"\xff\xfe<\0")
@example("shopify", b"handle,image src\n\xff,a.jpg")
def test_any_bytes_convert_or_are_refused(tmp_path: Path, name: str, data: bytes) -> None:
    """No file ends in a traceback."""
    try:
        done, rows = converted(name, tmp_path, data)
    except TwinsetError as error:
        said = error.mend
    else:
        said = "converted" if len(rows) == done.photos else ""
    assert said


# --- the command


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)


def test_the_command_tells_everything_and_lists_what_it_left_out(tmp_path: Path, capsys: Out) -> None:
    """Counts and findings on stdout, how to go on, and what was left out, on stderr."""
    out = tmp_path / "photos.csv"
    command = ["data", "convert", "shopify", str(GOLDEN / "shopify.csv"), "--out", str(out), "--currency", "eur"]
    assert main([*command, "--items", "colour", "--shop-url", "https://shop.example"]) == 0
    seen = capsys.readouterr()
    assert seen.out.startswith(f"{out}: 11 photos of 7 items, 5 products; 13 rows\n")
    assert "1 pictures of several products: the first has them, the others are listed: https://cdn" in seen.out
    assert "kept as attributes: Body (HTML), Vendor, " in seen.out
    skipped = tmp_path / "photos.skipped.csv"
    assert f"skipped 2 of 13 rows, see {skipped}" in seen.err
    assert "11 photos are addresses: twinset data fetch brings them in" in seen.err
    assert [row["code"] for row in rows_of(skipped)] == ["shared_picture", "bad_address"]
    assert {row["currency"] for row in rows_of(out) if row["price"]} == {"EUR"}


def test_the_command_as_json_and_a_list_of_an_earlier_run(tmp_path: Path, capsys: Out) -> None:
    """`--json` is the whole report; a run that leaves nothing out removes the list of one that did."""
    out = tmp_path / "photos.csv"
    (tmp_path / "photos.skipped.csv").write_text("old")
    assert (
        main(["data", "convert", "merchant", str(GOLDEN / "merchant.xml"), "--out", str(out), "--json", "-q"]) == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert list(report) == [
        "manifest", "format", "rows", "products", "items", "photos", "listed", "addresses", "columns", "findings",
        "faults",
    ]  # fmt: skip
    assert report == json.loads(json.dumps(golden("merchant.xml", tmp_path)[0].to_json()))
    assert not (tmp_path / "photos.skipped.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["shopfy", "x.csv"], 2, "No such command 'shopfy': did you mean 'shopify'?"),
        (["shopify", "x.csv"], 2, "Missing option '--out'"),
        (["shopify", "x.csv", "--out", "o.csv", "--highres"], 2, "No such option: --highres"),
        (
            ["merchant", "x.csv", "--out", "o.csv", "--shop-url", "https://a.example"],
            2,
            "No such option: --shop-url",
        ),
        (["deepfashion-c2s", ".", "--out", "o.csv"], 2, "No such option: --out"),
        (["shopify", "x.csv", "--out", "o.csv", "--currency", "euro"], 2, "'EURO' is no currency"),
        (["shopify", "gone.csv", "--out", "o.csv"], 3, "there is no feed gone.csv: name the file"),
    ],
)
@pytest.mark.usefixtures("elsewhere")
def test_bad_calls_are_one_line(arguments: list[str], code: int, says: str, capsys: Out) -> None:
    """An option that means nothing here is usage; a feed that is not there bad input."""
    assert main(["data", "convert", *arguments]) == code
    assert capsys.readouterr().err.strip().startswith(f"twinset: {says}")


def test_addresses_are_not_indexed_and_the_mend_is_named(tmp_path: Path, capsys: Out) -> None:
    """`index` opens no connection: a manifest of addresses is refused whole, one among files is skipped."""
    from PIL import Image

    done, _ = golden("merchant.xml", tmp_path)
    place_ = tmp_path / "shop.catalogue"
    assert main(["index", str(done.manifest), "-c", str(place_), "--bundle", "colour", "-q"]) == 3
    said = capsys.readouterr().err
    assert said.startswith(
        "twinset: all 4 photos are addresses yet; line 2, 'https://img.example/tarn-w.jpg': bring"
    )
    assert "twinset data fetch" in said
    assert not place_.exists()
    Image.new("RGB", (32, 32)).save(tmp_path / "own.png")
    with done.manifest.open("a") as file:
        file.write("own.png,own" + "," * (len(done.columns) + len(COLUMNS) - 2) + "\r\n")
    assert main(["index", str(done.manifest), "-c", str(place_), "--bundle", "colour", "-q"]) == 0
    listed = rows_of(place_ / "skipped.csv")
    assert {row["code"] for row in listed} == {"url_path"}
    assert all(re.search(r"bring it in with `twinset data fetch`", row["message"]) for row in listed)
