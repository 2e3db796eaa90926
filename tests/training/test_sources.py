"""Batches of several sources in turn: each drawn as what it holds allows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.toys import recipe
from twinset.errors import ManifestError
from twinset.records import Photo
from twinset.training.assemble import sampler_of
from twinset.training.sampler import Batch, Pairs
from twinset.training.sources import Categories, Part, Sources, alike

CATEGORIES = ("TOPS/Blouse", "TOPS/T_Shirt", "SHOES/Boot", "BAGS/Bag")


def pairs(items: int = 6) -> Part:
    """Items with photos of both domains."""
    photos = [
        Photo(f"p/{item}/{domain}{i}.jpg", f"p{item}", CATEGORIES[item % 2], domain)
        for item in range(items)
        for domain in ("customer", "shop")
        for i in range(2)
    ]
    return Part("phones", tuple(photos))


def categories(counts: Sequence[int] = (5, 4, 3, 2)) -> Part:
    """Photos of one domain, so many of each category, each of an item of its own."""
    photos = [
        Photo(f"c/{name}{i}.jpg", f"c{name}{i}", name, "shop")
        for name, count in zip(CATEGORIES, counts, strict=True)
        for i in range(count)
    ]
    return Part("second", tuple(photos))


def views(items: int = 10) -> Part:
    """A shop's own views; those that are not main stand for customers'."""
    photos = [
        Photo(f"v/{item}/{view}.jpg", f"v{item}", CATEGORIES[0], "shop" if view == "main" else "customer")
        for item in range(items)
        for view in ("main", "back")
    ]
    return Part("studio", tuple(photos), studio=True)


def test_each_source_in_turn_as_what_it_holds_allows() -> None:
    """Items of both domains as `Pairs` draws them, others by category; of a shop's own views the batch says so."""
    sampler = Sources([pairs(), categories(), views()], 4, seed=1)
    mixed = partial(Pairs, mixed=True)
    alone = [
        kind(part.photos, 4, 1) for kind, part in ((mixed, pairs()), (Categories, categories()), (mixed, views()))
    ]
    for step in range(12):
        batch, expected = sampler.batch(step), alone[step % 3].batch(step)
        assert batch.photos == expected.photos
        assert np.array_equal(batch.labels, expected.labels)
        assert all(np.array_equal(a, b) for a, b in zip(batch.indices, expected.indices, strict=True))
        assert batch.studio == (step % 3 == 2)


def test_an_epoch_holds_about_each_photo_once() -> None:
    """As many batches as that takes, the same number of each source."""
    sampler = Sources([pairs(), categories(), views()], 4, seed=1)
    photos = 24 + 14 + 20
    assert len(sampler) % 3 == 0
    assert photos <= len(sampler) * 8 < photos + 3 * 8
    assert sampler.size == (len(sampler), 8, 8 * len(sampler))


def test_notes_say_what_each_source_teaches() -> None:
    """With the source's name and the count of its photos; `Pairs` keep their own notes."""
    lonely = Photo("p/x.jpg", "px", CATEGORIES[0], "customer")
    part = replace(pairs(), photos=(*pairs().photos, lonely))
    assert Sources([part, categories(), views()], 4, seed=1).notes == (
        "phones: 1 customer photos are of items without a shop photo, and left out",
        "second: no item has photos of both domains: 14 photos are alike where their category or the photo is",
    )


def test_a_source_without_a_photo_is_passed_over() -> None:
    """One whose photos are all for validation; the others keep their names."""
    empty = Part("judges", ())
    sampler = Sources([empty, categories(), empty, views()], 4, seed=1)
    assert [note.split(":")[0] for note in sampler.notes] == ["second"]
    assert [sampler.batch(step).studio for step in range(4)] == [False, True, False, True]
    with pytest.raises(ManifestError, match="no photo is left to train on: give rows"):
        Sources([empty], 4, seed=1)


@pytest.mark.parametrize(
    "photos",
    [
        [Photo("a", "1"), Photo("b", "2")],
        [Photo("a", "1", "A"), Photo("b", "2", "A"), Photo("c", "3", "B")],
        [Photo("a", "1", "", "customer"), Photo("b", "1", "", "shop")],
    ],
)
def test_what_teaches_nothing_is_refused(photos: list[Photo]) -> None:
    """Neither items of both domains nor two categories of two photos: the message says what would help."""
    with pytest.raises(
        ManifestError,
        match=r"neither items of both domains nor two categories to learn from: leave this manifest out",
    ):
        Sources([pairs(), Part("odd", tuple(photos))], 4, seed=1)


def by_category(sampler: Categories, steps: int) -> list[Batch]:
    """Those batches in which no photo stands twice."""
    batches = [sampler.batch(step) for step in range(steps)]
    return [batch for batch in batches if batch.photos[0] != batch.photos[len(batch.photos) // 2]]


def test_every_second_batch_by_lot_holds_photos_twice() -> None:
    """In the second half the same as in the first; alike are a photo's two places, and nothing else."""
    sampler = Categories(categories().photos, 6, seed=2)
    batches = [sampler.batch(step) for step in range(400)]
    twice = [batch for batch in batches if batch.photos[:6] == batch.photos[6:]]
    assert len(twice) == 400 - len(by_category(sampler, 400))
    assert 160 < len(twice) < 240
    for batch in twice:
        assert len({photo.path for photo in batch.photos}) == len(set(batch.labels)) == 6
        assert np.array_equal(batch.labels[:6], batch.labels[6:])
        anchor, positive, *_ = batch.indices
        assert np.array_equal(np.abs(anchor - positive), np.full(12, 6))
    assert {photo.path for batch in twice for photo in batch.photos} == {p.path for p in categories().photos}


def test_categories_come_in_pairs_of_two_photos() -> None:
    """The second half of a batch is of the first half's categories, one by one, and never the same photo."""
    for batch in by_category(Categories(categories().photos, 3, seed=2), 100):
        first, second = batch.photos[:3], batch.photos[3:]
        assert [photo.category for photo in first] == [photo.category for photo in second]
        assert len({photo.category for photo in first}) == 3
        assert all(a.path != b.path for a, b in zip(first, second, strict=True))
        assert not batch.studio
        same = [[a.category == b.category for b in batch.photos] for a in batch.photos]
        assert np.array_equal(batch.labels[:, None] == batch.labels[None, :], same)


def test_every_category_comes_up_equally_often() -> None:
    """In every batch where it divides, over many batches where not; and every photo of it."""
    even, odd = Categories(categories().photos, 8, seed=3), Categories(categories().photos, 3, seed=3)
    for batch in by_category(even, 10):
        assert set(Counter(photo.category for photo in batch.photos).values()) == {4}
    drawn = [photo for batch in by_category(odd, 1600) for photo in batch.photos]
    counts = Counter(photo.category for photo in drawn)
    assert max(counts.values()) < 1.1 * min(counts.values())
    blouses = Counter(photo.path for photo in drawn if photo.category == CATEGORIES[0])
    assert len(blouses) == 5
    assert max(blouses.values()) < 1.3 * min(blouses.values())


def test_categories_of_one_photo_and_none_are_left_out() -> None:
    """They cannot be alike to anything; only what is used is counted."""
    photos = [*categories((5, 4, 3, 1)).photos, Photo("x", "x"), Photo("y", "y")]
    sampler = Categories(photos, 30, seed=0)
    assert {photo.category for photo in by_category(sampler, 20)[0].photos} == set(CATEGORIES[:3])
    assert (sampler.size.photos, len(sampler)) == (12, 1)
    assert "12 photos are alike" in sampler.notes[0]


def test_a_batch_depends_on_its_step_alone() -> None:
    """Asked in any order and by another sampler; another seed is another batch."""
    parts = [pairs(), categories((20, 20, 20, 20)), views()]
    one, other = Sources(parts, 4, seed=5), Sources(parts, 4, seed=5)
    late = {step: other.batch(step).photos for step in (9, 3, 8, 7)}
    for step, photos in late.items():
        assert one.batch(step).photos == photos
        assert Sources(parts, 4, seed=6).batch(step).photos != photos


def test_the_recipe_chooses() -> None:
    """`sources` keeps the parts apart; the other samplers draw from all photos as one."""
    settings = recipe(size=224, head="blend", looks=2, loss="contrast", sampler="sources")
    assert isinstance(sampler_of(settings, [pairs(), views()]), Sources)
    whole = sampler_of(replace(settings, sampler="pairs"), [pairs(), views()])
    assert isinstance(whole, Pairs)
    assert {photo.path[0] for step in range(20) for photo in whole.batch(step).photos} == {"p", "v"}


@settings(max_examples=100, deadline=None)
@given(labels=st.lists(st.integers(0, 4), max_size=12))
def test_all_pairs_are_those_of_a_loop(labels: list[int]) -> None:
    """Each photo with each other one of its label, and with each one of another label; with itself never."""
    anchor, positive, other, negative = alike(np.array(labels, np.int64))
    count = range(len(labels))
    same = [(i, j) for i in count for j in count if i != j and labels[i] == labels[j]]
    unlike = [(i, j) for i in count for j in count if labels[i] != labels[j]]
    assert list(zip(anchor.tolist(), positive.tolist(), strict=True)) == same
    assert list(zip(other.tolist(), negative.tolist(), strict=True)) == unlike
