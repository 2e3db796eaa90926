"""Losses over a batch of embeddings, in the call shape of pytorch-metric-learning.

`loss(embeddings (N, D), labels (N,), indices_tuple) -> scalar`. The tuple of index tensors says which pairs count:
triplets `(anchor, positive, negative)` or pairs `(anchor, positive, anchor, negative)`; None is all pairs by label.
"""

from typing import Final, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

Indices = tuple[Tensor, ...]
"""Three tensors of triplets, or four of pairs."""

_TINY: Final = 1e-12


class Loss(Protocol):
    """Anything that is called as pytorch-metric-learning's losses are."""

    def __call__(self, embeddings: Tensor, labels: Tensor, indices_tuple: Indices | None = None) -> Tensor:
        """A scalar, from embeddings `(N, D)` of any length, labels `(N,)` and the pairs that count."""


class TripletLoss(nn.Module):
    """The mean over triplets of `max(0, d(a, p) - d(a, n) + margin)` (Schroff et al., 2015).

    `d` is the Euclidean distance, or its square with `squared`, of the embeddings as they are, or at length 1
    with `normalise`. Pairs become each anchor's hardest triplet by it (batch-hard; Hermans et al., 2017).

    >>> a, p, n = torch.tensor([[0.0, 0.0], [0.3, 0.4], [0.0, 0.7]])
    >>> one = tuple(torch.tensor([i]) for i in range(3))
    >>> round(TripletLoss(margin=0.5)(torch.stack([a, p, n]), torch.tensor([0, 0, 1]), one).item(), 4)
    0.3
    """

    def __init__(self, margin: float = 0.5, *, normalise: bool = False, squared: bool = False) -> None:
        super().__init__()
        self.margin, self.normalise, self.squared = margin, normalise, squared

    def forward(self, embeddings: Tensor, labels: Tensor, indices_tuple: Indices | None = None) -> Tensor:
        """The scalar loss; 0, with a gradient of 0, where there is no triplet."""
        excess = self.excess(embeddings, self.triplets(embeddings, labels, indices_tuple))
        return excess.relu().mean() if len(excess) else embeddings.sum() * 0

    def excess(self, embeddings: Tensor, chosen: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """`d(a, p) - d(a, n) + margin` of each triplet: above 0 where the margin is violated."""
        if self.normalise:
            embeddings = functional.normalize(embeddings)
        anchor, positive, negative = (embeddings[index] for index in chosen)
        return self._distance(anchor, positive) - self._distance(anchor, negative) + self.margin

    def triplets(
        self, embeddings: Tensor, labels: Tensor, indices_tuple: Indices | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Triplets as they are given; of pairs, each anchor's farthest positive and nearest negative.

        Anchors without a positive or without a negative are left out.
        """
        if indices_tuple is not None and len(indices_tuple) == 3:
            anchor, positive, negative = indices_tuple
            return anchor, positive, negative
        anchor, positive, other, negative = pairs(labels, indices_tuple)
        vectors = functional.normalize(embeddings) if self.normalise else embeddings
        apart = torch.cdist(vectors.detach(), vectors.detach(), compute_mode="donot_use_mm_for_euclid_dist")
        alike, unlike = _mask(apart, anchor, positive), _mask(apart, other, negative)
        both = (alike.any(dim=1) & unlike.any(dim=1)).nonzero(as_tuple=True)[0]
        far = apart.masked_fill(~alike, -torch.inf).argmax(dim=1)
        near = apart.masked_fill(~unlike, torch.inf).argmin(dim=1)
        return both, far[both], near[both]

    def _distance(self, left: Tensor, right: Tensor) -> Tensor:
        square = (left - right).square().sum(dim=1)
        return square if self.squared else square.clamp_min(_TINY).sqrt()  # the root's slope at 0 is infinite


class InfoNCE(nn.Module):
    """The mean over positive pairs of `-log(e^{s(a,p)/t} / (e^{s(a,p)/t} + Σ_n e^{s(a,n)/t}))`.

    `s` is the cosine similarity, `t` the temperature, `n` every negative of the same anchor (van den Oord et al.,
    2018; NT-Xent of Chen et al., 2020).

    >>> vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> pairs = tuple(torch.tensor([i]) for i in (0, 1, 0, 2))
    >>> round(InfoNCE(temperature=1.0)(vectors, torch.tensor([0, 0, 1]), pairs).item(), 4)
    0.3133
    """

    def __init__(self, temperature: float = 0.07) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, embeddings: Tensor, labels: Tensor, indices_tuple: Indices | None = None) -> Tensor:
        """The scalar loss; 0, with a gradient of 0, where there is no positive pair."""
        anchor, positive, *rest = pairs(labels, indices_tuple)
        if not len(anchor):
            return embeddings.sum() * 0
        vectors = functional.normalize(embeddings)
        scores = vectors @ vectors.T / self.temperature
        negatives = scores.masked_fill(~_mask(scores, rest[0], rest[1]), -torch.inf).logsumexp(dim=1)
        right = scores[anchor, positive]
        loss: Tensor = (torch.logaddexp(right, negatives[anchor]) - right).mean()
        return loss


class Contrast(nn.Module):
    """`InfoNCE + weight × TripletLoss` over each anchor's hardest triplet, on the same pairs."""

    def __init__(self, contrast: InfoNCE, triplet: TripletLoss, weight: float = 1.0) -> None:
        super().__init__()
        self.contrast, self.triplet, self.weight = contrast, triplet, weight

    def forward(self, embeddings: Tensor, labels: Tensor, indices_tuple: Indices | None = None) -> Tensor:
        """The scalar loss."""
        contrast: Tensor = self.contrast(embeddings, labels, indices_tuple)
        triplet: Tensor = self.triplet(embeddings, labels, indices_tuple)
        return contrast + self.weight * triplet


def pairs(labels: Tensor, indices_tuple: Indices | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pairs `(anchor, positive, anchor, negative)` of triplets or pairs; None is all pairs by label."""
    if indices_tuple is None:
        same = labels[:, None] == labels[None, :]
        anchor, positive = (same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)).nonzero().T
        other, negative = (~same).nonzero().T
        return anchor, positive, other, negative
    if len(indices_tuple) == 3:
        anchor, positive, negative = indices_tuple
        return anchor, positive, anchor, negative
    anchor, positive, other, negative = indices_tuple
    return anchor, positive, other, negative


def _mask(like: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    mask = torch.zeros_like(like, dtype=torch.bool)
    mask[rows, columns] = True
    return mask
