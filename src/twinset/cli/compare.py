"""`compare`: two ways of embedding on the same queries."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from twinset import manifest
from twinset.cli.embeds import Origin, recognise, unboxed, vectors_of
from twinset.cli.output import (
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
from twinset.errors import UsageError
from twinset.evaluate import Embeds
from twinset.manifest import Manifest
from twinset.manifest.split import parse_hold_out
from twinset.paired import Comparison, compare
from twinset.records import Fault, Photo, Vectors
from twinset.runtime import Device


def add_commands(app: typer.Typer) -> None:
    """Adds this module's command."""
    app.command("compare")(compare_command)


def compare_command(
    source: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A manifest (CSV) or a folder of photos.")],
    a: Annotated[str, typer.Argument(metavar="A", help="A bundle, a run, a catalogue or a vectors file.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    device: OnDevice = "auto",
    split: Split = None,
    protocol: Named = None,
    queries: Queries = None,
    gallery: Gallery = None,
    relevant: Relevant = None,
    level: Level = None,
    hold_out: Held = None,
    photos_root: PhotosRoot = None,
    ignore_boxes: IgnoreBoxes = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measures the difference between two, query by query, with its interval."""
    origins = recognise(a), recognise(b)
    kinds = {origin.kind for origin in origins}
    if ignore_boxes and not kinds & {"bundle", "run"}:
        raise UsageError("--ignore-boxes is for bundles and runs", "leave it out: the vectors are there")
    held = parse_hold_out(hold_out) if hold_out else None
    talk = Talk(quiet)
    table = manifest.read(source, photos_root=photos_root, files=kinds != {"vectors"})
    table.require_photos()
    column = held.column if held else None
    chosen, of_split = choose(
        table.photos,
        protocol,
        split,
        queries=queries,
        gallery=gallery,
        relevant=relevant,
        level=level,
        column=column,
    )
    sides = [_side(origin, table, talk, device=device, ignore_boxes=ignore_boxes) for origin in origins]
    (one, boxless), (other, boxless_too) = sides
    keep = held.holds if held else lambda _photo: True
    result = compare(table.photos, one, other, chosen, of_split, keep=keep, progress=talk.progress())
    ignored = {"a": boxless, "b": boxless_too}
    if json:
        print_json({"a": a, "b": b, "boxes_ignored": ignored} | result.to_json())
        return
    _show(result, a, b)
    if boxless != boxless_too:
        print_line(f"boxes were ignored for {'A' if boxless else 'B'} only")


def _side(
    origin: Origin, table: Manifest, talk: Talk, *, device: Device, ignore_boxes: bool
) -> tuple[Embeds, bool]:
    """What embeds by one side, without boxes where they are ignored; what it cannot embed is told."""
    faults: list[Fault] = []
    there = origin.kind in ("vectors", "catalogue")
    vectors, ignored, _ = vectors_of(
        origin, table, talk, faults, device="auto" if origin.kind == "vectors" else device, partial=True
    )
    ignored = ignored or (ignore_boxes and not there)

    def embeds(photos: Sequence[Photo]) -> tuple[Sequence[Photo], Vectors]:
        talk.say(f"{origin.kind} {origin.name}")
        embedded = vectors(unboxed(photos, ignored))
        talk.skipped(faults, len(photos), None)
        return embedded

    return embeds, ignored


def _show(result: Comparison, a: str, b: str) -> None:
    print_line(
        f"protocol {result.protocol} · split {result.split} · level {result.level} · relevant {result.relevant}"
    )
    print_line(f"queries  {result.query_filter or 'all'}")
    print_line(f"gallery  {result.gallery_filter or 'all'}")
    print_line(
        f"{result.queries:,} queries ({result.queries_without_positive:,} more have no right answer) in "
        f"{result.gallery:,} photos; {result.left_out:,} photos left out, since A or B has no vector of them"
    )
    print_line(f"A = {a}")
    print_line(f"B = {b}")
    rows = [
        [
            name,
            f"{figure.a:.3f}",
            f"{figure.b:.3f}",
            f"{figure.difference:+.3f}",
            f"{figure.ci95[0]:+.3f} – {figure.ci95[1]:+.3f}",
        ]
        for name, figure in result.figures.items()
    ]
    header = ["", "A", "B", "B − A", "95 % interval"]
    print_table(header, rows, right=header[1:4])
    print_line(told(result))


def told(result: Comparison) -> str:
    """In a sentence who finds more queries' right answer first, and whether that can be chance."""
    more = result.only_b - result.only_a
    low, high = result.figures["recall@1"].ci95
    said = "as many as A" if more == 0 else f"{abs(more):,} {'more' if more > 0 else 'fewer'}"
    sure = "the interval leaves out 0" if low > 0 or high < 0 else "the interval holds 0: it may be chance"
    return (
        f"B finds {said} of {result.queries:,} queries first: {result.only_b:,} that A does not, "
        f"A {result.only_a:,} that B does not; {sure}"
    )
