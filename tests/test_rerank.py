"""Re-ranking: exact against slow loops; what is behind, what sinks and what is paged stays as it must."""

import hashlib
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shops import build, shop, write
from twinset import Catalogue, bundle, photos, rerank
from twinset.bundle import open_bundle
from twinset.catalogue import reorder
from twinset.catalogue.options import Rerank
from twinset.cli.main import main
from twinset.embedder import Embedder
from twinset.errors import CursorError, UsageError
from twinset.records import Hit
from twinset.store.copies import Copies

Points = list[list[float]]
METHODS: tuple[Rerank, ...] = get_args(Rerank)
QUICK = settings(max_examples=60, deadline=None, derandomize=True)
EIGHTHS = st.lists(st.integers(-4, 4).map(lambda n: n / 8), min_size=3, max_size=3)
"""Their products are exact, so that equal ones are equal in any order of adding; ties are frequent."""


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    """The product of two vectors."""
    return float(np.dot(np.asarray(one, float), np.asarray(other, float)))


def direction(vectors: Sequence[Sequence[float]]) -> list[float]:
    """Their sum at length 1."""
    total = np.asarray(vectors, float).sum(axis=0)
    return [float(number) for number in total / math.sqrt(dot(total, total))]


def slow_reciprocal(points: Sequence[Sequence[float]], k1: int, k2: int, weight: float) -> list[float]:
    """Zhong et al. (2017), sections 3.2 to 3.4, by sets; the first of the points is the query."""
    everyone = range(len(points))
    distance = [[0.0 if p == g else 1 - dot(points[p], points[g]) for g in everyone] for p in everyone]

    def nearest(p: int, k: int) -> list[int]:
        return sorted(everyone, key=lambda g: (g != p, distance[p][g], g))[:k]

    def mutual(p: int, k: int) -> set[int]:
        return {g for g in nearest(p, k) if p in nearest(g, k)}

    def encoded(p: int) -> list[float]:
        own = mutual(p, k1)
        reached = set(own)
        for g in own:
            around = mutual(g, math.ceil(k1 / 2))
            if len(own & around) * 3 >= 2 * len(around):
                reached |= around
        raw = [math.exp(-distance[p][g]) if g in reached else 0.0 for g in everyone]
        return [number / sum(raw) for number in raw]

    codes = [encoded(p) for p in everyone]
    means = [[sum(codes[n][g] for n in nearest(p, k2)) / len(nearest(p, k2)) for g in everyone] for p in everyone]
    pairs = [list(zip(means[0], mean, strict=True)) for mean in means]
    jaccard = [1 - sum(min(two) for two in each) / sum(max(two) for two in each) for each in pairs]
    return [-((1 - weight) * jaccard[g] + weight * distance[0][g]) for g in everyone[1:]]


@QUICK
@given(
    points=st.lists(EIGHTHS, min_size=2, max_size=14),
    k1=st.integers(1, 20),
    k2=st.integers(1, 8),
    weight=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_reciprocal_is_what_sets_give(points: Points, k1: int, k2: int, weight: float) -> None:
    """Any number of candidates, with ties, and neighbourhoods larger than all of them."""
    array = np.array(points)
    found = rerank.reciprocal(array[0], array[1:], k1, k2, weight)
    assert found.tolist() == pytest.approx(slow_reciprocal(points, k1, k2, weight), abs=1e-12)


@QUICK
@given(points=st.lists(EIGHTHS, min_size=2, max_size=6), alpha=st.floats(0.5, 9))
def test_expansion_is_what_a_loop_gives(points: Points, alpha: float) -> None:
    """The query and its neighbours, each by its score to the power alpha, at length 1; none below 0 counts."""
    query, near = np.array([1.0, 0.0, 0.0]), np.array(points)
    scores = [dot(query, one) for one in points]
    moved = [
        [max(score, 0.0) ** alpha * number for number in one] for score, one in zip(scores, points, strict=True)
    ]
    found = rerank.expanded(query, near, np.array(scores), alpha)
    assert found.tolist() == pytest.approx(direction([query, *moved]), abs=1e-6)


@QUICK
@given(query=st.lists(EIGHTHS, min_size=1, max_size=6), hit=st.lists(EIGHTHS, min_size=1, max_size=9))
def test_max_sim_is_what_a_loop_gives(query: Points, hit: Points) -> None:
    """The best cosine of each place, weighed by its length; a place that contributes nothing has cosine 0."""

    def cosine(one: Sequence[float], other: Sequence[float]) -> float:
        lengths = math.sqrt(dot(one, one)) * math.sqrt(dot(other, other))
        return dot(one, other) / lengths if lengths else 0.0

    lengths = [math.sqrt(dot(place, place)) for place in query]
    best = [max(cosine(place, other) for other in hit) for place in query]
    found = rerank.max_sim(np.array(query), np.array(hit))
    assert found == pytest.approx(dot(lengths, best) / sum(lengths) if any(lengths) else 0.0, abs=1e-12)


def test_the_centroid_of_opposites_is_nothing() -> None:
    """Vectors that cancel each other out have no direction, and cosine 0 with everything."""
    vector = np.array([0.6, 0.8], np.float32)
    assert rerank.centroid(np.stack([vector, -vector])).tolist() == [0, 0]
    assert rerank.centroid(vector[np.newaxis]) == pytest.approx(vector)


SCORES = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.0, 1.0, 2.0, 3.0, math.nan])), max_size=12)


@QUICK
@given(SCORES)
def test_places_are_dealt_among_those_that_are_known(drawn: list[tuple[int, float]]) -> None:
    """Each place is taken once, NaN keeps its own, the others fall by their new score, ties as before."""
    plain, new = np.array([p for p, _ in drawn], float), np.array([n for _, n in drawn], float)
    found = rerank.places(plain, new)
    before = sorted(range(len(drawn)), key=lambda i: (-plain[i], i))
    assert sorted(found) == list(range(len(drawn)))
    assert all(found[i] == before.index(i) for i in range(len(drawn)) if math.isnan(new[i]))
    known = [i for i in before if not math.isnan(new[i])]
    expected = sorted(known, key=lambda i: (-new[i], before.index(i)))
    assert sorted(known, key=lambda i: found[i]) == expected


# Whole searches


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Catalogue, Path]]:
    """Seventy items of two photos, in styles of two; more photos, but not more items, than are ordered anew."""
    folder = tmp_path_factory.mktemp("many")
    rows, seeds = [], {}
    for item, view in itertools.product(range(70), range(2)):
        path = f"{item:03d}/{view}.png"
        stock = "out of stock" if item % 3 == 0 else "in stock"
        rows.append({"path": path, "item_id": f"i{item:03d}", "style": f"s{item // 2}", "availability": stock})
        seeds[path] = item * 7 + view
    manifest = write(folder / "shop", rows, seeds)
    with build(folder / "c", manifest) as catalogue:
        yield catalogue, manifest.parent


def stored(catalogue: Catalogue, hit: Hit) -> list[np.ndarray]:
    """The vectors of a hit's photos, in their order."""
    rows = catalogue._rows.find([photo.photo_id for photo in hit.photos])
    ids = [rows[photo.photo_id].id for photo in hit.photos]
    return list(catalogue._rows.vectors(catalogue._rows.live(), ids))


def slow_scores(catalogue: Catalogue, query: Path, method: Rerank, hits: Sequence[Hit]) -> list[float]:
    """What the first hits are ordered by, hit by hit."""
    embedder = Embedder(open_bundle("colour"))
    decoded = photos.decode(query.read_bytes())
    asked = embedder.embed(decoded)
    found = [stored(catalogue, hit) for hit in hits]
    match method:
        case "expansion":
            near = [vectors[0] for vectors in found[: reorder.NEIGHBOURS]]
            weights = [max(dot(asked, one), 0.0) ** reorder.ALPHA for one in near]
            moved = direction([asked, *(one * weight for one, weight in zip(near, weights, strict=True))])
            return [max(dot(one, moved) for one in vectors) for vectors in found]
        case "reciprocal":
            points = [asked, *(vectors[0] for vectors in found)]
            return slow_reciprocal(points, reorder.K1, reorder.K2, reorder.COSINE)
        case "centroid":
            return [dot(direction(vectors), asked) for vectors in found]
        case "views":
            squares = [embedder.prepare(decoded, box) for box in (None, reorder.inner(None))]
            looks = [look for square in squares for look in (square, square[:, ::-1].copy())]
            middle = direction([embedder.embed_square(look) for look in looks])
            return [max(dot(one, middle) for one in vectors) for vectors in found]
        case "patches":
            own = embedder.patches(decoded).reshape(-1, embedder.dim)
            copies = catalogue.copy([hit.photo_id for hit in hits])
            looks = [embedder.patches(photos.decode(copies[hit.photo_id])) for hit in hits]
            similar = [rerank.max_sim(own, look.reshape(-1, embedder.dim)) for look in looks]
            share = reorder.PATCHES
            return [(1 - share) * hit.score + share * sim for hit, sim in zip(hits, similar, strict=True)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("by", ["item", "photo"])
def test_a_search_is_reordered_as_a_loop_says(many: tuple[Catalogue, Path], method: Rerank, by: Any) -> None:
    """The first hits by the slow score, the others as they were; every score is the plain cosine."""
    catalogue, folder = many
    query, first = folder / "011/0.png", reorder.first(method)
    plain = catalogue.search(query, 200, by=by).hits
    scores = [round(score, 9) for score in slow_scores(catalogue, query, method, plain[:first])]
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    expected = [plain[i] for i in order] + list(plain[first:])
    found = catalogue.search(query, 200, by=by, rerank=method).hits
    assert [hit.photo_id for hit in found] == [hit.photo_id for hit in expected]
    assert [hit.score for hit in found] == [hit.score for hit in expected]
    assert [hit.rank for hit in found] == list(range(1, len(plain) + 1))
    if (by, method) != ("photo", "centroid"):  # a photo is its own centroid
        assert [hit.photo_id for hit in found] != [hit.photo_id for hit in plain]


ASKED: list[dict[str, Any]] = [
    {},
    {"by": "photo"},
    {"by": "style"},
    {"by": "photo", "out_of_stock": "sink"},
    {"boost": ["availability=in stock:-0.1"]},
    {"where": ["path=*", "availability=in stock"], "min_score": 0.1},
]


@pytest.mark.parametrize("options", ASKED, ids=str)
@pytest.mark.parametrize(
    ("method", "size"), [("reciprocal", 33), ("patches", 13), ("patches", 20), ("centroid", 99)]
)
def test_pages_join_to_one_answer(
    many: tuple[Catalogue, Path], options: dict[str, Any], method: Rerank, size: int
) -> None:
    """Pages inside the candidates, across their end and behind it are one long answer: none twice, none missing."""
    catalogue, folder = many
    query = folder / "020/1.png"
    whole = catalogue.search(query, 500, rerank=method, **options)
    pages, cursor = [], None
    while not pages or cursor is not None:
        pages.append(catalogue.search(query, size, rerank=method, cursor=cursor, **options))
        cursor = pages[-1].next
    assert tuple(hit for page in pages for hit in page) == whole.hits
    assert {len(page) for page in pages[:-1]} <= {size}
    assert whole.next is None
    plain = catalogue.search(query, 500, **options).hits
    key = lambda hit: hit.photo_id if options.get("by") == "photo" else hit.item_id  # noqa: E731
    assert sorted(map(key, plain)) == sorted(map(key, whole))


@pytest.mark.parametrize("options", ASKED, ids=str)
def test_an_order_that_changes_nothing_changes_no_boost(many: tuple[Catalogue, Path], options: Any) -> None:
    """A photo is its own centroid: with filters, boosts and stock, the answer is the plain one."""
    catalogue, folder = many
    query, options = folder / "033/0.png", options | {"by": "photo"}
    assert (
        catalogue.search(query, 90, rerank="centroid", **options).hits
        == catalogue.search(query, 90, **options).hits
    )


@pytest.mark.parametrize("method", METHODS)
def test_what_sinks_stays_below(many: tuple[Catalogue, Path], method: Rerank) -> None:
    """Out-of-stock items stay behind all others, and a large boost still puts an item first."""
    catalogue, folder = many
    query = folder / "003/0.png"
    out = [
        hit.attributes["availability"] == "out of stock"
        for hit in catalogue.search(query, 100, out_of_stock="sink", rerank=method)
    ]
    assert out == sorted(out)
    assert any(out)
    found = catalogue.search(query, 5, boost=["item_id=i064:+2"], rerank=method)
    assert found.hits[0].item_id == "i064"


def test_a_hit_without_a_copy_keeps_its_place(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Patches are compared where there are copies; the others stand where they stood, and it is told."""
    manifest = shop(tmp_path / "shop", 12, views=1)
    query = manifest.parent / "004/0.png"
    with build(tmp_path / "c", manifest) as catalogue:
        plain, full = (catalogue.search(query, rerank=method).hits for method in (None, "patches"))
        lost = [plain[1], plain[5]]
    copies = Copies(tmp_path / "c", write=True)
    copies.remove(hit.photo_id for hit in lost)
    copies.close()
    with Catalogue(tmp_path / "c") as catalogue:
        found = catalogue.search(query, rerank="patches").hits
    assert [found[1].item_id, found[5].item_id] == [hit.item_id for hit in lost]
    others = [hit.item_id for hit in full if hit.item_id not in {one.item_id for one in lost}]
    assert [hit.item_id for hit in found if hit.rank not in (2, 6)] == others
    assert [record.message for record in caplog.records] == [
        "2 of 12 hits keep their place: their copies are lost; index again"
    ]


def test_several_photos_and_similar_items(many: tuple[Catalogue, Path]) -> None:
    """Several photos are looked at together; `similar` takes what needs no photo, and says so of the rest."""
    catalogue, folder = many
    given = [folder / "011/0.png", folder / "011/1.png"]
    for method in METHODS:
        assert catalogue.search(given, rerank=method).hits[0].item_id == "i011"
    for method in ("expansion", "reciprocal", "centroid"):
        found = catalogue.similar("i011", 100, rerank=method)
        assert {hit.item_id for hit in found} == {f"i{item:03d}" for item in range(70)} - {"i011"}
    for method in ("views", "patches"):
        with pytest.raises(UsageError, match="use expansion, reciprocal or centroid, or search with a photo"):
            catalogue.similar("i011", rerank=method)  # type: ignore[arg-type]


def test_a_bundle_without_patches_is_told_so(tmp_path: Path) -> None:
    """Patches are refused at once; what needs none works."""
    colour = open_bundle("colour")
    model = onnx.load_from_string(colour.model)
    kept = [output for output in model.graph.output if output.name != "patches"]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    data = model.SerializeToString()
    bundle.save(tmp_path / "b", replace(colour.facts, sha256=hashlib.sha256(data).hexdigest()), data)
    manifest = shop(tmp_path / "shop", 3)
    with Catalogue.build(tmp_path / "c", manifest, bundle=tmp_path / "b") as catalogue:
        assert len(catalogue.search(manifest.parent / "001/0.png", rerank="views")) == 3
        with pytest.raises(UsageError, match="the catalogue's bundle has no patches: re-rank by another method"):
            catalogue.search(manifest.parent / "001/0.png", rerank="patches")


def test_nothing_found_is_reordered_too(many: tuple[Catalogue, Path]) -> None:
    """Where no photo passes, the answer is empty, whatever the method."""
    catalogue, folder = many
    for method in METHODS:
        assert len(catalogue.search(folder / "011/0.png", where=["path=none"], rerank=method)) == 0


def test_a_cursor_belongs_to_its_order(many: tuple[Catalogue, Path]) -> None:
    """It does not go on with another re-ranking, nor with none."""
    catalogue, folder = many
    cursor = catalogue.search(folder / "011/0.png", 5, rerank="centroid").next
    for other in (None, "reciprocal"):
        with pytest.raises(CursorError, match="another query"):
            catalogue.search(folder / "011/0.png", 5, rerank=other, cursor=cursor)  # type: ignore[arg-type]


def test_what_is_misspelt_is_refused(many: tuple[Catalogue, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """With what was meant, in Python and on the command line."""
    catalogue, folder = many
    query = folder / "011/0.png"
    with pytest.raises(UsageError, match="no re-ranking 'patchs': did you mean patches"):
        catalogue.search(query, rerank="patchs")  # type: ignore[arg-type]
    assert main(["search", str(query), "-c", str(catalogue.path), "--rerank", "patchs"]) == 2
    assert "patches" in capsys.readouterr().err
    assert main(["search", str(query), "-c", str(catalogue.path), "--rerank", "views", "--quiet"]) == 0
    assert main(["similar", "i011", "-c", str(catalogue.path), "--rerank", "views"]) == 2
    assert "looks at a photo" in capsys.readouterr().err
