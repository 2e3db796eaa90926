"""The audit: planted faults are found, faultless photos are left alone, and what it cannot see it says."""

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from planted import plant, scored
from shops import cloth
from twinset import bundle, manifest
from twinset.audit import Audit, Finding, Pair, audit, limits, near, pictures, write
from twinset.audit.table import Table, components
from twinset.cli.main import main
from twinset.datasets import wardrobe
from twinset.embedder import Embedder, embed_photos
from twinset.errors import PathError, UsageError
from twinset.evaluate import Embeds
from twinset.records import Photo, Pixels, Vectors

ITEMS, EACH, DIM = 60, 4, 48


def shop_of_vectors(seed: int = 1) -> tuple[list[Photo], Vectors]:
    """Items whose photos are near to each other, in numbers alone: no file is there."""
    rng = np.random.Generator(np.random.PCG64(seed))
    centres = np.repeat(rng.normal(size=(ITEMS, DIM)), EACH, axis=0)
    vectors = centres + rng.normal(scale=0.5, size=centres.shape)
    photos = [Photo(f"{i:02d}/{j}.jpg", f"i{i:02d}", category="TOPS") for i in range(ITEMS) for j in range(EACH)]
    return photos, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def giving(photos: Sequence[Photo], vectors: Vectors) -> Embeds:
    """What embeds these photos by vectors that are there."""
    row = {photo.path: i for i, photo in enumerate(photos)}
    return lambda chosen: (tuple(chosen), vectors[[row[photo.path] for photo in chosen]])


def audited(photos: Sequence[Photo], vectors: Vectors, root: Path = Path("nowhere"), rate: float = 0.02) -> Audit:
    """The audit of photos with these vectors."""
    return audit(photos, giving(photos, vectors), root, rate=rate)


def told(found: Audit, kind: str) -> list[Finding]:
    """The findings of a kind."""
    return [finding for finding in found.findings if finding.kind == kind]


def saved(root: Path, rows: Sequence[tuple[Photo, Pixels]]) -> list[Photo]:
    """Writes photos; returns them."""
    for photo, pixels in rows:
        (root / photo.path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / photo.path, quality=90)
    return [photo for photo, _ in rows]


def smaller(seed: int) -> Pixels:
    """The same cloth in a smaller picture."""
    return np.asarray(Image.fromarray(cloth(seed, 240)).resize((170, 170), Image.Resampling.LANCZOS))


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    """Items apart from each other give no finding, and planted faults would nearly all be seen."""
    found = audited(*shop_of_vectors())
    assert found.ok
    assert found.counts() == {"same_product": 0, "wrong_item": 0, "disagree": 0, "leakage": 0}
    assert [limit.kind for limit in found.limits] == ["same_product", "wrong_item", "disagree"]
    assert all(limit.power > 0.9 for limit in found.limits)
    assert found.notes == ("240 of 240 photos cannot be read: they were not looked at as pictures",)


def test_a_photo_under_another_item() -> None:
    """It is told, with the item that it is likely of; nothing else is."""
    photos, vectors = shop_of_vectors()
    photos[5] = replace(photos[5], item_id="i30")
    (finding,) = audited(photos, vectors).findings
    assert (finding.kind, finding.pairs[0].path, finding.items) == ("wrong_item", "01/1.jpg", ("i30", "i01"))
    assert "i01" in finding.mend


def test_an_item_under_two_ids() -> None:
    """Half of its photos under another id: one product; of one style they are two colours, and no fault."""
    photos, vectors = shop_of_vectors()
    photos[2:4] = [replace(photo, item_id="twice") for photo in photos[2:4]]
    (finding,) = audited(photos, vectors).findings
    assert (finding.kind, set(finding.items)) == ("same_product", {"i00", "twice"})
    styled = [replace(photo, attributes={"style": "s"}) if i < 4 else photo for i, photo in enumerate(photos)]
    assert audited(styled, vectors).ok


def test_an_item_whose_photos_disagree() -> None:
    """Photos of four products under one id are one finding of the item, not four of photos."""
    photos, vectors = shop_of_vectors()
    for i in range(EACH):
        photos[EACH * i] = replace(photos[EACH * i], item_id="mixed")
    (finding,) = audited(photos, vectors).findings
    assert finding.kind == "disagree"
    assert [(pair.item_id, pair.other_item_id) for pair in finding.pairs] == [
        ("mixed", f"i{i:02d}") for i in range(4)
    ]


def test_too_few_photos_are_not_judged_by_embedding() -> None:
    """Below thirty observations there is no limit, and no finding by embedding."""
    photos, vectors = shop_of_vectors()
    photos[5] = replace(photos[5], item_id="i03")
    found = audited(photos[: 5 * EACH], vectors[: 5 * EACH])
    assert found.ok
    assert {limit.limit for limit in found.limits} == {None}


def test_customers_are_compared_with_customers_and_shops_with_shops() -> None:
    """Each kind of pair has its own limit: a customer's photo far from all shop photos is no fault."""
    photos, vectors = shop_of_vectors()
    shift = np.zeros(DIM, np.float32)
    shift[0] = 0.7
    customers = range(3, len(photos), EACH)
    for i in customers:
        photos[i] = replace(photos[i], domain="customer")
        vectors[i] = (vectors[i] + shift) / np.linalg.norm(vectors[i] + shift)
    found = audited(photos, vectors)
    assert found.ok
    compared = {limit.compared for limit in found.limits if limit.kind == "wrong_item"}
    assert compared == {"shop with shop", "customer with shop"}


@pytest.fixture
def pictured(tmp_path: Path) -> tuple[list[Photo], Vectors]:
    """Three items of three photos each on the disk, and vectors that say nothing."""
    rows = [
        (
            Photo(f"{i}/{j}.jpg", f"i{i}", category="TOPS", attributes={"split": "train" if i else "test"}),
            cloth(10 * i + j, 240),
        )
        for i in range(3)
        for j in range(3)
    ]
    photos = saved(tmp_path, rows)
    return photos, np.eye(16, dtype=np.float32)


def test_one_picture_under_two_ids(tmp_path: Path, pictured: tuple[list[Photo], Vectors]) -> None:
    """All of an item's pictures: one product. One of three: out of place. Of two colours: told more softly."""
    photos, vectors = pictured
    again = [replace(photos[3 + j], path=f"again/{j}.jpg", item_id="again") for j in range(3)]
    saved(tmp_path, [(photo, smaller(10 + j)) for j, photo in enumerate(again)])
    (finding,) = audited([*photos, *again], vectors, tmp_path).findings
    assert (finding.kind, finding.evidence, len(finding.pairs)) == ("same_product", "picture", 3)
    (finding,) = audited([*photos, replace(again[0], item_id="i2")], vectors, tmp_path).findings
    assert (finding.kind, finding.evidence, finding.items) == ("wrong_item", "picture", ("i1", "i2"))
    colours = [replace(photo, attributes={"style": "s", "split": "train"}) for photo in [*photos[3:6], *again]]
    (finding,) = audited(colours, vectors, tmp_path).findings
    assert "two colours of one style" in finding.why
    skirts = [replace(photo, category="SKIRTS") for photo in again]
    (finding,) = audited([*photos, *skirts], vectors, tmp_path).findings
    assert "two categories" in finding.why


def test_one_picture_in_two_splits(tmp_path: Path, pictured: tuple[list[Photo], Vectors]) -> None:
    """A copy in train of a photo of test is leakage, under the same id too; without a split it is none."""
    photos, vectors = pictured
    copy = replace(photos[0], path="copy.jpg", attributes={"split": "train"})
    saved(tmp_path, [(copy, smaller(0))])
    found = audited([*photos, copy], vectors, tmp_path)
    (finding,) = found.findings
    assert (finding.kind, finding.evidence, set(finding.photos)) == ("leakage", "picture", {"copy.jpg", "0/0.jpg"})
    assert audited([*photos, replace(copy, attributes={})], vectors, tmp_path).ok


@pytest.mark.parametrize(("torn", "findings", "notes"), [(1, 1, 0), (3, 0, 1)])
def test_items_in_two_splits(torn: int, findings: int, notes: int) -> None:
    """One of four items is a leak; three of four are how the splits are meant, and a note."""
    photos = [
        Photo(f"{i}/{j}.jpg", f"i{i}", attributes={"split": "test" if j and i < torn else "train"})
        for i in range(4)
        for j in range(2)
    ]
    found = audited(photos, np.eye(8, dtype=np.float32))
    assert [finding.evidence for finding in found.findings] == ["split"] * findings
    assert sum("several splits" in note for note in found.notes) == notes


def test_a_placeholder_under_a_thousand_ids() -> None:
    """One picture of very many items is told beside the first: not in half a million pairs."""
    count = 1000
    squares = [np.zeros((16, 16, 3), np.uint8)] * count
    photos = [Photo(f"{i}.jpg", f"i{i}") for i in range(count)]
    table = Table.of(photos, np.zeros((count, 2), np.float32), pictures.clusters(squares))
    assert len(pictures.shared(table)) == count - 1


def test_rivals_against_a_slow_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two best of other kin, whatever the size of the blocks; none where all are kin."""
    monkeypatch.setattr(near, "_PRODUCTS_AT_ONCE", 200)
    rng = np.random.Generator(np.random.PCG64(2))
    vectors = rng.normal(size=(50, 5)).astype(np.float32)
    kin = rng.integers(0, 6, 50)
    found = near.rivals(vectors, vectors, [(kin, kin)])
    for i in range(50):
        scores = [(float(vectors[i] @ vectors[j]), j) for j in range(50) if kin[j] != kin[i]]
        (best, at), (second, _) = sorted(scores, reverse=True)[:2]
        assert (found.best[i], found.second[i]) == pytest.approx((best, second), rel=1e-5)
        assert found.at[i] == at
    none = np.zeros(50, np.int64)
    assert np.isneginf(near.rivals(vectors, vectors, [(none, none)]).best).all()


def test_a_limit_holds_its_rate_beside_faults() -> None:
    """A tenth of faults in what is seen leaves the rate of false alarms near what was aimed at, or below."""
    rng = np.random.Generator(np.random.PCG64(3))
    good, bad = rng.normal(0, 1, 4000), rng.normal(9, 1, 400)
    far = limits.draw("wrong_item", "", np.concatenate([good, bad]), rng.normal(9, 1, 500), 0.02)
    assert far.limit is not None
    assert (good > far.limit).mean() <= 0.02
    assert (bad > far.limit).mean() > 0.99
    close = limits.draw("wrong_item", "", good, rng.normal(1, 1, 500), 0.02)
    assert close.limit is not None
    assert (good > close.limit).mean() == pytest.approx(0.02, abs=0.01)
    assert close.power == pytest.approx(0.15, abs=0.06)
    with pytest.raises(UsageError, match="no share of false alarms"):
        audit([], giving([], np.empty((0, 2), np.float32)), Path(), rate=0.9)


def test_components() -> None:
    """Numbers tied by pairs, near or far, get the least of them."""
    assert components(6, [(5, 3), (3, 1), (4, 4)]).tolist() == [0, 1, 2, 1, 4, 1]


def test_the_folder_is_inert_and_whole(tmp_path: Path) -> None:
    """Cells are no formulas, the page holds no script, fetches nothing; a place that is taken is refused."""
    evil = Pair("=1+1.jpg", "<script>alert(1)</script>", "gone.jpg", "@b")
    finding = Finding("wrong_item", "embedding", (evil,), 0.5, "<b>", "-1")
    found = Audit(2, 2, (finding,), (limits.draw("disagree", "x", np.zeros(1), np.zeros(1), 0.1),), ("<i>",))
    saved(tmp_path, [(Photo("=1+1.jpg", ""), cloth(1))])
    write(found, tmp_path, tmp_path / "out", title="<u>")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["audit.csv", "audit.html", "audit.json"]
    with (tmp_path / "out/audit.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["path"], row["other_item_id"], row["mend"]) == ("'=1+1.jpg", "'@b", "'-1")
    page = (tmp_path / "out/audit.html").read_text(encoding="utf-8")
    assert not re.search(r"<(script|b>|i>|u>)(?!Audit)", page.replace("<b>&lt;script", "").replace("<b>@b", ""))
    assert "default-src 'none'" in page
    assert page.count("data:image/jpeg;base64,") == 1
    assert "not readable" in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert json.loads((tmp_path / "out/audit.json").read_text(encoding="utf-8"))["findings"][0]["items"]
    with pytest.raises(PathError, match="is there already"):
        write(found, tmp_path, tmp_path / "out")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn shop of four items, one of them under another id too; its manifest."""
    folder = tmp_path_factory.mktemp("drawn")
    path = wardrobe.draw(folder, items=4, seed=5, shop_photos=2, customer_photos=0)
    header, *rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    place, item, style = (header.index(name) for name in ("path", "item_id", "style"))
    for row in rows[:2]:
        copy = [f"again-{Path(row[place]).name}" if i == place else cell for i, cell in enumerate(row)]
        Image.open(folder / row[place]).save(folder / copy[place], quality=60)
        copy[item], copy[style] = "again", ""
        rows.append(copy)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_the_command(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It tells a double, writes the folder, and exits 1 with --fail alone; JSON is what the folder has."""

    def run(*more: str) -> int:
        return main(["data", "audit", str(drawn), "--bundle", "colour", "-q", *more])

    assert run("--out", str(tmp_path / "out")) == 0
    printed = capsys.readouterr().out
    assert "too few" in printed
    assert "same_product: " in printed
    assert run("--json", "--fail") == 1
    printed = capsys.readouterr().out
    assert json.loads(printed.splitlines()[0]) == json.loads(
        (tmp_path / "out/audit.json").read_text(encoding="utf-8")
    )
    assert run("--out", str(tmp_path / "out")) == 3
    assert run("--vectors", "v.npz") == 2
    assert run("--false-alarms", "0.7") == 2


def test_the_command_with_vectors(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Vectors that another system made serve as well; they must be the manifest's."""
    file = str(tmp_path / "v.npz")
    assert main(["embed", str(drawn), "--bundle", "colour", "--out", file, "-q"]) == 0
    capsys.readouterr()
    assert main(["data", "audit", str(drawn), "--vectors", file, "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["same_product"] == 1


@pytest.mark.deep
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_planted_faults_in_a_drawn_wardrobe(seed: int, tmp_path: Path) -> None:
    """At least 95 % of 20 faults of each kind are found, at most 5 % of the untouched told; docs/audit.md."""
    source = wardrobe.draw(tmp_path, items=220, seed=seed, shop_photos=4, customer_photos=1)
    planted = plant(manifest.read(source).photos, tmp_path, seed)
    embedder = Embedder(bundle.open_bundle(None))

    def embeds(photos: Sequence[Photo]) -> tuple[Sequence[Photo], Vectors]:
        embedded = embed_photos(embedder, photos, tmp_path)
        return embedded.photos, embedded.vectors

    counts = scored(audit(planted.photos, embeds, tmp_path), planted)
    for kind in ("again", "misfiled", "mixed", "copied"):
        assert counts[kind][0] >= 0.95 * counts[kind][1], counts
    for kind in ("false same_product", "false wrong_item", "false disagree", "false leakage"):
        assert counts[kind][0] <= 0.05 * counts[kind][1], counts
