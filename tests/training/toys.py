"""A small shop whose items are told apart by their pattern of colours, and a small net that can learn to."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from twinset.photos import encode_jpeg
from twinset.training.recipe import Recipe

SIDE = 16


def shop(folder: Path, items: int = 12, customers: int = 3, *, splits: bool = True, seed: int = 0) -> Path:
    """A manifest of items in three categories; a customer's photo is the shop's in another light, with noise.

    A quarter of the items is `val` unless `splits` is false.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    rows = [["path", "item_id", "category", "domain", "split"]]
    for item in range(items):
        cells = draw.integers(70, 186, (2, 2, 3))
        split = ("val" if item % 4 == 3 else "train") if splits else ""
        for number in range(customers + 1):
            domain = "customer" if number else "shop"
            light = draw.uniform(0.4, 1.6) * draw.uniform(0.8, 1.2, 3) if number else 1.0
            noise = draw.normal(0, 20, (SIDE, SIDE, 3)) if number else 0.0
            pixels = np.clip(np.kron(cells, np.ones((SIDE // 2, SIDE // 2, 1))) * light + noise, 0, 255)
            name = f"{item}_{domain}{number}.jpg"
            (folder / name).write_bytes(encode_jpeg(pixels.astype(np.uint8), 95))
            rows.append([name, f"id_{item}", f"BIG/{item % 3}", domain, split])
    with (folder / "photos.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder / "photos.csv"


class Toy(nn.Module):
    """uint8 `(N, H, W, 3)` → `(N, 16)`, with all that makes resuming hard: batch norm and dropout."""

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 4, 4), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
            nn.Dropout(dropout), nn.Linear(8 * (SIDE // 4) ** 2, 16),
        )  # fmt: skip

    def forward(self, photos: Tensor) -> Tensor:
        """Outputs `(N, 16)`, of any length."""
        found: Tensor = self.layers(photos.permute(0, 3, 1, 2).float() / 255)
        return found


def toy(seed: int = 0) -> Toy:
    """A toy with weights of its own seed."""
    torch.manual_seed(seed)
    return Toy()


def recipe(**settings: Any) -> Recipe:
    """A recipe that trains the toy in a second."""
    plain: dict[str, Any] = {"size": SIDE, "sampler": "pairs", "batch": 6, "rate": 3e-3, "epochs": 4.0}
    return Recipe("own", **(plain | settings))
