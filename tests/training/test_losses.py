"""Losses against the slow, obvious loop, and against a library that others use."""

import math

import pytest
import torch
from pytorch_metric_learning.distances import CosineSimilarity, LpDistance
from pytorch_metric_learning.losses import NTXentLoss, TripletMarginLoss
from pytorch_metric_learning.miners import BatchHardMiner
from pytorch_metric_learning.reducers import MeanReducer
from torch import Tensor

from twinset.training.losses import Contrast, InfoNCE, TripletLoss, pairs


def embeddings(count: int = 12, dim: int = 5, seed: int = 0) -> Tensor:
    """Random embeddings of any length."""
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 3, 3, 4])
GIVEN = (torch.tensor([0, 1, 2, 9]), torch.tensor([3, 4, 5, 10]), torch.tensor([1, 2, 9, 11]))


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("squared", [False, True])
def test_the_triplet_loss_is_the_mean_over_a_loop_of_triplets(normalise: bool, squared: bool) -> None:
    """Every combination of its settings equals the textbook formula, triplet by triplet, zeros included."""
    vectors = embeddings()
    total = 0.0
    for a, p, n in zip(*(index.tolist() for index in GIVEN), strict=True):
        rows = [vectors[i] / (vectors[i].norm() if normalise else 1.0) for i in (a, p, n)]
        near, far = (rows[0] - rows[1]).norm().item(), (rows[0] - rows[2]).norm().item()
        total += max(0.0, (near**2 - far**2 if squared else near - far) + 0.5)
    ours = TripletLoss(0.5, normalise=normalise, squared=squared)(vectors, LABELS, GIVEN)
    assert ours.item() == pytest.approx(total / 4, abs=1e-5)


def test_the_triplet_loss_equals_the_library() -> None:
    """The same number as pytorch-metric-learning's, on raw Euclidean distances, its mean over all triplets."""
    distance = LpDistance(normalize_embeddings=False, p=2, power=1)
    theirs = TripletMarginLoss(margin=0.5, distance=distance, reducer=MeanReducer())
    ours = TripletLoss(0.5)
    vectors = embeddings()
    assert ours(vectors, LABELS, GIVEN).item() == pytest.approx(theirs(vectors, LABELS, GIVEN).item(), abs=1e-6)


def test_info_nce_is_the_mean_over_a_loop_of_positive_pairs() -> None:
    """Each positive pair against every negative of its anchor."""
    vectors = torch.nn.functional.normalize(embeddings())
    losses = []
    for a in range(12):
        negatives = [n for n in range(12) if LABELS[n] != LABELS[a]]
        for p in (p for p in range(12) if p != a and LABELS[p] == LABELS[a]):
            right = math.exp((vectors[a] @ vectors[p]).item() / 0.07)
            wrong = sum(math.exp((vectors[a] @ vectors[n]).item() / 0.07) for n in negatives)
            losses.append(-math.log(right / (right + wrong)))
    assert InfoNCE(0.07)(vectors, LABELS).item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_info_nce_equals_the_library_on_pairs_across_domains() -> None:
    """The same number as pytorch-metric-learning's NT-Xent, on pairs that are handed in."""
    customer, shop = torch.arange(4), torch.arange(4, 8)
    labels = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])
    other = torch.tensor([(a, n) for a in range(4) for n in range(4, 8) if n - 4 != a])
    given = (customer, shop, other[:, 0], other[:, 1])
    vectors = embeddings(8)
    theirs = NTXentLoss(temperature=0.1, distance=CosineSimilarity(), reducer=MeanReducer())
    assert InfoNCE(0.1)(vectors, labels, given).item() == pytest.approx(
        theirs(vectors, labels, given).item(), rel=1e-5
    )


@pytest.mark.parametrize("normalise", [False, True])
def test_the_hardest_triplets_equal_the_library(normalise: bool) -> None:
    """Batch-hard mining, by the loss's own distance, picks what pytorch-metric-learning's miner picks by it."""
    vectors = embeddings()
    theirs = BatchHardMiner(distance=LpDistance(normalize_embeddings=normalise))(vectors, LABELS)
    ours = TripletLoss(normalise=normalise).triplets(vectors, LABELS, None)
    assert {tuple(t) for t in torch.stack(ours).T.tolist()} == {tuple(t) for t in torch.stack(theirs).T.tolist()}


def test_triplets_of_pairs_stay_within_the_pairs() -> None:
    """An anchor that the pairs do not name is in no triplet, and no other positive or negative is taken."""
    given = (torch.tensor([0, 0]), torch.tensor([3, 6]), torch.tensor([0, 0, 1]), torch.tensor([4, 9, 0]))
    anchor, positive, negative = TripletLoss().triplets(embeddings(), LABELS, given)
    assert anchor.tolist() == [0]
    assert positive.item() in (3, 6)
    assert negative.item() in (4, 9)


def test_contrast_is_the_sum_of_its_parts() -> None:
    """InfoNCE and the weighed triplet loss of each anchor's hardest triplet."""
    vectors, contrast, triplet = embeddings(), InfoNCE(0.1), TripletLoss(0.2, normalise=True)
    hard = triplet.triplets(vectors, LABELS, None)
    expected = contrast(vectors, LABELS) + 0.5 * triplet(vectors, LABELS, hard)
    assert Contrast(contrast, triplet, 0.5)(vectors, LABELS).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("loss", [TripletLoss(0.5), InfoNCE(), Contrast(InfoNCE(), TripletLoss())])
def test_without_a_valid_pair_the_loss_is_0_and_so_is_its_gradient(loss: torch.nn.Module) -> None:
    """Every photo of another item: no positive."""
    vectors = embeddings(4).requires_grad_()
    value = loss(vectors, torch.arange(4))
    value.backward()
    assert value.item() == 0
    assert vectors.grad is not None
    assert not vectors.grad.any()


@pytest.mark.parametrize("squared", [False, True])
def test_the_gradient_is_finite_where_all_embeddings_are_one(squared: bool) -> None:
    """The slope of a root at distance 0 does not ruin the weights."""
    vectors = torch.ones(12, 5, requires_grad=True)
    TripletLoss(0.5, squared=squared)(vectors, LABELS, GIVEN).backward()
    assert vectors.grad is not None
    assert torch.isfinite(vectors.grad).all()


def test_the_gradient_pulls_positives_and_pushes_negatives() -> None:
    """A step against the gradient lowers d(a, p) and raises d(a, n)."""
    vectors = embeddings(3).requires_grad_()
    one = tuple(torch.tensor([i]) for i in range(3))
    TripletLoss(50)(vectors, torch.tensor([0, 0, 1]), one).backward()
    assert vectors.grad is not None
    moved = vectors.detach() - 0.01 * vectors.grad
    assert (moved[0] - moved[1]).norm() < (vectors[0] - vectors[1]).norm()
    assert (moved[0] - moved[2]).norm() > (vectors[0] - vectors[2]).norm()


def test_triplets_name_the_same_pairs() -> None:
    """Three indices become four: the anchor stands for both pairs."""
    anchor, positive, other, negative = pairs(LABELS, GIVEN)
    assert anchor is other
    assert (positive is GIVEN[1], negative is GIVEN[2]) == (True, True)
