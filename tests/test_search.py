"""Searching: exact, item by item, page by page."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shops import build, shop, write
from twinset import Catalogue, photos
from twinset.bundle import open_bundle
from twinset.datasets import wardrobe
from twinset.embedder import Embedder
from twinset.errors import CursorError, CursorExpiredError, UsageError
from twinset.records import Answer
from twinset.runtime import Runtime
from twinset.store.schema import pack, unpack
from twinset.store.view import View, exact_scores

RNG = np.random.Generator(np.random.PCG64(11))


def unit(rows: int, dim: int) -> np.ndarray:
    """Random unit vectors."""
    vectors = RNG.standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def brute(folder: Path, manifest: Path, query: Path) -> list[tuple[str, float]]:
    """Items by the best of their photos' cosines, computed photo by photo; ties by id."""
    embedder = Embedder(open_bundle("colour"))
    asked = embedder.embed(photos.decode(query.read_bytes())).astype(np.float64)
    best: dict[str, float] = {}
    for line in manifest.read_text(encoding="utf-8").splitlines()[1:]:
        path, item = line.split(",")[:2]
        vector = embedder.embed(photos.decode((folder / path).read_bytes()))
        stored = vector.astype(np.float16).astype(np.float64)
        score = float(stored @ asked / math.sqrt(float(stored @ stored)))
        best[item] = max(best.get(item, -2.0), score)
    return sorted(best.items(), key=lambda found: (-round(found[1], 7), found[0]))


def test_a_search_equals_brute_force(tmp_path: Path) -> None:
    """Every item, in the order of its best photo's cosine, with that score."""
    manifest = shop(tmp_path / "shop")
    with build(tmp_path / "c", manifest) as catalogue:
        answer = catalogue.search(manifest.parent / "004/1.png", k=100)
    expected = brute(manifest.parent, manifest, manifest.parent / "004/1.png")
    assert [hit.item_id for hit in answer] == [item for item, _ in expected]
    assert [hit.score for hit in answer] == pytest.approx([score for _, score in expected], abs=1e-6)
    assert [hit.rank for hit in answer] == list(range(1, 21))
    assert answer.next is None


def test_equal_scores_are_ordered_by_id(tmp_path: Path) -> None:
    """The same photo under several items ties to the last bit, and ids decide."""
    names = ["m", "b", "z", "a"]
    rows = [{"path": f"{name}.png", "item_id": name} for name in names]
    manifest = write(tmp_path / "shop", rows, dict.fromkeys((f"{name}.png" for name in names), 5))
    with build(tmp_path / "c", manifest) as catalogue:
        answer = catalogue.search(manifest.parent / "m.png")
    assert [hit.item_id for hit in answer] == sorted(names)
    assert len({hit.score for hit in answer}) == 1


def pages(catalogue: Catalogue, photo: Path, size: int, by: str) -> list[Answer]:
    """All pages of a search."""
    found: list[Answer] = []
    cursor = None
    while not found or cursor is not None:
        found.append(catalogue.search(photo, size, by=by, cursor=cursor))  # type: ignore[arg-type]
        cursor = found[-1].next
    return found


def test_four_hundred_near_copies_of_an_item_do_not_crowd_out_the_others(tmp_path: Path) -> None:
    """Twenty asked for are twenty distinct items; pages of seven joined are one call with sixty-one."""
    rows, seeds = [], {}
    for number in range(400):
        rows.append({"path": f"crowd/{number}.png", "item_id": "crowd"})
        seeds[f"crowd/{number}.png"] = 1
    for item in range(60):
        rows.append({"path": f"{item}.png", "item_id": f"i{item:02d}"})
        seeds[f"{item}.png"] = 100 + item
    manifest = write(tmp_path / "shop", rows, seeds)
    photo = manifest.parent / "crowd/0.png"
    with build(tmp_path / "c", manifest) as catalogue:
        twenty = catalogue.search(photo, 20)
        assert len({hit.item_id for hit in twenty}) == 20
        assert len(twenty.hits[0].photos) == 400
        whole = catalogue.search(photo, 61)
        joined = [hit for page in pages(catalogue, photo, 7, "item") for hit in page]
        assert tuple(joined) == whole.hits
        assert len(joined) == 61
        by_photo = catalogue.search(photo, 460, by="photo")
        assert tuple(hit for page in pages(catalogue, photo, 99, "photo") for hit in page) == by_photo.hits
        assert len({hit.photo_id for hit in by_photo}) == 460


def test_a_cursor_holds_only_where_it_was_given(tmp_path: Path) -> None:
    """After a change of the catalogue it has expired; with another photo, `by` or box it is refused."""
    manifest = shop(tmp_path / "shop", 6)
    one, two = manifest.parent / "000/0.png", manifest.parent / "001/0.png"
    with build(tmp_path / "c", manifest) as catalogue:
        cursor = catalogue.search(one, 2).next
        for wrong in (
            lambda: catalogue.search(two, 2, cursor=cursor),
            lambda: catalogue.search(one, 2, by="photo", cursor=cursor),
        ):
            with pytest.raises(CursorError, match="another query"):
                wrong()
        catalogue.remove(["i005"])
        with pytest.raises(CursorExpiredError, match="has changed"):
            catalogue.search(one, 2, cursor=cursor)


@given(text=st.text(max_size=60))
def test_text_that_is_no_cursor_is_refused(text: str) -> None:
    """Whatever is handed in as a cursor is refused with one typed error."""
    from twinset.catalogue.cursor import Cursor

    with pytest.raises(CursorError, match="no cursor"):
        Cursor.decode(text)


def test_a_box_searches_with_a_part(tmp_path: Path) -> None:
    """A query box gives what the photo cut to it gives; nonsense is refused."""
    from PIL import Image

    manifest = shop(tmp_path / "shop", 6)
    wide = np.concatenate([photos.read(manifest.parent / "002/0.png"), np.full((32, 32, 3), 255, np.uint8)], axis=1)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    with build(tmp_path / "c", manifest) as catalogue:
        part = catalogue.search(tmp_path / "wide.png", 3, box=(0, 0, 0.5, 1))
        assert part.hits == catalogue.search(manifest.parent / "002/0.png", 3).hits
        for box in ((0, 0, 1.2, 1), (0.5, 0, 0.5, 1), (0, 0, 1), (math.nan, 0, 1, 1)):
            with pytest.raises(UsageError, match="is no part of a photo"):
                catalogue.search(tmp_path / "wide.png", box=box)
        for k in (0, -1, 10_001):
            with pytest.raises(UsageError, match=f"k is {k}"):
                catalogue.search(tmp_path / "wide.png", k)


def test_an_answer_has_exactly_its_json(tmp_path: Path) -> None:
    """The keys of answer, hit and photo are the documented ones."""
    manifest = shop(tmp_path / "shop", 3)
    with build(tmp_path / "c", manifest) as catalogue:
        answer = catalogue.search(manifest.parent / "000/0.png").to_json()
    assert answer.keys() == {
        "hits", "query_id", "nothing_close", "next", "categories", "boxes", "facets", "catalogue", "ms",
        "calibration", "explained",
    }  # fmt: skip
    assert answer["catalogue"].keys() == {"fingerprint", "version", "sequence", "photos", "items"}
    assert answer["ms"].keys() == {"decode", "embed", "search", "total"}
    hit = answer["hits"][0]
    assert hit.keys() == {
        "rank", "item_id", "score", "probability", "category", "style", "title", "url", "photo_id", "photo",
        "photos", "attributes",
    }  # fmt: skip
    assert hit["photos"][0].keys() == {"photo_id", "photo", "view", "score"}
    assert hit["photos"][0]["photo_id"] == hit["photo_id"]
    assert [p["score"] for p in hit["photos"]] == sorted((p["score"] for p in hit["photos"]), reverse=True)


@given(rows=st.integers(0, 60), dead=st.sets(st.integers(0, 59)), k=st.integers(1, 80), copies=st.integers(1, 4))
def test_a_view_finds_what_brute_force_finds(rows: int, dead: set[int], k: int, copies: int) -> None:
    """Any number of rows, dead ones, duplicates and parts: the same numbers in the same order."""
    vectors = np.repeat(unit(rows, 8), copies, axis=0)
    ids = np.arange(len(vectors), dtype=np.int64)
    ids[[slot for slot in dead if slot < len(ids)]] = -1
    query = unit(1, 8)[0]
    middle = len(ids) // 3
    view = View(1, 1, ((vectors[:middle], ids[:middle]), (vectors[middle:], ids[middle:])))
    scores = [float(np.clip(np.dot(v.astype(np.float64), query.astype(np.float64)), -1, 1)) for v in vectors]
    expected = sorted((-round(s, 12), int(i)) for s, i in zip(scores, ids, strict=True) if i >= 0)[:k]
    found, at = view.search(query, k)
    assert found.tolist() == [i for _, i in expected]
    assert at == pytest.approx([-s for s, _ in expected], abs=1e-9)
    assert len(view) == int((ids >= 0).sum())


@given(
    rows=st.integers(0, 60),
    k=st.integers(1, 80),
    least=st.sampled_from([-1.0, -0.2, 0.0, 0.3, 1.0]),
    lifted=st.lists(st.sampled_from([0.0, 0.1, -0.1, 3.0, -3.0, 1000.0]), min_size=60, max_size=60),
    left=st.sets(st.integers(0, 59)),
)
def test_a_view_is_lifted_filtered_and_cut_off(
    rows: int, k: int, least: float, lifted: list[float], left: set[int]
) -> None:
    """What is left out is not found, nor what is less similar than asked; lifts decide the order, however large."""
    vectors, query = unit(rows, 8), unit(1, 8)[0]
    ids, lift = np.arange(rows, dtype=np.int64), np.array(lifted)
    kept = np.array([number not in left for number in range(60)])
    view = replace(View(1, 1, ((vectors, ids),)).only(kept), lift=lift)
    exact = exact_scores(vectors, query)
    wanted = [i for i in range(rows) if kept[i] and exact[i] >= least]
    expected = sorted((-(exact[i] + lift[i]), i) for i in wanted)[:k]
    found, scores = view.search(query, k, least)
    assert found.tolist() == [i for _, i in expected]
    assert scores.tolist() == [-s for s, _ in expected]
    assert len(view) == int(kept[:rows].sum())


@pytest.mark.parametrize("lift", [0.0, 10.0, -500.0])
def test_near_ties_are_settled_exactly_under_any_lift(lift: float) -> None:
    """Vectors that differ in their last bits keep their order where the same is added to all, over many blocks."""
    near = np.repeat(unit(1, 8), 150_000, axis=0)
    near[:, 0] += RNG.integers(0, 50, len(near)) * np.float32(1e-7)
    query, ids = unit(1, 8)[0], RNG.permutation(len(near)).astype(np.int64)
    exact = exact_scores(near, query)
    by_number = np.full(len(near), lift)
    least = float(np.median(exact))
    found, scores = View(1, 1, ((near, ids),), by_number).search(query, 200, least)
    order = np.lexsort((ids, -(exact + lift)))[:200]
    assert found.tolist() == ids[order].tolist()
    assert scores.tolist() == (exact + lift)[order].tolist()
    assert len(View(1, 1, ((near, ids),), by_number).search(query, len(near), least)[0]) == int(
        (exact >= least).sum()
    )


def test_many_blocks_are_one_matrix() -> None:
    """Over more rows than a block holds the nearest are those of a full sort."""
    vectors, query = unit(150_000, 8), unit(1, 8)[0]
    ids = RNG.permutation(len(vectors)).astype(np.int64)
    found, scores = View(1, 1, ((vectors, ids),)).search(query, 50)
    exact = exact_scores(vectors, query)
    order = np.lexsort((ids, -exact))[:50]
    assert found.tolist() == ids[order].tolist()
    assert scores.tolist() == exact[order].tolist()


def test_no_score_depends_on_what_stands_beside() -> None:
    """Stored vectors and exact scores are equal bit by bit singly and in any batch."""
    vectors, query = unit(257, 96), unit(1, 96)[0]
    blobs = [pack(vector) for vector in vectors]
    whole = unpack(blobs, 96)
    assert all(np.array_equal(unpack([blob], 96)[0], row) for blob, row in zip(blobs, whole, strict=True))
    assert np.allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-6)
    scores = exact_scores(whole, query)
    assert all(exact_scores(whole[i : i + 1], query)[0] == scores[i] for i in range(len(whole)))


def test_boxes_are_suggested_where_they_are_asked_for(tmp_path: Path) -> None:
    """Asked for, they lie in the photo and cost the hits nothing; not asked for, or beside a given box, null."""
    manifest = shop(tmp_path / "shop")
    drawn = next(photo for photo in wardrobe.photos(1, 3) if photo.domain == "customer")
    query = photos.encode_jpeg(drawn.pixels)
    with build(tmp_path / "c", manifest) as catalogue:
        plain, asked = catalogue.search(query), catalogue.search(query, boxes=True)
        boxed = catalogue.search(query, boxes=True, box=(0.1, 0.1, 0.9, 0.9))
    assert plain.boxes is None
    assert boxed.boxes is None
    assert asked.boxes
    assert all(0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1 for x1, y1, x2, y2 in asked.boxes)
    assert asked.to_json()["boxes"] == asked.boxes
    assert asked.hits == plain.hits


def test_an_embedding_is_the_same_with_its_patches() -> None:
    """Bit by bit, whether the places are asked for or not; a closer look has twice as many a side."""
    embedder = Embedder(open_bundle("colour"), "cpu")
    photo = photos.decode(photos.encode_jpeg(next(wardrobe.photos(1, 3)).pixels))
    alone = embedder.embed(photo)
    both = Runtime(open_bundle("colour").model, "cpu").patches(embedder.prepare(photo)[np.newaxis])
    assert np.array_equal(both[0][0], alone)
    assert np.array_equal(both[1][0], embedder.patches(photo))
    assert np.array_equal(embedder.embed(photo), alone)
