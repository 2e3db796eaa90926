"""`embed`, `evaluate`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from twinset import __version__, manifest, metrics, photos, vectors_file
from twinset import bundle as bundles
from twinset import report as reports
from twinset.catalogue import Catalogue
from twinset.catalogue.build import SKIPPED
from twinset.catalogue.own import OwnShop, own_shop
from twinset.cli import gates
from twinset.cli.embeds import Origin, unboxed, vectors_of, vectors_of_own
from twinset.cli.figures import show
from twinset.cli.output import Bundle, IgnoreBoxes, Json, OnDevice, PhotosRoot, Quiet, Talk, print_json, print_line
from twinset.cli.protocol import Gallery, Held, Level, Named, Queries, Relevant, Split, choose
from twinset.datasets.deepfashion.literature import Beside, beside
from twinset.embedder import Embedder, embed_photos
from twinset.errors import ManifestError, PathError, UsageError
from twinset.evaluate import Measured, measure, summary
from twinset.manifest import Manifest
from twinset.manifest.split import HoldOut, parse_hold_out
from twinset.protocols import Protocol
from twinset.records import Evaluation, Fault, Photo, Pixels
from twinset.runtime import Device
from twinset.twins import find


def add_commands(app: typer.Typer) -> None:
    """Adds this module's commands."""
    app.command("embed")(embed_command)
    app.command("evaluate")(evaluate_command)


def embed_command(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A manifest (CSV) or a folder of photos.")],
    out: Annotated[Path, typer.Option("--out", help="The vectors file to write (.npz).")],
    bundle: Bundle = None,
    device: OnDevice = "auto",
    photos_root: PhotosRoot = None,
    ignore_boxes: IgnoreBoxes = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Embeds every photo of a manifest into a vectors file."""
    talk = Talk(quiet)
    table = manifest.read(source, photos_root=photos_root)
    table.require_photos()
    embedder = Embedder(bundles.open_bundle(bundle), device)
    embedded = embed_photos(embedder, unboxed(table.photos, ignore_boxes), table.root, talk.progress())
    faults = [*table.faults, *embedded.faults]
    if not embedded.photos:
        raise ManifestError(f"none of {table.rows:,} photos can be read; {faults[0].path}: {faults[0].message}")
    vectors_file.save(out, embedded.photos, embedded.vectors, embedder.fingerprint, boxes=not ignore_boxes)
    listed = _listed(out)
    if faults:
        manifest.write_faults(listed, faults)
    talk.skipped(faults, table.rows, listed)
    count = len(embedded.photos)
    if json:
        facts = {"vectors": count, "dim": embedder.dim, "skipped": len(faults), "fingerprint": embedder.fingerprint}
        print_json(facts)
    else:
        print_line(f"{out}: {count:,} vectors of {embedder.dim} dimensions")


def evaluate_command(
    source: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A manifest (CSV) or a folder of photos.")],
    bundle: Bundle = None,
    device: OnDevice = "auto",
    catalogue: Annotated[Path | None, typer.Option("--catalogue", "-c", help="Measure this catalogue.")] = None,
    vectors: Annotated[Path | None, typer.Option("--vectors", help="Measure this vectors file.")] = None,
    split: Split = None,
    protocol: Named = None,
    queries: Queries = None,
    gallery: Gallery = None,
    relevant: Relevant = None,
    level: Level = None,
    hold_out: Held = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="Write a page that opens offline, with its data.")
    ] = None,
    fail_under: Annotated[
        list[str] | None, typer.Option("--fail-under", help="recall@1=0.5: exit 1 below it.")
    ] = None,
    photos_root: PhotosRoot = None,
    ignore_boxes: IgnoreBoxes = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measures how often the right item is found."""
    origin = _origin(bundle, catalogue, vectors)
    limits = gates.parse(fail_under or (), metrics.FIGURES)
    held = parse_hold_out(hold_out) if hold_out else None
    if report is not None:
        reports.check(report)
    if ignore_boxes and origin.kind != "bundle":
        raise UsageError(
            "--ignore-boxes goes with --bundle", "give it to `index` or `embed`, which make the vectors"
        )
    talk = Talk(quiet)
    table = manifest.read(source, photos_root=photos_root, files=vectors is None)
    table.require_photos()
    shop = None if catalogue is None else own_shop(catalogue, table, relevant or "item_id")
    chosen, of_split = choose(
        table.photos if shop is None else shop.photos,
        protocol,
        split,
        queries=queries,
        gallery=gallery,
        relevant=relevant,
        level=level,
        column=held.column if held else None,
        own=shop is not None,
    )
    ground = _Ground(origin, table, shop, talk)
    done = _measure(ground, chosen, of_split, held, device=device, ignore_boxes=ignore_boxes)
    talk.skipped(done.faults, table.rows, None)
    if report is not None:
        _report(report, ground, done, str(source), hold_out or "")
    if json:
        print_json(done.to_json())
    else:
        show(done.result, done.papers)
    missed = gates.missed(done.result.figures(), limits)
    if missed:
        raise missed


class _Ground(NamedTuple):
    """What is measured, and on what; `shop` where the manifest is no source of the catalogue."""

    origin: Origin
    table: Manifest
    shop: OwnShop | None
    talk: Talk


class _Done(NamedTuple):
    """What was found, its figures, and what stands beside them."""

    found: Measured
    result: Evaluation
    papers: Sequence[Beside]
    faults: Sequence[Fault]
    fingerprint: str

    def to_json(self) -> dict[str, Any]:
        """`evaluate --json`, and a report's `metrics.json`."""
        return self.result.to_json() | {"published": [paper.to_json() for paper in self.papers]}


def _measure(
    ground: _Ground, protocol: Protocol, split: str, held: HoldOut | None, *, device: Device, ignore_boxes: bool
) -> _Done:
    origin, table, shop, talk = ground
    faults, progress = list(table.faults), talk.progress()
    if shop is None:
        embeds, ignored, fingerprint = vectors_of(origin, table, talk, faults, device=device)
    else:
        embeds, ignored, fingerprint = vectors_of_own(shop, table, talk, faults, device=device)
        talk.say("none of the manifest's photos is in the catalogue: they are searched in all that it holds")
        if shop.unknown:
            talk.say(shop.told())
    ignored = ignored or ignore_boxes
    found = measure(
        unboxed(table.photos if shop is None else shop.photos, ignored),
        embeds,
        protocol,
        split,
        keep=held.holds if held else lambda _photo: True,
        twins=None if shop else lambda photos: find(photos, table.root, progress),
        progress=progress,
    )
    result = summary(found, boxes_ignored=ignored)
    papers = beside(result, table.photos, whole=held is None)
    return _Done(found, result, papers, faults, fingerprint)


def _report(out: Path, ground: _Ground, done: _Done, source: str, held: str) -> None:
    origin, shop = ground.origin, ground.shop
    run = reports.Run(
        manifest=source,
        origin=f"{origin.kind} {origin.name or bundles.DEFAULT}",
        fingerprint=done.fingerprint,
        made=datetime.now(UTC).date().isoformat(),
        version=__version__,
        skipped=len(done.faults),
        held=held,
        notes=(f"{shop.told()}.",) if shop and shop.unknown else (),
        published=tuple(done.papers),
    )

    def look(photo: Photo) -> Pixels:
        """A stored photo from its copy, as its source may be gone."""
        if shop and photo.domain == "shop":
            with Catalogue(origin.name or "") as opened:
                copies = opened.copy([photo.photo_id])
            if photo.photo_id not in copies:
                raise PathError(f"the catalogue has lost the copy of {photo.path}", "run `twinset verify --repair`")
            return photos.read(copies[photo.photo_id])
        return photos.read(ground.table.root / photo.path)

    progress = ground.talk.progress()
    reports.write(out, done.found, done.result, run=run, metrics=done.to_json(), look=look, progress=progress)
    ground.talk.say(f"report: {out / reports.PAGE}")


def _origin(bundle: str | None, catalogue: Path | None, vectors: Path | None) -> Origin:
    if sum(option is not None for option in (bundle, catalogue, vectors)) > 1:
        raise UsageError("--bundle, --catalogue and --vectors exclude each other", "name one of them")
    if vectors is not None:
        return Origin("vectors", str(vectors))
    return Origin("bundle", bundle) if catalogue is None else Origin("catalogue", str(catalogue))


def _listed(out: Path) -> Path:
    """`skipped.csv` beside `out`, under another name where a file of somebody else's has that one."""
    listed = out.with_name(SKIPPED)
    if listed.exists() and not listed.read_bytes().startswith(b"line,path,code,message"):
        return out.with_name(f"{out.stem}.{SKIPPED}")
    return listed
