"""Indexing: what is embedded, stored, skipped, removed, refused."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shops import build, index, picture, rename, shop, write
from twinset import Catalogue, IndexOptions
from twinset.errors import (
    CatalogueError,
    FingerprintError,
    ManifestError,
    PathError,
    SourceError,
    UnknownItemError,
)


def edit(manifest: Path, old: str, new: str) -> None:
    """Replaces text in a manifest, which must hold it."""
    text = manifest.read_text(encoding="utf-8")
    assert old in text
    manifest.write_text(text.replace(old, new), encoding="utf-8")


def test_again_embeds_nothing(tmp_path: Path) -> None:
    """A second run over unchanged photos changes and embeds nothing, and leaves the sequence as it is."""
    manifest, place = shop(tmp_path / "shop"), tmp_path / "c"
    first = index(place, manifest)
    assert (first.added, first.embedded, first.photos, first.items) == (40, 40, 40, 20)
    with Catalogue(place) as catalogue:
        before = catalogue.search(manifest.parent / "000/0.png").catalogue
    again = index(place, manifest)
    assert (again.added, again.updated, again.unchanged, again.embedded) == (0, 0, 40, 0)
    with Catalogue(place) as catalogue:
        assert catalogue.search(manifest.parent / "000/0.png").catalogue == before


def test_attributes_change_without_embedding(tmp_path: Path) -> None:
    """Another price, title column or item is stored, and seen by the next search; nothing is embedded."""
    manifest, place = shop(tmp_path / "shop"), tmp_path / "c"
    index(place, manifest)
    edit(manifest, "003/0.png,i003,TOPS/Tee,10", "003/0.png,moved,TOPS/Tee,12.50")
    report = index(place, manifest)
    assert (report.updated, report.embedded, report.unchanged) == (1, 0, 39)
    with Catalogue(place) as catalogue:
        hit = catalogue.search(manifest.parent / "003/0.png", k=1).hits[0]
    assert (hit.item_id, hit.attributes["price"]) == ("moved", "12.50")


@pytest.mark.parametrize("change", ["bytes", "box", "boxes ignored"])
def test_what_changes_an_embedding_is_embedded_again(tmp_path: Path, change: str) -> None:
    """Other bytes, another box, or boxes switched off embed just those photos."""
    rows = [{"path": f"{n}.png", "item_id": f"i{n}", "box": '"0,0,16,16"' if n == 1 else ""} for n in range(4)]
    manifest, place = write(tmp_path / "shop", rows, {f"{n}.png": n for n in range(4)}), tmp_path / "c"
    index(place, manifest)
    options = IndexOptions()
    if change == "bytes":
        Image.fromarray(picture(99)).save(manifest.parent / "1.png")
    elif change == "box":
        edit(manifest, "0,0,16,16", "0,8,16,16")
    else:
        options = IndexOptions(ignore_boxes=True)
    report = index(place, manifest, options=options)
    assert (report.updated, report.embedded, report.unchanged) == (1, 1, 3)
    with Catalogue(place) as catalogue:
        assert catalogue.info().sources[0].boxes_ignored is options.ignore_boxes
        assert catalogue.verify() == []


def test_gone_photos_stay_unless_mirrored_and_only_of_their_source(tmp_path: Path) -> None:
    """Photos that left their source are counted and stay; `mirror` removes them, and no other source's."""
    manifest, other, place = shop(tmp_path / "a", 4), shop(tmp_path / "b", 3), tmp_path / "c"
    index(place, manifest)
    index(place, other, options=IndexOptions(source="other"))
    edit(manifest, "003/0.png,i003,TOPS/Tee,10,v0\n", "")
    report = index(place, manifest)
    assert (report.gone, report.removed, report.photos) == (1, 0, 14)
    report = index(place, manifest, options=IndexOptions(mirror=True))
    assert (report.gone, report.removed, report.photos) == (0, 1, 13)
    with Catalogue(place) as catalogue:
        assert [source.name for source in catalogue.info().sources] == ["main", "other"]
        assert catalogue.verify() == []


def test_faulty_rows_are_listed_and_a_good_row_that_turns_faulty_stays(tmp_path: Path) -> None:
    """Unreadable photos are skipped and listed; a stored one keeps its row, also when mirrored."""
    manifest, place = shop(tmp_path / "shop", 3), tmp_path / "c"
    index(place, manifest)
    (manifest.parent / "001/0.png").write_text("no photo", encoding="utf-8")
    report = index(place, manifest, options=IndexOptions(mirror=True))
    assert (report.skipped, report.removed, report.photos, report.unchanged) == (1, 0, 6, 5)
    assert [(f.path, f.code) for f in report.faults] == [("001/0.png", "not_a_photo")]
    assert "001/0.png,not_a_photo" in (place / "skipped.csv").read_text(encoding="utf-8")
    Image.fromarray(picture(7)).save(manifest.parent / "001/0.png")
    assert index(place, manifest).skipped == 0
    assert not (place / "skipped.csv").exists()


@pytest.mark.parametrize("text", ["path,item_id\nnone.png,1\n", "path,item_id\nbad.png,1\n", "path,item_id\n"])
def test_nothing_good_changes_nothing(tmp_path: Path, text: str) -> None:
    """Where not one photo can be used, no catalogue appears and a standing one is left alone."""
    manifest, place = shop(tmp_path / "shop", 2), tmp_path / "c"
    (manifest.parent / "bad.png").write_text("no photo", encoding="utf-8")
    standing = tmp_path / "standing"
    index(standing, manifest)
    before = {path: path.read_bytes() for path in standing.rglob("*") if path.is_file()}
    manifest.write_text(text, encoding="utf-8")
    for target in (place, standing):
        with pytest.raises(ManifestError, match=r"can be used|can be read|holds no photo"):
            index(target, manifest)
    assert not place.exists()
    assert {path: path.read_bytes() for path in standing.rglob("*") if path.is_file()} == before


def test_customers_photos_stay_out_unless_asked_for(tmp_path: Path) -> None:
    """Only shop photos are indexed; `any_domain` takes all; customers alone are refused with the mend."""
    rows = [{"path": f"{n}.png", "item_id": "i", "domain": d} for n, d in enumerate(["shop", "customer", ""])]
    manifest = write(tmp_path / "shop", rows, {f"{n}.png": n for n in range(3)})
    assert index(tmp_path / "a", manifest).photos == 2
    assert index(tmp_path / "b", manifest, options=IndexOptions(any_domain=True)).photos == 3
    write(tmp_path / "shop", rows[1:2], {})
    with pytest.raises(ManifestError, match="--domain any"):
        index(tmp_path / "c", manifest)


def test_another_root_needs_a_name(tmp_path: Path) -> None:
    """Indexing another folder without naming a source is refused; with the old name the photos have moved."""
    place = tmp_path / "c"
    index(place, shop(tmp_path / "a", 3))
    moved = shop(tmp_path / "b", 3)
    with pytest.raises(SourceError, match="--source NAME"):
        index(place, moved)
    report = index(place, moved, options=IndexOptions(source="main"))
    assert (report.unchanged, report.added) == (6, 0)


def test_another_bundle_is_refused(tmp_path: Path) -> None:
    """A bundle with another fingerprint is refused, both fingerprints named; its own is welcome, and so is none."""
    from dataclasses import replace

    from twinset import bundle

    manifest, place = shop(tmp_path / "shop", 2), tmp_path / "c"
    index(place, manifest)
    colour = bundle.open_bundle("colour")
    other = replace(colour.facts, preprocess=replace(colour.facts.preprocess, fit="crop"))
    bundle.save(tmp_path / "other", other, colour.model)
    with pytest.raises(FingerprintError, match=f"fingerprint .*{colour.fingerprint[:12]}"):
        index(place, manifest, bundle=tmp_path / "other")
    for own in ("colour", None):
        assert index(place, manifest, bundle=own).unchanged == 4


def test_foreign_folders_are_refused_and_half_made_catalogues_taken_up(tmp_path: Path) -> None:
    """A folder with other things is left alone; what a killed creation left behind is completed."""
    manifest, place = shop(tmp_path / "shop", 2), tmp_path / "c"
    with pytest.raises(PathError, match="holds other things"):
        index(manifest.parent, manifest)
    index(place, manifest)
    (place / "catalogue.json").unlink()
    assert index(place, manifest).photos == 4
    (place / "catalogue.json").unlink()
    for name in ("rows.sqlite", "copies.sqlite"):
        (place / name).unlink()
    assert index(place, manifest).added == 4
    with Catalogue(place) as catalogue:
        assert catalogue.verify() == []


def test_a_newer_or_damaged_catalogue_is_refused(tmp_path: Path) -> None:
    """A format from the future names the mend; nonsense is damage."""
    place = tmp_path / "c"
    index(place, shop(tmp_path / "shop", 2))
    about = place / "catalogue.json"
    rename(place, format=99)
    with pytest.raises(CatalogueError, match="newer twinset"):
        Catalogue(place)
    about.write_text("{", encoding="utf-8")
    with pytest.raises(CatalogueError, match="damaged"):
        Catalogue(place)


def test_remove_takes_items_and_photos_with_all_that_is_theirs(tmp_path: Path) -> None:
    """Removed items are found no more, their vectors and copies are gone; one unknown name removes nothing."""
    manifest, place = shop(tmp_path / "shop", 5), tmp_path / "c"
    index(place, manifest)
    with Catalogue(place) as catalogue:
        with pytest.raises(UnknownItemError, match=r"holds no zz, 9/9\.png"):
            catalogue.remove(["i001", "zz"], ["9/9.png"])
        assert catalogue.info().photos == 10
        assert catalogue.remove(["i001"], ["002/0.png"]) == 3
        found = catalogue.search(manifest.parent / "001/0.png", k=50)
        assert {hit.item_id for hit in found} == {"i000", "i002", "i003", "i004"}
        assert next(len(hit.photos) for hit in found if hit.item_id == "i002") == 1
        assert catalogue.verify() == []
    copies = sqlite3.connect(place / "copies.sqlite")
    assert copies.execute("SELECT COUNT(*) FROM copies").fetchone() == (7,)
    copies.close()


def test_a_copy_stands_in_for_each_photo(tmp_path: Path) -> None:
    """Every stored photo has a JPEG copy of its picture, long side at most 640."""
    from twinset import photos

    folder = tmp_path / "big"
    folder.mkdir()
    Image.fromarray(np.full((900, 700, 3), (200, 30, 30), np.uint8)).save(folder / "a.png")
    with build(tmp_path / "c", folder) as catalogue:
        hit = catalogue.search(folder / "a.png").hits[0]
        copy = photos.read(catalogue.copy([hit.photo_id])[hit.photo_id])
    assert max(copy.shape) == 640
    assert np.abs(copy.mean(axis=(0, 1)) - [200, 30, 30]).max() < 3


def test_lost_copies_are_made_again(tmp_path: Path) -> None:
    """Where `copies.sqlite` is gone, the next run reads every photo again and `verify` is content."""
    manifest, place = shop(tmp_path / "shop", 3), tmp_path / "c"
    index(place, manifest)
    (place / "copies.sqlite").unlink()
    assert index(place, manifest).embedded == 6
    with Catalogue(place) as catalogue:
        assert catalogue.verify() == []
    assert index(place, manifest).embedded == 0


def test_folders_of_one_name_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two folders of the same name in different categories are one item, and the log says so."""
    for folder in ("shirts/red", "trousers/red", "shirts/blue"):
        (tmp_path / "p" / folder).mkdir(parents=True)
        Image.fromarray(picture(1)).save(tmp_path / "p" / folder / "1.png")
    assert index(tmp_path / "c", tmp_path / "p").items == 2
    assert "'red' stand in shirts and trousers" in caplog.text
