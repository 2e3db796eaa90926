"""`embed`, `evaluate`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from twinset import bundle as bundles
from twinset import manifest, metrics, vectors_file
from twinset.catalogue.build import SKIPPED
from twinset.cli import gates
from twinset.cli.embeds import Origin, unboxed, vectors_of
from twinset.cli.output import (
    Bundle,
    IgnoreBoxes,
    Json,
    OnDevice,
    PhotosRoot,
    Quiet,
    Talk,
    print_json,
    print_line,
    print_table,
)
from twinset.cli.protocol import Gallery, Held, Level, Named, Queries, Relevant, Split, choose
from twinset.datasets.deepfashion.literature import Beside, beside
from twinset.embedder import Embedder, embed_photos
from twinset.errors import ManifestError, UsageError
from twinset.evaluate import evaluate
from twinset.manifest.split import parse_hold_out
from twinset.records import Duplicates, Evaluation
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
    talk = Talk(quiet)
    table = manifest.read(source, photos_root=photos_root, files=vectors is None)
    table.require_photos()
    column = held.column if held else None
    chosen, of_split = choose(
        table, protocol, split, queries=queries, gallery=gallery, relevant=relevant, level=level, column=column
    )
    faults = list(table.faults)
    embeds, ignored = vectors_of(origin, table, talk, faults, device=device)
    if ignore_boxes and origin.kind != "bundle":
        raise UsageError(
            "--ignore-boxes goes with --bundle", "give it to `index` or `embed`, which make the vectors"
        )
    ignored = ignored or ignore_boxes
    progress = talk.progress()
    result = evaluate(
        unboxed(table.photos, ignored),
        embeds,
        chosen,
        of_split,
        keep=held.holds if held else lambda _photo: True,
        twins=lambda photos: find(photos, table.root, progress),
        boxes_ignored=ignored,
        progress=progress,
    )
    papers = beside(result, table.photos, whole=held is None)
    talk.skipped(faults, table.rows, None)
    if json:
        print_json(result.to_json() | {"published": [paper.to_json() for paper in papers]})
    else:
        _show(result, papers)
    missed = gates.missed(result.figures(), limits)
    if missed:
        raise missed


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


def _show(result: Evaluation, papers: Sequence[Beside]) -> None:
    print_line(
        f"protocol {result.protocol} · split {result.split} · level {result.level} · relevant {result.relevant}"
    )
    print_line(f"queries  {result.query_filter or 'all'}")
    print_line(f"gallery  {result.gallery_filter or 'all'}")
    print_line(
        f"{result.queries:,} queries ({result.queries_without_positive:,} more have no right answer) in "
        f"{result.gallery:,} photos of {result.items:,} items" + (", boxes ignored" if result.boxes_ignored else "")
    )
    rows = [
        [name, f"{value:.3f}", f"{result.ci95[name][0]:.3f} – {result.ci95[name][1]:.3f}"]
        for name, value in result.figures().items()
    ]
    header = ["", "value", "95 % interval"]
    twins = result.duplicates
    if twins and twins.pairs:
        header.append("twins right too")
        alike = [f"{value:.3f}" for value in twins.recall.values()] + [""] * len(rows)
        rows = [[*row, more] for row, more in zip(rows, alike, strict=False)]
    print_table(header, rows, right=["value", "twins right too"])
    print_line(_told(twins))
    for what, by in (("category", result.by_category), ("domain", result.by_domain), ("view", result.by_view)):
        if by and (what == "category" or len(by) > 1):
            print_line("")
            _show_parts(what, by)
    for paper in papers:
        figures = ", ".join(f"{name} {value:g}" for name, value in paper.recall.items())
        print_line(f"published: {paper.source}: {figures}; compares: {paper.compares}, {paper.because}")


def _told(twins: Duplicates | None) -> str:
    if twins is None:
        return "near-identical photos under other ids: not looked for, since the gallery cannot be read"
    if not twins.pairs:
        return "no near-identical photos under other ids"
    return (
        f"{twins.pairs:,} pairs of near-identical photos under other ids: {twins.photos:,} photos, "
        f"{twins.items:,} items; right answers of {twins.queries:,} queries are among them"
    )


def _show_parts(what: str, by: Mapping[str, Mapping[str, float]]) -> None:
    shown = ["recall@1", "recall@20", "map"]
    rows = [[name, f"{row['queries']:,}", *(f"{row[figure]:.3f}" for figure in shown)] for name, row in by.items()]
    print_table([what, "queries", *shown], rows, right=["queries", *shown])
