"""The health guard: each illness provoked, and a sound run left in peace."""

from dataclasses import replace

import pytest
import torch

from twinset.errors import DivergedError
from twinset.training.health import FEWEST, WINDOW, Guard, Reading, mean, read
from twinset.training.losses import TripletLoss

SOUND = Reading(loss=0.2, positive=0.8, negative=0.1, violated=0.3, gap=1.2, triplets=8)


def told(readings: list[Reading], *, triplet_loss: bool = True) -> list[str]:
    """The codes of everything that a guard says of these readings."""
    guard = Guard(0.5, triplet_loss=triplet_loss)
    found = [finding for step, reading in enumerate(readings) for finding in guard.look(reading, step)]
    assert all(finding.message and finding.mend for finding in found)
    return [finding.code for finding in found]


def test_a_sound_run_is_left_in_peace() -> None:
    """A loss that falls, positives above negatives."""
    assert told([replace(SOUND, loss=1 / (1 + step)) for step in range(200)]) == []


@pytest.mark.parametrize(
    ("code", "reading"),
    [
        ("at_margin", replace(SOUND, loss=0.5, gap=0.01)),
        ("collapsed", replace(SOUND, positive=1.0, negative=0.995)),
        ("no_better", replace(SOUND, positive=0.1, negative=0.2)),
        ("no_triplet", replace(SOUND, triplets=0)),
    ],
)
def test_each_illness_is_told_once(code: str, reading: Reading) -> None:
    """With what it means and how to mend it; not again at every step."""
    assert told([reading] * (3 * WINDOW)) == [code]


def test_a_rate_too_high_is_told_when_the_loss_rises() -> None:
    """Far above the least it has been."""
    falling, rising = [replace(SOUND, loss=0.1)] * WINDOW, [replace(SOUND, loss=2.0)] * WINDOW
    assert told(falling + rising) == ["rate_too_high"]


def test_another_loss_may_be_at_the_margins_number() -> None:
    """0.5 means nothing to InfoNCE."""
    assert told([replace(SOUND, loss=0.5, gap=0.01)] * WINDOW, triplet_loss=False) == []


def test_a_short_run_is_judged_at_its_end() -> None:
    """On the readings that there are, unless they are too few to mean anything."""
    guard = Guard(0.5, triplet_loss=True)
    for _ in range(FEWEST - 1):
        assert guard.look(replace(SOUND, positive=0.0, negative=0.1), 0) == []
    assert guard.judge() == []
    assert guard.look(replace(SOUND, positive=0.0, negative=0.1), 0) == []
    assert [finding.code for finding in guard.judge()] == ["no_better"]
    assert Guard(0.5, triplet_loss=True, told=["no_better"])._new(guard.judge()) == []


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_run(loss: float) -> None:
    """Before the weights are ruined, with the mend."""
    with pytest.raises(DivergedError, match=r"the loss is (nan|inf) at step 1,234: start anew with rate"):
        Guard(0.5, triplet_loss=True).look(replace(SOUND, loss=loss), 1234)


def test_a_reading_is_what_a_loop_over_the_triplets_finds() -> None:
    """Mean cosines, share of violated margins, gap in margins."""
    vectors = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    indices = (torch.tensor([0, 1]), torch.tensor([2, 3]), torch.tensor([4, 5]))
    margin = TripletLoss(0.5)
    labels = torch.tensor([0, 1, 0, 1, 2, 3])
    reading = read(vectors, labels, indices, margin(vectors, labels, indices), margin)
    cosine = torch.nn.functional.cosine_similarity
    near = [(vectors[a] - vectors[p]).norm().item() for a, p in ((0, 2), (1, 3))]
    far = [(vectors[a] - vectors[n]).norm().item() for a, n in ((0, 4), (1, 5))]
    assert reading.triplets == 2
    assert reading.positive == pytest.approx(cosine(vectors[:2], vectors[2:4]).mean().item(), abs=1e-6)
    assert reading.negative == pytest.approx(cosine(vectors[:2], vectors[4:]).mean().item(), abs=1e-6)
    assert reading.violated == sum(n - p < 0.5 for p, n in zip(near, far, strict=True)) / 2
    assert reading.gap == pytest.approx((sum(far) - sum(near)) / 2 / 0.5, abs=1e-5)
    assert mean([reading, replace(reading, loss=reading.loss + 1)])["loss"] == pytest.approx(reading.loss + 0.5)


def test_a_batch_without_a_valid_triplet_reads_as_one() -> None:
    """Photos of as many items as there are: the guard says what is missing, and the loss of 0 ends nothing."""
    vectors, labels = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.arange(4)
    margin = TripletLoss(0.5)
    none = tuple(torch.empty(0, dtype=torch.int64) for _ in range(4))
    reading = read(vectors, labels, none, margin(vectors, labels, none), margin)
    assert reading.triplets == 0
    assert [finding.code for finding in Guard(0.5, triplet_loss=True).look(reading, 0)] == ["no_triplet"]
