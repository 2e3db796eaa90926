"""A vision model that a hub publishes as ONNX → a bundle, without torch."""

import hashlib
from importlib.util import find_spec
from math import floor
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from twinset import published
from twinset.bundle import Bundle, Facts, check_out, save
from twinset.card import Card, of_published, text
from twinset.datasets.wardrobe import photos as drawn_photos
from twinset.embedder import Embedder
from twinset.errors import BundleError, MissingExtraError, PathError, disk_errors
from twinset.prepared import IMAGENET, PREPARED, Prepared, prepared, read_json
from twinset.runtime import Runtime

_LEAST_COSINE: Final = 0.9999
"""Between a photo's embedding alone and beside another."""
_CHECKED: Final = (
    "The published graph stands in this file as it was, between the preparation of its input and the length 1 of\n"
    "its output. Drawn photos have the same embedding alone and beside others: cosine at least {cosine}."
)
_HALVES: Final = "Its weights are halves (fp16): the same model in float32 gives slightly other embeddings."
_DRAWN: Final = "Drawn garments were all it was run on: of how well it finds photos they tell nothing."


class Adopted(NamedTuple):
    """A written bundle, the published file that stands in it, and what of its outputs the embedding is."""

    bundle: Bundle
    file: Path
    told: str


def adopt(model: Path, out: Path, *, source: str = "", name: str = "", licence: str = "") -> Adopted:
    """Writes a published ONNX model as a bundle by default named after its folder.

    `model` is its folder, with `preprocessor_config.json`, or one ONNX file in it or in a folder below; `source` is
    what the card calls it, by default the folder's name. No code that came with it is run.

    Raises:
        MissingExtraError: onnx is not installed.
        PathError: a file is missing, or is not what it should be; or `out` holds something else than a bundle.
        BundleError: the model cannot become a bundle; nothing is written.

    """
    check_out(out)
    if find_spec("onnx") is None:
        raise MissingExtraError("ONNX models need onnx, which is not installed", 'pip install "twinset[onnx]"')
    from twinset.adopt.file import load
    from twinset.adopt.graph import wrap

    file, folder = _found(model)
    seen = _prepared(folder)
    config = folder / published.CONFIG
    kind = str(read_json(config).get("model_type")) if config.is_file() else ""
    wrapped = wrap(load(file, published.root(folder)), seen, kind)
    source, own = source or folder.resolve().name, published.licence(folder)
    limits = (_DRAWN, _HALVES) if wrapped.halves else (_DRAWN,)
    card = of_published(source, wrapped.told, own, name=name or out.resolve().name, licence=licence, limits=limits)
    bundle, cosine = _checked(wrapped.model, seen, card, out)
    with disk_errors(out):
        told = text(
            card, bundle, checked=_CHECKED.format(cosine=floor(min(cosine, 1.0) * 1e6) / 1e6), patches=False
        )
        save(out, bundle.facts, bundle.model, told)
    return Adopted(bundle, file, wrapped.told)


def _found(model: Path) -> tuple[Path, Path]:
    """The ONNX file, and the folder of the model that it belongs to."""
    file = model if model.is_file() else published.onnx_model(model)
    if file is None:
        raise PathError(
            f"{model} holds no {', no '.join(published.ONNX_MODELS)}",
            "name the folder of a model, or its ONNX file",
        )
    folders = [model] if model.is_dir() else [file.absolute().parent, file.absolute().parent.parent]
    folder = next((each for each in folders if (each / PREPARED).is_file()), None)
    if folder is None:
        raise PathError(f"{folders[-1]} holds no {PREPARED}", "put the one that was published with the model there")
    return file, folder


def _prepared(folder: Path) -> Prepared:
    """How photos are prepared, all of it told: here is no class whose custom would count."""
    told = read_json(folder / PREPARED)
    colour = () if told.get("do_normalize") is False else ("image_mean", "image_std")
    silent = [name for name in colour if not told.get(name)]
    if not (told.get("size") or told.get("crop_size")):
        silent.append("size")
    if silent:
        raise PathError(f"{folder / PREPARED} does not tell {', '.join(silent)}", "write it down there")
    return prepared(folder, Prepared(0, "bicubic", *IMAGENET))


def _checked(model: bytes, seen: Prepared, card: Card, out: Path) -> tuple[Bundle, float]:
    """The bundle, once it was found to embed drawn photos, alone as beside others."""
    prepare = seen.preprocess()
    squares = np.stack([prepare.apply(photo.pixels) for photo in drawn_photos(1, seed=0)])
    runtime = Runtime(model, "cpu")
    alone = np.concatenate([runtime.embed(square[np.newaxis]) for square in squares])
    facts = Facts(
        name=card.name,
        dim=alone.shape[1],
        preprocess=prepare,
        sha256=hashlib.sha256(model).hexdigest(),
        backbone=card.backbone,
        head=card.head,
        trained_on=card.trained_on,
        licence=card.licence,
    )
    bundle = Bundle(facts, model, out)
    Embedder(bundle, "cpu")  # it is of length 1, and of the facts' dimension
    mend = "export it with a dynamic batch axis"
    try:
        together = runtime.embed(squares)
    except BundleError as error:
        raise BundleError(f"the published model embeds one photo at a time only: {error.message}", mend) from error
    cosine = float((alone.astype(np.float64) * together).sum(1).min())
    if not cosine >= _LEAST_COSINE:  # nor where it is no number
        raise BundleError(f"the published model mixes photos: cosine {cosine:.4f} alone to beside others", mend)
    return bundle, cosine
