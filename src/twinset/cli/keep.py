"""`snapshot`, `dump`, `load`."""

from pathlib import Path
from typing import Annotated

import typer

from twinset.catalogue import Catalogue, load
from twinset.catalogue.transfer import bundle_beside
from twinset.cli.output import Bundle, CatalogueDir, Json, Quiet, Talk, print_json, print_line


def add_commands(app: typer.Typer) -> None:
    """Adds this module's commands."""
    app.command("snapshot")(snapshot_command)
    app.command("dump")(dump_command)
    app.command("load")(load_command)


def snapshot_command(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The copy's folder; nothing may be there yet.")],
    catalogue: CatalogueDir,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Makes a consistent copy of a catalogue, while others read and write it."""
    with Catalogue(catalogue) as opened:
        opened.snapshot(out, Talk(quiet).progress())
    with Catalogue(out) as made:
        photos = made.info().photos
    if json:
        print_json({"out": str(out), "photos": photos})
    else:
        print_line(f"{out}: {photos:,} photos")


def dump_command(
    catalogue: CatalogueDir,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The Parquet file; nothing may be there yet.")],
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Writes a catalogue to a Parquet file: rows, vectors and copies; its bundle goes beside it."""
    with Catalogue(catalogue) as opened:
        photos = opened.dump(out, Talk(quiet).progress())
    Talk(quiet or json).say(f"the bundle: {bundle_beside(out)}")
    if json:
        print_json({"out": str(out), "bundle": str(bundle_beside(out)), "photos": photos})
    else:
        print_line(f"{out}: {photos:,} photos")


def load_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `twinset dump` wrote.")],
    catalogue: Annotated[
        Path, typer.Option("--catalogue", "-c", help="The new catalogue's folder; nothing may be there yet.")
    ],
    bundle: Bundle = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Makes a new catalogue of a dumped one; its answers are the same, bit for bit."""
    photos = load(file, catalogue, bundle=bundle, progress=Talk(quiet).progress())
    if json:
        print_json({"catalogue": str(catalogue), "photos": photos})
    else:
        print_line(f"{catalogue}: {photos:,} photos")
