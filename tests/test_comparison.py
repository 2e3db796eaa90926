"""Two versions of a catalogue compared: figures equal a slow comparison, and what changed is told and drawn."""

import json
import shutil
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from shops import index as index_colour
from shops import picture, shop, write
from twinset import Catalogue, bundle, manifest, metrics, photos
from twinset.catalogue import folder as folders
from twinset.catalogue.comparison.compare import compare
from twinset.catalogue.comparison.figures import Comparison
from twinset.catalogue.comparison.queries import Queries
from twinset.catalogue.comparison.told import HEADER, changed_sheet, table, told
from twinset.catalogue.folder import CatalogueFolder
from twinset.catalogue.reembed import Again, embed_again
from twinset.embedder import Embedder
from twinset.errors import CatalogueError, ManifestError, NoQueriesError, PathError, UsageError
from twinset.evaluate import evaluate
from twinset.photos import encode_jpeg
from twinset.protocols import PROTOCOLS
from twinset.ranking import SAME_SCORE
from twinset.records import Photo, Pixels, Vectors, photo_id
from twinset.store.copies import Copies
from twinset.store.lock import writing
from twinset.store.rows import Rows
from twinset.store.versions import Version

GREEN, BLUE = (22, 140, 80), (92, 146, 232)


def stocked(place: Path, items: Sequence[str], old: np.ndarray, new: np.ndarray) -> CatalogueFolder:
    """A catalogue of photos `0.png`, `1.png`, …, of these items, with the vectors of two versions."""
    made = folders.create(place, bundle.open_bundle("colour"))
    rows = Rows(place, write=True)
    with writing(place), rows.transaction():
        versions = Version(1, "a" * 64, "first", old.shape[1]), Version(2, "b" * 64, "second", new.shape[1])
        rows.versions.reset(versions[0])
        rows.versions.add("b" * 64, "second", new.shape[1])
        for number, item, *vectors in zip(count(), items, old, new, strict=False):
            path = f"{number}.png"
            row = rows.put(Photo(path, item, photo_id=photo_id("main", path)), "main", ("0" * 64, 1, 1), None)
            for version, vector in zip(versions, vectors, strict=True):
                rows.put_vector(version, row, (vector / np.linalg.norm(vector)).astype(np.float32), "source")
    rows.close()
    return made


def compared(made: CatalogueFolder, queries: Queries) -> Comparison:
    """The first version of a catalogue compared with the second."""
    rows = Rows(made.path)
    try:
        old, new = rows.versions.all()
        with rows.snapshot():
            return compare(made, rows, old, new, queries)
    finally:
        rows.close()


def drawn(made: CatalogueFolder, comparison: Comparison) -> Pixels:
    """The sheet of a comparison."""
    copies = Copies(made.path)
    try:
        return changed_sheet(comparison, copies)
    finally:
        copies.close()


def has(pixels: Pixels, colour: tuple[int, int, int]) -> bool:
    """Whether a picture has pixels of a colour."""
    return bool((pixels == colour).all(axis=2).any())


@pytest.fixture(scope="module")
def upgraded(wardrobe: Path, built: Path, tmp_path_factory: pytest.TempPathFactory) -> CatalogueFolder:
    """The wardrobe's catalogue by `colour`, with a second version by `default`; not to be changed."""
    place = Path(shutil.copytree(built, tmp_path_factory.mktemp("upgraded") / "c"))
    default, rows, copies = bundle.open_bundle("default"), Rows(place, write=True), Copies(place)
    bundle.save(place / "bundles" / default.fingerprint, default.facts, default.model)
    with writing(place), rows.transaction():
        version = rows.versions.add(default.fingerprint, default.facts.name, default.facts.dim)
        for made in embed_again(Embedder(default, "cpu"), [*rows.since(0)], {"main": wardrobe.parent}, copies):
            assert isinstance(made, Again)
            rows.put_vector(version, made.row, made.vector, made.made_from)
    rows.close()
    copies.close()
    return folders.open_folder(place)


# Figures


def slow(made: CatalogueFolder) -> tuple[list[list[list[str]]], list[tuple[str, list[int]]]]:
    """For each photo as a query the first ten items by each version, and of those with a twin the ranks."""
    rows = Rows(made.path)
    stored = sorted(rows.since(0), key=lambda row: row.id)
    vectors = [rows.vectors(v, [row.id for row in stored]).astype(np.float64) for v in rows.versions.all()]
    rows.close()
    answers, known = [], []
    for query, row in enumerate(stored):
        both, ranks = [], []
        for matrix in vectors:
            best: dict[str, float] = {}
            for other, score in enumerate(np.clip((matrix * matrix[query]).sum(axis=1), -1, 1).tolist()):
                if other != query:
                    name = stored[other].photo.item_id
                    best[name] = max(best.get(name, -2.0), score)
            both.append(sorted(best, key=lambda name: (-best[name], name))[:10])
            own = best.pop(row.photo.item_id, None)
            ranks += [] if own is None else [1 + sum(score >= own - SAME_SCORE for score in best.values())]
        answers.append(both)
        if ranks:
            known.append((row.photo.item_id, ranks))
    return answers, known


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_figures_are_those_of_a_slow_comparison(tmp_path: Path, seed: int) -> None:
    """Overlap, first hits and recall over 40 items, some of one photo, some with equal vectors."""
    generator = np.random.Generator(np.random.PCG64(seed))
    items = [f"i{n % 40:02d}" for n in range(100)] + [f"single{n}" for n in range(10)]
    old, new = generator.integers(-1, 2, (110, 4)).astype(float), generator.standard_normal((110, 6))
    old[:, 0] += 3 * (np.abs(old).sum(axis=1) == 0)
    made = stocked(tmp_path / "c", items, old, new)
    found = compared(made, Queries("sampled", sample=1000))
    answers, known = slow(made)
    overlaps = [len({*old} & {*new}) / len(old) for old, new in answers]
    assert found.queries == 110
    assert found.overlap[0] == pytest.approx(np.mean(overlaps))
    assert found.same_first == pytest.approx(np.mean([old[0] == new[0] for old, new in answers]))
    assert found.with_known_item == len(known) == 100
    assert found.recall is not None
    ranks = np.array([ranks for _, ranks in known])
    for place, k in enumerate((1, 5, 20)):
        old_recall, new_recall = (ranks <= k).mean(axis=0)
        assert found.recall.old[place][0] == pytest.approx(old_recall)
        assert found.recall.new[place][0] == pytest.approx(new_recall)
        mean, low, high = found.recall.difference[place]
        assert mean == pytest.approx(new_recall - old_recall)
        assert low <= mean <= high
    assert [one.overlap for one in found.most_changed] == sorted(overlaps)[:8]
    for one in found.most_changed:
        ours = [[place.item_id for place in answer] for answer in (one.old, one.new)]
        assert ours == answers[int(one.query.path.removesuffix(".png"))]


def test_intervals_are_paired_and_over_items(tmp_path: Path) -> None:
    """The interval of the difference is the bootstrap of each query's own difference, items drawn whole."""
    generator = np.random.Generator(np.random.PCG64(5))
    items = [f"i{n // 3}" for n in range(60)]
    made = stocked(tmp_path / "c", items, *generator.standard_normal((2, 60, 3)))
    found = compared(made, Queries("sampled", sample=1000))
    _, known = slow(made)
    hits = np.array([[rank <= 5 for rank in ranks] for _, ranks in known]).astype(float)
    ((low, high),) = metrics.bootstrap(hits[:, 1:] - hits[:, :1], [item for item, _ in known])
    assert found.recall is not None
    assert found.recall.difference[1][1:] == pytest.approx((low, high))


def test_a_comparison_by_hand(tmp_path: Path) -> None:
    """Three items of two photos: the old version finds one item's twin first, the new one all of them."""
    items = ["a", "a", "b", "b", "c", "c"]
    old = np.array([[10, 0], [9, 1], [0, 10], [5, 5], [1, 9], [5.5, 4.5]])
    new = np.array([[1, 0, 0], [1, 0.1, 0], [0, 1, 0], [0, 1, 0.1], [0, 0, 1], [0.1, 0, 1]])
    found = compared(stocked(tmp_path / "c", items, old, new), Queries("sampled"))
    assert found.bundles == ("first", "second")
    assert (found.queries, found.with_known_item, found.skipped) == (6, 6, 0)
    assert found.overlap == (1.0, 1.0, 1.0)  # three items: all are among the first ten
    assert found.same_first == pytest.approx(2 / 6)
    assert found.recall is not None
    assert [mean for mean, _, _ in found.recall.old] == pytest.approx([2 / 6, 1, 1])
    assert [mean for mean, _, _ in found.recall.new] == [1, 1, 1]
    assert found.recall.difference[0][0] == pytest.approx(4 / 6)
    assert sorted(one.query.path for one in found.most_changed) == ["2.png", "3.png", "4.png", "5.png"]
    by_path = {one.query.path: one for one in found.most_changed}
    assert by_path["2.png"].ranks == (2, 1)
    assert [place.item_id for place in by_path["2.png"].old] == ["c", "b", "a"]
    assert [found.photos[place.number].path for place in by_path["2.png"].old] == ["4.png", "3.png", "1.png"]


def test_equal_scores_find_nothing(tmp_path: Path) -> None:
    """A right answer ranks last among equal ones: where all vectors are equal, recall@20 over 30 items is 0."""
    items = [f"i{n // 2:02d}" for n in range(60)]
    apart = np.repeat(np.eye(30), 2, axis=0)
    found = compared(stocked(tmp_path / "c", items, apart, np.ones((60, 4))), Queries("sampled"))
    assert found.recall is not None
    assert [mean for mean, _, _ in found.recall.old] == [1, 1, 1]
    assert [mean for mean, _, _ in found.recall.new] == [0, 0, 0]
    assert found.recall.difference == ((-1.0, -1.0, -1.0),) * 3


def test_a_version_equals_itself(tmp_path: Path) -> None:
    """Nothing changes between equal vectors: whole overlap, no changed answer, no difference."""
    vectors = np.random.Generator(np.random.PCG64(4)).standard_normal((40, 5))
    found = compared(
        stocked(tmp_path / "c", [f"i{n // 2}" for n in range(40)], vectors, vectors), Queries("sampled")
    )
    assert (found.overlap, found.same_first, found.most_changed) == ((1.0, 1.0, 1.0), 1.0, ())
    assert found.recall is not None
    assert found.recall.difference == ((0.0, 0.0, 0.0),) * 3


# Queries


def test_a_sample_is_spread_over_items_and_stays(tmp_path: Path) -> None:
    """One photo of each item before any has two; the same for a seed, another for another."""
    items = ["big"] * 50 + [f"i{n}" for n in range(40)]
    made = stocked(tmp_path / "c", items, *np.random.Generator(np.random.PCG64(6)).standard_normal((2, 90, 5)))

    def asked(sample: int, seed: int) -> list[str]:
        found = compared(made, Queries.of(made, sample=sample, seed=seed))
        assert found.queries == sample
        return sorted(one.query.path for one in found.most_changed)

    items_of = [items[int(path.removesuffix(".png"))] for path in asked(8, 0)]
    assert len({*items_of}) == 8
    assert asked(8, 0) == asked(8, 0) != asked(8, 1)
    assert compared(made, Queries.of(made, sample=41)).with_known_item == 1  # of `big` there are others


def test_given_queries_score_as_evaluate_scores_them(
    upgraded: CatalogueFolder, wardrobe: Path, tmp_path: Path
) -> None:
    """Customers' photos: recall by each version equals `evaluate` on a catalogue made by its bundle."""
    found = compared(upgraded, Queries.of(upgraded, wardrobe))
    assert (found.kind, found.queries, found.with_known_item, found.skipped) == ("given", 24, 24, 0)
    assert found.recall is not None
    table_ = manifest.read(wardrobe)
    for name, recall in (("colour", found.recall.old), ("default", found.recall.new)):
        with Catalogue.build(tmp_path / name, wardrobe, bundle=name) as opened:

            def embeds(chosen: Sequence[Photo], opened: Catalogue = opened) -> tuple[Sequence[Photo], Vectors]:
                embedded = opened.embed(table_, chosen)
                return embedded.photos, embedded.vectors

            expected = evaluate(table_.photos, embeds, PROTOCOLS["consumer-to-shop"], "all")
        assert [mean for mean, _, _ in recall] == [expected.recall[k] for k in (1, 5, 20)]


def test_answers_are_those_of_a_search(upgraded: CatalogueFolder, wardrobe: Path) -> None:
    """The old answers are what a search with the same photo gives, scores to the last bit."""
    found = compared(upgraded, Queries.of(upgraded, wardrobe))
    with Catalogue(upgraded.path) as opened:
        for one in found.most_changed:
            assert one.file is not None
            box = photos.in_fractions(one.query.box, photos.decode(one.file.read_bytes()))
            hits = opened.search(one.file, k=10, box=box).hits
            assert [(hit.item_id, hit.score) for hit in hits] == [(p.item_id, p.score) for p in one.old]
            assert [hit.photo_id for hit in hits] == [found.photos[p.number].photo_id for p in one.old]


def test_a_photo_of_the_catalogue_is_not_found_by_itself(tmp_path: Path) -> None:
    """Copies of the catalogue's photos as queries: items of one photo have no right answer."""
    index_colour(tmp_path / "c", shop(tmp_path / "shop", 12, views=1))
    made = folders.open_folder(tmp_path / "c")
    shutil.copytree(tmp_path / "shop", made.path / "queries")
    rows = Rows(made.path)
    with rows.snapshot():
        found = compare(made, rows, rows.live(), rows.live(), Queries.of(made))
    rows.close()
    assert (found.queries, found.with_known_item, found.recall) == (12, 0, None)
    assert found.overlap[0] == 1
    told_json = found.to_json()
    assert (told_json["old"], told_json["new"], told_json["difference"]) == (None, None, None)
    assert table(found) == []


def test_a_photo_of_another_item_hides_none(tmp_path: Path) -> None:
    """A query with the bytes of a photo of another item has its own item to find."""
    rows_ = [{"path": f"{item}.png", "item_id": item} for item in ("a", "b", "c")]
    index_colour(tmp_path / "c", write(tmp_path / "shop", rows_, {"a.png": 1, "b.png": 2, "c.png": 3}))
    made = folders.open_folder(tmp_path / "c")
    asked = write(tmp_path / "asked", [{"path": "one.png", "item_id": "b"}], {"one.png": 1})
    rows = Rows(made.path)
    with rows.snapshot():
        found = compare(made, rows, rows.live(), rows.live(), Queries.of(made, asked))
    rows.close()
    assert (found.queries, found.with_known_item) == (1, 1)


def test_faulty_queries_are_skipped_and_counted(upgraded: CatalogueFolder, wardrobe: Path, tmp_path: Path) -> None:
    """A missing and a broken photo are counted; an item that the catalogue does not hold is not known."""
    good = next(photo for photo in manifest.read(wardrobe).photos if photo.domain == "customer")
    shutil.copy(wardrobe.parent / good.path, tmp_path / "good.jpg")
    (tmp_path / "stranger.jpg").write_bytes(encode_jpeg(picture(3)))
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    lines = ["path,item_id", f"good.jpg,{good.item_id}", "stranger.jpg,x", "broken.jpg,x", "missing.jpg,x"]
    (tmp_path / "photos.csv").write_text("\n".join(lines))
    found = compared(upgraded, Queries.of(upgraded, tmp_path / "photos.csv"))
    assert (found.queries, found.skipped, found.with_known_item) == (2, 2, 1)
    for name in ("good.jpg", "stranger.jpg"):
        (tmp_path / name).write_bytes(b"no photo either")
    with pytest.raises(ManifestError, match=r"none of 4 query photos can be read; missing\.jpg.*: mend them"):
        compared(upgraded, Queries.of(upgraded, tmp_path / "photos.csv"))


def test_which_queries_are_asked(tmp_path: Path) -> None:
    """Given ones before saved ones, a manifest there before the folder, a sample where neither is there."""
    made = stocked(tmp_path / "c", ["a", "b"], np.eye(2), np.eye(2))
    assert Queries.of(made) == Queries("sampled", None, 200, 0)
    write(made.path / "queries", [{"path": "one.png", "item_id": "a"}], {"one.png": 1, "two.png": 2})
    saved = Queries.of(made)
    assert saved.kind == "saved"
    assert saved.manifest is not None
    assert [photo.path for photo in saved.manifest.photos] == ["one.png"]
    (made.path / "queries" / "photos.csv").unlink()
    saved = Queries.of(made)
    assert saved.manifest is not None
    assert [photo.path for photo in saved.manifest.photos] == ["one.png", "two.png"]
    assert Queries.of(made, made.path / "queries").kind == "given"


def test_queries_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    """Absent, empty and damaged queries, a sample of none, and a catalogue without photos end in words."""
    made = stocked(tmp_path / "c", ["a"], np.eye(1), np.eye(1))
    with pytest.raises(PathError, match=r"there is no manifest or folder .*nowhere"):
        Queries.of(made, tmp_path / "nowhere")
    with pytest.raises(UsageError, match="a sample of 0 photos: draw 1 or more"):
        Queries.of(made, sample=0)
    (made.path / "queries").mkdir()
    with pytest.raises(ManifestError, match="queries holds no photo: name a folder or a manifest"):
        Queries.of(made)
    (made.path / "queries" / "photos.csv").write_text("file,item\n")
    with pytest.raises(ManifestError, match=r"photos\.csv has no column path"):
        Queries.of(made)
    empty = stocked(tmp_path / "empty", [], np.empty((0, 2)), np.empty((0, 2)))
    with pytest.raises(NoQueriesError, match="holds no photo to compare on: index some first"):
        compared(empty, Queries.of(empty))


def test_a_version_that_is_not_complete_is_refused(tmp_path: Path) -> None:
    """Where a photo has no vector of one version, nothing is compared."""
    made = stocked(tmp_path / "c", ["a", "b"], np.eye(2), np.eye(2))
    rows = Rows(made.path, write=True)
    with writing(made.path), rows.transaction():
        rows.versions.add("c" * 64, "third", 2)
    old, _, new = rows.versions.all()
    with pytest.raises(CatalogueError, match=r"2 photos, 0 vectors|photo \d is missing"), rows.snapshot():
        compare(made, rows, old, new, Queries.of(made))
    rows.close()


def test_saved_queries_may_be_there_first(tmp_path: Path) -> None:
    """A catalogue is made around a folder of queries, which `verify` does not mind."""
    write(tmp_path / "c" / "queries", [{"path": "one.png", "item_id": "a"}], {"one.png": 1})
    index_colour(tmp_path / "c", shop(tmp_path / "shop", 3))
    with Catalogue(tmp_path / "c") as opened:
        assert opened.verify() == []
    assert Queries.of(folders.open_folder(tmp_path / "c")).kind == "saved"


# What is told


def test_the_json_and_the_table_say_the_same(upgraded: CatalogueFolder, wardrobe: Path) -> None:
    """All figures are JSON, and the table's row and sentences are made of them."""
    found = compared(upgraded, Queries.of(upgraded, wardrobe))
    said = json.loads(json.dumps(found.to_json()))
    assert list(said) == [
        *("bundles", "queries", "kind", "skipped", "k", "overlap@10", "same_first", "with_known_item"),
        *("old", "new", "difference", "most_changed"),
    ]
    assert said["bundles"] == {"old": "colour", "new": "default"}
    assert said["old"].keys() == {"recall@1", "recall@5", "recall@20", "ci95"}
    low, high = said["new"]["ci95"]["recall@5"]
    assert low <= said["new"]["recall@5"] <= high
    assert said["most_changed"][0].keys() == {"query", "overlap", "old", "new"}
    assert len(said["most_changed"]) == 8
    first = table(found)[0]
    assert len(first) == len(HEADER)
    mean, low, high = said["difference"]["recall@1"]
    assert first[0] == "recall@1"
    assert first[1:3] == [f"{said[which]['recall@1']:.3f}" for which in ("old", "new")]
    assert first[3:] == [f"{mean:+.3f}", f"{low:+.3f} – {high:+.3f}"]
    others = round((1 - said["same_first"]) * 24)
    assert told(found)[:2] == ["asked with 24 query photos", f"{others} of 24 queries have another first hit"]


def test_the_sheet_shows_what_changed(upgraded: CatalogueFolder, wardrobe: Path) -> None:
    """Eight queries with two rows each, right items green, new ones blue; a sampled query has its copy."""
    for queries in (Queries.of(upgraded, wardrobe), Queries.of(upgraded)):
        found = compared(upgraded, queries)
        pixels = drawn(upgraded, found)
        assert pixels.shape[0] > 8 * 2 * 154
        assert has(pixels, GREEN)
        assert has(pixels, BLUE)


def test_the_sheet_does_without_lost_copies(upgraded: CatalogueFolder, tmp_path: Path) -> None:
    """A lost copy of a hit leaves a gap, that of a query its row; nothing fails."""
    made = folders.open_folder(Path(shutil.copytree(upgraded.path, tmp_path / "c")))
    found = compared(made, Queries.of(made))
    whole = drawn(made, found)
    copies = Copies(made.path, write=True)
    copies.remove([found.most_changed[0].query.photo_id])
    copies.close()
    assert drawn(made, found).shape[0] < whole.shape[0]


def test_the_sheet_needs_the_query_photos(upgraded: CatalogueFolder, tmp_path: Path) -> None:
    """A query photo that has gone since is named."""
    photo = tmp_path / "queries" / "one.png"
    write(photo.parent, [{"path": photo.name, "item_id": "a"}], {photo.name: 5})
    found = compared(upgraded, Queries.of(upgraded, photo.parent))
    photo.unlink()
    with pytest.raises(PathError, match=r"one\.png cannot be read"):
        drawn(upgraded, found)
