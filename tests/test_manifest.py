"""Manifests and plain folders are read as the contract says, every faulty row is reported, `check` counts right."""

import csv
import hashlib
import io
import os
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from twinset import manifest
from twinset.errors import ManifestError, PathError, UsageError
from twinset.manifest.check import levels
from twinset.manifest.split import parse_hold_out
from twinset.records import Fault, Photo


def picture(seed: int) -> bytes:
    """A small PNG, another one for each seed."""
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def files(root: Path, *paths: str) -> None:
    """Writes photos, each with pixels of its own."""
    for seed, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(picture(seed))


def table(root: Path, text: str | bytes, name: str = "photos.csv") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    path = root / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def written(root: Path, header: list[str], rows: list[list[str]]) -> Path:
    """A manifest written by the csv module itself."""
    out = io.StringIO()
    csv.writer(out).writerows([header, *rows])
    return table(root, out.getvalue())


def codes(found: manifest.Manifest) -> list[tuple[int, str, str]]:
    return [(fault.line, fault.path, fault.code) for fault in found.faults]


# --- good tables


def test_every_column(tmp_path: Path) -> None:
    """Reserved columns become fields, every other column that is not empty an attribute, all of it text."""
    files(tmp_path, "a/1.png", "a/2.png")
    text = (
        "path,item_id,category,domain,split,box,view,style,title,price,sku,note\n"
        'a/1.png,00123,TOPS/T_Shirt,customer,test,"1,2,3.5,4",back,s1,"Shirt, ""new""",15.00,007,\n'
        "a/2.png,1e5,,,,,,,,,,\n"
    )
    found = manifest.read(table(tmp_path, text))
    first, second = found.photos
    assert (first.item_id, first.category, first.domain, first.view) == (
        "00123",
        "TOPS/T_Shirt",
        "customer",
        "back",
    )
    assert first.box == (1, 2, 3.5, 4)
    assert first.attributes == {
        "split": "test",
        "style": "s1",
        "title": 'Shirt, "new"',
        "price": "15.00",
        "sku": "007",
    }
    assert second == Photo("a/2.png", "1e5", photo_id=second.photo_id, line=3)
    assert (found.rows, found.faults, found.root) == (2, (), tmp_path.resolve())
    assert "note" in found.columns
    assert found.fields() == {"path", "item_id", "domain", "category", "view", "box", *first.attributes}
    assert first.value("box") == "1,2,3.5,4"
    assert first.value("note") == second.value("view") == ""


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_ends_of_lines_and_bom(tmp_path: Path, end: str, bom: bytes) -> None:
    """Unix, Windows and old Mac line ends, a byte order mark, blank lines, an open last line: all are read."""
    files(tmp_path, "a.png", "b.png")
    lines = [" path , item_id,title", "a.png,1,x", "", "b.png,2,衬衫"]
    found = manifest.read(table(tmp_path, bom + end.join(lines).encode()))
    assert [(p.path, p.item_id, p.value("title"), p.line) for p in found.photos] == [
        ("a.png", "1", "x", 2),
        ("b.png", "2", "衬衫", 4),
    ]
    assert found.faults == ()


def test_quoted_newlines_keep_the_line_numbers(tmp_path: Path) -> None:
    """A row over several lines keeps its newlines, and is named by the line on which it begins."""
    files(tmp_path, "a.png")
    text = 'path,item_id,title\na.png,1,"one\ntwo\r\nthree"\n"gone\n.png",2,\nlost.png,3,\n'
    found = manifest.read(table(tmp_path, text))
    assert [(p.line, p.value("title")) for p in found.photos] == [(2, "one\ntwo\r\nthree")]
    assert codes(found) == [(5, "gone\n.png", "missing_file"), (7, "lost.png", "missing_file")]


def test_chinese_names(tmp_path: Path) -> None:
    """Paths, items, categories and columns need not be ASCII."""
    files(tmp_path, "照片/衬衫 1.png")
    photo = manifest.read(
        table(tmp_path, "path,item_id,category,颜色\n照片/衬衫 1.png,衬衫,上衣/衬衫,红\n")
    ).photos[0]
    assert (photo.item_id, photo.category, photo.value("颜色")) == ("衬衫", "上衣/衬衫", "红")


@pytest.mark.parametrize("source", ["main", "衬衫"])
def test_photo_id(tmp_path: Path, source: str) -> None:
    """A photo's id is the first 32 hex digits of SHA-256(source, NUL, path); without an item it is its own item."""
    files(tmp_path, "a/b.png")
    photo = manifest.read(table(tmp_path, "path,item_id\n./a//b.png,\n"), source=source).photos[0]
    expected = hashlib.sha256(source.encode() + b"\0" + b"a/b.png").hexdigest()[:32]
    assert (photo.path, photo.photo_id, photo.item_id) == ("a/b.png", expected, f"photo:{expected}")
    assert photo.value("photo_id") == expected


def test_photos_root(tmp_path: Path) -> None:
    """`photos_root` is where paths start, for the confinement too; a missing one is a bad path."""
    files(tmp_path / "elsewhere", "a.png")
    files(tmp_path / "tables", "b.png")
    path = table(tmp_path / "tables", "path,item_id\na.png,1\nb.png,2\n../tables/b.png,3\n")
    found = manifest.read(path, photos_root=tmp_path / "elsewhere")
    assert [p.path for p in found.photos] == ["a.png"]
    assert found.root == (tmp_path / "elsewhere").resolve()
    assert [code for *_, code in codes(found)] == ["missing_file", "path_outside"]
    with pytest.raises(PathError, match=r"there is no folder .*nowhere"):
        manifest.read(path, photos_root=tmp_path / "nowhere")


def test_without_looking_for_files(tmp_path: Path) -> None:
    """With `files=False` no photo need be there, yet no path may lead out."""
    found = manifest.read(table(tmp_path, "path,item_id\ngone.png,1\n../out.png,2\n"), files=False)
    assert [p.path for p in found.photos] == ["gone.png"]
    assert codes(found) == [(3, "../out.png", "path_outside")]


# --- no manifest at all


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"no column path \(it has none\).*separated by commas"),
        ("\n\n", "no column path"),
        ("path,item\na.png,1\n", r"no column item_id \(it has path, item\)"),
        ("item_id\n1\n", "no column path"),
        ("path;item_id\na.png;1\n", r"no column path \(it has path;item_id\).*separated by commas"),
        ("path\titem_id\na.png\t1\n", "separated by commas"),
        ("path,item_id,colour,colour\n", "has the column 'colour' twice"),
        ("path,item_id, path\n", "has the column 'path' twice"),
        (
            "path,item_id\n" + "ok.png,1\n" * 2000 + "caf\xe9.png,2\n",
            "line 2,002, is not UTF-8.*save it as CSV in UTF-8",
        ),
        ("path,item_id\n".encode("utf-16"), "line 1, is not UTF-8"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "is not UTF-8"),
        ('path,item_id\n"a.png"x,1\n', r"line 2: .*save it as CSV"),
        ('path,item_id\n"a.png,1\n', r"line 2: unexpected end of data"),
    ],
)
def test_unusable_tables(tmp_path: Path, text: str | bytes, message: str) -> None:
    """What is no CSV with both columns is refused whole, at once, with exit code 3 and a mend."""
    path = table(tmp_path, text if isinstance(text, bytes) else text.encode("latin-1"))
    with pytest.raises(ManifestError, match=message) as caught:
        manifest.read(path)
    assert (caught.value.exit_code, caught.value.code) == (3, "bad_manifest")
    assert str(path) in caught.value.message


def test_missing_manifests(tmp_path: Path) -> None:
    """A manifest that is not there, or whose name cannot be, is a bad path."""
    with pytest.raises(PathError, match=r"there is no manifest or folder .*none.csv") as caught:
        manifest.read(tmp_path / "none.csv")
    assert caught.value.exit_code == 3
    with pytest.raises(PathError, match="cannot be read"):
        manifest.read(tmp_path / ("x" * 300))
    with pytest.raises(PathError, match="there is no manifest"):
        manifest.read(tmp_path / "a\0b")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PathError, match="there is no manifest"):
        manifest.read(tmp_path / "pipe")


def test_no_good_row(tmp_path: Path) -> None:
    """A manifest without one good row is read, and refused where photos are required, naming the first fault."""
    found = manifest.read(table(tmp_path, "path,item_id\nx.png,1\ny.png,2\n"))
    with pytest.raises(ManifestError, match=r"none of 2 rows can be used; line 2, 'x.png': there is no such file"):
        found.require_photos()
    header_only = manifest.read(table(tmp_path, "path,item_id\n"))
    assert header_only.rows == 0
    with pytest.raises(ManifestError, match="holds no photo"):
        header_only.require_photos()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="holds no photo"):
        manifest.read(tmp_path / "empty").require_photos()


# --- faulty rows

HEADER = ["path", "item_id", "domain", "split", "box"]
FAULTY = [
    (["a.png", "1", "", ""], "bad_row", "the row has 4 cells, the header 5"),
    (["a.png"], "bad_row", "the row has 1 cells"),
    (["a.png", "1", "", "", "", "x"], "bad_row", "the row has 6 cells"),
    (["good.png", "1", "", "", ""], "duplicate_path", "stands in line 2 already"),
    (["./good.png", "1", "", "", ""], "duplicate_path", "stands in line 2 already"),
    (["sub/..//good.png", "1", "", "", ""], "path_outside", "must stay below"),
    (["../out.png", "1", "", "", ""], "path_outside", "must stay below"),
    (["..", "1", "", "", ""], "path_outside", "must stay below"),
    (["..\\out.png", "1", "", "", ""], "path_outside", "must stay below"),
    (["/etc/passwd", "1", "", "", ""], "path_outside", "must stay below"),
    (["link.png", "1", "", "", ""], "path_outside", "through a link"),
    (["linked/out.png", "1", "", "", ""], "path_outside", "through a link"),
    ([".", "1", "", "", ""], "path_outside", ""),
    (["loop.png", "1", "", "", ""], "missing_file", "no such file"),
    (["gone.png", "1", "", "", ""], "missing_file", "no such file"),
    (["sub", "1", "", "", ""], "missing_file", "no such file"),
    (["good.png/x.png", "1", "", "", ""], "missing_file", "no such file"),
    (["x" * 300, "1", "", "", ""], "missing_file", "no such file"),
    (["pipe", "1", "", "", ""], "missing_file", "no such file"),
    (["https://shop.example/a.jpg", "1", "", "", ""], "url_path", "bring it in with `twinset data fetch`"),
    (["HTTP://shop.example/a.jpg", "1", "", "", ""], "url_path", "bring it in with `twinset data fetch`"),
    (["a\0.png", "1", "", "", ""], "bad_path", "NUL"),
    (["", "1", "", "", ""], "bad_path", "empty"),
    (["  ", "1", "", "", ""], "bad_path", "empty"),
    (["other.png", "1", "studio", "", ""], "bad_domain", "'studio' is neither customer nor shop"),
    (["other.png", "1", "", "Test", ""], "bad_split", "'Test' is none of train, val, test"),
    *(
        (["other.png", "1", "", "", box], "bad_box", "is not x1,y1,x2,y2")
        for box in (
            "1,2,3",
            "1,2,3,4,5",
            "a,b,c,d",
            "3,2,1,4",
            "1,4,3,2",
            "1,2,1,4",
            "-1,0,3,4",
            "nan,0,1,1",
            "0,0,inf,1",
        )
    ),
]


def test_every_faulty_row_is_reported(tmp_path: Path) -> None:
    """Each kind of faulty row is listed with line, path, code and message; the good rows around them are kept."""
    root = tmp_path / "shop"
    files(root, "good.png", "other.png", "sub/in.png", "last.png")
    files(tmp_path, "out.png", "outside/out.png")
    (root / "link.png").symlink_to(tmp_path / "out.png")
    (root / "linked").symlink_to(tmp_path / "outside")
    (root / "loop.png").symlink_to(root / "loop.png")
    os.mkfifo(root / "pipe")
    rows = [["good.png", "1", "", "", ""], *(row for row, *_ in FAULTY), ["last.png", "9", "", "", ""]]
    found = manifest.read(written(root, HEADER, rows))
    assert [(p.path, p.line) for p in found.photos] == [("good.png", 2), ("last.png", len(rows) + 1)]
    assert codes(found) == [(line, row[0], code) for line, (row, code, _) in enumerate(FAULTY, 3)]
    for fault, (*_, message) in zip(found.faults, FAULTY, strict=True):
        assert message in fault.message
    assert found.rows == len(rows)


def test_links_that_stay_inside(tmp_path: Path) -> None:
    """Linked files and folders inside the root are fine, also where the root itself is a link."""
    files(tmp_path / "real", "a.png", "sub/b.png")
    (tmp_path / "real/link.png").symlink_to("a.png")
    (tmp_path / "real/linked").symlink_to("sub")
    (tmp_path / "root").symlink_to("real")
    table(tmp_path / "real", "path,item_id\na.png,1\nlink.png,2\nlinked/b.png,3\n")
    found = manifest.read(tmp_path / "root/photos.csv")
    assert [p.path for p in found.photos] == ["a.png", "link.png", "linked/b.png"]
    assert found.faults == ()


def test_a_faulty_row_does_not_occupy_its_path(tmp_path: Path) -> None:
    """A path whose first row is faulty may stand in a later, good one."""
    files(tmp_path, "a.png")
    found = manifest.read(table(tmp_path, "path,item_id,split\na.png,1,dev\na.png,1,val\n"))
    assert [p.line for p in found.photos] == [3]
    assert codes(found) == [(2, "a.png", "bad_split")]


def test_write_faults(tmp_path: Path) -> None:
    """Faults are written as a CSV that reads back, with no cell that a spreadsheet takes for a formula."""
    texts = ["=HYPERLINK(1)", "+1", "-1", "@x", "\tx", "\rx", "\nx", 'plain "q", 衬衫\n', "a=b"]
    faults = [Fault(i, text, "missing_file", text) for i, text in enumerate(texts)]
    manifest.write_faults(tmp_path / "skipped.csv", faults)
    with (tmp_path / "skipped.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, strict=True)
    assert header == ["line", "path", "code", "message"]
    for i, (line, path, code, message) in enumerate(rows):
        assert (line, code, path) == (str(i), "missing_file", message)
        assert path == (f"'{texts[i]}" if i < 7 else texts[i])
    with pytest.raises(PathError, match="nowhere"):
        manifest.write_faults(tmp_path / "nowhere/skipped.csv", faults)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(st.text('a.png,"\n\r\0/\\=;é', max_size=6), max_size=4), max_size=6), st.booleans())
@example([["a.png", "\ufeff"]], True)
def test_random_rows_add_up(tmp_path: Path, rows: list[list[str]], quoted: bool) -> None:
    """Random cells behind a good header: each row that is not blank is either a photo or a fault."""
    files(tmp_path, "a.png")
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL).writerows([["path", "item_id"], *rows])
    found = manifest.read(table(tmp_path, out.getvalue()))
    assert len(found.photos) <= 1
    assert found.rows == len(found.photos) + len(found.faults) == sum(bool(row) for row in rows)
    lines = [record.line for record in (*found.photos, *found.faults)]
    assert len(set(lines)) == len(lines)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.one_of(st.binary(), st.text().map(str.encode), st.text().map(lambda t: b"path,item_id\n" + t.encode())))
def test_random_tables(tmp_path: Path, data: bytes) -> None:
    """Any bytes are read, or refused with `ManifestError`; rows add up."""
    try:
        found = manifest.read(table(tmp_path, data))
    except ManifestError:
        return
    assert found.rows == len(found.photos) + len(found.faults)
    assert all(fault.code and fault.message and fault.line > 1 for fault in found.faults)


# --- plain folders


def test_plain_folder(tmp_path: Path) -> None:
    """Photos in the folder are items by their stem; deeper, the last folder is the item, others the category."""
    files(
        tmp_path,
        "lone.v2.png",
        "shirt/1.png",
        "TOPS/T_Shirt/id_1/comsumer_01.png",
        "TOPS/T_Shirt/id_1/customer_02.PNG",
        "TOPS/T_Shirt/id_1/shop_01.png",
        "TOPS/T_Shirt/id_1/other.png",
        ".hidden/1.png",
        "TOPS/.thumbs/1.png",
        "TOPS/.1.png",
    )
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / "TOPS/Thumbs.db").write_bytes(b"")
    (tmp_path / "nothing").mkdir()
    found = manifest.read(tmp_path)
    assert [(p.path, p.item_id, p.category, p.domain) for p in found.photos] == [
        ("TOPS/T_Shirt/id_1/comsumer_01.png", "id_1", "TOPS/T_Shirt", "customer"),
        ("TOPS/T_Shirt/id_1/customer_02.PNG", "id_1", "TOPS/T_Shirt", "customer"),
        ("TOPS/T_Shirt/id_1/other.png", "id_1", "TOPS/T_Shirt", "shop"),
        ("TOPS/T_Shirt/id_1/shop_01.png", "id_1", "TOPS/T_Shirt", "shop"),
        ("lone.v2.png", "lone.v2", "", "shop"),
        ("shirt/1.png", "shirt", "", "shop"),
    ]
    assert (found.faults, found.columns) == ((), ())
    assert found.photos[4].photo_id == hashlib.sha256(b"main\0lone.v2.png").hexdigest()[:32]
    assert found.fields() == {"path", "item_id", "domain", "category"}


def test_plain_folder_with_links_and_odd_names(tmp_path: Path) -> None:
    """Links that lead out and names that are not UTF-8 are faults; a linked folder inside is passed over."""
    root = tmp_path / "shop"
    files(root, "a.png", "sub/b.png")
    files(tmp_path, "out.png", "outside/c.png")
    (root / "in.png").symlink_to("a.png")
    (root / "out.png").symlink_to(tmp_path / "out.png")
    (root / "gone.png").symlink_to(tmp_path / "gone.png")
    (root / "again").symlink_to("sub")
    (root / "outside").symlink_to(tmp_path / "outside")
    (root / ".hidden").symlink_to(tmp_path / "outside")
    (root / os.fsdecode(b"caf\xe9.png")).write_bytes(picture(9))
    found = manifest.read(root)
    assert [p.path for p in found.photos] == ["a.png", "in.png", "sub/b.png"]
    assert sorted(codes(found)) == [
        (0, "caf\\udce9.png", "bad_path"),
        (0, "gone.png", "missing_file"),
        (0, "out.png", "path_outside"),
        (0, "outside", "path_outside"),
    ]
    manifest.write_faults(tmp_path / "skipped.csv", found.faults)


# --- check


def checked(root: Path, rows: list[tuple[str, str, str, str, str]]) -> manifest.Check:
    path = written(root, ["path", "item_id", "split", "domain", "category"], [list(row) for row in rows])
    return manifest.check(manifest.read(path))


def test_check_counts(tmp_path: Path) -> None:
    """Readable photos are counted by split, domain and every category level; items with one photo are told."""
    files(tmp_path, "1.png", "2.png", "3.png", "4.png")
    (tmp_path / "bad.png").write_bytes(picture(4)[:60])
    (tmp_path / "text.jpg").write_text("no photo")
    found = checked(
        tmp_path,
        [
            ("1.png", "i", "test", "customer", "TOPS/T_Shirt"),
            ("2.png", "i", "test", "shop", "TOPS/T_Shirt"),
            ("3.png", "j", "", "", "TOPS"),
            ("4.png", "", "train", "", ""),
            ("bad.png", "j", "train", "", "TOPS"),
            ("text.jpg", "k", "val", "", ""),
            ("gone.png", "k", "val", "", ""),
        ],
    )
    assert (found.rows, found.photos, found.items, found.single_photo_items) == (7, 4, 3, 2)
    assert found.splits == {"": 1, "test": 2, "train": 1}
    assert found.domains == {"customer": 1, "shop": 3}
    assert found.categories == {"TOPS": 3, "TOPS/T_Shirt": 2}
    assert [(f.line, f.path, f.code) for f in found.faults] == [
        (6, "bad.png", "truncated_photo"),
        (7, "text.jpg", "not_a_photo"),
        (8, "gone.png", "missing_file"),
    ]
    assert not found.ok
    assert set(found.to_json()) == {
        *("ok", "rows", "photos", "items", "splits", "domains", "categories", "faults"),
        *("duplicates_across_items", "duplicates_across_splits", "single_photo_items"),
    }


def test_items_with_one_photo_are_no_fault(tmp_path: Path) -> None:
    """A manifest of items with one photo each is fine."""
    files(tmp_path, "1.png", "2.png")
    found = checked(tmp_path, [("1.png", "i", "", "", ""), ("2.png", "j", "", "", "")])
    assert (found.ok, found.single_photo_items) == (True, 2)


@pytest.mark.parametrize(
    ("splits", "across"),
    [
        (("", ""), False),
        (("test", "test"), False),
        (("train", "test"), True),
        (("", "test"), True),
        (("", "train"), True),
    ],
)
def test_duplicates_across_splits(tmp_path: Path, splits: tuple[str, str], across: bool) -> None:
    """The same bytes in two splits are told; a row without a split is in every split, so in another one's too."""
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(picture(0))
    found = checked(tmp_path, [("1.png", "i", splits[0], "", ""), ("2.png", "i", splits[1], "", "")])
    assert found.duplicates_across_splits == ((("1.png", "2.png"),) if across else ())
    assert found.duplicates_across_items == ()
    assert found.ok is not across


@pytest.mark.parametrize(("items", "across"), [(("i", "i"), False), (("i", "j"), True), (("", ""), True)])
def test_duplicates_across_items(tmp_path: Path, items: tuple[str, str], across: bool) -> None:
    """The same bytes under two items are told; photos without an item are items of their own."""
    for name in ("b.png", "a.png"):
        (tmp_path / name).write_bytes(picture(0))
    files(tmp_path, "x/c.png", "x/d.png")
    (tmp_path / "x/c.png").write_bytes(picture(7))
    rows = [("b.png", items[0]), ("a.png", items[1]), ("x/c.png", "i"), ("x/d.png", "k")]
    found = checked(tmp_path, [(path, item, "", "", "") for path, item in rows])
    assert found.duplicates_across_items == ((("a.png", "b.png"),) if across else ())
    assert found.duplicates_across_splits == ()


def test_check_is_fast(tmp_path: Path) -> None:
    """600 small photos, half of them twice, are checked in seconds, with progress told for each."""
    names = [f"{i}.png" for i in range(600)]
    for i, name in enumerate(names):
        (tmp_path / name).write_bytes(picture(i % 300))
    done: list[int | str] = []

    class Told:
        def start(self, what: str, total: int) -> None:
            done.append(total)

        def advance(self, count: int = 1) -> None:
            done.append(count)

        def finish(self) -> None:
            done.append("finished")

    path = written(tmp_path, ["path", "item_id"], [[name, str(i)] for i, name in enumerate(names)])
    begun = time.perf_counter()
    found = manifest.check(manifest.read(path), Told())
    assert time.perf_counter() - begun < 5
    assert len(found.duplicates_across_items) == 300
    assert done == [600, *[1] * 600, "finished"]


def test_category_levels() -> None:
    """A category stands under itself and every level above it; none under nothing."""
    assert levels("") == []
    assert levels("TOPS") == ["TOPS"]
    assert levels("A/b/c") == ["A", "A/b", "A/b/c"]


# --- hold-out


def styled(attributes: Mapping[str, str]) -> Photo:
    return Photo("a.jpg", "i", attributes=dict(attributes))


def test_hold_out_hashes_the_value() -> None:
    """A row is held out by the first hex digit of its value's SHA-256; a row without a value is not."""
    held = parse_hold_out("style=0-7")
    for value in ("24-MB01", "WSH12", "衬衫", "x"):
        assert held.holds(styled({"style": value})) is (hashlib.sha256(value.encode()).digest()[0] < 128)
    assert not parse_hold_out("style=0-f").holds(styled({}))
    assert parse_hold_out("item_id=0-f").holds(styled({}))


@pytest.mark.parametrize(
    ("text", "digits"), [("a=0-7", "01234567"), ("a=3", "3"), ("a b=0-1,a,e-f", "01aef"), ("衬=f-f", "f")]
)
def test_hold_out_forms(text: str, digits: str) -> None:
    """Digits and ranges, separated by commas, are parsed."""
    held = parse_hold_out(text)
    assert (held.column, held.digits) == (text.partition("=")[0], frozenset(digits))


@pytest.mark.parametrize(
    "text", ["", "style", "style=", "=0-7", "style=0-g", "style=07", "style=7-0", "a=0-", "a=1,"]
)
def test_no_hold_out(text: str) -> None:
    """Any other form is refused as usage, a range that goes down too."""
    with pytest.raises(UsageError, match=r"is no hold-out|go down") as caught:
        parse_hold_out(text)
    assert caught.value.exit_code == 2


def test_held_out_styles_of_real_photos() -> None:
    """Of the 181 styles of the luma photos 77 are held out by 0-7; its manifest has no faulty row."""
    data = os.environ.get("TWINSET_TEST_DATA")
    if not data or not (Path(data) / "data/luma/photos.csv").is_file():
        pytest.skip("TWINSET_TEST_DATA names no folder with data/luma")
    found = manifest.read(Path(data) / "data/luma/photos.csv")
    held = parse_hold_out("style=0-7")
    styles = {photo.value("style"): held.holds(photo) for photo in found.photos}
    assert (len(found.photos), found.faults) == (715, ())
    assert (len(styles), sum(styles.values())) == (181, 77)
