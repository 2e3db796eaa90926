"""`data check`, `data draw`."""

from pathlib import Path
from typing import Annotated

import typer

from twinset import manifest
from twinset.cli.output import Json, PhotosRoot, Quiet, Talk, print_json, print_line, print_table
from twinset.datasets import wardrobe
from twinset.errors import GateError
from twinset.manifest import Check

app = typer.Typer(help="Look at manifests, and make one to try things with.")


@app.command("check")
def check_command(
    source: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A manifest (CSV) or a folder of photos.")],
    photos_root: PhotosRoot = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Counts, unreadable photos, duplicates across items or splits."""
    table = manifest.read(source, photos_root=photos_root)
    table.require_photos()
    found = manifest.check(table, Talk(quiet).progress())
    if json:
        print_json(found.to_json())
    else:
        _show(found)
    if not found.ok:
        raise GateError(
            f"{len(found.faults):,} faulty rows, {len(found.duplicates_across_items):,} photos under several "
            f"items, {len(found.duplicates_across_splits):,} in several splits",
            "mend these rows of the manifest",
        )


@app.command("draw")
def draw_command(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write.")],
    items: Annotated[int, typer.Option("--items", help="How many items.")] = 200,
    seed: Annotated[int, typer.Option("--seed", help="The same seed draws the same pixels.")] = 7,
    shop_photos: Annotated[int, typer.Option("--shop-photos", help="Of each item.")] = 2,
    customer_photos: Annotated[int, typer.Option("--customer-photos", help="Of each item.")] = 1,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draws a wardrobe: garments as a shop and as its customers photograph them, with a manifest."""
    progress = Talk(quiet).progress()
    progress.start("drawing", items * (shop_photos + customer_photos))
    try:
        table = wardrobe.draw(
            out,
            items=items,
            seed=seed,
            shop_photos=shop_photos,
            customer_photos=customer_photos,
            advance=progress.advance,
        )
    finally:
        progress.finish()
    if json:
        print_json({"manifest": str(table), "items": items, "photos": items * (shop_photos + customer_photos)})
    else:
        print_line(f"{table}: {items:,} items")


def _show(found: Check) -> None:
    print_line(f"{found.photos:,} photos of {found.items:,} items; {found.rows:,} rows")
    rows = [["split", name or "(none)", f"{count:,}"] for name, count in found.splits.items()]
    rows += [["domain", name, f"{count:,}"] for name, count in found.domains.items()]
    rows += [["category", name, f"{count:,}"] for name, count in found.categories.items()]
    print_table(["", "", "photos"], rows, right=["photos"])
    print_line(f"{found.single_photo_items:,} items have one photo")
    for fault in found.faults:
        print_line(f"line {fault.line}, {fault.path}: {fault.code}: {fault.message}")
    for what, groups in (
        ("the same photo under several items", found.duplicates_across_items),
        ("the same photo in several splits", found.duplicates_across_splits),
    ):
        for group in groups:
            print_line(f"{what}: {', '.join(group)}")
