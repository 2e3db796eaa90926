"""What makes a batch: the founding study's triplets, and pairs across the domains."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinset.errors import ManifestError
from twinset.records import Photo
from twinset.training.sampler import Batch, Pairs, Triplets


def wardrobe(items: int = 30, customers: int = 4, shops: int = 2) -> list[Photo]:
    """Items over three small categories of two big ones; the last item is alone in its small category."""
    found = []
    for item in range(items):
        category = ("TOPS/T_Shirt", "TOPS/Blouse", "DRESSES/Dress")[item % 3]
        if item == items - 1:
            category = "TOPS/Tank_Top"
        for domain, count in (("customer", customers), ("shop", shops)):
            found += [Photo(f"{item}/{domain}_{i}.jpg", f"id_{item}", category, domain) for i in range(count)]
    return found


def triplets(batch: Batch) -> list[tuple[Photo, Photo, Photo]]:
    """The photos of each triplet."""
    anchor, positive, negative = batch.indices
    return [
        (batch.photos[a], batch.photos[p], batch.photos[n])
        for a, p, n in zip(anchor, positive, negative, strict=True)
    ]


def test_1000_triplets_are_the_founding_studys() -> None:
    """Anchor a customer photo; positive a shop photo of its item; negative another item of its small category, or,
    where that has one item, of its big category."""
    sampler = Triplets(wardrobe(), 32, seed=3)
    drawn = [triplet for step in range(40) for triplet in triplets(sampler.batch(step))]
    assert len(drawn) >= 1000
    for anchor, positive, negative in drawn:
        assert (anchor.domain, positive.domain) == ("customer", "shop")
        assert positive.item_id == anchor.item_id != negative.item_id
        if anchor.category == "TOPS/Tank_Top":
            assert negative.category.startswith("TOPS/")
        else:
            assert negative.category == anchor.category
    assert {negative.domain for *_, negative in drawn} == {"customer", "shop"}


def test_each_customer_photo_is_an_anchor_once_an_epoch() -> None:
    """Over every epoch, in another order each time."""
    photos = wardrobe()
    sampler = Triplets(photos, 32, seed=0)
    orders = []
    for epoch in range(3):
        steps = range(epoch * len(sampler), (epoch + 1) * len(sampler))
        orders.append([anchor.path for step in steps for anchor, *_ in triplets(sampler.batch(step))])
        assert sorted(orders[-1]) == sorted(photo.path for photo in photos if photo.domain == "customer")
    assert orders[0] != orders[1] != orders[2]


def test_positives_and_negatives_are_spread_evenly() -> None:
    """No shop photo and no other item of the category is preferred."""
    sampler = Triplets(wardrobe(items=9, customers=1, shops=2), 9, seed=1)
    drawn = [t for step in range(3000) for t in triplets(sampler.batch(step)) if t[0].item_id == "id_0"]
    positives = Counter(positive.path for _, positive, _ in drawn)
    negatives = Counter(negative.item_id for *_, negative in drawn)
    assert negatives.keys() == {"id_3", "id_6"}
    for counts in (positives, negatives):
        assert max(counts.values()) / min(counts.values()) < 1.2


def test_a_batch_depends_on_its_step_alone() -> None:
    """Asked in any order and by another sampler, step 7 is step 7; another seed is another batch."""
    for kind in (Triplets, Pairs):
        one, other = kind(wardrobe(), 8, seed=5), kind(wardrobe(), 8, seed=5)
        late = [other.batch(step).photos for step in (9, 3, 7)][-1]
        assert one.batch(7).photos == late
        assert kind(wardrobe(), 8, seed=6).batch(7).photos != late


def test_what_falls_back_and_what_is_left_out_is_counted() -> None:
    """Anchors with a lonely category, and customer photos of items without a shop photo."""
    photos = [*wardrobe(), *(Photo(f"x/{i}.jpg", "id_x", "TOPS/Blouse", "customer") for i in range(5))]
    notes = Triplets(photos, 8, seed=0).notes
    assert "5 customer photos are of items without a shop photo, and left out" in notes
    assert any(note.startswith("4 customer photos take their negatives from TOPS:") for note in notes)
    assert not Triplets(wardrobe()[:-6], 8, seed=0).notes


def test_a_big_category_of_one_item_falls_back_to_all() -> None:
    """Then the negative is a photo of any other item."""
    photos = [*wardrobe(), Photo("h/c.jpg", "id_h", "HATS/Hat", "customer"), Photo("h/s.jpg", "id_h", "HATS/Hat")]
    sampler = Triplets(photos, 200, seed=0)
    [lonely] = [t for t in triplets(sampler.batch(0)) if t[0].item_id == "id_h"]
    assert lonely[2].item_id != "id_h"
    assert any("1 customer photos take their negatives from all categories" in note for note in sampler.notes)


def test_pairs_hold_both_domains_of_items_of_one_category() -> None:
    """A customer photo and a shop photo of each item; categories are filled up from the level above."""
    sampler = Pairs(wardrobe(), 8, seed=2)
    for step in range(60):
        photos = sampler.batch(step).photos
        customers, shops = photos[:8], photos[8:]
        assert {photo.domain for photo in customers} == {"customer"}
        assert {photo.domain for photo in shops} == {"shop"}
        assert [photo.item_id for photo in customers] == [photo.item_id for photo in shops]
        assert len({photo.item_id for photo in customers}) == 8
        if customers[0].category != "TOPS/Tank_Top":
            assert {photo.category for photo in customers} == {customers[0].category}
        else:
            assert {photo.category.split("/")[0] for photo in customers} == {"TOPS"}


def test_mixed_pairs_are_of_all_categories() -> None:
    """A customer photo and a shop photo of each item still, each category as often as it has items."""
    sampler = Pairs(wardrobe(), 8, seed=2, mixed=True)
    drawn = Counter[str]()
    for step in range(200):
        photos = sampler.batch(step).photos
        assert [photo.item_id for photo in photos[:8]] == [photo.item_id for photo in photos[8:]]
        assert len({photo.item_id for photo in photos}) == 8
        drawn.update(photo.category for photo in photos)
    assert drawn.keys() == {photo.category for photo in wardrobe()}
    assert drawn["TOPS/Blouse"] == pytest.approx(200 * 16 * 10 / 30, rel=0.15)


def test_pairs_lie_across_the_domains_in_both_directions() -> None:
    """Each photo's one positive is its item's photo of the other domain, its negatives all others there."""
    batch = Pairs(wardrobe(), 5, seed=0).batch(0)
    anchor, positive, other, negative = batch.indices
    assert sorted(zip(anchor, positive, strict=True)) == sorted((i, i + 5 if i < 5 else i - 5) for i in range(10))
    across = {(a, n) for a in range(10) for n in range(10) if (a < 5) != (n < 5) and abs(a - n) != 5}
    assert set(zip(other.tolist(), negative.tolist(), strict=True)) == across
    assert len(other) == len(across)
    assert (batch.labels[anchor] == batch.labels[positive]).all()
    assert (batch.labels[other] != batch.labels[negative]).all()


@pytest.mark.parametrize("kind", [Triplets, Pairs])
@pytest.mark.parametrize(
    "photos",
    [
        [],
        [Photo("a", "1", domain="customer"), Photo("b", "2", domain="shop")],
        [Photo("a", "1", domain="customer"), Photo("b", "1", domain="shop")],
        [Photo("a", "1", domain="shop"), Photo("b", "2", domain="shop")],
    ],
)
def test_photos_without_two_items_of_both_domains_are_refused(
    kind: type[Triplets] | type[Pairs], photos: Sequence[Photo]
) -> None:
    """The error says what is needed."""
    with pytest.raises(
        ManifestError, match=r"no two items with a customer photo and a shop photo.*column `domain`"
    ):
        kind(photos, 4, seed=0)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from(["", "A/x", "A/y", "B/x", "C"]), st.booleans()),
        min_size=1, max_size=30,
    ),
    size=st.integers(2, 9),
    step=st.integers(0, 50),
)  # fmt: skip
def test_any_photos_give_sound_batches_or_are_refused(
    rows: list[tuple[int, str, bool]], size: int, step: int
) -> None:
    """Whatever the manifest: pairs of one item are positive, of two items negative, and none is missing."""
    photos = [
        Photo(f"{i}.jpg", f"id_{item}", category, "customer" if customer else "shop")
        for i, (item, category, customer) in enumerate(rows)
    ]
    for kind in (Triplets, Pairs):
        try:
            batch = kind(photos, size, seed=0).batch(step)
        except ManifestError:
            continue
        items = np.array([photo.item_id for photo in batch.photos])
        pairs = (
            batch.indices if len(batch.indices) == 4 else (*batch.indices[:2], batch.indices[0], batch.indices[2])
        )
        assert (items[pairs[0]] == items[pairs[1]]).all()
        assert (items[pairs[2]] != items[pairs[3]]).all()
        assert len(pairs[0])
        assert len(pairs[3])
