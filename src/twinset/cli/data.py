"""`data check`, `data split`, `data draw`; the commands of `audit`, `convert`, `fetch` and `join` are added."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from twinset import manifest
from twinset.cli import audit, convert, fetch, join
from twinset.cli.output import Json, PhotosRoot, Quiet, Talk, print_json, print_line, print_table
from twinset.datasets import wardrobe
from twinset.errors import GateError, PathError, UsageError
from twinset.manifest import Check
from twinset.records import Photo

app = typer.Typer(help="Look at manifests, split them, and make them.")
audit.add_commands(app)
app.add_typer(convert.app, name="convert")
fetch.add_commands(app)
join.add_commands(app)


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


@app.command("split")
def split_command(
    source: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A manifest (CSV) or a folder of photos.")],
    out: Annotated[Path, typer.Option("--out", help="The manifest to write, beside MANIFEST or in the folder.")],
    by: Annotated[
        str, typer.Option("--by", help="The column whose values, with their items, stay whole.")
    ] = "item_id",
    val: Annotated[float, typer.Option("--val", help="The share of val, 0-1.")] = 0.1,
    test: Annotated[float, typer.Option("--test", help="The share of test, 0-1.")] = 0.2,
    seed: Annotated[int, typer.Option("--seed", help="Another seed draws another split.")] = 7,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draws train, val and test by hash, never by the order of the rows, and writes the manifest with them."""
    talk = Talk(quiet)
    if out.is_dir():
        raise PathError(f"{out} is a folder", "name the manifest to write, for example photos.csv in it")
    table = manifest.read(source, files=False)
    table.require_photos()
    given = sum(bool(photo.value("split")) for photo in table.photos)
    if given and out.exists() and out.resolve() == source.resolve():
        raise UsageError(f"{given:,} rows of {out} have a split already, which would be gone", "name another --out")
    if given:
        talk.say(f"{given:,} rows have a split already: in {out} it is replaced")
    splits = manifest.assign(table.photos, by, val, test, seed)
    manifest.write_split(source, out, table, splits)
    talk.skipped(table.faults, table.rows, None)
    elsewhere = None if out.parent.resolve() == table.root else str(table.root)
    if elsewhere:
        talk.say(f"{out} lies in another folder than its photos: use it with --photos-root {elsewhere}")
    counts = _split_counts(table.photos, splits)
    if json:
        facts = {"manifest": str(out), "by": by, "val": val, "test": test, "seed": seed, "photos_root": elsewhere}
        print_json(facts | {"photos": len(splits), "skipped": len(table.faults), "splits": counts})
        return
    columns = ["customer", "shop", "items"]
    rows = [[split, *(f"{found[column]:,}" for column in columns)] for split, found in counts.items()]
    print_table(["split", *columns], rows, right=columns)


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


def _split_counts(photos: Sequence[Photo], splits: Sequence[str]) -> dict[str, dict[str, int]]:
    """Photos by domain, and items, of each split."""
    counts: dict[str, dict[str, int]] = {}
    for name in ("train", "val", "test"):
        own = [photo for photo, split in zip(photos, splits, strict=True) if split == name]
        domains = {domain: sum(photo.domain == domain for photo in own) for domain in ("customer", "shop")}
        counts[name] = domains | {"items": len({photo.item_id for photo in own})}
    return counts


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
