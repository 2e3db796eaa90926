"""Filters, boosts, stock, styles and facets: what a slow loop over the manifest gives."""

import csv
import dataclasses
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from shops import build, picture, shop, write
from twinset import Catalogue, bundle, photos, where
from twinset.catalogue import IndexOptions, facets, folder
from twinset.catalogue.candidates import is_out_of_stock
from twinset.catalogue.options import Asked, SearchOptions
from twinset.embedder import Embedder
from twinset.errors import CursorError, InputError, UnknownFieldError, UnknownItemError, UsageError, WhereError
from twinset.records import Answer, Photo, Vectors, photo_id
from twinset.store import columns, vectors
from twinset.store.rows import Rows

PICTURES = [picture(seed) for seed in range(6)]
PHOTO_FIELDS = ("item_id", "category", "view")
VALUES = {
    "category": ["", "TOPS/Tee", "TOPS/Top", "TOPS", "SHOES/Boot/High"],
    "view": ["", "main", "back"],
    "style": ["", "s1", "s2", "i1"],
    "colour": ["", "red", "blue", "red|blue"],
    "size": ["", "S|M|L", "M", "L|XL|L"],
    "price": ["", "5", "9.50", "20 USD"],
    "availability": ["", "in stock", "out of stock", "Sold_out", "https://schema.org/Discontinued"],
}
CONDITIONS = [
    "category=TOPS/*",
    "category=TOPS|SHOES*",
    "view!=back",
    "colour=red",
    "size=M|XL",
    "size!=L",
    "price<9.6",
    "style=",
    "item_id=i*",
    "path!=1.png",
]
BOOSTS = [f"{condition}:{amount}" for condition in CONDITIONS for amount in ("+0.25", "-0.5", "+2", "-.125")]


def png(number: int) -> bytes:
    """A picture as a file's bytes."""
    file = io.BytesIO()
    Image.fromarray(PICTURES[number]).save(file, "PNG")
    return file.getvalue()


@dataclass(frozen=True)
class Row:
    """A photo of the slow catalogue, and its vector as it is stored."""

    photo: Photo
    vector: np.ndarray


class Shop:
    """A catalogue whose rows can be rewritten, beside a list of them."""

    def __init__(self, path: Path) -> None:
        self.folder = folder.create(path, bundle.open_bundle("colour"))
        self.rows = Rows(path, write=True)
        self.catalogue = Catalogue(path)
        embedder = Embedder(bundle.open_bundle("colour"))
        self.pool = [embedder.embed(photos.decode(png(i))) for i in range(len(PICTURES))]
        self.stored: list[Row] = []

    def fill(self, drawn: Sequence[tuple[int, int, dict[str, str]]], written: int) -> None:
        """Replaces all photos by (item, picture, fields); the derived files know the first `written` of them."""
        version = self.rows.live()
        with self.rows.transaction():
            self.rows.remove(list(self.rows.by_id([row.id for row in list(self.rows.since(0))]).values()))
        self.stored = []
        for number, (item, which, fields) in enumerate(drawn):
            if number == written:
                self.derive()
            path = f"{number}.png"
            own = {name: text for name, text in fields.items() if name in ("category", "view")}
            attributes = {name: text for name, text in fields.items() if name not in own and text}
            photo = Photo(path, f"i{item}", attributes=attributes, photo_id=photo_id("main", path), **own)
            with self.rows.transaction():
                row = self.rows.put(photo, "main", ("0" * 64, 1, 1), None)
                self.rows.put_vector(version, row, self.pool[which], "source")
            half = self.pool[which].astype(np.float16).astype(np.float64)
            self.stored.append(Row(photo, (half / np.sqrt((half * half).sum())).astype(np.float32)))
        if written >= len(drawn):
            self.derive()

    def derive(self) -> None:
        """Brings the derived files to the rows' state, as a writer does."""
        version = self.rows.live()
        vectors.catch_up(self.folder.derived(version), self.rows, version, self.folder.id)
        columns.catch_up(self.folder.path / "derived", self.rows, self.folder.id)

    def close(self) -> None:
        self.catalogue.close()
        self.rows.close()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A catalogue that each example fills anew."""
    made = Shop(tmp_path_factory.mktemp("tiny") / "c")
    yield made
    made.close()


FIELDS = st.fixed_dictionaries({name: st.sampled_from(texts) for name, texts in VALUES.items()})
PHOTOS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), FIELDS), max_size=14)
OPTIONS = st.fixed_dictionaries(
    {
        "by": st.sampled_from(["item", "photo", "style"]),
        "where": st.lists(st.sampled_from(CONDITIONS), max_size=2),
        "boost": st.lists(st.sampled_from(BOOSTS), max_size=3),
        "min_score": st.sampled_from([None, None, 0.2, 0.6]),
        "out_of_stock": st.sampled_from(["show", "sink", "hide"]),
    }
)
QUICK = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def usable(drawn: Sequence[tuple[int, int, dict[str, str]]], options: dict[str, Any]) -> bool:
    """Whether some photo has each field that the options name."""
    named = [text.partition(":")[0] for text in (*options["where"], *options["boost"])]
    fields = {condition.field for condition in where.parse(named).conditions} - {"item_id", "path"}
    return all(any(has[name] for _, _, has in drawn) for name in fields)


def slow(shop: Shop, query: Vectors, options: dict[str, Any], without: str = "") -> list[list[tuple[float, str]]]:
    """What is ranked, best first, each with its photos: their scores and ids, by loops over all photos."""
    lifts = dict.fromkeys({row.photo.item_id for row in shop.stored}, 0.0)
    for item in lifts:
        of_item = [row.photo for row in shop.stored if row.photo.item_id == item]
        for text in options["boost"]:
            condition, _, amount = text.rpartition(":")
            if any(where.parse([condition]).matches(photo.value) for photo in of_item):
                lifts[item] += float(amount)
        if options["out_of_stock"] == "sink" and any(out(photo) for photo in of_item):
            lifts[item] -= 3
    groups: dict[str, list[tuple[float, float, str]]] = {}
    for row in candidates(shop, options, without):
        photo, score = row.photo, min(1.0, float(row.vector.astype(np.float64) @ query.astype(np.float64)))
        if options["min_score"] is None or score >= options["min_score"]:
            style = f"style {photo.value('style')}" if photo.value("style") else f"item {photo.item_id}"
            key = {"item": photo.item_id, "photo": photo.photo_id, "style": style}
            lifted = round(score + lifts[photo.item_id], 9)
            groups.setdefault(key[options["by"]], []).append((-lifted, -round(score, 9), photo.photo_id))
    ranked = sorted((min(group)[0], key) for key, group in groups.items())
    return [[(-score, name) for _, score, name in sorted(groups[key])] for _, key in ranked]


def out(photo: Photo) -> bool:
    return photo.value("availability") in ("out of stock", "Sold_out", "https://schema.org/Discontinued")


def candidates(shop: Shop, options: dict[str, Any], without: str = "") -> list[Row]:
    """The photos that pass the filters."""
    return [
        row
        for row in shop.stored
        if where.parse(options["where"]).matches(row.photo.value)
        and not (options["out_of_stock"] == "hide" and out(row.photo))
        and row.photo.item_id != without
    ]


def told(answers: Sequence[Answer]) -> list[list[tuple[float, str]]]:
    """The photos of each hit: their scores and ids."""
    assert [hit.rank for answer in answers for hit in answer] == list(range(1, sum(map(len, answers)) + 1))
    assert all(hit.score == hit.photos[0].score for answer in answers for hit in answer)
    return [
        [(round(photo.score, 9), photo.photo_id) for photo in hit.photos] for answer in answers for hit in answer
    ]


@QUICK
@given(PHOTOS, OPTIONS, st.tuples(st.integers(0, 5), st.integers(1, 3)), st.integers(0, 14))
def test_a_search_equals_a_loop_over_the_manifest(
    tiny: Shop, drawn: Any, options: Any, asked: tuple[int, int], written: int
) -> None:
    """With any filters, boosts, cut-off, stock and grouping: order, scores and photos, in one page and in many."""
    which, k = asked
    tiny.fill(drawn, written)
    if not usable(drawn, options):
        with pytest.raises(UnknownFieldError, match="no photo has a field"):
            tiny.catalogue.search(png(which), **options)
        return
    expected = slow(tiny, tiny.pool[which], options)
    whole = tiny.catalogue.search(png(which), 100, **options)
    assert told([whole]) == expected
    pages = [tiny.catalogue.search(png(which), k, **options)]
    while pages[-1].next:
        pages.append(tiny.catalogue.search(png(which), k, cursor=pages[-1].next, **options))
    assert tuple(hit for page in pages for hit in page) == whole.hits


@QUICK
@given(PHOTOS, OPTIONS, st.integers(0, 14))
def test_similar_equals_a_loop_over_the_manifest(tiny: Shop, drawn: Any, options: Any, written: int) -> None:
    """The query is the mean of an item's vectors, whichever filters there are, and the item is never found."""
    tiny.fill(drawn, written)
    if not drawn or not usable(drawn, options):
        return
    item = tiny.stored[0].photo.item_id
    own = [row.vector.astype(np.float64) for row in tiny.stored if row.photo.item_id == item]
    middle = sum(own) / np.linalg.norm(sum(own))
    query = own[0] if len(own) == 1 else middle
    answer = tiny.catalogue.similar(item, 100, **options)
    assert told([answer]) == slow(tiny, query.astype(np.float32), options, item)


@QUICK
@given(PHOTOS, OPTIONS, st.integers(0, 14))
def test_facets_equal_a_loop_over_the_manifest(tiny: Shop, drawn: Any, options: Any, written: int) -> None:
    """Items by every level of the category and every element of every attribute, of what passes the filters."""
    tiny.fill(drawn, written)
    if not usable(drawn, options):
        return
    expected: dict[str, dict[str, set[str]]] = {}
    for row in candidates(tiny, options):
        photo = row.photo
        levels = photo.category.split("/") if photo.category else []
        for end in range(1, len(levels) + 1):
            of = expected.setdefault("category", {}).setdefault("/".join(levels[:end]), set())
            of.add(photo.item_id)
        for name, text in photo.attributes.items():
            for element in text.split("|"):
                expected.setdefault(name, {}).setdefault(element, set()).add(photo.item_id)
    found = tiny.catalogue.search(png(0), 1, facets=True, **options).facets
    assert found == {name: {v: len(items) for v, items in values.items()} for name, values in expected.items()}
    for values in found.values():
        assert list(values.items()) == sorted(values.items(), key=lambda counted: (-counted[1], counted[0]))


def test_many_values_are_no_facet_and_a_hundred_are_told(tiny: Shop) -> None:
    """An attribute of over 200 values is left out; of a hundred and fifty the most frequent hundred are told."""
    few, many = facets.MOST_VALUES + 50, facets.MOST_DISTINCT + 1
    fields = dict.fromkeys(VALUES, "")
    drawn = [(i, i % 6, fields | {"sku": str(i), "lot": f"{i % few:03d}"}) for i in range(many)]
    tiny.fill(drawn, len(drawn))
    found = tiny.catalogue.search(png(0), 1, facets=True).facets
    assert found is not None
    assert found.keys() == {"lot"}
    assert list(found["lot"].values()) == [2] * (many - few) + [1] * (facets.MOST_VALUES - (many - few))
    assert tiny.catalogue.search(png(0), 1).facets is None


def test_a_cursor_holds_for_its_options_only(tiny: Shop) -> None:
    """A cursor of other filters, boosts, cut-off, stock or grouping is refused; one of a boosted score is not."""
    fields = {name: texts[1] for name, texts in VALUES.items()}
    tiny.fill([(i, i, fields) for i in range(5)], 5)
    options: dict[str, Any] = {"boost": ["price=5:+9"], "where": ["price=5"], "min_score": -0.5}
    first = tiny.catalogue.search(png(0), 2, **options)
    assert len(tiny.catalogue.search(png(0), 3, cursor=first.next, **options)) == 3
    for other in (
        {"boost": ["price=5:+8"]},
        {"where": []},
        {"min_score": -0.6},
        {"by": "photo"},
        {"out_of_stock": "hide"},
    ):
        with pytest.raises(CursorError, match="belongs to another query"):
            tiny.catalogue.search(png(0), 2, cursor=first.next, **(options | other))
    near = tiny.catalogue.similar("i0", 2)
    with pytest.raises(CursorError, match="belongs to another query"):
        tiny.catalogue.similar("i1", 2, cursor=near.next)
    assert len(tiny.catalogue.similar("i0", 9, cursor=near.next)) == 2


def test_several_photos_are_one_query(tmp_path: Path) -> None:
    """Two photos search with the direction between their embeddings; one alone as if it stood without a list."""
    manifest = shop(tmp_path / "shop", 6)
    one, two = manifest.parent / "000/0.png", manifest.parent / "003/1.png"
    embedder = Embedder(bundle.open_bundle("colour"))
    both = [embedder.embed(photos.decode(path.read_bytes())).astype(np.float64) for path in (one, two)]
    middle = sum(both) / np.linalg.norm(sum(both))
    with build(tmp_path / "c", manifest) as catalogue:
        answer = catalogue.search([one, two.read_bytes()], by="photo")
        for hit in answer:
            photo = manifest.parent / hit.photo
            stored = embedder.embed(photos.decode(photo.read_bytes())).astype(np.float64)
            assert hit.score == pytest.approx(stored @ middle, abs=1e-3)
        assert {hit.photo for hit in answer.hits[:2]} == {"000/0.png", "003/1.png"}
        assert catalogue.search([one]).hits == catalogue.search(one).hits
        for options in ({"box": (0, 0, 1, 1)}, {"boxes": True}):
            with pytest.raises(UsageError, match="a box for 2 photos"):
                catalogue.search([one, two], **options)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="there is no photo"):
            catalogue.search([])


def test_vectors_that_cancel_out_have_no_direction() -> None:
    """The mean of opposite vectors is refused as input, not divided by zero."""
    from twinset.catalogue.search import _middle

    vector = np.array([0.6, 0.8], np.float32)
    with pytest.raises(InputError, match="2 photos have nothing in common"):
        _middle([vector, -vector])


def test_similar_to_what_is_not_there(tiny: Shop) -> None:
    """An unknown item exits 3 and is named."""
    tiny.fill([], 0)
    with pytest.raises(UnknownItemError, match="holds no item nobody") as caught:
        tiny.catalogue.similar("nobody")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"by": "colour"}, "by is 'colour': use item, photo, style"),
        ({"out_of_stock": "no"}, "out_of_stock is 'no': use show, sink, hide"),
        ({"min_score": 1.5}, "min_score is 1.5: use -1 to 1"),
        ({"min_score": float("nan")}, "min_score is nan: use -1 to 1"),
        ({"where": "price<5"}, "where is the text 'price<5'"),
        ({"boost": "price<5:+1"}, "boost is the text"),
        ({"where": ["prize<5"]}, "no photo has a field 'prize': did you mean price"),
        ({"boost": ["prize<5:+1"]}, "no photo has a field 'prize': did you mean price"),
        ({"where": ["price"]}, "'price' is no filter"),
        ({"boost": ["price<5"]}, "'price<5' is no boost: write FIELD OP VALUE:±x"),
        ({"boost": ["price<5:1"]}, "is no boost"),
        ({"boost": ["price<5:+1e3"]}, "is no boost"),
        ({"boost": ["price<5:+nan"]}, "is no boost"),
        ({"boost": ["price<5:+11"]}, r"adds 11: scores lie in \[-1, 1\]: add at most 10"),
        ({"boost": ["price<x:+1"]}, "compares with what is no number"),
    ],
)
def test_options_out_of_their_range(tiny: Shop, options: dict[str, Any], says: str) -> None:
    """Each is refused as usage, naming the value and the mend, also where there is no photo to find."""
    tiny.fill([(0, 0, dict.fromkeys(VALUES, "") | {"price": "5"})], 1)
    for ask in (lambda: tiny.catalogue.search(png(0), **options), lambda: tiny.catalogue.similar("i0", **options)):
        with pytest.raises(UsageError, match=says) as caught:
            ask()
        assert caught.value.exit_code == 2


def test_a_boosts_last_colon_ends_its_value() -> None:
    """A value may hold colons and what looks like an amount."""
    (boost,) = where.parse_boosts(["url=https://shop:8080/a:+1:-0.5 "])
    assert boost.amount == -0.5
    assert boost.condition.matches("https://shop:8080/a:+1")
    with pytest.raises(WhereError, match="is no boost"):
        where.parse_boosts(["url=https://shop:8080"])


@pytest.mark.parametrize(
    ("text", "is_out"),
    [
        ("out of stock", True),
        ("Out_of_Stock", True),
        ("OutOfStock", True),
        ("out-of-stock ", True),
        ("sold out", True),
        ("sold_out", True),
        ("Discontinued", True),
        ("unpublished", True),
        ("http://schema.org/SoldOut", True),
        ("https://schema.org/OutOfStock", True),
        ("https://schema.org/InStock", False),
        ("in stock", False),
        ("not sold out", False),
        ("preorder", False),
        ("", False),
    ],
)
def test_words_of_stock(text: str, is_out: bool) -> None:
    """The ways in which shops write that something cannot be had."""
    assert is_out_of_stock(text) is is_out


def test_a_style_is_shown_by_a_colour_that_can_be_had(tmp_path: Path) -> None:
    """Sinking stock sinks a style only where all its colours are gone, and shows one that is not."""
    rows = [
        {"path": "a.png", "item_id": "tee-red", "style": "tee", "availability": "sold out"},
        {"path": "b.png", "item_id": "tee-blue", "style": "tee", "availability": "in stock"},
        {"path": "c.png", "item_id": "cap-red", "style": "cap", "availability": "sold out"},
    ]
    manifest = write(tmp_path / "shop", rows, {"a.png": 1, "b.png": 2, "c.png": 1})
    with build(tmp_path / "c", manifest) as catalogue:
        plain = catalogue.search(manifest.parent / "a.png", by="style")
        sunk = catalogue.search(manifest.parent / "a.png", by="style", out_of_stock="sink")
        hidden = catalogue.search(manifest.parent / "a.png", out_of_stock="hide")
    assert [(hit.style, hit.item_id) for hit in plain] == [("cap", "cap-red"), ("tee", "tee-red")]
    assert [(hit.style, hit.item_id) for hit in sunk] == [("tee", "tee-blue"), ("cap", "cap-red")]
    assert [hit.item_id for hit in hidden] == ["tee-blue"]
    assert sunk.hits[1].score == plain.hits[0].score


def test_a_style_that_is_named_like_an_item_is_another(tmp_path: Path) -> None:
    """An item without a style, and a style that bears its name, are two hits by style, each with its own photos."""
    rows = [
        {"path": "a.png", "item_id": "tee"},
        {"path": "b.png", "item_id": "tee-red", "style": "tee"},
        {"path": "c.png", "item_id": "tee-blue", "style": "tee"},
    ]
    manifest = write(tmp_path, rows, {"a.png": 1, "b.png": 2, "c.png": 3})
    with build(tmp_path / "c", manifest) as catalogue:
        pages = [catalogue.search(tmp_path / "a.png", 1, by="style")]
        pages.append(catalogue.search(tmp_path / "a.png", 1, by="style", cursor=pages[0].next))
    hits = [hit for page in pages for hit in page]
    assert [(hit.style, {photo.photo for photo in hit.photos}) for hit in hits] == [
        ("", {"a.png"}),
        ("tee", {"b.png", "c.png"}),
    ]
    assert pages[1].next is None


@pytest.mark.parametrize("spelling", ["in stock", "in_stock", "In Stock", "https://schema.org/InStock", "in*"])
def test_a_filter_of_stock_reads_every_spelling(spelling: str, tmp_path: Path) -> None:
    """Whichever way the filter and the manifest write it; other words, and other fields, stay what they are."""
    texts = ["in stock", "in_stock", "http://schema.org/InStock", "out of stock", "preorder", "", "1"]
    rows = [{"path": f"{n}.png", "item_id": f"i{n}", "availability": text} for n, text in enumerate(texts)]
    rows[3]["note"] = "in_stock"
    manifest = write(tmp_path, rows, {f"{n}.png": n for n in range(len(texts))})
    with build(tmp_path / "c", manifest) as catalogue:

        def found(*filters: str) -> set[str]:
            return {hit.item_id for hit in catalogue.search(tmp_path / "0.png", where=filters)}

        assert found(f"availability={spelling}") == {"i0", "i1", "i2"}
        assert found(f"availability!={spelling}") == {"i3", "i4", "i5", "i6"}
        assert found(f"availability={spelling}|preorder") == {"i0", "i1", "i2", "i4"}
        assert found("availability=") == {"i5"}
        assert found("availability=1") == {"i6"}
        assert found("note=in stock") == set()


def test_stock_that_is_not_told_is_shown(tmp_path: Path) -> None:
    """Without `availability` sinking and hiding change nothing."""
    manifest = shop(tmp_path / "shop", 3)
    with build(tmp_path / "c", manifest) as catalogue:
        answers = [
            catalogue.search(manifest.parent / "000/0.png", out_of_stock=choice).hits  # type: ignore[arg-type]
            for choice in ("show", "sink", "hide")
        ]
    assert answers[0] == answers[1] == answers[2]


def test_a_change_of_the_manifest_is_filtered_by_at_once(tmp_path: Path) -> None:
    """An open catalogue filters by what the last `index` stored, and knows no field that is gone."""
    manifest = shop(tmp_path / "shop", 3)
    query = manifest.parent / "000/0.png"
    with build(tmp_path / "c", manifest) as catalogue:
        assert len(catalogue.search(query, where=["price=10"])) == 3
        manifest.write_text(manifest.read_text().replace("price", "cost").replace(",10,", ",12,", 2))
        build(tmp_path / "c", manifest).close()
        assert len(catalogue.search(query, where=["cost=12"])) == 1
        with pytest.raises(UnknownFieldError, match="no photo has a field 'price'"):
            catalogue.search(query, where=["price=10"])
        assert catalogue.verify() == []


def test_hits_are_the_same_whoever_is_asked(tiny: Shop) -> None:
    """A photo's score, and its place among equals, are not changed by a filter that all pass."""
    fields = {name: texts[1] for name, texts in VALUES.items()}
    tiny.fill([(i // 2, i % 6, fields) for i in range(14)], 7)
    plain = tiny.catalogue.search(png(2))
    assert tiny.catalogue.search(png(2), where=["price=5"]).hits == plain.hits
    boosted = tiny.catalogue.search(png(2), boost=["item_id=i0|i4:+1"]).hits
    assert {hit.item_id for hit in boosted[:2]} == {"i0", "i4"}
    by_item = {hit.item_id: replace(hit, rank=0) for hit in plain}
    assert all(replace(hit, rank=0) == by_item[hit.item_id] for hit in boosted)


def test_by_style_the_colours_of_real_garments_are_one_hit(tmp_path: Path) -> None:
    """Of 65 photos of hoodies each style is one hit, with all photos of all its colours, its own first."""
    data = os.environ.get("TWINSET_TEST_DATA")
    luma = Path(data or "") / "data/luma"
    if not data or not (luma / "photos.csv").is_file():
        pytest.skip("TWINSET_TEST_DATA names no folder with data/luma")
    with (luma / "photos.csv").open(encoding="utf-8", newline="") as file:
        header, *lines = file
    chosen = [line for line in lines if ",men-tops/hoodies & sweatshirts," in line]
    (tmp_path / "m.csv").write_text("".join([header, *chosen]), encoding="utf-8")
    rows = list(csv.DictReader([header, *chosen]))
    with build(tmp_path / "c", tmp_path / "m.csv", options=IndexOptions(photos_root=luma)) as catalogue:
        for row in rows[::13]:
            hits = catalogue.search(luma / row["path"], 100, by="style").hits
            assert hits[0].style == row["style"]
            assert sorted(hit.style for hit in hits) == sorted({other["style"] for other in rows})
            for hit in hits:
                assert {photo.photo for photo in hit.photos} == {r["path"] for r in rows if r["style"] == hit.style}
            items = {hit.style: hit.item_id for hit in hits}
            assert items[row["style"]] == row["item_id"]
    assert max(len({r["colour"] for r in rows if r["style"] == style}) for style in {r["style"] for r in rows}) > 1


def test_the_keywords_of_a_search_are_its_options() -> None:
    """`search(…, where=…)` takes what `SearchOptions` has, `k` aside; another name raises."""
    assert ["k", *Asked.__annotations__] == [field.name for field in dataclasses.fields(SearchOptions)]
    with pytest.raises(TypeError, match="wher"):
        SearchOptions(20, wher=["price<50"])  # type: ignore[call-arg]
