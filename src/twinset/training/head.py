"""Places → one vector → the embedding: pooling and heads, and what each place contributes to them."""

from typing import Final, Literal, get_args

import torch
from torch import Tensor, nn

from twinset.training.backbone import Features

_TINY: Final = 1e-6
"""The least that a place counts in a generalised mean, whose slope at 0 is infinite."""


class Average(nn.Module):
    """The mean over the places.

    >>> float(Average()(Features(torch.tensor([[[[1.0, 3.0]]]]), None)))
    2.0
    """

    def forward(self, features: Features) -> Tensor:
        """(N, C)."""
        return features.places.float().mean(dim=(2, 3))

    def contributions(self, features: Features) -> Tensor:
        """(N, C, h, w), whose mean over the places is what `forward` gives."""
        return features.places.float()


class GeM(nn.Module):
    """The generalised mean over the places, with a learned power (Radenović et al., 2018); below 0 counts as 0.

    >>> gem = GeM(power=2.0)
    >>> round(gem(Features(torch.tensor([[[[1.0, 7.0]]]]), None)).item(), 3)
    5.0
    """

    def __init__(self, power: float = 3.0) -> None:
        super().__init__()
        self.power = nn.Parameter(torch.tensor(power))

    def forward(self, features: Features) -> Tensor:
        """(N, C), in float32 whatever came in: powers leave the range of halves."""
        mean: Tensor = features.places.float().clamp(min=_TINY).pow(self.power).mean(dim=(2, 3))
        return mean.pow(1 / self.power)

    def contributions(self, features: Features) -> Tensor:
        """(N, C, h, w), whose mean over the places is what `forward` gives."""
        powers = features.places.float().clamp(min=_TINY).pow(self.power)
        pooled = powers.mean(dim=(2, 3), keepdim=True).pow(1 / self.power)
        return powers * pooled.pow(1 - self.power)


class Attention(nn.Module):
    """A mean over the places, weighted by a learned linear score of each; at first the plain mean."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def forward(self, features: Features) -> Tensor:
        """(N, C)."""
        return self.contributions(features).mean(dim=(2, 3))

    def contributions(self, features: Features) -> Tensor:
        """(N, C, h, w), whose mean over the places is what `forward` gives."""
        places = features.places.float()
        scores = self.score(places.permute(0, 2, 3, 1)).float()
        share = scores.flatten(1).softmax(dim=1).reshape(-1, 1, *places.shape[2:])
        weighted: Tensor = places * share * (places.shape[2] * places.shape[3])
        return weighted


class ClassToken(nn.Module):
    """The class token, for backbones that have one: no place contributes to it alone."""

    def forward(self, features: Features) -> Tensor:
        """(N, C).

        Raises:
            ValueError: the backbone gave no class token.

        """
        if features.cls is None:
            raise ValueError("these features have no class token")
        return features.cls.float()


class Dense(nn.Module):
    """Dropout, and a dense layer; affine in inference mode."""

    def __init__(self, width: int, dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout, self.dense = nn.Dropout(dropout), nn.Linear(width, dim)

    def forward(self, pooled: Tensor) -> Tensor:
        """(…, C) to (…, D)."""
        out: Tensor = self.dense(self.dropout(pooled))
        return out


class Neck(nn.Module):
    """The BN-neck (Luo et al., 2019): batch norm without a shift, after a dense layer where `dim` is not 0.

    Affine in inference mode.
    """

    def __init__(self, width: int, dim: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(width, dim, bias=False) if dim else nn.Identity()
        self.norm = nn.BatchNorm1d(dim or width)
        self.norm.bias.requires_grad_(False)

    def forward(self, pooled: Tensor) -> Tensor:
        """(…, C) to (…, D)."""
        out: Tensor = self.dense(self.dropout(pooled))
        flat: Tensor = self.norm(out.flatten(0, -2))
        return flat.reshape(out.shape)


Pool = Average | GeM | Attention | ClassToken
Head = Dense | Neck
PoolName = Literal["average", "gem", "cls", "attention"]
HeadName = Literal["dense", "bn"]


def check(pool_name: str, head_name: str) -> None:
    """Accepts the names of a pooling and a head.

    Raises:
        ValueError: there is none of that name.

    """
    if pool_name not in get_args(PoolName) or head_name not in get_args(HeadName):
        raise ValueError(f"no pooling {pool_name!r}, or no head {head_name!r}")


def pooling(name: PoolName, width: int) -> Pool:
    """A pooling by its name in a recipe, for so many channels."""
    match name:
        case "average":
            return Average()
        case "gem":
            return GeM()
        case "attention":
            return Attention(width)
        case "cls":
            return ClassToken()


def head(name: HeadName, width: int, dim: int, dropout: float) -> Head:
    """A head by its name in a recipe, from so many channels to `dim`, or for `bn` and 0 to as many."""
    return Dense(width, dim, dropout) if name == "dense" else Neck(width, dim, dropout)
