"""A net in training, measured by the same `evaluate` as everything else."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from twinset.embedder import cores, in_order
from twinset.errors import DivergedError
from twinset.evaluate import evaluate
from twinset.records import Evaluation, Photo, Vectors
from twinset.training.loader import Loader
from twinset.training.shop import Validation

_AT_ONCE: Final = 32


def embed(net: nn.Module, photos: Sequence[Photo], loader: Loader, device: torch.device) -> Vectors:
    """Embeddings `(N, D)` of length 1, in float32 and inference mode."""
    was = net.training
    net.eval()
    parts = [photos[i : i + _AT_ONCE] for i in range(0, len(photos), _AT_ONCE)]
    with torch.no_grad():
        vectors = [
            functional.normalize(net(pixels.to(device)).float()).cpu().numpy()
            for pixels in in_order(loader.batch, parts, ahead=cores() + 2)
        ]
    net.train(was)
    found = np.concatenate(vectors)
    if not np.isfinite(found).all():
        raise DivergedError("the net gives embeddings that are no numbers", "start anew with rate at a tenth")
    return found


def measure(
    net: nn.Module, validations: Sequence[Validation], loader: Loader, device: torch.device
) -> dict[str, Evaluation]:
    """How the net does on each manifest, by the manifest's name."""
    return {
        part.name: evaluate(
            part.photos,
            lambda photos: (photos, embed(net, photos, loader, device)),
            part.protocol,
            part.split,
        )
        for part in validations
    }


def recalls(found: Mapping[str, Evaluation]) -> dict[str, float]:
    """Recall@1 (0-1) on each manifest, as `recall@1/NAME`, and their mean, as `recall@1`; empty without any."""
    each = {f"recall@1/{name}": evaluation.recall[1] for name, evaluation in found.items()}
    return {"recall@1": sum(each.values()) / len(each)} | each if each else {}
