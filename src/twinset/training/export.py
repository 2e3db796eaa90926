"""A net → a bundle, once its file is found to embed photos as the net does."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, cast

import numpy as np
import torch
from torch import nn

from twinset.bundle import Bundle, Facts, check_out, save
from twinset.card import Card, agreement, text
from twinset.embedder import Embedder
from twinset.errors import BundleError, InputError, disk_errors
from twinset.photos import Decoded
from twinset.preprocess import Preprocess
from twinset.progress import SILENT, Progress
from twinset.records import Box, Photo, Pixels, Vectors
from twinset.training.graph import inference_copy, to_onnx
from twinset.training.loader import decode

LEAST_COSINE: Final = 0.9999
"""Between the net's embedding of a photo and the bundle's."""
_MOST_DRIFT: Final = 1e-4


class Exported(NamedTuple):
    """A written bundle, the least cosine between it and the net, and on how many photos that was."""

    bundle: Bundle
    cosine: float
    photos: int


def export(
    net: nn.Module,
    preprocess: Preprocess,
    photos: Sequence[tuple[Path, Photo]],
    out: Path,
    card: Card,
    *,
    box_margin: float = 0.0,
    halves: bool = False,
    progress: Progress = SILENT,
) -> Exported:
    """Writes a net as a bundle, if it embeds all `photos` as the net does; `halves` as in `to_onnx`.

    `photos` are files with the rows that name them, whose boxes count. An older bundle in `out` is replaced.

    Raises:
        BundleError: the net cannot be written as ONNX, or the file embeds a photo otherwise; nothing is written.
        InputError: there is no photo, or one cannot be decoded.
        PathError, ResourceError: `out` holds something else than a bundle, or cannot be written.

    """
    check_out(out)
    still = inference_copy(net)
    model = to_onnx(still, preprocess.size, halves=halves)
    facts = Facts(
        name=card.name,
        dim=len(_outputs(still, np.zeros((preprocess.size, preprocess.size, 3), np.uint8))),
        preprocess=preprocess,
        sha256=hashlib.sha256(model).hexdigest(),
        box_margin=box_margin,
        backbone=card.backbone,
        head=card.head,
        trained_on=card.trained_on,
        licence=card.licence,
        recall=dict(card.recall),
    )
    bundle = Bundle(facts, model, out)
    cosines = compare(still, Embedder(bundle, "cpu"), photos, progress)
    exported = Exported(bundle, min(cosines), len(cosines))
    other = "the published model" if card.published else "the trained net"
    told = agreement(exported.cosine, exported.photos, other)
    with disk_errors(out):
        save(out, facts, model, text(card, bundle, checked=told, patches=_has_patches(net)))
    return exported


def compare(
    net: nn.Module, embedder: Embedder, photos: Sequence[tuple[Path, Photo]], progress: Progress = SILENT
) -> list[float]:
    """The cosine of each photo's two embeddings, by the net in inference mode and by its bundle.

    Raises:
        BundleError: one is below `LEAST_COSINE`, or the contributions of places do not add up.
        InputError: there is no photo, or one cannot be decoded.

    """
    cosines = []
    progress.start("comparing", len(photos))
    try:
        for path, photo in photos:
            progress.advance()
            decoded, box = decode(path, photo)
            cosine = equality(net, embedder, decoded, box)
            if not cosine >= LEAST_COSINE:  # nor where it is no number
                _refuse(f"cosine {cosine:.6f} to what the net gives, at least {LEAST_COSINE} is asked", photo)
            if _has_patches(net) and not (away := drift(embedder, decoded, box)) <= _MOST_DRIFT:
                _refuse(f"patches that are {away:.2g} away from their embedding", photo)
            cosines.append(cosine)
    finally:
        progress.finish()
    if not cosines:
        raise InputError("there is no photo to compare the bundle and the net on", "name some")
    return cosines


def equality(net: nn.Module, embedder: Embedder, photo: Decoded, box: Box | None = None) -> float:
    """The cosine, in [-1, 1], of a photo's embeddings by a net on the CPU in inference mode and by an embedder."""
    wanted = _outputs(net, embedder.prepare(photo, box)).astype(np.float64)
    found = embedder.embed(photo, box).astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # what is no number is no cosine either
        return float(wanted @ found / max(float(np.linalg.norm(wanted) * np.linalg.norm(found)), 1e-30))


def drift(embedder: Embedder, photo: Decoded, box: Box | None = None) -> float:
    """The largest difference between a photo's embedding and its places' mean contribution at length 1."""
    mean = embedder.patches(photo, box).astype(np.float64).mean((0, 1))
    return float(np.abs(mean / np.linalg.norm(mean) - embedder.embed(photo, box)).max())


def _refuse(what: str, photo: Photo) -> None:
    raise BundleError(f"the exported model gives {photo.path} {what}", "use layers that compute alike everywhere")


def _outputs(net: nn.Module, photo: Pixels) -> Vectors:
    """What a net gives for one photo, float32 `(D,)` of any length."""
    with torch.inference_mode():
        return cast(Vectors, net(torch.from_numpy(np.array(photo[np.newaxis]))).float().numpy()[0])


def _has_patches(net: nn.Module) -> bool:
    return bool(getattr(net, "has_patches", False))
