"""`index`, `search`, `similar`, `remove`."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from twinset import photos
from twinset.catalogue import Catalogue, IndexOptions, index
from twinset.catalogue.build import SKIPPED
from twinset.catalogue.folder import Index
from twinset.catalogue.options import Asked, By, OutOfStock, Rerank
from twinset.cli.answers import draw, say_boxes, show
from twinset.cli.explain import Explain, check_explain, draw_explanation
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
)
from twinset.embedder import query_box
from twinset.errors import UsageError
from twinset.records import Box
from twinset.sheet import Tile

K = Annotated[int, typer.Option("-k", help="How many items.")]
RankedBy = Annotated[By, typer.Option("--by", help="What is ranked; `style` folds colours.")]
Cursor = Annotated[str | None, typer.Option("--cursor", help="`next` of the answer before.")]
Where = Annotated[
    list[str] | None, typer.Option("--where", help="FIELD OP VALUE, as price<50; several are all required.")
]
Boost = Annotated[
    list[str] | None, typer.Option("--boost", help="FIELD OP VALUE:±x, as brand=Own:+0.05: orders by score plus x.")
]
MinScore = Annotated[float | None, typer.Option("--min-score", help="Leave out what is less similar, -1 to 1.")]
Stock = Annotated[OutOfStock, typer.Option("--out-of-stock", help="What becomes of items that are out of stock.")]
Reranked = Annotated[
    Rerank | None, typer.Option("--rerank", help="Another order of the first hits: see docs/search.md.")
]
Sheet = Annotated[Path | None, typer.Option("--sheet", help="Write a contact sheet (.png or .jpg).")]
Facets = Annotated[bool, typer.Option("--facets", help="Count items by category and attributes.")]


def add_commands(app: typer.Typer) -> None:
    """Adds this module's commands."""
    app.command("index")(index_command)
    app.command("search")(search_command)
    app.command("similar")(similar_command)
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
    verify_content: Annotated[
        bool,
        typer.Option(
            "--verify-content",
            help="Read every photo: else one that changed, but kept its size and modification time, is not seen.",
        ),
    ] = False,
    index_: Annotated[
        Index | None,
        typer.Option(
            "--index", help="How it is searched from now on: `exact` (at first), or by a graph, for many photos."
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Makes a catalogue of a manifest or a folder, or brings it up to date."""
    talk = Talk(quiet)
    options = IndexOptions(source, replace, domain == "any", ignore_boxes, photos_root, verify_content, index_)
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
    photo: Annotated[
        list[str], typer.Argument(metavar="PHOTO...", help="A photo, or several of one garment; - is stdin.")
    ],
    catalogue: CatalogueDir,
    k: K = 20,
    box: Annotated[
        str | None, typer.Option("--box", help="x1,y1,x2,y2 in fractions 0-1: the part to search with.")
    ] = None,
    by: RankedBy = "item",
    where: Where = None,
    boost: Boost = None,
    min_score: MinScore = None,
    out_of_stock: Stock = "show",
    rerank: Reranked = None,
    facets: Facets = False,
    cursor: Cursor = None,
    boxes: Annotated[bool, typer.Option("--boxes", help="Suggest boxes to search with; takes longer.")] = False,
    sheet_: Sheet = None,
    explain: Explain = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Finds the items nearest to a photo, or to several photos of one garment; embedded on the CPU."""
    if photo.count("-") > 1:
        raise UsageError("- is given twice, and there is one standard input", "give it once")
    check_explain(explain, photo)
    given = [_bytes(name) for name in photo]
    part = _box(box)
    asked = _asked(by, cursor, where, boost, min_score, out_of_stock, facets, rerank)
    with Catalogue(catalogue) as opened:
        answer = opened.search(given, k, box=part, boxes=boxes, **asked)
        if sheet_ is not None:
            draw(opened, Tile(photos.read(given[0]), ("query",), "query", part), answer, sheet_)
        if explain is not None:
            draw_explanation(opened, given[0], part, answer, explain)
    talk = Talk(quiet)
    show(answer, talk, sheet_, json=json)
    if explain is not None:
        talk.say(f"explained: {explain}")
    if not json and boxes:
        say_boxes(talk, answer)


def similar_command(
    item_id: Annotated[str, typer.Argument(metavar="ITEM_ID", help="An item of the catalogue.")],
    catalogue: CatalogueDir,
    k: K = 20,
    by: RankedBy = "item",
    where: Where = None,
    boost: Boost = None,
    min_score: MinScore = None,
    out_of_stock: Stock = "show",
    rerank: Reranked = None,
    facets: Facets = False,
    cursor: Cursor = None,
    sheet_: Sheet = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Finds the items nearest to one of the catalogue, by its stored vectors; that item is left out."""
    asked = _asked(by, cursor, where, boost, min_score, out_of_stock, facets, rerank)
    with Catalogue(catalogue) as opened:
        answer = opened.similar(item_id, k, **asked)
        if sheet_ is not None:
            draw(opened, Tile(photos.read(opened.portrait(item_id)), (item_id,), "query"), answer, sheet_)
    show(answer, Talk(quiet), sheet_, json=json)


def remove_command(
    catalogue: CatalogueDir,
    item_ids: Annotated[list[str] | None, typer.Argument(metavar="ITEM_ID...", help="Items to remove.")] = None,
    photo: Annotated[
        list[str] | None, typer.Option("--photo", help="A photo to remove, by its path in its source.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", metavar="FILTER", help="Photos to remove as well: FIELD OP VALUE; several all hold."
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Removes items or photos; an unknown id, or a filter that nothing fits, removes nothing."""
    if not item_ids and not photo and not where:
        raise UsageError("nothing is named to remove", "name items, photos with --photo, or filters with --where")
    with Catalogue(catalogue) as opened:
        count = opened.remove(item_ids or [], photo or [], where or [], Talk(quiet).progress())
    if json:
        print_json({"removed": count})
    else:
        print_line(f"removed {count:,} photos")


def _asked(
    by: By,
    cursor: str | None,
    where: list[str] | None,
    boost: list[str] | None,
    min_score: float | None,
    out_of_stock: OutOfStock,
    facets: bool,
    rerank: Rerank | None,
) -> Asked:
    """What `search` and `similar` are asked alike."""
    return Asked(
        by=by,
        cursor=cursor,
        where=where or (),
        boost=boost or (),
        min_score=min_score,
        out_of_stock=out_of_stock,
        facets=facets,
        rerank=rerank,
    )


def _bytes(name: str) -> bytes:
    return sys.stdin.buffer.read(photos.MAX_BYTES + 1) if name == "-" else photos.read_bytes(name)


def _box(text: str | None) -> Box | None:
    if text is None:
        return None
    try:
        return query_box([float(side) for side in text.split(",")])
    except ValueError as error:
        raise UsageError(f"--box {text!r} is no box", "give x1,y1,x2,y2 from 0 to 1") from error
