"""What makes a score: the parts sum to it, they lie where they are drawn, and the hit is the one that is stored."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from shops import age, build, index, picture
from twinset import Catalogue, boxes, photos, sheet
from twinset import bundle as bundles
from twinset.bundle import open_bundle
from twinset.cli.main import main
from twinset.datasets import wardrobe
from twinset.embedder import Embedder
from twinset.errors import CatalogueError, PathError, UnknownItemError, UsageError
from twinset.explain import Places, Side, parts
from twinset.photos import Decoded
from twinset.preprocess import Preprocess
from twinset.records import Box, Pixels
from twinset.sheet import Heat, Tile
from twinset.sheet.overlay import lay, smooth
from twinset.store.copies import Copies
from twinset.store.rows import Rows

Out = pytest.CaptureFixture[str]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
PART: Box = (0.25, 0.1, 0.8, 0.9)


# The parts of a score


def test_the_parts_are_what_loops_say() -> None:
    """Place by place, and product by product, of grids of different shapes."""
    draw = np.random.default_rng(1)
    query, hit = (draw.standard_normal((*shape, 5)).astype(np.float32) for shape in ((2, 3), (4, 1)))
    expected = np.zeros((2, 3)), np.zeros((4, 1))
    lengths = [np.sqrt(sum(float(grid[..., d].mean()) ** 2 for d in range(5))) for grid in (query, hit)]
    for i in np.ndindex(2, 3):
        for j in np.ndindex(4, 1):
            product = sum(float(query[(*i, d)]) * float(hit[(*j, d)]) for d in range(5))
            share = product / (6 * lengths[0] * 4 * lengths[1])
            expected[0][i] += share
            expected[1][j] += share
    for found, wanted in zip(parts(query, hit), expected, strict=True):
        assert found == pytest.approx(wanted, abs=1e-6)


def test_places_that_cancel_each_other_add_nothing() -> None:
    """A mean without a direction divides nothing by zero."""
    one = np.array([[[1.0, 2.0], [-1.0, -2.0]]], np.float32)
    for found in parts(one, np.ones((2, 2, 2), np.float32)):
        assert not found.any()


@pytest.fixture(scope="module")
def garments() -> list[Decoded]:
    """Drawn garments, high, wide and square, and a plain photo."""
    drawn = [one.pixels for one in wardrobe.photos(2, 3, shop_photos=1)]
    first, second = drawn[0], drawn[1]
    plain = np.full((40, 60, 3), 128, np.uint8)
    shapes: list[Pixels] = [first, second, first[100:300], second[:, 100:180], first[:200, :200], plain]
    return [Decoded(np.ascontiguousarray(one), one.shape[1], one.shape[0]) for one in shapes]


@pytest.fixture(scope="module", params=["colour", "default", "middle"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    """The bundles that ship, and one that crops and lets boxes grow."""
    if request.param != "middle":
        return Embedder(open_bundle(request.param), "cpu")
    colour = open_bundle("colour")
    preprocess = replace(colour.facts.preprocess, fit="crop", share=0.8)
    return Embedder(replace(colour, facts=replace(colour.facts, preprocess=preprocess, box_margin=0.1)), "cpu")


def test_they_sum_to_the_score_of_the_same_pixels(embedder: Embedder, garments: list[Decoded]) -> None:
    """Over the query's places and over the hit's, with and without boxes, whatever the shape of the photo."""
    asked = [(photo, box) for photo in garments for box in (None, PART)]
    seen = [(embedder.embed(*one), embedder.patches(*one)) for one in asked]
    for query, query_patches in seen[:4]:
        for hit, hit_patches in seen:
            score = float(query @ hit)
            for places in parts(query_patches, hit_patches):
                assert places.shape == query_patches.shape[:2]
                assert places.sum() == pytest.approx(score, abs=1e-3)


def test_ground_is_told_apart() -> None:
    """What lies beside the photo counts by area; all of it is the photo's where the square is full."""
    places: Places = np.arange(16.0).reshape(4, 4)
    half = Side(picture(0), places, WHOLE, (0.25, 0.0, 0.625, 1.0))
    assert half.ground == pytest.approx(places[:, 0].sum() + places[:, 2].sum() / 2 + places[:, 3].sum())
    assert Side(picture(0), places, WHOLE, WHOLE).ground == 0


# Where they lie


def position(height: int, width: int) -> Pixels:
    """A photo whose red says how far right, and whose green how far down a pixel is."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.rint((np.arange(width) + 0.5) / width * 255)
    pixels[..., 1] = np.rint((np.arange(height) + 0.5) / height * 255)[:, np.newaxis]
    pixels[..., 2] = 255
    return pixels


@pytest.mark.parametrize("box", [None, PART, (0.0, 0.5, 1.0, 0.7), (0.5, 0.5, 0.5 + 1e-9, 0.5 + 1e-9)])
@pytest.mark.parametrize("size", [(240, 160), (90, 300), (128, 128)])
@pytest.mark.parametrize(("fit", "share"), [("letterbox", 1.0), ("crop", 1.0), ("crop", 0.6), ("squash", 0.8)])
def test_the_square_lies_where_it_is_said(fit: str, share: float, size: tuple[int, int], box: Box | None) -> None:
    """Every pixel of the square that shows the photo shows the place that it maps to; all others are ground."""
    prepare = Preprocess(64, "bilinear", fit, (0, 0, 0), share=share)  # type: ignore[arg-type]
    part, seen = prepare.shown(size[1], size[0], box)
    assert all(0 <= side <= 1 for side in (*part, *seen))
    square = prepare.apply(position(*size), box).astype(float) / 255
    middles = (np.arange(64) + 0.5) / 64
    for axis, channel in ((0, 0), (1, 1)):
        first, last = seen[axis], seen[axis + 2]
        shown = (middles > first) & (middles < last)
        expected = part[axis] + (middles - first) / (last - first) * (part[axis + 2] - part[axis])
        line = square[32] if axis == 0 else square[:, 32]
        assert np.array_equal(line[:, 2] > 0.5, shown)
        assert np.abs(line[shown, channel] - expected[shown]).max() < 0.02


def test_a_map_is_smooth_and_true_at_the_middles() -> None:
    """The middle of each place has its value, what lies between is between; ground does not run in."""
    places: Places = np.array([[9.0, 1.0, 3.0, 9.0], [9.0, 2.0, 6.0, 9.0]])
    field = smooth(Heat(places, WHOLE, (0.25, 0.0, 0.75, 1.0)), (202, 202))
    assert field.shape == (202, 202)
    assert [field[50, 50], field[50, 151], field[151, 50]] == pytest.approx([1, 3, 2], abs=0.05)
    assert field[50, 101] == pytest.approx(2, abs=0.05)
    assert field.max() <= 6


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (220, 40, 20), (250, 180, 60), (30, 60, 160)])
def test_warm_and_cool_show_on_every_garment(colour: tuple[int, int, int]) -> None:
    """Warmer where it adds, cooler where it takes away, both told from the photo; dark where nothing was seen."""
    photo = Image.new("RGB", (100, 100), colour)
    places: Places = np.repeat([[1.0, 0.0, 0.0, -1.0]], 4, axis=0)
    drawn = np.asarray(lay(photo, Heat(places, (0.0, 0.0, 1.0, 0.5), WHOLE))).astype(int)
    added, nothing, taken, beside = drawn[25, 5], drawn[25, 50], drawn[25, 95], drawn[80, 50]
    red, blue = (lambda pixel: pixel[0] - pixel[2]), (lambda pixel: pixel[2] - pixel[0])
    assert red(added) > red(nothing) + 25
    assert blue(taken) > blue(nothing) + 10
    assert np.abs(added - nothing).sum() > 2 * np.abs(taken - nothing).sum() / 3
    assert beside.sum() < nothing.sum()


def test_nothing_added_draws_no_line() -> None:
    """A map of zeros leaves the pale photo; one that only takes away has no outline."""
    photo = Image.fromarray(picture(3, 60))
    zero = np.asarray(lay(photo, Heat(np.zeros((3, 3)), WHOLE, WHOLE)))
    away = np.asarray(lay(photo, Heat(-np.ones((3, 3)), WHOLE, WHOLE)))
    assert not (zero == 255).all(axis=2).any()
    assert not (away == 255).all(axis=2).any()
    assert (away.astype(int).mean(axis=(0, 1)) - zero.mean(axis=(0, 1)))[2] > 0


# The catalogue's own


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn shop, whose photos have boxes, with its catalogue `c`; not to be changed."""
    folder = tmp_path_factory.mktemp("stocked")
    index(folder / "c", wardrobe.draw(folder / "shop", items=3, seed=7))
    return folder


@pytest.fixture
def shop(stocked: Path, tmp_path: Path) -> Path:
    """A copy of it, which knows its own photos by their new place."""
    place = Path(shutil.copytree(stocked, tmp_path / "s"))
    for photo in place.rglob("*.jpg"):
        age(photo)
    shutil.rmtree(place / "c")
    index(place / "c", place / "shop/photos.csv")
    return place


@pytest.fixture
def opened(shop: Path) -> Iterator[Catalogue]:
    """Its catalogue."""
    with Catalogue(shop / "c") as catalogue:
        yield catalogue


def customer(shop: Path) -> Path:
    """One customer's photo."""
    return sorted((shop / "shop").rglob("customer_01.jpg"))[0]


def test_a_hit_is_explained_from_its_source(shop: Path, opened: Catalogue) -> None:
    """By hit, photo hit or photo id alike; the parts sum to the score of the answer, whose boxes they lie in."""
    query = customer(shop)
    for box in (None, PART):
        hit = opened.search(query, 1, box=box).hits[0]
        found = opened.explain(query, hit, box=box)
        assert (found.made_from, found.stored_score) == ("source", hit.score)
        assert found.score == pytest.approx(hit.score, abs=1e-3)
        assert found.hit.places.sum() == pytest.approx(found.score, abs=1e-6)
        assert found.query.part == pytest.approx(box or WHOLE, abs=0.01)
        assert found.hit.part != WHOLE, "the manifest has a box"
        for other in (hit.photos[0], hit.photo_id):
            assert np.array_equal(opened.explain(query.read_bytes(), other, box=box).hit.places, found.hit.places)


def test_an_answer_explains_its_first_hits(shop: Path, opened: Catalogue) -> None:
    """As many as are asked for, from their copies: nearly what their sources say; each side sums to the score."""
    query = customer(shop)
    for box in (None, PART):
        answer = opened.search(query, 3, box=box, explain=2)
        assert answer.explained is not None
        assert [one.photo_id for one in answer.explained] == [hit.photo_id for hit in answer.hits[:2]]
        for one, hit in zip(answer.explained, answer.hits, strict=False):
            source = opened.explain(query, hit, box=box)
            for side, other in ((one.query, source.query), (one.hit, source.hit)):
                assert np.array(side.places) == pytest.approx(other.places, abs=0.01)
                assert np.array(side.places).sum() == pytest.approx(one.score, abs=1e-3)
                assert (side.part, side.seen) == (pytest.approx(other.part, abs=0.01), pytest.approx(other.seen))
            assert one.score == pytest.approx(hit.score, abs=0.02)
    assert opened.search(query, 3).explained is None


def test_a_lost_copy_is_not_explained(shop: Path, opened: Catalogue) -> None:
    """The others are."""
    first, second = opened.search(customer(shop), 2).hits
    copies = Copies(shop / "c", write=True)
    copies.remove([first.photo_id])
    copies.close()
    explained = opened.search(customer(shop), 2, explain=5).explained
    assert explained is not None
    assert [one.photo_id for one in explained] == [second.photo_id]


def test_what_cannot_be_explained_is_refused(shop: Path, opened: Catalogue) -> None:
    """Too many hits, and several photos of one garment."""
    for count in (-1, 6):
        with pytest.raises(UsageError, match=rf"explain is {count}: use 0 to 5"):
            opened.search(customer(shop), explain=count)
    with pytest.raises(UsageError, match=r"an explanation for 2 photos: give one photo"):
        opened.search([customer(shop)] * 2, explain=1)


def moved(photo: Path) -> None:
    """The file is gone."""
    photo.rename(photo.with_suffix(".old"))


def changed(photo: Path) -> None:
    """It holds another picture."""
    Image.fromarray(picture(5)).save(photo)


def broken(photo: Path) -> None:
    """It is a photo no more."""
    photo.write_bytes(b"\xff\xd8\xff")


def linked(photo: Path) -> None:
    """The same bytes, but outside of the source, through a link."""
    outside = photo.parents[4] / "outside.jpg"
    photo.rename(outside)
    photo.symlink_to(outside)


@pytest.mark.parametrize("act", [moved, changed, broken, linked])
def test_a_copy_stands_in(act: object, shop: Path, opened: Catalogue) -> None:
    """Where the source's photo is gone, changed, broken or led out of its root: it says so, and the box holds."""
    assert callable(act)
    hit = opened.search(customer(shop), 1).hits[0]
    before = opened.explain(customer(shop), hit)
    act(shop / "shop" / hit.photo)
    found = opened.explain(customer(shop), hit)
    assert (before.made_from, found.made_from) == ("source", "copy")
    assert found.hit.part == pytest.approx(before.hit.part, abs=0.01)
    assert found.score == pytest.approx(before.score, abs=0.05)
    assert found.stored_score == before.stored_score


def test_no_path_leads_out_of_the_source(shop: Path) -> None:
    """A row that names a file above its root, of the very bytes that it was made of, is seen by its copy."""
    rows = Rows(shop / "c", write=True)
    row = next(row for row in rows.since(0))
    shutil.copy(shop / "shop" / row.photo.path, shop / "outside.jpg")
    with rows.transaction():
        photo = replace(row.photo, path="../outside.jpg")
        rows.put(photo, row.source, (row.content, row.size, row.mtime_ns), row)
    rows.close()
    with Catalogue(shop / "c") as catalogue:
        assert catalogue.explain(customer(shop), row.photo.photo_id).made_from == "copy"


def test_without_source_and_copy_it_is_told(shop: Path, opened: Catalogue) -> None:
    """The error names the photo and the mend; so does one for a photo that is not there."""
    hit = opened.search(customer(shop), 1).hits[0]
    moved(shop / "shop" / hit.photo)
    copies = Copies(shop / "c", write=True)
    copies.remove([hit.photo_id])
    copies.close()
    with pytest.raises(CatalogueError, match=rf"lost the copy of {hit.photo}, .*: index its source again"):
        opened.explain(customer(shop), hit)
    with pytest.raises(UnknownItemError, match="holds no photo 0123: take a photo_id of an answer"):
        opened.explain(customer(shop), "0123")
    with pytest.raises(UsageError, match="is no part of a photo"):
        opened.explain(customer(shop), hit, box=(0.5, 0.5, 0.2, 1))
    with pytest.raises(PathError, match="cannot be read"):
        opened.explain(shop / "missing.jpg", hit.photos[0])


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle `colour` without its patches."""
    colour = open_bundle("colour")
    model = onnx.load_from_string(colour.model)
    graph = model.graph
    for named in (graph.input, graph.initializer, graph.output):
        for one in [one for one in named if one.name in ("want_patches", "patches")]:
            named.remove(one)
    del graph.node[-1]  # the `If` that gives them
    data = model.SerializeToString()
    folder = tmp_path_factory.mktemp("bundles") / "blind"
    bundles.save(folder, replace(colour.facts, name="blind", sha256=photos.content_hash(data)), data)
    return folder


def test_a_bundle_without_patches_says_that_it_cannot(blind: Path, shop: Path, tmp_path: Path, capsys: Out) -> None:
    """At once, before the photo is looked for; the command writes no sheet."""
    with build(tmp_path / "b", shop / "shop/photos.csv", bundle=blind) as catalogue:
        hit = catalogue.search(customer(shop), 1).hits[0]
        with pytest.raises(UsageError, match=r"the bundle blind has no patches.*: upgrade to one"):
            catalogue.explain("nowhere.jpg", hit)
        with pytest.raises(UsageError, match=r"the bundle blind has no patches.*: upgrade to one"):
            catalogue.search(customer(shop), explain=1)
    drawn = tmp_path / "e.png"
    capsys.readouterr()
    assert main(["search", str(customer(shop)), "-c", str(tmp_path / "b"), "--explain", str(drawn)]) == 2
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "has no patches" in seen.err
    assert not drawn.exists()


def test_a_bundle_without_patches_borrows_boxes(blind: Path, shop: Path, tmp_path: Path) -> None:
    """From `default`, which is loaded once and changes no hit; a bundle that has patches tells its own."""
    query = photos.decode(customer(shop).read_bytes())
    own, shipped = (boxes.of_photo(Embedder(open_bundle(name), "cpu"), query) for name in ("colour", "default"))
    assert own != shipped
    with build(tmp_path / "b", shop / "shop/photos.csv", bundle=blind) as catalogue:
        asked, plain = catalogue.search(query, boxes=True), catalogue.search(query)
        assert (asked.boxes, asked.hits) == (shipped, plain.hits)
        borrowed = catalogue._live._shipped
        assert catalogue.search(query, boxes=True).boxes == shipped
        assert catalogue._live._shipped is borrowed is not None
    assert catalogue._live._shipped is None
    with Catalogue(shop / "c") as catalogue:
        assert catalogue.search(query, boxes=True).boxes == own
        assert catalogue._live._shipped is None


# The sheet


def test_the_command_draws_a_sheet(stocked: Path, tmp_path: Path, capsys: Out) -> None:
    """PNG or JPEG; stderr says where, also beside JSON, which is the answer's alone; --quiet says nothing."""
    base = ["search", str(customer(stocked)), "-c", str(stocked / "c"), "-k", "2", "--box", "0.1,0.2,0.9,0.8"]
    capsys.readouterr()
    assert main([*base, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    for name, more in (("a.png", ["--json"]), ("b.jpg", ["--json", "--by", "photo"]), ("c.png", ["--quiet"])):
        assert main([*base, "--explain", str(tmp_path / name), *more]) == 0
        seen = capsys.readouterr()
        assert ("explained: " in seen.err) == ("--quiet" not in more)
        if "--json" in more:
            assert json.loads(seen.out).keys() == plain.keys()
        with Image.open(tmp_path / name) as drawn:
            assert drawn.size == (sheet_width(2), 836)


def sheet_width(hits: int) -> int:
    """How wide a sheet of so many hits is."""
    return sheet.explained_sheet(Tile(picture(0)), [EXPLAINED] * hits).shape[1]


EXPLAINED = sheet.Explained(Tile(picture(1)), Tile(picture(2)), Tile(picture(3)))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["nowhere.jpg", "--explain", "out.gif"], "cannot be written as 'out.gif': name it .png or .jpg"),
        (["a.jpg", "b.jpg", "--explain", "out.png"], "--explain is of one photo, and there are 2"),
    ],
)
def test_what_cannot_be_drawn_is_refused_first(given: list[str], says: str, capsys: Out) -> None:
    """Before a photo or a catalogue is looked for."""
    assert main(["search", *given, "-c", "nowhere"]) == 2
    assert says in capsys.readouterr().err


def test_a_sheet_of_no_hits_shows_the_query(stocked: Path, tmp_path: Path, capsys: Out) -> None:
    """A filter that nothing passes leaves the query alone on its sheet."""
    asked = ["search", str(customer(stocked)), "-c", str(stocked / "c"), "--where", "price<0"]
    assert main([*asked, "--explain", str(tmp_path / "e.png")]) == 0
    assert "nothing is found" in capsys.readouterr().err
    with Image.open(tmp_path / "e.png") as drawn:
        assert drawn.size == (sheet_width(0), 836)


@pytest.mark.parametrize("name", ["colour", "default"])
def test_what_is_alike_is_warm(name: str) -> None:
    """A garment pasted onto two grounds that share nothing: its places make most of the score."""
    garment = next(iter(wardrobe.photos(1, 3, shop_photos=1))).pixels[150:350, 100:300]
    draw, embedder = np.random.default_rng(2), Embedder(open_bundle(name), "cpu")
    grounds = np.full((400, 400, 3), (20, 90, 30), np.uint8), draw.integers(150, 256, (400, 400, 3), dtype=np.uint8)
    for ground in grounds:
        ground[100:300, 100:300] = garment
    found = parts(*(embedder.patches(Decoded(ground, 400, 400)) for ground in grounds))
    for places in found:
        middle = slice(len(places) // 4, -(len(places) // 4))
        assert places[middle, middle].sum() > places.sum() / 2
