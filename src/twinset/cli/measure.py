"""`embed`, `evaluate`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from twinset import bundle as bundles
from twinset import manifest, metrics, protocols, vectors_file, where
from twinset.catalogue import Catalogue
from twinset.catalogue.build import SKIPPED
from twinset.cli import gates
from twinset.cli.output import (
    Bundle,
    IgnoreBoxes,
    Json,
    OnDevice,
    PhotosRoot,
    Quiet,
    Talk,
    begins,
    print_json,
    print_line,
    print_table,
)
from twinset.embedder import Embedder, embed_photos
from twinset.errors import ManifestError, UsageError
from twinset.evaluate import Embeds, evaluate
from twinset.manifest import Manifest
from twinset.manifest.split import parse_hold_out
from twinset.records import Evaluation, Fault, Photo, Vectors
from twinset.runtime import Device

Filters = list[str] | None
_NAMES: Final = tuple(protocols.PROTOCOLS)
Named = Annotated[
    str | None,
    typer.Option("--protocol", autocompletion=begins(lambda: _NAMES), help=f"One of {', '.join(_NAMES)}."),
]


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
    embedded = embed_photos(embedder, _boxed(table.photos, ignore_boxes), table.root, talk.progress())
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
    split: Annotated[
        Literal["train", "val", "test", "all"] | None,
        typer.Option("--split", help="By default test where there is one, else val, else all."),
    ] = None,
    protocol: Named = None,
    queries: Annotated[Filters, typer.Option("--queries", help="FIELD OP VALUE: the queries.")] = None,
    gallery: Annotated[Filters, typer.Option("--gallery", help="FIELD OP VALUE: what is searched in.")] = None,
    relevant: Annotated[
        str | None, typer.Option("--relevant", help="The column that makes two photos relevant.")
    ] = None,
    level: Annotated[Literal["item", "photo"] | None, typer.Option("--level", help="What is ranked.")] = None,
    hold_out: Annotated[
        str | None, typer.Option("--hold-out", help="COLUMN=0-7: keep only these queries, by hash.")
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
    if sum(option is not None for option in (bundle, catalogue, vectors)) > 1:
        raise UsageError("--bundle, --catalogue and --vectors exclude each other", "name one of them")
    limits = gates.parse(fail_under or (), metrics.FIGURES)
    held = parse_hold_out(hold_out) if hold_out else None
    talk = Talk(quiet)
    table = manifest.read(source, photos_root=photos_root, files=vectors is None)
    table.require_photos()
    _check_fields(table, [*(queries or ()), *(gallery or ())], [relevant, held.column if held else None])
    chosen, of_split = protocols.choose(table.photos, protocol, split)
    chosen = protocols.override(chosen, queries=queries, gallery=gallery, relevant=relevant, level=level)
    faults = list(table.faults)
    embeds, ignored = _embeds(
        table, faults, talk, device=device, bundle=bundle, catalogue=catalogue, vectors=vectors
    )
    if ignore_boxes and (catalogue or vectors):
        raise UsageError(
            "--ignore-boxes goes with --bundle", "give it to `index` or `embed`, which make the vectors"
        )
    plain = ignore_boxes or ignored
    photos = _boxed(table.photos, plain)
    keep = held.holds if held else lambda _photo: True
    told = talk.progress()
    result = evaluate(photos, embeds, chosen, of_split, keep=keep, boxes_ignored=plain, progress=told)
    talk.skipped(faults, table.rows, None)
    if json:
        print_json(result.to_json())
    else:
        _show(result)
    missed = gates.missed(result.figures(), limits)
    if missed:
        raise missed


def _listed(out: Path) -> Path:
    """`skipped.csv` beside `out`, under another name where a file of somebody else's has that one."""
    listed = out.with_name(SKIPPED)
    if listed.exists() and not listed.read_bytes().startswith(b"line,path,code,message"):
        return out.with_name(f"{out.stem}.{SKIPPED}")
    return listed


def _boxed(photos: Sequence[Photo], ignore_boxes: bool) -> list[Photo]:
    return [replace(photo, box=None) if ignore_boxes else photo for photo in photos]


def _check_fields(table: Manifest, filters: Sequence[str], columns: Sequence[str | None]) -> None:
    named = [f"{column}=" for column in columns if column]
    where.parse([*filters, *named]).check_fields(table.fields())


def _embeds(
    table: Manifest,
    faults: list[Fault],
    talk: Talk,
    *,
    device: Device,
    bundle: str | None,
    catalogue: Path | None,
    vectors: Path | None,
) -> tuple[Embeds, bool]:
    """Where vectors come from, and whether boxes were ignored when they were made.

    Photos that have no vector are added to `faults`.
    """
    if vectors is not None:
        if device != "auto":
            raise UsageError("--device goes with --bundle and --catalogue; --vectors are there", "leave it out")
        file = vectors_file.load(vectors)
        stored = file.of(table.photos)
        row = {photo.path: i for i, photo in enumerate(table.photos)}
        return lambda chosen: (chosen, stored[[row[photo.path] for photo in chosen]]), file.boxes_ignored
    ignored = False
    if catalogue is not None:
        with Catalogue(catalogue) as opened:
            ignored = any(s.boxes_ignored for s in opened.info().sources if s.root == str(table.root))

    def embeds(chosen: Sequence[Photo]) -> tuple[Sequence[Photo], Vectors]:
        if catalogue is not None:
            with Catalogue(catalogue) as opened:
                embedded = opened.embed(table, chosen, talk.progress(), device)
        else:
            embedder = Embedder(bundles.open_bundle(bundle), device)
            embedded = embed_photos(embedder, chosen, table.root, talk.progress())
        faults.extend(embedded.faults)
        return embedded.photos, embedded.vectors

    return embeds, ignored


def _show(result: Evaluation) -> None:
    print_line(
        f"protocol {result.protocol} · split {result.split} · level {result.level} · relevant {result.relevant}"
    )
    print_line(f"queries  {result.query_filter or 'all'}")
    print_line(f"gallery  {result.gallery_filter or 'all'}")
    print_line(
        f"{result.queries:,} queries ({result.queries_without_positive:,} more have no right answer) in "
        f"{result.gallery:,} photos of {result.items:,} items" + (", boxes ignored" if result.boxes_ignored else "")
    )
    names = [*(f"recall@{k}" for k in result.recall), "map"]
    values = [*result.recall.values(), result.map]
    rows = [
        [name, f"{value:.3f}", f"{result.ci95[name][0]:.3f} – {result.ci95[name][1]:.3f}"]
        for name, value in zip(names, values, strict=True)
    ]
    print_table(["", "value", "95 % interval"], rows, right=["value"])
    categories = [
        [name, f"{row['queries']:,}", f"{row['recall@1']:.3f}", f"{row['recall@20']:.3f}", f"{row['map']:.3f}"]
        for name, row in result.by_category.items()
    ]
    if categories:
        header = ["category", "queries", "recall@1", "recall@20", "map"]
        print_line("")
        print_table(header, categories, right=header[1:])
