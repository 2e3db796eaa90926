"""`data convert`: a public set as it is handed out, or a shop's export → a manifest."""

from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from twinset.cli.output import Json, Quiet, Talk, begins, print_json, print_line, print_table, printable
from twinset.datasets import deepfashion
from twinset.errors import UsageError, did_you_mean
from twinset.manifest import feeds, write_faults
from twinset.manifest.notes import Finding
from twinset.records import Fault

_SET: Final = "deepfashion-c2s"
FORMATS: Final = (_SET, *feeds.READERS)


def add_commands(app: typer.Typer) -> None:
    """Adds this module's command."""
    app.command("convert")(convert_command)


def convert_command(
    name: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT", autocompletion=begins(lambda: FORMATS), help=f"One of {', '.join(FORMATS)}."
        ),
    ],
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="The set's folder, with Anno, Eval and Img; or the shop's export.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="The manifest to write; of a set it is IN/photos.csv.")
    ] = None,
    items: Annotated[
        Literal["colour", "product"] | None,
        typer.Option("--items", help="An export's items: products in one colour (default), or products."),
    ] = None,
    currency: Annotated[
        str | None, typer.Option("--currency", help="Of an export's prices that name none, for example EUR.")
    ] = None,
    shop_url: Annotated[
        str | None, typer.Option("--shop-url", help="Where an export's product pages lie: https://shop.example.")
    ] = None,
    photos_url: Annotated[
        str | None,
        typer.Option("--photos-url", help="Where an export's relative pictures lie, to be fetched from there."),
    ] = None,
    highres: Annotated[
        bool, typer.Option("--highres", help="Use a set's high-resolution photos also where the small ones are.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Writes a manifest of a public set or of a shop's export (docs/feeds.md), and says what was odd in it."""
    if name not in FORMATS:
        mend = did_you_mean(name, FORMATS, f"formats are {', '.join(FORMATS)}")
        raise UsageError(f"there is no format {name!r}", mend)
    talk = Talk(quiet)
    if name == _SET:
        _refuse(
            name,
            {
                "--out": out,
                "--items": items,
                "--currency": currency,
                "--shop-url": shop_url,
                "--photos-url": photos_url,
            },
        )
        _convert_set(source, highres=highres, json=json, talk=talk)
        return
    of_merchant = {"--shop-url": shop_url, "--photos-url": photos_url} if name == "merchant" else {}
    _refuse(name, {"--highres": highres or None, **of_merchant})
    if out is None:
        raise UsageError("an export needs --out", "name the manifest to write, for example --out photos.csv")
    options = feeds.Options(items or "colour", (currency or "").upper(), shop_url or "", photos_url or "")
    _convert_feed(name, source, out, options, json=json, talk=talk)


def _refuse(name: str, given: dict[str, object]) -> None:
    """An option that means nothing here was meant for something."""
    for option, value in given.items():
        if value is not None:
            raise UsageError(f"{option} says nothing of {name}", "leave it out")


def _convert_set(root: Path, *, highres: bool, json: bool, talk: Talk) -> None:
    done = deepfashion.convert(root, highres=highres, progress=talk.progress())
    _skipped(done.manifest, done.faults, done.listed, talk)
    if json:
        print_json(done.to_json())
        return
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
    _show(done.findings)


def _convert_feed(name: str, file: Path, out: Path, options: feeds.Options, *, json: bool, talk: Talk) -> None:
    done = feeds.convert(name, file, out, options, talk.progress())
    _skipped(out, done.faults, done.listed, talk)
    if done.addresses:
        talk.say(f"{done.addresses:,} photos are addresses: twinset data fetch brings them in, then index")
    if done.addresses < done.photos:
        talk.say(
            f"{done.photos - done.addresses:,} photos are paths: index with --photos-root, where they start, "
            "or convert with --photos-url, where they can be fetched"
        )
    if json:
        print_json(done.to_json())
        return
    print_line(
        f"{out}: {done.photos:,} photos of {done.items:,} items, {done.products:,} products; {done.rows:,} rows"
    )
    if done.columns:
        print_line(printable(f"kept as attributes: {', '.join(done.columns)}"))
    _show(done.findings)


def _skipped(out: Path, faults: tuple[Fault, ...], listed: int, talk: Talk) -> None:
    """Lists beside the manifest what was left out; the list of an earlier run goes."""
    beside = out.with_suffix(".skipped.csv")
    beside.unlink(missing_ok=True)
    if faults:
        write_faults(beside, faults)
        talk.skipped(faults, listed, beside)


def _show(findings: tuple[Finding, ...]) -> None:
    for found in findings:
        print_line(printable(f"{found.count:,} {found.what}: {'; '.join(found.first)}"))
