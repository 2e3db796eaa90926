"""The square that a model sees: its geometry for every shape of photo and box, and the settings it refuses."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from twinset.errors import BundleError
from twinset.preprocess import Preprocess, grown
from twinset.records import Box, Pixels

FILL = (255, 0, 255)


def plain(height: int, width: int, colour: tuple[int, int, int] = (10, 90, 200)) -> Pixels:
    return np.full((height, width, 3), colour, np.uint8)


def quarters() -> Pixels:
    """A photo 80 wide, 40 high: left half black, right half white."""
    pixels = plain(40, 80, (0, 0, 0))
    pixels[:, 40:] = 255
    return pixels


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"),
    [
        (100, 100, (0, 96), (0, 96)),
        (50, 100, (24, 72), (0, 96)),
        (100, 50, (0, 96), (24, 72)),
        (1, 1000, (47, 48), (0, 96)),
        (1000, 1, (0, 96), (47, 48)),
        (1, 1, (0, 96), (0, 96)),
        (3, 2, (0, 96), (16, 80)),
    ],
)
def test_letterbox_shows_the_whole_photo_on_its_ground(
    height: int, width: int, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    """The photo fills one side, stands in the middle, and the fill colour is everywhere else."""
    seen = Preprocess(96, fit="letterbox", fill=FILL).apply(plain(height, width))
    expected = plain(96, 96, FILL)
    expected[slice(*rows), slice(*columns)] = (10, 90, 200)
    assert seen.dtype == np.uint8
    assert np.array_equal(seen, expected)


@pytest.mark.parametrize(("height", "width"), [(1, 1000), (1000, 1), (40, 80), (80, 40), (1, 1)])
def test_crop_has_no_ground(height: int, width: int) -> None:
    """The cropped square is filled by the photo, whatever its shape."""
    seen = Preprocess(32, fit="crop", fill=FILL).apply(plain(height, width))
    assert np.array_equal(seen, plain(32, 32))


def test_crop_takes_the_middle_square() -> None:
    """Of 80 × 40 pixels the middle 40 × 40 are seen, in full and in place."""
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[..., 0] = np.arange(80)
    seen = Preprocess(40, fit="crop").apply(pixels)
    assert np.array_equal(seen, pixels[:, 20:60])


@pytest.mark.parametrize(("height", "width"), [(1, 1000), (1000, 1), (40, 80), (96, 96)])
def test_squash_shows_the_whole_photo_without_ground(height: int, width: int) -> None:
    """Whatever its shape, the photo is what Pillow makes of it where both sides are told."""
    photo = np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)
    expected = Image.fromarray(photo).resize((32, 32), Image.Resampling.BICUBIC)
    assert np.array_equal(Preprocess(32, "bicubic", "squash", FILL).apply(photo), np.asarray(expected))


def test_a_share_is_the_middle_of_what_is_seen() -> None:
    """Half of each side of the middle square, or of the whole photo: as if that part had been cut out."""
    photo = np.random.default_rng(3).integers(0, 256, (40, 80, 3), dtype=np.uint8)
    crop = Preprocess(20, fit="crop", share=0.5).apply(photo)
    assert np.array_equal(crop, photo[10:30, 30:50])
    squash = Preprocess(20, "box", "squash", share=0.5).apply(photo)
    assert np.array_equal(squash, Preprocess(20, "box", "squash").apply(photo, (0.25, 0.25, 0.75, 0.75)))


def test_a_tone_is_laid_on_what_is_seen() -> None:
    """A change of light comes after the resizing, squashed as cropped."""
    photo = quarters()
    for fit in ("crop", "squash"):
        prepare = Preprocess(16, fit=fit)  # type: ignore[arg-type]
        assert np.array_equal(prepare.apply(photo, None, lambda seen: 255 - seen), 255 - prepare.apply(photo))


def test_json_keeps_the_settings() -> None:
    """There and back; a share of 1 is not written, as bundles older than it have none."""
    for prepare in (Preprocess(96), Preprocess(64, "box", "crop", FILL, share=0.875), Preprocess(8, fit="squash")):
        assert Preprocess.of(prepare.to_json()) == prepare
        assert ("share" in prepare.to_json()) == (prepare.share != 1)


@pytest.mark.parametrize("fit", ["crop", "letterbox", "squash"])
@pytest.mark.parametrize("filter_", ["box", "bilinear", "bicubic", "lanczos"])
def test_the_whole_box_is_no_box(fit: str, filter_: str) -> None:
    """A box around the whole photo changes nothing."""
    photo = quarters()
    prepare = Preprocess(32, filter_, fit)  # type: ignore[arg-type]
    assert np.array_equal(prepare.apply(photo, (0.0, 0.0, 1.0, 1.0)), prepare.apply(photo))


@pytest.mark.parametrize("fit", ["crop", "letterbox", "squash"])
def test_a_box_is_a_photo_of_its_own(fit: str) -> None:
    """A box on whole pixels is seen like the part cut out; nothing of its surroundings comes in."""
    photo = np.random.default_rng(1).integers(0, 256, (40, 80, 3), dtype=np.uint8)
    prepare = Preprocess(24, "bicubic", fit)  # type: ignore[arg-type]
    cut = np.ascontiguousarray(photo[10:30, 20:60])
    assert np.array_equal(prepare.apply(photo, (0.25, 0.25, 0.75, 0.75)), prepare.apply(cut))


@pytest.mark.parametrize(
    ("box", "colour"),
    [
        ((0.0, 0.0, 1e-9, 1e-9), 0),
        ((1 - 1e-9, 1 - 1e-9, 1.0, 1.0), 255),
        ((0.0, 0.0, 0.5, 1.0), 0),
        ((0.5, 0.0, 1.0, 1.0), 255),
        ((1 / 3 * 2, 1 / 3, 1.0, 2 / 3), 255),
    ],
)
@pytest.mark.parametrize("fit", ["crop", "letterbox", "squash"])
def test_boxes_at_the_edge(box: Box, colour: int, fit: str) -> None:
    """A box at the edge, however thin, has the colour that lies there."""
    seen = Preprocess(16, "bilinear", fit, (colour,) * 3).apply(quarters(), box)  # type: ignore[arg-type]
    assert np.array_equal(seen, plain(16, 16, (colour,) * 3))


FRACTIONS = st.floats(0, 1)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)) | st.sampled_from([(1, 1000), (1000, 1), (1, 1)]),
    box=st.tuples(FRACTIONS, FRACTIONS, FRACTIONS, FRACTIONS).filter(lambda b: b[0] < b[2] and b[1] < b[3]),
    margin=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    filter_=st.sampled_from(["box", "bilinear", "bicubic", "lanczos"]),
    fit=st.sampled_from(["crop", "letterbox", "squash"]),
)
@example(shape=(3, 3), box=(0.1, 0.1, 1.0, 1.0), margin=0.0, filter_="lanczos", fit="crop")
def test_every_box_gives_a_square_of_the_photo(
    shape: tuple[int, int], box: Box, margin: float, filter_: str, fit: str
) -> None:
    """Whatever the photo and the box, the square is full and holds the photo's colour only."""
    prepare = Preprocess(16, filter_, fit, (10, 90, 200))  # type: ignore[arg-type]
    assert np.array_equal(prepare.apply(plain(*shape), grown(box, margin)), plain(16, 16))


def test_the_photo_is_not_changed() -> None:
    """Preparing leaves the photo as it was, and gives the same square again."""
    photo = quarters()
    prepare = Preprocess(16)
    first = prepare.apply(photo)
    assert np.array_equal(photo, quarters())
    assert np.array_equal(first, prepare.apply(photo))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    box=st.tuples(FRACTIONS, FRACTIONS, FRACTIONS, FRACTIONS).filter(lambda b: b[0] < b[2] and b[1] < b[3]),
    margin=st.floats(0, 1),
)
def test_a_grown_box_holds_the_box_and_stays_inside(box: Box, margin: float) -> None:
    """A box grows on all sides but never out of the photo."""
    x1, y1, x2, y2 = grown(box, margin)
    assert 0 <= x1 <= box[0] + 1e-9
    assert 0 <= y1 <= box[1] + 1e-9
    assert 1 >= x2 >= box[2] - 1e-9
    assert 1 >= y2 >= box[3] - 1e-9


def test_no_margin_grows_nothing() -> None:
    """A margin of 0 keeps the box."""
    assert grown((0.1, 0.2, 0.3, 0.4), 0.0) == (0.1, 0.2, 0.3, 0.4)


def test_the_filter_is_the_named_one() -> None:
    """Each name is Pillow's filter of that name."""
    photo = np.random.default_rng(2).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    for name in ("box", "bilinear", "bicubic", "lanczos"):
        expected = Image.fromarray(photo).resize((16, 16), Image.Resampling[name.upper()])
        assert np.array_equal(Preprocess(16, name).apply(photo), np.asarray(expected))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"size": 7}, "size 7 is out of range"),
        ({"size": 2049}, "size 2049 is out of range"),
        ({"size": 96.5}, "size 96.5 is out of range"),
        ({"size": "96"}, "size '96' is out of range"),
        ({"size": True}, "size True is out of range"),
        ({"size": 96, "filter": "nearest"}, "unknown resize filter 'nearest'"),
        ({"size": 96, "fit": "stretch"}, "unknown fit 'stretch'"),
        ({"size": 96, "fit": "crop", "share": 0.05}, "share 0.05 is out of range"),
        ({"size": 96, "fit": "crop", "share": 1.1}, "share 1.1 is out of range"),
        ({"size": 96, "fit": "crop", "share": "1"}, "share '1' is out of range"),
        ({"size": 96, "share": 0.5}, "a letterbox shows the whole photo, not a share of 0.5"),
        ({"size": 96, "fill": (0, 0)}, "bad fill colour"),
        ({"size": 96, "fill": (0, 0, 256)}, "bad fill colour"),
        ({"size": 96, "fill": (0, 0, -1)}, "bad fill colour"),
        ({"size": 96, "fill": (0, 0, 0.5)}, "bad fill colour"),
        ({"size": 96, "fill": "red"}, "bad fill colour"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object], said: str) -> None:
    """A setting that cannot be is an error of the bundle that has it."""
    with pytest.raises(BundleError, match=said) as caught:
        Preprocess(**wrong)  # type: ignore[arg-type]
    assert caught.value.exit_code == 4
    assert caught.value.mend


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    fit=st.sampled_from(["crop", "letterbox", "squash"]),
    share=st.sampled_from([0.5, 0.875, 1.0]),
    box=st.tuples(FRACTIONS, FRACTIONS, FRACTIONS, FRACTIONS).filter(lambda b: b[0] < b[2] and b[1] < b[3]),
)
def test_a_box_of_the_square_goes_back_into_the_photo(
    shape: tuple[int, int], fit: str, share: float, box: Box
) -> None:
    """What lies in the photo's frame lies in the photo: inside 0-1, and at the same place when it is put back."""
    prepare = Preprocess(64, fit=fit, share=1.0 if fit == "letterbox" else share)  # type: ignore[arg-type]
    left, top, right, bottom = prepare.frame(shape[1], shape[0])
    found = prepare.in_photo(box, shape[1], shape[0])
    if found is None:
        assert (
            box[2] <= max(left, 0) + 1e-9
            or box[0] >= right - 1e-9
            or box[3] <= top + 1e-9
            or box[1] >= bottom - 1e-9
        )
        return
    assert 0 <= found[0] < found[2] <= 1
    assert 0 <= found[1] < found[3] <= 1
    across, down = right - left, bottom - top
    back = (left + found[0] * across, top + found[1] * down, left + found[2] * across, top + found[3] * down)
    inside = (max(box[0], left), max(box[1], top), min(box[2], right), min(box[3], bottom))
    assert back == pytest.approx(inside, abs=1e-9)


@pytest.mark.parametrize("fit", ["crop", "letterbox", "squash"])
@pytest.mark.parametrize(("height", "width"), [(160, 320), (320, 160), (200, 200), (210, 160)])
@pytest.mark.parametrize("share", [1.0, 0.8])
def test_the_frame_is_where_the_photo_is_drawn(fit: str, height: int, width: int, share: float) -> None:
    """A black rectangle, found in the square that `apply` gives, goes back to where it is in the photo."""
    prepare = Preprocess(160, "box", fit, share=1.0 if fit == "letterbox" else share)  # type: ignore[arg-type]
    photo = plain(height, width, (255, 255, 255))
    truth = (0.4, 0.35, 0.6, 0.6)
    x1, y1, x2, y2 = (round(side * of) for side, of in zip(truth, (width, height) * 2, strict=True))
    photo[y1:y2, x1:x2] = 0
    dark = prepare.apply(photo)[..., 0] < 128
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    seen = (columns[0] / 160, rows[0] / 160, (columns[-1] + 1) / 160, (rows[-1] + 1) / 160)
    assert prepare.in_photo(seen, width, height) == pytest.approx(truth, abs=0.015)
