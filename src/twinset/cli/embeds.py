"""Where the vectors of an evaluation come from: a bundle, a run, a catalogue or a vectors file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, NamedTuple

from twinset import bundle as bundles
from twinset import vectors_file
from twinset.bundle import Bundle
from twinset.catalogue import Catalogue
from twinset.catalogue.own import OwnShop
from twinset.cli.output import Talk
from twinset.cli.train import require_training
from twinset.embedder import Embedder, embed_photos
from twinset.errors import PathError, UsageError
from twinset.evaluate import Embeds
from twinset.manifest import Manifest
from twinset.records import Fault, Photo, Vectors
from twinset.runtime import Device

Kind = Literal["bundle", "run", "catalogue", "vectors"]
_MARKS: Final[dict[str, Kind]] = {"bundle.json": "bundle", "run.json": "run", "catalogue.json": "catalogue"}


@dataclass(frozen=True, slots=True)
class Origin:
    """One place that vectors come from; without a name, the bundle that is used by default."""

    kind: Kind
    name: str | None = None


class Side(NamedTuple):
    """What embeds, whether boxes were ignored where vectors are there, and the fingerprint where it is told."""

    embeds: Embeds
    boxes_ignored: bool
    fingerprint: str = ""


def recognise(name: str) -> Origin:
    """What a name stands for, by what lies there; else the bundle that ships under it.

    Raises:
        PathError: nothing of these is there.
        UsageError: a folder is several of these.

    """
    path = Path(name)
    if path.is_file():
        return Origin("vectors", name)
    found = [kind for mark, kind in _MARKS.items() if (path / mark).is_file()]
    if len(found) > 1:
        raise UsageError(f"{name} is a {' and a '.join(found)}", "name a folder that is one of them")
    if found:
        return Origin(found[0], name)
    if name in bundles.shipped_names():
        return Origin("bundle", name)
    raise PathError(
        f"{name} is no bundle, run, catalogue or vectors file",
        f"name one, or a bundle that ships: {', '.join(bundles.shipped_names())}",
    )


def vectors_of(
    origin: Origin, table: Manifest, talk: Talk, faults: list[Fault], *, device: Device, partial: bool = False
) -> Side:
    """What embeds by `origin`.

    Photos that have no vector are added to `faults`. A vectors file must hold the manifest's photos and no others,
    unless `partial`: then those that it lacks are left out.

    Raises:
        UsageError: a device is named for vectors that are there.
        PathError, VectorsError, CatalogueError: as the place's own module says.

    """
    if origin.kind == "vectors":
        if device != "auto":
            raise UsageError("--device goes with --bundle and --catalogue; --vectors are there", "leave it out")
        file = vectors_file.load(Path(origin.name or ""))
        if not partial:
            file.of(table.photos)
        return Side(file.held, file.boxes_ignored, file.fingerprint)
    if origin.kind == "catalogue":
        return _of_catalogue(Path(origin.name or ""), table, talk, faults, device)
    bundle = bundles.open_bundle(origin.name) if origin.kind == "bundle" else None

    def embeds(chosen: Sequence[Photo]) -> tuple[Sequence[Photo], Vectors]:
        embedder = Embedder(bundle or _exported(origin, talk), device)
        embedded = embed_photos(embedder, chosen, table.root, talk.progress())
        faults.extend(embedded.faults)
        return embedded.photos, embedded.vectors

    return Side(embeds, boxes_ignored=False, fingerprint=bundle.fingerprint if bundle else "")


def vectors_of_own(shop: OwnShop, table: Manifest, talk: Talk, faults: list[Fault], *, device: Device) -> Side:
    """What embeds customers' photos by a catalogue's bundle, and has the vectors that it stores."""

    def embeds(chosen: Sequence[Photo]) -> tuple[Sequence[Photo], Vectors]:
        embedded = shop.embed(chosen, table.root, device, talk.progress())
        faults.extend(embedded.faults)
        return embedded.photos, embedded.vectors

    return Side(embeds, boxes_ignored=False, fingerprint=shop.bundle.fingerprint)


def unboxed(photos: Sequence[Photo], ignore: bool) -> list[Photo]:
    """The photos, without their boxes where these are ignored."""
    return [replace(photo, box=None) if ignore else photo for photo in photos]


def _of_catalogue(place: Path, table: Manifest, talk: Talk, faults: list[Fault], device: Device) -> Side:
    with Catalogue(place) as opened:
        info = opened.info()
    ignored = any(source.boxes_ignored for source in info.sources if source.root == str(table.root))

    def embeds(chosen: Sequence[Photo]) -> tuple[Sequence[Photo], Vectors]:
        with Catalogue(place) as opened:
            embedded = opened.embed(table, chosen, talk.progress(), device)
        faults.extend(embedded.faults)
        return embedded.photos, embedded.vectors

    return Side(embeds, ignored, info.fingerprint)


def _exported(origin: Origin, talk: Talk) -> Bundle:
    """The bundle that a run's best weights make."""
    require_training()
    from twinset.training.release import export_run

    with TemporaryDirectory() as folder:
        return export_run(Path(origin.name or ""), Path(folder) / "bundle", progress=talk.progress()).bundle
