"""A run's best weights, or a published model → a bundle, with all that its model card tells."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from torch import nn

from twinset import published
from twinset.bundle import check_out
from twinset.card import Card, Data, of_published
from twinset.datasets.wardrobe import draw
from twinset.errors import IntegrityError, PathError, UsageError
from twinset.manifest import read
from twinset.preprocess import Preprocess
from twinset.progress import SILENT, Progress
from twinset.records import Photo
from twinset.training import checkpoint, encoder
from twinset.training.export import Exported, export
from twinset.training.net import Built, rebuild
from twinset.training.run import Run

_DRAWN_ITEMS: Final = 2
_DRAWN = "Drawn garments were all it was compared on: of how well it finds photos they tell nothing."
_LIMIT = "The recall above was measured on the photos by which this state was chosen: on others expect less."


def export_run(
    folder: Path,
    out: Path,
    *,
    name: str = "",
    licence: str = "",
    net: nn.Module | None = None,
    photos_root: Path | None = None,
    halves: bool = False,
    progress: Progress = SILENT,
) -> Exported:
    """Writes the best weights of a run as a bundle, by default named after its folder.

    `net` must be given where the run trained one of the caller's own, `photos_root` where its photos have moved:
    the folder in which their paths now start. `halves` stores the weights in half the bytes.

    Raises:
        PathError: there is no run, it has no weights yet, its photos have moved, or `out` holds something else.
        UsageError: the run trained a net that was not the recipe's, and none is given.
        BundleError: the bundle would embed otherwise than the net; nothing is written.

    """
    run = Run(folder)
    facts = run.facts()
    module = net or _rebuilt(facts, folder)
    tensors, best = checkpoint.load(run.best)
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise IntegrityError(
            f"{run.best} belongs to another net: {error}", "hand in the net that was trained"
        ) from error
    prepare = Preprocess.of(facts["preprocess"])
    samples = _samples(facts["samples"], photos_root)
    card = _card(run, facts, best, module, name=name or out.resolve().name, licence=licence)
    return export(
        module, prepare, samples, out, card, box_margin=run.recipe().box_margin, halves=halves, progress=progress
    )


def export_published(
    folder: Path, out: Path, *, source: str = "", name: str = "", licence: str = "", progress: Progress = SILENT
) -> Exported:
    """Writes a published model, of OpenCLIP or of transformers, as a bundle by default named after its folder.

    `source` is what the card calls it, by default the model's folder. It is compared on a few drawn photos. Code
    that came with it is never run, pickles are never read.

    Raises:
        PathError, UsageError, IntegrityError, MissingExtraError: as `encoder.load`, or `out` holds something else.
        BundleError: it is too large, or the bundle would embed otherwise than the model; nothing is written.

    """
    check_out(out)
    model = encoder.load(folder)
    source = source or folder.resolve().name
    own = published.licence(folder)
    card = of_published(source, model.told, own, name=name or out.resolve().name, licence=licence, limits=(_DRAWN,))
    with TemporaryDirectory() as drawn:
        photos = read(draw(Path(drawn), items=_DRAWN_ITEMS, seed=0))
        samples = [(photos.root / photo.path, photo) for photo in photos.photos]
        return export(model, model.prepared.preprocess(), samples, out, card, progress=progress)


def _rebuilt(facts: Mapping[str, Any], folder: Path) -> Built:
    if isinstance(facts["net"], str):
        raise UsageError(
            f"the run in {folder} trained {facts['net']}, a net of your own",
            "use export_run(run, out, net=…) of Python",
        )
    return rebuild(facts["net"])


def _samples(listed: Sequence[Mapping[str, Any]], photos_root: Path | None) -> list[tuple[Path, Photo]]:
    """The photos to compare on, each where the run found it, or below another root."""
    found = []
    for sample in listed:
        file = Path(sample["file"]) if photos_root is None else photos_root / sample["path"]
        if not file.is_file():
            raise PathError(
                f"{file}, a photo of this run, is not there", "name with --photos-root where the paths now start"
            )
        found.append((file, Photo(sample["path"], "", box=sample["box"] and tuple(sample["box"]))))
    return found


def _card(
    run: Run, facts: Mapping[str, Any], best: Mapping[str, Any], net: nn.Module, *, name: str, licence: str
) -> Card:
    measured = {
        f"{source}, {part['protocol']}, split {part['split']}": part for source, part in best["measured"].items()
    }
    data = tuple(
        Data(source["name"], source["photos"], source["items"], source["licence"]) for source in facts["sources"]
    )
    train, recipe = facts["train"], run.recipe()
    return Card(
        name=name,
        backbone=_shown(net.backbone.name) if isinstance(net, Built) else type(net).__name__,
        backbone_licence=net.backbone.licence if isinstance(net, Built) else "",
        head=net.told if isinstance(net, Built) else "",
        recipe=replace(recipe, backbone=_shown(recipe.backbone)).text(),
        data=data,
        trained_on=f"{train['photos']:,} photos of {train['items']:,} items, of {', '.join(d.name for d in data)}",
        licence=licence,
        recall={source: part["recall@1"] for source, part in measured.items()},
        queries={source: part["queries"] for source, part in measured.items()},
        limits=(*([_LIMIT] if measured else []), *facts["notes"]),
    )


def _shown(backbone: str) -> str:
    """A backbone's name; of a folder of this machine its last part, for a card travels."""
    return Path(backbone).name if Path(backbone).exists() or Path(backbone).is_absolute() else backbone
