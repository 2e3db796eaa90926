"""Boxes from what places contribute: planted objects are found, and every box lies in the photo."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinset import boxes
from twinset.boxes import overlap, saliency, split, suggest
from twinset.bundle import open_bundle
from twinset.datasets import wardrobe
from twinset.embedder import Embedder
from twinset.photos import Decoded, in_fractions
from twinset.records import Box
from twinset.runtime import Patches


def planted(side: int, *objects: tuple[Box, int], dim: int = 24, noise: float = 0.1, seed: int = 0) -> Patches:
    """Places of one ground, with objects in their boxes (fractions), each of its own kind, and noise on all."""
    draw = np.random.default_rng(seed)
    kinds = np.linalg.qr(draw.standard_normal((dim, dim)))[0]
    patches = np.tile(kinds[0], (side, side, 1)) + noise * draw.standard_normal((side, side, dim))
    for (x1, y1, x2, y2), kind in objects:
        down = _share(y1, y2, side)[:, None, None]
        patches += down * _share(x1, x2, side)[None, :, None] * (kinds[kind] - kinds[0])
    return patches.astype(np.float32)


def _share(start: float, end: float, side: int) -> np.ndarray:
    """How much of each place along a side lies between two fractions."""
    edges = np.arange(side + 1) / side
    share: np.ndarray = np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], start), 0, None) * side
    return share


@pytest.mark.parametrize("side", [7, 12, 14])
@pytest.mark.parametrize("box", [(0.2, 0.15, 0.7, 0.8), (0.45, 0.4, 0.9, 0.9), (0.0, 0.3, 0.5, 0.75)])
def test_a_planted_object_is_found(side: int, box: Box) -> None:
    """One box, which overlaps with the object by 0.7 or more, also between the edges of places."""
    found = suggest([planted(side, (box, 1))])
    assert len(found) == 1
    assert overlap(found[0], box) >= 0.7


@pytest.mark.parametrize("kind", [1, 2])
def test_two_objects_are_two_boxes(kind: int) -> None:
    """The larger one first, each in its place, alike or not; asked for one, only that."""
    small, large = (0.6, 0.55, 0.9, 0.9), (0.1, 0.1, 0.5, 0.5)
    patches = planted(14, (small, kind), (large, 2), noise=0.02)
    found = suggest([patches])
    assert len(found) == 2
    assert overlap(found[0], large) >= 0.7
    assert overlap(found[1], small) >= 0.7
    assert suggest([patches], most=1) == found[:1]


def test_there_are_at_most_three() -> None:
    """Of four equal objects three are told."""
    corners = [(x, y, x + 0.25, y + 0.25) for x in (0.15, 0.6) for y in (0.15, 0.6)]
    assert len(suggest([planted(14, *((corner, 1) for corner in corners))])) == 3


def test_places_that_are_alike_have_no_box() -> None:
    """Whether they contribute nothing, all the same, or differ only in the last bits."""
    alike = np.tile(np.random.default_rng(1).standard_normal(16).astype(np.float32), (7, 7, 1))
    assert suggest([np.zeros((7, 7, 16), np.float32)]) == ()
    assert suggest([alike]) == ()
    almost = alike.copy()
    almost[2:5, 2:5] = np.nextafter(alike[2:5, 2:5], np.float32(9))
    assert suggest([almost]) == ()


def test_looks_have_to_agree() -> None:
    """What stands out in one look alone is left out; a look of other fineness finds the same object."""
    box, other = (0.15, 0.15, 0.5, 0.5), (0.6, 0.55, 0.9, 0.9)
    both, one = planted(14, (box, 1), (other, 1)), planted(7, (box, 1))
    assert len(suggest([both])) == 2
    found = suggest([both, one])
    assert len(found) == 1
    assert overlap(found[0], box) >= 0.7
    assert suggest([both, np.zeros((7, 7, 24), np.float32)]) == ()


@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (7, 2)])
def test_too_few_places_have_no_box(shape: tuple[int, int]) -> None:
    """Fewer than three a side have no inside."""
    assert suggest([np.random.default_rng(2).random((*shape, 8), dtype=np.float32)]) == ()


def test_what_is_beside_the_photo_is_not_looked_at() -> None:
    """The ground that fills up a letterbox is neither object nor background, however it differs."""
    box, seen = (0.4, 0.3, 0.6, 0.7), (0.25, 0.0, 0.75, 1.0)
    patches = planted(14, ((0.0, 0.0, 0.25, 1.0), 2), ((0.75, 0.0, 1.0, 1.0), 2), (box, 1))
    found = suggest([patches], seen)
    assert len(found) == 1
    assert overlap(found[0], box) >= 0.7


FRACTION = st.floats(0, 1)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 16), st.integers(1, 16), st.integers(1, 8)),
    seen=st.tuples(FRACTION, FRACTION, FRACTION, FRACTION).filter(lambda b: b[0] < b[2] and b[1] < b[3]),
    seed=st.integers(0, 2**16),
    steps=st.sampled_from([1, 2, 256]),
)
def test_every_box_lies_in_what_is_seen(shape: tuple[int, int, int], seen: Box, seed: int, steps: int) -> None:
    """Whatever the places, boxes have an extent and stay inside; the same places give the same boxes."""
    patches = np.random.default_rng(seed).integers(-steps, steps, shape).astype(np.float32)
    found = suggest([patches], seen)
    assert len(found) <= 3
    for x1, y1, x2, y2 in found:
        assert seen[0] <= x1 < x2 <= seen[2]
        assert seen[1] <= y1 < y2 <= seen[3]
    assert suggest([patches], seen) == found


def test_the_split_is_the_best_of_all() -> None:
    """As trying every value says: the one that leaves the two parts the least variance within."""
    values = np.random.default_rng(3).standard_normal(40)

    def within(at: float) -> float:
        parts = (values[values <= at], values[values > at])
        return sum(len(part) * float(part.var()) for part in parts if len(part))

    assert within(split(values)) == pytest.approx(min(within(value) for value in values))


def test_the_scale_of_the_places_does_not_matter() -> None:
    """Contributions of any length give the same boxes."""
    patches = planted(12, ((0.2, 0.3, 0.6, 0.8), 1))
    assert suggest([patches * np.float32(1024)]) == suggest([patches])
    scores = saliency(patches.astype(np.float64))
    assert scores is not None
    assert scores[6, 5] > scores[0, 0]


def test_drawn_garments_are_found(tmp_path: Path) -> None:
    """The bundle `colour` finds most of a few customers' garments, better than the whole photo does."""
    embedder = Embedder(open_bundle("colour"), "cpu")
    found, whole = [], []
    for drawn in wardrobe.photos(12, 3, shop_photos=1):
        photo = Decoded(drawn.pixels, drawn.pixels.shape[1], drawn.pixels.shape[0])
        if drawn.domain == "customer" and (truth := in_fractions(drawn.box, photo)):
            found.append(overlap(boxes.of_photo(embedder, photo)[0], truth))
            whole.append(overlap(boxes.WHOLE, truth))
    assert np.median(found) > max(0.7, float(np.median(whole)))


def test_a_plain_photo_has_no_box() -> None:
    """Of one colour all over, nothing stands out; nor does it in a photo too narrow to have an inside."""
    embedder = Embedder(open_bundle("colour"), "cpu")
    for height, width in ((80, 80), (60, 90), (1, 500)):
        assert boxes.of_photo(embedder, Decoded(np.full((height, width, 3), 90, np.uint8), width, height)) == ()
