"""Photos → embeddings: order, faults, boxes, equality bit by bit; and the vectors file."""

import csv
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from twinset import photos as photo_files
from twinset import vectors_file
from twinset.bundle import Bundle, open_bundle
from twinset.datasets import wardrobe
from twinset.embedder import Embedder, embed_photos, in_order, query_box
from twinset.errors import PathError, PhotoError, UsageError, VectorsError
from twinset.photos import Decoded, in_fractions
from twinset.progress import Progress
from twinset.records import Box, Photo, Vectors


@pytest.fixture(scope="module")
def colour() -> Embedder:
    return Embedder(open_bundle("colour"))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Photo]]:
    """A folder of 30 photos, PNG so that boxes fall on the same pixels."""
    root = tmp_path_factory.mktemp("shop")
    photos = []
    for i, drawn in enumerate(wardrobe.photos(10, seed=11)):
        name = f"{i:02}.png"
        Image.fromarray(drawn.pixels).save(root / name, compress_level=1)
        photos.append(Photo(path=name, item_id=drawn.item_id, line=i + 2))
    return root, photos


class Counting(Progress):
    """What a progress is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def start(self, what: str, total: int) -> None:
        self.told.append((what, total))

    def advance(self, count: int = 1) -> None:
        self.told.append(count)

    def finish(self) -> None:
        self.told.append("finished")


def test_order_is_kept_and_faults_are_listed(colour: Embedder, shop: tuple[Path, list[Photo]]) -> None:
    """Good photos and faults come in the manifest's order, each good one with its own vector."""
    root, photos = shop
    (root / "text.jpg").write_text("no photo")
    (root / "cut.png").write_bytes((root / "00.png").read_bytes()[:500])
    bad = [
        Photo(path="text.jpg", item_id="a", line=90),
        Photo(path="none.jpg", item_id="b", line=91),
        Photo(path="cut.png", item_id="c", line=92),
        Photo(path="00.png", item_id="d", line=93, box=(9000, 0, 9001, 5)),
        Photo(path="nul\0.png", item_id="e", line=94),
    ]
    mixed = [*photos[:3], bad[0], bad[1], *photos[3:20], bad[2], *photos[20:], bad[3], bad[4]]
    progress = Counting()
    done = embed_photos(colour, mixed, root, progress)
    assert list(done.photos) == photos
    assert [(f.line, f.path, f.code) for f in done.faults] == [
        (90, "text.jpg", "not_a_photo"),
        (91, "none.jpg", "no_such_path"),
        (92, "cut.png", "truncated_photo"),
        (93, "00.png", "bad_box"),
        (94, "nul\0.png", "no_such_path"),
    ]
    assert all(fault.message and "\n" not in fault.message for fault in done.faults)
    alone = [colour.embed(photo_files.decode((root / p.path).read_bytes())) for p in photos]
    assert np.array_equal(done.vectors, np.stack(alone))
    assert progress.told == [("embedding", len(mixed)), *[1] * len(mixed), "finished"]


def test_two_runs_are_equal_bit_by_bit(colour: Embedder, shop: tuple[Path, list[Photo]]) -> None:
    """A second run, and one cut in parts with a second embedder, give the same bits."""
    root, photos = shop
    whole = embed_photos(colour, photos, root).vectors
    assert np.array_equal(whole, embed_photos(colour, photos, root).vectors)
    other = Embedder(open_bundle("colour"))
    parts = [embed_photos(other, photos[i : i + 7], root).vectors for i in range(0, len(photos), 7)]
    assert np.array_equal(whole, np.concatenate(parts))


def test_no_photos_are_no_vectors(colour: Embedder, tmp_path: Path) -> None:
    """An empty manifest, or one with faults only, gives an array of the right width."""
    assert embed_photos(colour, [], tmp_path).vectors.shape == (0, 512)
    assert embed_photos(colour, [Photo(path="no.jpg", item_id="a")], tmp_path).vectors.shape == (0, 512)


def test_a_box_is_embedded_like_the_photo_cut_to_it(colour: Embedder, shop: tuple[Path, list[Photo]]) -> None:
    """The embedding of a box is that of the cropped photo; a box that reaches out ends at the edge."""
    root, photos = shop
    pixels = photo_files.read(root / photos[0].path)
    height, width = pixels.shape[:2]
    for left, top, right, bottom in ((31, 47, 207, 301), (0, 0, 7, 5), (width - 3, height - 9, width + 50, height)):
        box = (float(left), float(top), float(right), float(bottom))
        boxed = embed_photos(colour, [Photo(path=photos[0].path, item_id="a", box=box)], root)
        cut = np.ascontiguousarray(pixels[top:bottom, left:right])
        assert not boxed.faults
        assert np.array_equal(boxed.vectors[0], colour.embed(Decoded(cut, cut.shape[1], cut.shape[0])))


def test_a_box_counts_on_the_upright_full_size_photo(colour: Embedder, tmp_path: Path) -> None:
    """A box in pixels of a large rotated JPEG finds its place, though the photo is decoded reduced."""
    upright = np.full((2800, 1400, 3), 255, np.uint8)
    upright[2000:2400, 200:600] = (0, 0, 200)
    tags = Image.Exif()
    tags[0x112] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(upright))).save(tmp_path / "a.jpg", exif=tags)
    photo = Photo(path="a.jpg", item_id="a", box=(240, 2040, 560, 2360))
    (vector,) = embed_photos(colour, [photo], tmp_path).vectors
    assert np.argmax(vector) == 200 // 32
    assert vector.max() > 0.999


def test_the_margin_grows_the_box(shop: tuple[Path, list[Photo]]) -> None:
    """With a bundle's margin of a half, a box is embedded like the box twice as wide and high."""
    root, photos = shop
    plain = open_bundle("colour")
    facts = type(plain.facts)(name="m", dim=512, preprocess=plain.facts.preprocess, sha256="", box_margin=0.5)
    photo = photo_files.decode(photo_files.read_bytes(root / photos[0].path))
    grown = Embedder(Bundle(facts, plain.model, plain.folder)).embed(photo, (0.4, 0.4, 0.6, 0.6))
    assert np.array_equal(grown, Embedder(plain).embed(photo, (0.3, 0.3, 0.7, 0.7)))


def test_patches_follow_the_box(colour: Embedder, shop: tuple[Path, list[Photo]]) -> None:
    """The contributions of a box add up to the box's embedding."""
    root, photos = shop
    photo = photo_files.decode(photo_files.read_bytes(root / photos[1].path))
    box = (0.2, 0.1, 0.7, 0.9)
    mean = colour.patches(photo, box).mean((0, 1))
    assert np.abs(mean / np.linalg.norm(mean) - colour.embed(photo, box)).max() < 1e-4


@pytest.mark.parametrize(
    "box",
    [
        (24, 0, 30, 9),
        (0, 20, 5, 30),
        (-9, 0, 0, 5),
        (5, 5, 5, 9),
        (9, 0, 5, 9),
        (float("nan"), 0, 5, 5),
        (0, 0, 5, float("nan")),
    ],
)
def test_a_box_outside_is_refused(box: Box) -> None:
    """A box with no part in the photo names itself and the photo's size."""
    with pytest.raises(PhotoError, match=r"lies outside the photo of 24 × 20 pixels") as caught:
        in_fractions(box, Decoded(np.zeros((20, 24, 3), np.uint8), 24, 20))
    assert (caught.value.code, caught.value.http_status) == ("bad_box", 422)


SIDES = st.integers(1, 5000)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(width=SIDES, height=SIDES, box=st.tuples(*[st.integers(-50, 6000)] * 4))
def test_fractions_are_a_query_box(width: int, height: int, box: tuple[int, int, int, int]) -> None:
    """A box in pixels becomes fractions that a query could give, or is refused."""
    photo = Decoded(np.zeros((1, 1, 3), np.uint8), width, height)
    try:
        fractions = in_fractions(box, photo)
    except PhotoError:
        overlaps = max(0, box[0]) < min(width, box[2]) and max(0, box[1]) < min(height, box[3])
        assert not overlaps
    else:
        assert fractions is not None
        assert query_box(fractions) == fractions


@pytest.mark.parametrize(
    "box",
    [
        (),
        (0, 0, 1),
        (0, 0, 1, 1, 1),
        (-0.1, 0, 1, 1),
        (0, 0, 1.1, 1),
        (0.5, 0, 0.5, 1),
        (0, 1, 1, 0),
        (float("nan"),) * 4,
    ],
)
def test_a_query_box_of_another_form_is_usage(box: tuple[float, ...]) -> None:
    """A query's box is four fractions in order, or the call is wrong."""
    with pytest.raises(UsageError, match="is no part of a photo: give x1,y1,x2,y2 from 0 to 1") as caught:
        query_box(box)
    assert caught.value.exit_code == 2


# in_order


def test_in_order_keeps_the_order_and_stays_close() -> None:
    """Results come in the tasks' order, and tasks are taken only shortly before they are needed."""
    taken = []

    def tasks() -> Iterator[int]:
        for i in range(1000):
            taken.append(i)
            yield i

    gate = threading.Event()

    def work(i: int) -> int:
        if i == 0:
            gate.wait(0.05)
        return -i

    results = in_order(work, tasks())
    assert next(results) == 0
    assert len(taken) <= 8 * (os.cpu_count() or 1)
    assert list(results) == [-i for i in range(1, 1000)]


@pytest.mark.parametrize("where", ["work", "tasks"])
def test_in_order_passes_errors_on_and_shuts_down(where: str) -> None:
    """An error of the work or of the tasks arrives in its turn, and no thread stays behind."""

    def tasks() -> Iterator[int]:
        yield from range(5)
        if where == "tasks":
            raise KeyError("five")
        yield from range(5, 300)

    def work(i: int) -> int:
        if i == 5:
            raise KeyError("five")
        return i

    before, done = threading.active_count(), []
    with pytest.raises(KeyError, match="five"):
        done.extend(in_order(work, tasks()))
    assert threading.active_count() == before


def test_in_order_left_early_shuts_down() -> None:
    """A consumer that stops leaves no thread behind, and waiting tasks are not begun."""
    before, begun = threading.active_count(), []
    results = in_order(begun.append, range(1000))
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
    assert len(begun) < 1000


# The vectors file


def manifest(*paths: str) -> list[Photo]:
    return [Photo(path=path, item_id=path) for path in paths]


def unit(n: int, d: int = 4) -> Vectors:
    vectors = np.random.default_rng(n).normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_vectors_file_comes_back(tmp_path: Path) -> None:
    """Paths, vectors and fingerprint come back; rows are matched by path in any order."""
    photos, vectors = manifest("a/ü.jpg", "b.jpg", "c, d.jpg"), unit(3)
    path = tmp_path / "v.npz"
    vectors_file.save(path, photos, vectors, "f" * 64, boxes=True)
    assert [p.name for p in tmp_path.iterdir()] == ["v.npz"]
    loaded = vectors_file.load(path)
    assert (loaded.paths, loaded.fingerprint) == (("a/ü.jpg", "b.jpg", "c, d.jpg"), "f" * 64)
    assert loaded.vectors.dtype == np.float32
    assert np.allclose(loaded.of(photos[::-1]), vectors[::-1], atol=1e-6)


def test_a_missing_or_extra_path_names_three(tmp_path: Path) -> None:
    """Paths that only one side has are counted, and three of them named."""
    path = tmp_path / "v.npz"
    vectors_file.save(path, manifest("a", "b", "c", "d", "e"), unit(5), "", boxes=False)
    loaded = vectors_file.load(path)
    with pytest.raises(VectorsError, match=r"lack 4 paths: w, x, y: embed") as caught:
        loaded.of(manifest("a", "b", "c", "d", "e", "z", "y", "x", "w"))
    assert (caught.value.exit_code, caught.value.code) == (3, "bad_vectors")
    with pytest.raises(VectorsError, match=r"have, beyond the manifest, 4 paths: b, c, d: embed"):
        loaded.of(manifest("a"))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_foreign_vectors_are_brought_to_length_1(tmp_path: Path, dtype: type, scale: float) -> None:
    """Floats of any width and length, without a fingerprint, are accepted."""
    path = tmp_path / "v.npz"
    np.savez(path, path=np.array(["a", "b"]), embedding=(unit(2) * scale).astype(dtype))
    loaded = vectors_file.load(path)
    assert loaded.fingerprint == ""
    assert loaded.vectors.dtype == np.float32
    assert np.allclose(loaded.vectors, unit(2), atol=2e-3)
    assert np.allclose(np.linalg.norm(loaded.vectors, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_very_long_and_short_vectors_keep_their_direction(tmp_path: Path, scale: float) -> None:
    """Squares that do not fit 32 bits are no reason to refuse a vector."""
    path = tmp_path / "v.npz"
    np.savez(path, path=np.array(["a"]), embedding=unit(1) * np.float32(scale))
    assert np.allclose(vectors_file.load(path).vectors, unit(1), atol=1e-5)


PATHS = np.array(["a", "b"])


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"path": PATHS}, "is no vectors file"),
        ({"path": np.array(["a", "b"], dtype=object), "embedding": unit(2)}, "is no vectors file"),
        ({"path": PATHS, "embedding": np.array([[None], [1]], dtype=object)}, "is no vectors file"),
        ({"path": np.array([1, 2]), "embedding": unit(2)}, "path must be N strings"),
        ({"path": np.array([b"a", b"b"]), "embedding": unit(2)}, "path must be N strings"),
        ({"path": np.array("a"), "embedding": unit(1)}, "path must be N strings"),
        ({"path": PATHS.reshape(2, 1), "embedding": unit(2)}, "path must be N strings"),
        ({"path": PATHS, "embedding": unit(3)}, "path must be N strings"),
        ({"path": PATHS, "embedding": unit(2).ravel()[:2]}, "path must be N strings"),
        ({"path": PATHS, "embedding": np.ones((2, 4), int)}, "path must be N strings"),
        ({"path": PATHS, "embedding": unit(2) * 1j}, "path must be N strings"),
        ({"path": np.array(["a", "a"]), "embedding": unit(2)}, "a path twice"),
        ({"path": PATHS, "embedding": unit(2) * [[1], [0]]}, "zero or not finite"),
        ({"path": PATHS, "embedding": unit(2) * [[1], [np.nan]]}, "zero or not finite"),
        ({"path": PATHS, "embedding": unit(2) + np.array([[0], [np.inf]])}, "zero or not finite"),
        ({"path": PATHS, "embedding": unit(2) * [[1], [1e300]]}, "zero or not finite"),
        ({"path": PATHS, "embedding": np.empty((2, 0), np.float32)}, "zero or not finite"),
    ],
)
def test_another_form_is_refused(tmp_path: Path, arrays: dict[str, npt.NDArray[np.generic]], said: str) -> None:
    """Pickled objects, other types and shapes, and vectors without a direction are refused."""
    path = tmp_path / "v.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(VectorsError, match=said) as caught:
        vectors_file.load(path)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("data", [b"", b"text", b"PK\x03\x04", b"\x80\x04}\x94.", b"\x93NUMPY\x01\0"])
def test_other_files_are_no_vectors(tmp_path: Path, data: bytes) -> None:
    """Text, a pickle, a broken archive and half an array are refused."""
    path = tmp_path / "v.npz"
    path.write_bytes(data)
    with pytest.raises(VectorsError, match="is no vectors file"):
        vectors_file.load(path)


def test_one_array_is_no_vectors_file(tmp_path: Path) -> None:
    """A plain .npy, which has no paths, is refused."""
    with (tmp_path / "v.npz").open("wb") as file:
        np.save(file, unit(2))
    with pytest.raises(VectorsError, match="is no vectors file"):
        vectors_file.load(tmp_path / "v.npz")


def test_a_cut_vectors_file_is_refused(tmp_path: Path) -> None:
    """Half a file is no vectors file."""
    path = tmp_path / "v.npz"
    vectors_file.save(path, manifest("a", "b"), unit(2), "", boxes=True)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(VectorsError, match="is no vectors file"):
        vectors_file.load(path)


def test_a_missing_vectors_file_is_a_path(tmp_path: Path) -> None:
    """A file that is not there is a path that is not there."""
    with pytest.raises(PathError, match="there is no file"):
        vectors_file.load(tmp_path / "v.npz")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    paths=st.lists(
        st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1),
        unique_by=lambda path: str(PurePosixPath(path)),
    )
)
def test_any_paths_come_back(tmp_path_factory: pytest.TempPathFactory, paths: list[str]) -> None:
    """Whatever the paths are called, and if there are none, they come back."""
    path = tmp_path_factory.getbasetemp() / "any.npz"
    vectors_file.save(path, manifest(*paths), np.ones((len(paths), 3), np.float32), "", boxes=False)
    assert vectors_file.load(path).paths == tuple(paths)


def test_a_path_may_be_written_as_a_manifest_may(tmp_path: Path) -> None:
    """`./a.png` in a file that another system made is the manifest's `a.png`."""
    path = tmp_path / "other.npz"
    vectors_file.save(path, manifest("./a.png", "b//c.png"), np.eye(2, dtype=np.float32), "", boxes=False)
    assert vectors_file.load(path).of(manifest("b/c.png", "a.png")).tolist() == [[0, 1], [1, 0]]


# Real photos


def test_colour_on_real_garments(colour: Embedder) -> None:
    """On luma's other views `colour` finds the item first for 0.58 to 0.60 of 257 photos."""
    data = os.environ.get("TWINSET_TEST_DATA")
    if not data:
        pytest.skip("TWINSET_TEST_DATA names no folder with data/luma")
    root = Path(data) / "data" / "luma"
    if not (root / "photos.csv").is_file():
        pytest.skip("TWINSET_TEST_DATA has no data/luma/photos.csv")
    with (root / "photos.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    photos = [Photo(path=row["path"], item_id=row["item_id"], view=row["view"]) for row in rows]
    done = embed_photos(colour, photos, root)
    assert not done.faults
    sides: dict[bool, list[tuple[str, Vectors]]] = defaultdict(list)
    for photo, vector in zip(done.photos, done.vectors, strict=True):
        sides[photo.view == "main"].append((photo.item_id, vector))
    gallery, names = np.stack([v for _, v in sides[True]]), [item for item, _ in sides[True]]
    right = [names[int(np.argmax(gallery @ vector))] == item for item, vector in sides[False] if item in names]
    assert len(right) == 257
    assert 0.58 <= np.mean(right) <= 0.60
