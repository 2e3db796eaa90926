"""The report says what was measured, shows what data says without obeying it, and replaces only its own."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shops import index, picture
from twinset import files, manifest, protocols, report
from twinset.bundle import open_bundle
from twinset.cli.main import main
from twinset.datasets.deepfashion.literature import Beside
from twinset.embedder import Embedder, embed_photos
from twinset.errors import DiskFullError, PathError, PhotoError
from twinset.evaluate import Measured, measure, summary
from twinset.records import Photo, Pixels, Vectors
from twinset.report import facts

pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("matplotlib")

HOSTILE = "</style><script>alert(1)</script>\"' onload=x \u202e\n$\\frac{" + "long" * 60
FILES = ["categories.png", "categories.svg", "hits.parquet", "metrics.json"]
FILES += ["recall.png", "recall.svg", "report.html", "scores.png", "scores.svg"]
Out = pytest.CaptureFixture[str]


class Page(HTMLParser):
    """Tags with their attributes, and what is to be read outside of style and charts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside: list[str] = []
        self.source = (path / report.PAGE).read_text(encoding="utf-8")
        self.feed(self.source)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("style", "svg"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and tag == self._inside[-1]:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.words.append(data)

    def found(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        """The attributes of each such tag."""
        return [seen for name, seen in self.tags if name == tag and attributes.items() <= seen.items()]


def evaluated(table: Path, out: Path, *more: str) -> Page:
    """The page of `evaluate --report` by the colour histogram."""
    bundle = [] if {"-c", "--vectors"} & set(more) else ["--bundle", "colour"]
    assert main(["evaluate", str(table), "--split", "all", "--report", str(out), "-q", *bundle, *more]) == 0
    return Page(out)


@pytest.fixture(scope="module")
def made(wardrobe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the wardrobe; not to be changed."""
    out = tmp_path_factory.mktemp("report") / "r"
    evaluated(wardrobe, out)
    return out


@pytest.fixture(scope="module")
def found(wardrobe: Path) -> Measured:
    """What that report is of."""
    table = manifest.read(wardrobe)
    embedder = Embedder(open_bundle("colour"))

    def embeds(chosen: Sequence[Photo]) -> tuple[Sequence[Photo], Vectors]:
        embedded = embed_photos(embedder, chosen, table.root)
        return embedded.photos, embedded.vectors

    return measure(table.photos, embeds, *protocols.choose(table.photos, split="all"))


def drawn(found: Measured, out: Path, look: report.Look, **run: object) -> Page:
    """The page of what was measured."""
    told = report.Run("photos.csv", "bundle colour", "f" * 64, "2026-01-01", "1.0")
    result = summary(found)
    report.write(out, found, result, run=replace(told, **run), metrics=result.to_json(), look=look)  # type: ignore[arg-type]
    return Page(out)


def hostile(found: Measured) -> Measured:
    """The same where every name is one that would act."""

    def named(photo: Photo) -> Photo:
        fields = {"item_id": photo.item_id + HOSTILE, "path": HOSTILE + photo.path}
        return replace(photo, **fields, category=f"{HOSTILE}/{photo.category}", attributes={"title": HOSTILE})

    return replace(found, queries=tuple(map(named, found.queries)), gallery=tuple(map(named, found.gallery)))


def a_picture(_photo: Photo) -> Pixels:
    return picture(3)


# --- the page


def test_the_page_needs_nobody(made: Path) -> None:
    """No script, no address but inside the page, a policy that forbids both; pictures and charts stand in it."""
    page = Page(made)
    assert sorted(path.name for path in made.iterdir()) == FILES
    assert not page.found("script")
    assert not re.search(r"(?i)https?:|//[a-z]|@import|javascript:", re.sub(r"base64,[^\"]*", "", page.source))
    assert page.found("meta", content="default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    pictures = page.found("img")
    assert len(pictures) > 20
    assert all(str(seen["src"]).startswith("data:image/jpeg;base64,") and seen["alt"] for seen in pictures)
    assert len(page.found("svg")) == 3
    assert not any(name.startswith("on") for _, seen in page.tags for name in seen)
    ids = [seen["id"] for _, seen in page.tags if "id" in seen]
    assert len(ids) == len(set(ids))


def test_figures_agree_with_the_json(made: Path, wardrobe: Path, capsys: Out) -> None:
    """`metrics.json` is what `--json` prints, and the page tells the same figures."""
    capsys.readouterr()
    assert main(["evaluate", str(wardrobe), "--bundle", "colour", "--split", "all", "--json", "-q"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert json.loads((made / "metrics.json").read_text(encoding="utf-8")) == told
    text = Page(made).text
    low, high = told["ci95"]["recall@1"]
    assert f"{100 * told['recall@1']:.1f} %" in text
    assert f"95 % interval {100 * low:.1f} % to {100 * high:.1f} %" in text
    for name in ("recall@20", "map", "ndcg@50"):
        assert f"{name} {told[name]:.3f} {told['ci95'][name][0]:.3f} – {told['ci95'][name][1]:.3f}" in text
    assert open_bundle("colour").fingerprint in text


def test_hits_are_the_ranking(made: Path, found: Measured) -> None:
    """`hits.parquet` has a row for each query and rank, as `Ranking` has them."""
    rows = pq.read_table(made / "hits.parquet").to_pylist()
    ranking = found.ranking
    assert len(rows) == int((ranking.top >= 0).sum())
    at = 0
    for i, query in enumerate(found.queries):
        for rank, (place, score) in enumerate(zip(ranking.top[i], ranking.scores[i], strict=True), 1):
            if place < 0:
                continue
            photo = found.gallery[place]
            assert rows[at] == {
                "query": query.path,
                "query_item": query.item_id,
                "rank": rank,
                "photo": photo.path,
                "item": photo.item_id,
                "score": pytest.approx(float(score)),
                "right": photo.item_id == query.item_id,
                "right_rank": ranking.ranks[i][0],
            }
            at += 1
    assert at == len(rows)


def test_names_are_shown_and_never_obeyed(found: Measured, tmp_path: Path) -> None:
    """Names that are markup, turn the line round, break it, or have no end, in pictures' rows and in charts."""
    paper = Beside(HOSTILE, {"recall@1": 0.25}, "no", HOSTILE)
    page = drawn(hostile(found), tmp_path / "r", a_picture, manifest=HOSTILE, notes=(HOSTILE,), published=(paper,))
    assert "recall@1 0.25 no: </style>" in page.text
    assert not page.found("script")
    assert "\u202e" not in page.source
    assert "alert(1)" in page.text
    assert "\\u202e\\n$" in page.text
    assert HOSTILE not in page.source
    assert max(len(word) for word in page.words) < 700
    for name in ("categories", "scores", "recall"):
        assert "<script" not in (tmp_path / f"r/{name}.svg").read_text(encoding="utf-8")
    assert not any(name.startswith("on") for _, seen in page.tags for name in seen)


def test_equal_measurements_give_equal_bytes(found: Measured, tmp_path: Path) -> None:
    """Every file, twice; another date changes the page alone, and there the date."""
    drawn(found, tmp_path / "a", a_picture)
    drawn(found, tmp_path / "b", a_picture, made="2027-02-03")
    for name in FILES:
        one, other = ((tmp_path / folder / name).read_bytes() for folder in "ab")
        assert (one == other) == (name != "report.html"), name
        assert one == other.replace(b"2027-02-03", b"2026-01-01"), name


def test_photos_that_cannot_be_read_are_said_to_be(found: Measured, tmp_path: Path) -> None:
    """One is a grey field; where all are, the rows have names only, and it is said."""

    def half(photo: Photo) -> Pixels:
        if photo.domain == "customer":
            raise PhotoError("broken_photo", "broken")
        return picture(3)

    def none(_photo: Photo) -> Pixels:
        raise PathError("gone")

    some, nothing = drawn(found, tmp_path / "a", half), drawn(found, tmp_path / "b", none)
    assert "not readable" in some.text
    assert some.found("img")
    assert not nothing.found("img")
    assert "No photo could be read here" in nothing.text
    assert found.queries[0].item_id in nothing.text


def test_a_vectors_file_is_enough(wardrobe: Path, tmp_path: Path) -> None:
    """Where there are vectors and a manifest, but no photos, the report comes without pictures."""
    vectors, table = tmp_path / "v.npz", tmp_path / "photos.csv"
    assert main(["embed", str(wardrobe), "--out", str(vectors), "--bundle", "colour", "-q"]) == 0
    shutil.copy(wardrobe, table)
    page = evaluated(table, tmp_path / "r", "--vectors", str(vectors))
    assert "No photo could be read here" in page.text
    assert "were not looked for" in page.text


# --- what it tells


def test_facts_are_those_of_the_ranking(found: Measured) -> None:
    """The worst of each item by rank, pairs counted both ways, items in nobody's first 20, the scores' area."""
    told, first = facts.gather(found), facts.first_ranks(found)
    assert [missed.right.rank for missed in told.worst] == sorted(first[first > 1], reverse=True)[:20]
    assert len({missed.query.item_id for missed in told.worst}) == len(told.worst)
    for missed in told.worst:
        assert missed.right.photo.item_id == missed.query.item_id
        assert all(place.right == (place.photo.item_id == missed.query.item_id) for place in missed.first)
    counted = sum(pair.other_for_one + pair.one_for_other for pair in told.confused)
    assert counted == int((first > 1).sum())
    assert told.all_unfound == len({q.item_id for q, r in zip(found.queries, first, strict=True) if r > 20})
    assert told.curve.recall[[0, 4, 49]].tolist() == [np.mean(first <= k) for k in (1, 5, 50)]
    assert (told.curve.low[0], told.curve.high[0]) == summary(found).ci95["recall@1"]
    assert 0 <= told.scores.shared <= 1
    assert told.scores.right.sum() == pytest.approx(1)


def test_confusion_is_counted_both_ways(found: Measured) -> None:
    """Two queries of one item that have the other first, and one the other way round, are one pair."""
    gallery = [Photo(f"{name}.jpg", name, photo_id=name) for name in ("a", "b")]
    queries = [Photo(f"q{i}.jpg", item, photo_id=f"q{i}") for i, item in enumerate("aab")]
    rows = np.array([[1, 0, 0], [1, 0.1, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0]], np.float32)

    def embeds(chosen: Sequence[Photo]) -> tuple[Sequence[Photo], Vectors]:
        by_path = dict(zip([p.path for p in (*queries, *gallery)], rows[[2, 4, 0, 0, 2]], strict=True))
        return chosen, np.stack([by_path[photo.path] for photo in chosen])

    protocol = protocols.Protocol("own", ("path=q*",), ("path!=q*",))
    told = facts.gather(measure([*queries, *gallery], embeds, protocol, "all"))
    assert [(p.one.item_id, p.other.item_id, p.other_for_one, p.one_for_other) for p in told.confused] == [
        ("a", "b", 2, 1)
    ]
    assert told.confused[0].one.path == "a.jpg"


# --- the folder


def test_only_a_report_is_replaced(made: Path, wardrobe: Path, tmp_path: Path, capsys: Out) -> None:
    """Over an older report a new one comes; a foreign folder, a file, or a note beside the page are left alone."""
    old, foreign, file = tmp_path / "old", tmp_path / "foreign", tmp_path / "file"
    shutil.copytree(made, old)
    (old / "metrics.json").write_text("{}", encoding="utf-8")
    evaluated(wardrobe, old)
    assert (old / "metrics.json").read_bytes() == (made / "metrics.json").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    foreign.mkdir()
    (foreign / "report.html").write_text("<p>my own", encoding="utf-8")
    file.write_text("mine", encoding="utf-8")
    (old / "notes.txt").write_text("mine", encoding="utf-8")
    for place in (foreign, file, old):
        before = sorted(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        arguments = ["evaluate", str(wardrobe), "--bundle", "colour", "--report", str(place)]
        assert main(arguments) == 3
        assert "is there already, and is no report" in capsys.readouterr().err
        assert sorted(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()) == before
    with pytest.raises(PathError, match="there is no folder"):
        report.check(tmp_path / "none/r")


def test_a_write_that_fails_leaves_the_old_report(
    found: Measured, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk is full at any step, the older report stays as it was, and nothing beside it."""
    old = Path(shutil.copytree(made, tmp_path / "old"))
    before = {path.name: path.read_bytes() for path in old.iterdir()}
    synced = files.to_disk
    for refused in ("report.html", "old"):

        def full(path: Path, refused: str = refused) -> None:
            if path.name == refused:
                raise OSError(28, "No space left on device", str(path))
            synced(path)

        monkeypatch.setattr(files, "to_disk", full)
        monkeypatch.setattr(report, "to_disk", full)
        with pytest.raises(DiskFullError, match="no space is left"):
            drawn(found, old, a_picture)
        assert {path.name: path.read_bytes() for path in old.iterdir()} == before
        assert [path.name for path in tmp_path.iterdir()] == ["old"]


# --- one's own shop


def own_photos(wardrobe: Path, folder: Path, names: Sequence[str] = (), copied: bool = True) -> Path:
    """The wardrobe's customers' photos with item ids and boxes alone; the first items are called `names`."""
    rows = [photo for photo in manifest.read(wardrobe).photos if photo.domain == "customer"]
    lines = ["path,item_id,box"]
    for i, photo in enumerate(rows):
        if copied:
            (folder / photo.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(wardrobe.parent / photo.path, folder / photo.path)
        lines.append(f'{photo.path},{names[i] if i < len(names) else photo.item_id},"{photo.value("box")}"')
    table = folder / "my-photos.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return table


def figures(capsys: Out, *arguments: str) -> dict[str, Any]:
    """What `evaluate --json` prints."""
    capsys.readouterr()
    assert main(["evaluate", *arguments, "--json", "-q"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_own_photos_against_a_live_catalogue(wardrobe: Path, built: Path, tmp_path: Path, capsys: Out) -> None:
    """The same photos as in a manifest that is a source give the same figures, by the items' categories."""
    own = own_photos(wardrobe, tmp_path / "own")
    expected = figures(capsys, str(wardrobe), "-c", str(built), "--split", "all")
    told = figures(capsys, str(own), "-c", str(built), "--report", str(tmp_path / "r"))
    for name in ("recall@1", "recall@5", "map", "ci95", "queries", "gallery", "items", "by_category"):
        assert told[name] == expected[name], name
    assert (told["protocol"], told["duplicates"]) == ("consumer-to-shop", None)
    page = Page(tmp_path / "r")
    assert "not readable" not in page.text
    assert "were not looked for" in page.text
    kept = figures(capsys, str(own), "-c", str(built), "--gallery", "view=main", "--queries", "category=DRESSES/*")
    assert kept["gallery"] == 24
    assert 0 < kept["queries"] < told["queries"]


def test_own_photos_beside_the_source_and_without_it(wardrobe: Path, tmp_path: Path, capsys: Out) -> None:
    """A manifest of customers in the source's own folder; where the shop's photos are gone, copies are shown."""
    folder = tmp_path / "w"
    shutil.copytree(wardrobe.parent, folder)
    index(tmp_path / "c", folder / wardrobe.name)
    own = own_photos(wardrobe, folder, copied=False)
    before = figures(capsys, str(own), "-c", str(tmp_path / "c"))
    shop = [photo.path for photo in manifest.read(folder / wardrobe.name).photos if photo.domain == "shop"]
    for path in shop:
        (folder / path).unlink()
    assert figures(capsys, str(own), "-c", str(tmp_path / "c"), "--report", str(tmp_path / "r")) == before
    assert before["gallery"] == len(shop)
    assert "not readable" not in Page(tmp_path / "r").text


def test_items_that_the_catalogue_lacks_are_told(wardrobe: Path, built: Path, tmp_path: Path, capsys: Out) -> None:
    """Misspelt ids are counted apart, with the nearest; where none is known, or all photos are its own, exit 3."""
    own = own_photos(wardrobe, tmp_path / "a", ["item_0000O", "", "nothing-like-it"])
    assert main(["evaluate", str(own), "-c", str(built), "--report", str(tmp_path / "r")]) == 0
    said = "the catalogue lacks 2 of 23 items of the manifest: item_0000O (did you mean item_000"
    seen = capsys.readouterr()
    assert said in seen.err
    assert "none of the manifest's photos is in the catalogue" in seen.err
    assert "21 queries (3 more have no right answer)" in seen.out
    assert said[1:] in Page(tmp_path / "r").text
    none = own_photos(wardrobe, tmp_path / "b", [f"item-{i:05}" for i in range(24)])
    assert main(["evaluate", str(none), "-c", str(built)]) == 3
    assert re.search(r"holds none of the 24 items .*did you mean item_", capsys.readouterr().err)
    assert main(["evaluate", str(own), "-c", str(built), "--protocol", "views"]) == 2
    assert "needs a manifest that is a source" in capsys.readouterr().err
    shop = Path(shutil.copytree(wardrobe.parent, tmp_path / "moved"))
    shutil.rmtree(tmp_path / "a")
    rows = [photo for photo in manifest.read(shop).photos if photo.domain == "shop"]
    lines = [f"{photo.path},{photo.item_id}" for photo in rows]
    (shop / "shop.csv").write_text("\n".join(["path,item_id", *lines]) + "\n", encoding="utf-8")
    assert main(["evaluate", str(shop / "shop.csv"), "-c", str(built)]) == 3
    assert "each would find itself" in capsys.readouterr().err
