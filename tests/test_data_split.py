"""`data split` draws by hash: items stay whole, rows may come in any order, all other cells stay as they are."""

import csv
import hashlib
import io
import json
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shops import write
from twinset import manifest
from twinset.cli.main import main
from twinset.errors import PathError, UnknownFieldError, UsageError
from twinset.manifest import assign, write_split
from twinset.records import Photo

Out = pytest.CaptureFixture[str]


def of(item: str, domain: str = "shop", **attributes: str) -> Photo:
    return Photo(f"{item}/{domain}.jpg", item, domain=domain, attributes=attributes)


def many(count: int) -> list[Photo]:
    return [of(f"i{number}", domain) for number in range(count) for domain in ("shop", "customer")]


def cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


# --- assign


def test_the_split_is_the_hash_of_seed_and_value() -> None:
    """SHA-256 of seed, NUL and value as a fraction: test below its share, then val, then train."""
    photos = many(300)
    for photo, split in zip(photos, assign(photos, val=0.1, test=0.2, seed=7), strict=True):
        digest = hashlib.sha256(f"7\0{photo.item_id}".encode()).hexdigest()
        fraction = int(digest[:16], 16) / 2**64
        assert split == ("test" if fraction < 0.2 else "val" if fraction < 0.2 + 0.1 else "train")


def test_shares_are_about_met_and_seeds_differ() -> None:
    """Of 4,000 items each split has its share within three standard deviations; another seed draws others."""
    photos = [of(f"i{number}") for number in range(4000)]
    found = assign(photos)
    assert found.count("test") == pytest.approx(800, abs=76)
    assert found.count("val") == pytest.approx(400, abs=57)
    assert assign(photos, seed=8) != found
    assert set(assign(photos, val=0, test=0)) == {"train"}
    assert set(assign(photos, val=0, test=1)) == {"test"}
    assert set(assign(photos, val=1, test=0)) == {"val"}


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["", "x", "y", "z", "w"])), max_size=30),
    st.randoms(use_true_random=False),
)
@example([("a", "x"), ("b", "y"), ("a", "y"), ("b", "")], None)
def test_neither_items_nor_values_are_divided_in_any_order(rows: list[tuple[str, str]], dice: object) -> None:
    """Photos of one item, or with one value, fall together; a photo's split does not depend on the order."""
    photos = [Photo(f"{n}.jpg", item, attributes={"style": s} if s else {}) for n, (item, s) in enumerate(rows)]
    if not any(style for _, style in rows):
        return
    splits = assign(photos, "style", val=0.3, test=0.3)
    groups: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for photo, split in zip(photos, splits, strict=True):
        groups["item", photo.item_id].add(split)
        if photo.value("style"):
            groups["style", photo.value("style")].add(split)
    assert all(len(found) == 1 for found in groups.values())
    order = list(range(len(photos)))
    if dice is not None:
        dice.shuffle(order)  # type: ignore[attr-defined]
    assert assign([photos[place] for place in order], "style", val=0.3, test=0.3) == [splits[p] for p in order]


def test_a_photo_without_a_value_follows_its_item() -> None:
    """Customer photos rarely have a style: they go where the item's shop photos go, by the style's hash."""
    photos = [
        of(f"i{n}", **({"style": f"s{n % 40}"} if domain == "shop" else {}))
        for n in range(80)
        for domain in ("shop", "customer")
    ]
    by_style = dict(zip((f"s{n}" for n in range(40)), assign([of(f"s{n}") for n in range(40)]), strict=True))
    assert assign(photos, "style") == [by_style[f"s{n % 40}"] for n in range(80) for _ in range(2)]
    lone = [*photos, of("lone")]
    assert assign(lone, "style")[-1] == assign([of("lone")])[0]


@given(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 0.5))
def test_growing_shares_keep_what_was_held_out(val: float, test: float, more: float) -> None:
    """A larger test share keeps every test photo; a larger val share moves photos from train only."""
    photos = many(60)
    first = assign(photos, val=val, test=test)
    for before, after in zip(first, assign(photos, val=0, test=test + more), strict=True):
        assert before != "test" or after == "test"
    for before, after in zip(first, assign(photos, val=min(val + more, 1 - test), test=test), strict=True):
        assert after == before or (before, after) == ("train", "val")


@pytest.mark.parametrize(
    ("val", "test"), [(-0.1, 0.2), (0.1, 1.1), (0.6, 0.5), (float("nan"), 0.2), (0.1, float("nan")), (20, 10)]
)
def test_shares_out_of_range(val: float, test: float) -> None:
    """Shares that are no shares, or more than all, are usage."""
    with pytest.raises(UsageError, match=f"val {val} and test {test} are no shares: give two numbers of 0-1"):
        assign(many(2), val=val, test=test)


def test_a_column_that_no_photo_has() -> None:
    """A misspelt column is usage, with a suggestion; of no photos there is no item either to miss."""
    photos = [of("a", style="s")]
    with pytest.raises(UnknownFieldError, match=r"no photo has a field 'stlye': did you mean style\?"):
        assign(photos, "stlye")
    with pytest.raises(
        UnknownFieldError, match="no photo has a field 'qq': fields are domain, item_id, path, style"
    ):
        assign(photos, "qq")
    assert assign([]) == []


# --- writing the manifest again

WEIRD = ['é,"x"\n y', " spaced ", "a\rb", "=1+1", "", "\ufeff", "衬衫|b"]


@pytest.mark.parametrize("place", [None, 0, 2])
def test_other_cells_stay_as_they_are(tmp_path: Path, place: int | None) -> None:
    """With a column `split` anywhere or none, other cells come back; BOM, CRLF, blank lines do no harm."""
    header = ["path", " item_id", "note"]
    rows = [[f"{n}.jpg", f"i{n}", text] for n, text in enumerate(WEIRD)]
    if place is not None:
        header.insert(place, "split")
        for row in rows:
            row.insert(place, "val")
    out = io.StringIO(newline="")
    csv.writer(out).writerows([header, *rows[:3], [], *rows[3:]])
    source = tmp_path / "photos.csv"
    source.write_bytes(b"\xef\xbb\xbf" + out.getvalue().encode())
    table = manifest.read(source, files=False)
    splits = assign(table.photos)
    write_split(source, tmp_path / "out.csv", table, splits)
    at = 3 if place is None else place
    found = cells(tmp_path / "out.csv")
    assert [row[at] for row in found] == ["split", *splits]
    bare = [[cell for i, cell in enumerate(row) if i != at] for row in found]
    assert bare[0] == [name.strip() for name in header if name != "split"]
    assert bare[1:] == [[cell for i, cell in enumerate(row) if place is None or i != place] for row in rows]


@pytest.mark.parametrize("column", [True, False])
def test_faulty_rows_stay_faulty_and_as_they_are(tmp_path: Path, column: bool) -> None:
    """A row that cannot be used keeps its cells, and no row becomes good by a new cell."""
    extra = [",train", ",dev", ",train", ",train,x"] if column else ["", "", "", ",test"]
    names = ["ok.jpg,1", "bad.jpg,2", "../out.jpg,3", "long.jpg,4"]
    text = "path,item_id" + (",split" if column else "") + "\n"
    text += "".join(f"{name}{more}\n" for name, more in zip(names, extra, strict=True)) + "short.jpg\n"
    source = tmp_path / "photos.csv"
    source.write_text(text, encoding="utf-8")
    table = manifest.read(source, files=False)
    write_split(source, source, table, ["test"] * len(table.photos))
    again = manifest.read(source, files=False)
    assert [(f.line, f.path, f.code) for f in again.faults] == [(f.line, f.path, f.code) for f in table.faults]
    assert [photo.value("split") for photo in again.photos] == ["test"] * len(table.photos)
    kept = [row[: len(before)] for row, before in zip(cells(source), csv.reader(text.splitlines()), strict=True)]
    assert [row for row in kept if row[0] != "ok.jpg"][2:] == [
        line.split(",") for line in text.splitlines() if not line.startswith(("path", "ok", "bad"))
    ]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(st.text('a.,"\n\r/é ', max_size=4), max_size=4), max_size=6), st.booleans())
def test_random_manifests_keep_their_rows(tmp_path: Path, rows: list[list[str]], split: bool) -> None:
    """Of random rows the good ones stay good, with a split, and the faulty ones faulty, in their order."""
    out = io.StringIO(newline="")
    header = ["path", "item_id", *(["split"] if split else [])]
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    source = tmp_path / "photos.csv"
    source.write_bytes(out.getvalue().encode())
    table = manifest.read(source, files=False)
    splits = assign(table.photos)
    write_split(source, tmp_path / "out.csv", table, splits)
    again = manifest.read(tmp_path / "out.csv", files=False)
    assert [photo.path for photo in again.photos] == [photo.path for photo in table.photos]
    assert [photo.value("split") for photo in again.photos] == splits
    assert [(fault.path, fault.code) for fault in again.faults] == [(f.path, f.code) for f in table.faults]


# --- the command


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A shop of 40 items with a photo of each domain."""
    rows = [
        {"path": f"{n}/{domain}.png", "item_id": f"i{n}", "domain": domain, "style": f"s{n // 2}"}
        for n in range(40)
        for domain in ("customer", "shop")
    ]
    return write(tmp_path / "shop", rows, {row["path"]: 1 for row in rows})


def test_the_command_writes_a_manifest_beside_its_own(shop: Path, capsys: Out) -> None:
    """The counts of the report are those of the manifest, of which every row is good."""
    out = shop.with_name("split.csv")
    assert main(["data", "split", str(shop), "--out", str(out), "--json"]) == 0
    seen = capsys.readouterr()
    report = json.loads(seen.out)
    found = manifest.read(out)
    assert (found.faults, len(found.photos), seen.err) == ((), 80, "")
    assert [p.value("split") for p in found.photos] == assign(manifest.read(shop).photos)
    splits = report.pop("splits")
    assert report == {
        "manifest": str(out), "by": "item_id", "val": 0.1, "test": 0.2, "seed": 7,
        "photos_root": None, "photos": 80, "skipped": 0,
    }  # fmt: skip
    for name, counts in splits.items():
        own = [photo for photo in found.photos if photo.value("split") == name]
        assert counts["customer"] == counts["shop"] == counts["items"] == len({p.item_id for p in own}) > 0
    assert list(splits) == ["train", "val", "test"]


def test_the_command_by_a_column(shop: Path, capsys: Out) -> None:
    """`--by style` keeps styles whole; the table has a row for each split; splits that are there are never lost."""
    arguments = ["data", "split", str(shop), "--by", "style", "--val", "0.3", "--seed", "1", "--out"]
    assert main([*arguments, str(shop)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["split", "train", "val", "test"]
    styles: defaultdict[str, set[str]] = defaultdict(set)
    for photo in manifest.read(shop).photos:
        styles[photo.value("style")].add(photo.value("split"))
    assert all(len(splits) == 1 for splits in styles.values())
    capsys.readouterr()
    assert main([*arguments, str(shop)]) == 2
    assert "have a split already, which would be gone: name another --out" in capsys.readouterr().err


def test_out_in_another_folder_is_used_with_photos_root(shop: Path, tmp_path: Path, capsys: Out) -> None:
    """The paths stay as they are: the command says with which `--photos-root` they are found."""
    out = tmp_path / "split.csv"
    assert main(["data", "split", str(shop), "--out", str(out)]) == 0
    root = str(shop.parent.resolve())
    assert f"use it with --photos-root {root}" in capsys.readouterr().err
    assert manifest.read(out, photos_root=Path(root)).faults == ()


def test_a_folder_becomes_a_manifest(shop: Path, capsys: Out) -> None:
    """A plain folder's items and domains are written, with their split."""
    folder, out = shop.parent, shop.parent / "split.csv"
    for path in folder.glob("*/customer.png"):
        path.rename(path.with_name("customer_01.png"))
    before = manifest.read(folder)
    assert main(["data", "split", str(folder), "--out", str(out), "-q"]) == 0
    found = manifest.read(out)
    assert found.columns == ("path", "item_id", "category", "domain", "split")
    facts = [(p.path, p.item_id, p.category, p.domain) for p in found.photos]
    assert facts == [(p.path, p.item_id, p.category, p.domain) for p in before.photos]
    assert {p.domain for p in found.photos} == {"shop", "customer"}
    assert [p.value("split") for p in found.photos] == assign(before.photos)


def test_photos_need_not_be_there(shop: Path, tmp_path: Path, capsys: Out) -> None:
    """A manifest can be split without its photos; rows that lead out are told and kept."""
    source = tmp_path / "table.csv"
    source.write_text(shop.read_text(encoding="utf-8") + "../x.png,x,shop,s\n", encoding="utf-8")
    assert main(["data", "split", str(source), "--out", str(tmp_path / "out.csv"), "--json"]) == 0
    seen = capsys.readouterr()
    assert (json.loads(seen.out)["skipped"], json.loads(seen.out)["photos"]) == (1, 80)
    assert "skipped 1 of 81 rows" in seen.err
    assert cells(tmp_path / "out.csv")[-1] == ["../x.png", "x", "shop", "s", ""]


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--val", "0.9", "--test", "0.3"], 2, "val 0.9 and test 0.3 are no shares"),
        (["--by", "styel"], 2, "no photo has a field 'styel': did you mean style?"),
        (["--out", "."], 3, "is a folder"),
        (["--out", "nowhere/at/all.csv"], 3, "nowhere/at/all.csv"),
        (["--seed", "x"], 2, "Invalid value for '--seed'"),
    ],
)
def test_bad_calls_are_one_line_and_write_nothing(
    shop: Path, options: list[str], code: int, says: str, capsys: Out
) -> None:
    """Bad shares and columns are usage, a bad place bad input."""
    out = shop.with_name("split.csv")
    assert main(["data", "split", str(shop), "--out", str(out), *options]) == code
    err = capsys.readouterr().err
    assert err.startswith("twinset: ")
    assert says in err
    assert len(err.splitlines()) == 1
    assert not out.exists()


def test_an_output_that_cannot_be_written(shop: Path) -> None:
    """A folder that is not there is a bad path."""
    table = manifest.read(shop)
    with pytest.raises(PathError, match="No such file or directory: name a place that is there"):
        write_split(shop, shop.parent / "nowhere/x.csv", table, assign(table.photos))
