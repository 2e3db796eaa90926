"""Standardised features, turned to their principal directions."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from twinset.errors import UsageError

START: Final = 0.1
"""The length of a row of weights at the start."""


class Directions(nn.Module):
    """Standardised features turned to their principal directions; the weight may then be trained."""

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
        self.weight = nn.Parameter(torch.zeros(dim, width))
        nn.init.orthogonal_(self.weight)

    def begin(self, features: Tensor) -> None:
        """Starts from the principal directions of features `(N, C)`, each counting by its variance.

        Raises:
            UsageError: there are fewer photos than directions.

        """
        if len(features) < len(self.weight):
            raise UsageError(
                f"{len(features)} photos cannot tell {len(self.weight)} principal directions",
                "give more, or set dim",
            )
        self.get_buffer("mean").copy_(features.mean(dim=0))
        self.get_buffer("deviation").copy_(features.std(dim=0) + _floor(features))
        standard = self.standard(features)
        _, directions = torch.linalg.eigh(standard.T @ standard / len(standard))
        directions = directions.T.flip(0)[: len(self.weight)]
        signs = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True)).sign()
        self.weight.data.copy_(directions * signs * START)

    def standard(self, features: Tensor) -> Tensor:
        """Features `(…, C)` with mean 0 and deviation 1 over the photos that it began from."""
        return (features - self.get_buffer("mean")) / self.get_buffer("deviation")

    def forward(self, features: Tensor) -> Tensor:
        """(…, C) to (…, D)."""
        out: Tensor = functional.linear(self.standard(features), self.weight)
        return out


def _floor(features: Tensor) -> Tensor:
    """A thousandth of the mean deviation: what hardly varies is not blown up."""
    return features.std(dim=0).mean() * 1e-3 + 1e-9
