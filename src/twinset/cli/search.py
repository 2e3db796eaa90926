"""`index`, `search`, `remove`."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from twinset import photos, sheet
from twinset.catalogue import Catalogue, IndexOptions, index
from twinset.catalogue.build import SKIPPED
from twinset.cli.output import (
    Bundle,
    CatalogueDir,
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
from twinset.embedder import query_box
from twinset.errors import UsageError
from twinset.records import Answer, Box
from twinset.sheet import Tile


def add_commands(app: typer.Typer) -> None:
    """Adds this module's commands."""
    app.command("index")(index_command)
    app.command("search")(search_command)
    app.command("remove")(remove_command)


def index_command(
    photos_: Annotated[Path, typer.Argument(metavar="SOURCE", help="A manifest (CSV) or a folder of photos.")],
    catalogue: CatalogueDir,
    source: Annotated[str | None, typer.Option("--source", help="The name of this place of photos.")] = None,
    bundle: Bundle = None,
    device: OnDevice = "auto",
    replace: Annotated[bool, typer.Option("--replace", help="Remove what this source no longer has.")] = False,
    domain: Annotated[
        Literal["shop", "any"], typer.Option("--domain", help="`any` indexes customers' photos too.")
    ] = "shop",
    photos_root: PhotosRoot = None,
    ignore_boxes: IgnoreBoxes = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Makes a catalogue of a manifest or a folder, or brings it up to date."""
    talk = Talk(quiet)
    options = IndexOptions(source, replace, domain == "any", ignore_boxes, photos_root)
    report = index(catalogue, photos_, bundle=bundle, device=device, options=options, progress=talk.progress())
    talk.skipped(report.faults, report.rows, catalogue / SKIPPED)
    if report.gone:
        talk.say(f"no longer in the source, and kept: {report.gone:,} photos; --replace removes them")
    if json:
        print_json(report.to_json())
        return
    print_line(
        f"{catalogue}: {report.photos:,} photos of {report.items:,} items; added {report.added:,}, updated "
        f"{report.updated:,}, unchanged {report.unchanged:,}, removed {report.removed:,}; embedded "
        f"{report.embedded:,} in {report.seconds:.1f} s"
    )


def search_command(
    photo: Annotated[str, typer.Argument(metavar="PHOTO", help="A photo, or - for stdin.")],
    catalogue: CatalogueDir,
    k: Annotated[int, typer.Option("-k", help="How many items.")] = 20,
    box: Annotated[
        str | None, typer.Option("--box", help="x1,y1,x2,y2 in fractions 0-1: the part to search with.")
    ] = None,
    by: Annotated[Literal["item", "photo"], typer.Option("--by", help="What is ranked.")] = "item",
    cursor: Annotated[str | None, typer.Option("--cursor", help="`next` of the answer before.")] = None,
    boxes: Annotated[bool, typer.Option("--boxes", help="Suggest boxes to search with; takes longer.")] = False,
    sheet_: Annotated[Path | None, typer.Option("--sheet", help="Write a contact sheet (.png or .jpg).")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Finds the items nearest to a photo, which is embedded on the CPU."""
    data = sys.stdin.buffer.read(photos.MAX_BYTES + 1) if photo == "-" else photos.read_bytes(photo)
    part = _box(box)
    with Catalogue(catalogue) as opened:
        answer = opened.search(data, k, box=part, by=by, cursor=cursor, boxes=boxes)
        if sheet_ is not None:
            _draw(opened, data, part, answer, sheet_)
    if json:
        print_json(answer.to_json())
        return
    rows = [[str(hit.rank), hit.item_id, f"{hit.score:.3f}", hit.category, hit.title, hit.photo] for hit in answer]
    print_table(["#", "item", "score", "category", "title", "photo"], rows, right=["#", "score"])
    talk = Talk(quiet)
    if sheet_ is not None:
        talk.say(f"sheet: {sheet_}")
    if boxes:
        _say_boxes(talk, part, answer)
    if answer.next:
        talk.say(f"more: --cursor {answer.next}")


def remove_command(
    catalogue: CatalogueDir,
    item_ids: Annotated[list[str] | None, typer.Argument(metavar="ITEM_ID...", help="Items to remove.")] = None,
    photo: Annotated[
        list[str] | None, typer.Option("--photo", help="A photo to remove, by its path in its source.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,  # noqa: ARG001 - every command takes it; this one has nothing to say
) -> None:
    """Removes items or photos; an unknown id removes nothing."""
    if not item_ids and not photo:
        raise UsageError("nothing is named to remove", "name items, or photos with --photo")
    with Catalogue(catalogue) as opened:
        count = opened.remove(item_ids or [], photo or [])
    if json:
        print_json({"removed": count})
    else:
        print_line(f"removed {count:,} photos")


def _box(text: str | None) -> Box | None:
    if text is None:
        return None
    try:
        return query_box([float(side) for side in text.split(",")])
    except ValueError as error:
        raise UsageError(f"--box {text!r} is no box", "give x1,y1,x2,y2 from 0 to 1") from error


def _say_boxes(talk: Talk, part: Box | None, answer: Answer) -> None:
    if answer.boxes is None:
        talk.say(f"no boxes: {'one is given' if part else 'this bundle has no patches'}")
    elif not answer.boxes:
        talk.say("no boxes: nothing stands out")
    for box in answer.boxes or ():
        talk.say(f"try: --box {','.join(f'{side:.3f}' for side in box)}")


def _draw(catalogue: Catalogue, photo: bytes, box: Box | None, answer: Answer, path: Path) -> None:
    copies = catalogue.copy([hit.photo_id for hit in answer])
    hits = [
        Tile(photos.read(copies[hit.photo_id]), (f"{hit.rank}   {hit.score:.3f}   {hit.item_id}", hit.title))
        for hit in answer
        if hit.photo_id in copies
    ]
    sheet.save(path, sheet.answer_sheet(Tile(photos.read(photo), ("query",), "query", box), hits))
