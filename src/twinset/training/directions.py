"""Features turned to their principal directions."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from twinset.errors import UsageError

START: Final = 0.1
"""The length of a row of weights at the start, where nothing is whitened."""
_LEAST: Final = 1e-3
"""What hardly varies is not blown up beyond this."""
_TINY: Final = 1e-9


class Directions(nn.Module):
    """Features turned to their principal directions; the weight may then be trained.

    With `alike` every feature gets a deviation of 1 before, without they keep their proportions. `whiten` says how
    far the directions' deviations are evened out, 0 not at all, 1 wholly.
    """

    def __init__(self, width: int, dim: int, *, alike: bool = True, whiten: float = 0.0) -> None:
        super().__init__()
        self.alike, self.whiten = alike, whiten
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
        self.weight = nn.Parameter(torch.zeros(dim, width))
        nn.init.orthogonal_(self.weight)

    def begin(self, features: Tensor) -> None:
        """Starts from the principal directions of features `(N, C)`.

        Raises:
            UsageError: there are fewer photos than directions.

        """
        if len(features) < len(self.weight):
            raise UsageError(
                f"{len(features)} photos cannot tell {len(self.weight)} principal directions",
                f"give {len(self.weight)} or more, or train by another recipe",
            )
        self.get_buffer("mean").copy_(features.mean(dim=0))
        deviation = features.std(dim=0)
        common = deviation.square().mean().sqrt() + _TINY
        self.get_buffer("deviation").copy_(
            deviation + common * _LEAST if self.alike else common.expand_as(deviation)
        )
        standard = self.standard(features)
        variances, directions = torch.linalg.eigh(standard.T @ standard / len(standard))
        kept = slice(len(variances) - len(self.weight), None)
        directions = directions.T[kept].flip(0)
        ratios = (variances[kept].flip(0) / (variances[-1] + _TINY)).clamp(min=_LEAST).pow(-self.whiten / 2)
        signs = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True)).sign()
        self.weight.data.copy_(directions * signs * ratios[:, None] * START)

    def standard(self, features: Tensor) -> Tensor:
        """Features `(…, C)` with mean 0, and each or all with deviation 1, over the photos that it began from."""
        return (features - self.get_buffer("mean")) / self.get_buffer("deviation")

    def forward(self, features: Tensor) -> Tensor:
        """(…, C) to (…, D)."""
        out: Tensor = functional.linear(self.standard(features), self.weight)
        return out
