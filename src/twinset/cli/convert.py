"""`data convert`: a public set as it is handed out → a manifest."""

from pathlib import Path
from typing import Annotated, Final

import typer

from twinset.cli.output import Json, Quiet, Talk, print_json, print_line, print_table, printable
from twinset.datasets import deepfashion
from twinset.datasets.deepfashion import Conversion
from twinset.errors import UsageError, did_you_mean
from twinset.manifest import write_faults

FORMATS: Final = {"deepfashion-c2s": deepfashion.convert}

_SKIPPED: Final = "photos.skipped.csv"


def add_commands(app: typer.Typer) -> None:
    """Adds this module's command."""
    app.command("convert")(convert_command)


def convert_command(
    name: Annotated[str, typer.Argument(metavar="FORMAT", help=f"The set's format: {', '.join(FORMATS)}.")],
    root: Annotated[Path, typer.Argument(metavar="IN", help="The set's folder, with Anno, Eval and Img.")],
    highres: Annotated[
        bool, typer.Option("--highres", help="Use the high-resolution photos also where the small ones are there.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Writes IN/photos.csv, a manifest of a public set; says what was found, beside the published totals."""
    if name not in FORMATS:
        mend = did_you_mean(name, FORMATS, f"formats are {', '.join(FORMATS)}")
        raise UsageError(f"there is no format {name!r}", mend)
    talk = Talk(quiet)
    done = FORMATS[name](root, highres=highres, progress=talk.progress())
    (root / _SKIPPED).unlink(missing_ok=True)
    if done.faults:
        write_faults(root / _SKIPPED, done.faults)
        talk.skipped(done.faults, done.listed, root / _SKIPPED)
    if json:
        print_json(done.to_json())
    else:
        _show(done)


def _show(done: Conversion) -> None:
    print_line(f"{done.manifest}: {done.photos:,} photos of {done.tree}; the pairs name {done.listed:,}")
    counts = [[c.name, f"{c.found:,}", f"{c.published:,}", "yes" if c.agrees else "no"] for c in done.counts]
    print_table(["", "found", "published", "agrees"], counts, right=["found", "published"])
    print_line("")
    columns = ["customer", "shop", "items", "pairs"]
    splits = [[split, *(f"{counts[column]:,}" for column in columns)] for split, counts in done.splits.items()]
    print_table(["split", *columns], splits, right=columns)
    print_line("")
    categories = [[category, f"{count:,}"] for category, count in done.categories.items()]
    print_table(["category", "photos"], categories, right=["photos"])
    print_line("")
    for found in done.findings:
        print_line(printable(f"{found.count:,} {found.what}: {'; '.join(found.first)}"))
