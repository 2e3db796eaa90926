"""`upgrade`."""

from pathlib import Path
from typing import Annotated, Final

import typer

from twinset import sheet
from twinset.catalogue import upgrade
from twinset.catalogue.comparison import Comparison, Queries
from twinset.catalogue.comparison.figures import DEPTHS, K
from twinset.catalogue.comparison.queries import SAMPLE
from twinset.catalogue.comparison.told import HEADER, table, told
from twinset.catalogue.folder import open_folder
from twinset.catalogue.upgrade import UpgradeReport
from twinset.cli import gates
from twinset.cli.output import (
    Bundle,
    CatalogueDir,
    Json,
    OnDevice,
    Quiet,
    Talk,
    print_json,
    print_line,
    print_table,
)
from twinset.errors import UsageError
from twinset.runtime import Device

_OVERLAP: Final = f"overlap@{K}"
_FIGURES: Final = (_OVERLAP, *(f"recall@{k}" for k in DEPTHS))


def add_commands(app: typer.Typer) -> None:
    """Adds this module's commands."""
    app.command("upgrade")(upgrade_command)


def upgrade_command(
    catalogue: CatalogueDir,
    bundle: Bundle = None,
    rollback: Annotated[bool, typer.Option("--rollback", help="Let the version before answer again.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Take all versions but the live one away.")] = False,
    queries: Annotated[
        Path | None,
        typer.Option("--queries", metavar="SOURCE", help="Photos to compare on: a manifest or a folder."),
    ] = None,
    sample: Annotated[
        int, typer.Option("--sample", help="Without query photos: on how many of the catalogue's own to compare.")
    ] = SAMPLE,
    sheet_: Annotated[
        Path | None, typer.Option("--sheet", help="Draw the answers that changed most (.png or .jpg).")
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option("--fail-under", help="recall@1=0.5 or overlap@10=0.5: below it exit 1, and do not switch."),
    ] = None,
    no_switch: Annotated[bool, typer.Option("--no-switch", help="Embed and compare only.")] = False,
    device: OnDevice = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Embeds a catalogue by another bundle, compares the two, and lets the new one answer; or goes back."""
    if (bundle is not None) + rollback + prune != 1:
        raise UsageError("one of --bundle, --rollback and --prune is needed", "see twinset upgrade --help")
    given = {"--queries": queries, "--sheet": sheet_, "--fail-under": fail_under, "--no-switch": no_switch}
    astray = [name for name, value in given.items() if value]
    if bundle is None and astray:
        raise UsageError(f"{astray[0]} goes with --bundle", "name a bundle, or leave it out")
    talk = Talk(quiet)
    if prune:
        _prune(catalogue, json=json)
        return
    if bundle is None:
        _back(catalogue, device, talk, json=json)
        return
    if sheet_ is not None:
        sheet.check_ending(sheet_)
    limits = gates.parse(fail_under or (), _FIGURES)
    asked = Queries.of(open_folder(catalogue), queries, sample)
    made = upgrade.prepare(catalogue, bundle, device=device, progress=talk.progress())
    compared = upgrade.compare(catalogue, made.version, asked, device=device, progress=talk.progress())
    if sheet_ is not None:
        sheet.save(sheet_, upgrade.draw(catalogue, compared))
    if not json:
        _show(compared)
    missed = gates.missed(_figures(compared), limits)
    if not (missed or no_switch):
        switched = upgrade.switch(catalogue, made.version, device=device, progress=talk.progress())
        made = switched.after(made)
    if json:
        print_json(made.to_json() | {"comparison": compared.to_json()})
    else:
        print_line(_line(catalogue, made))
    if missed:
        raise missed


def _back(catalogue: Path, device: Device, talk: Talk, *, json: bool) -> None:
    version, count = upgrade.way_back(catalogue)
    if count:
        talk.say(f"{count:,} photos came since: they are embedded by {version.bundle} first")
    report = upgrade.rollback(catalogue, device=device, progress=talk.progress())
    if json:
        print_json(report.to_json())
    else:
        print_line(_line(catalogue, report))


def _prune(catalogue: Path, *, json: bool) -> None:
    gone = upgrade.prune(catalogue)
    if json:
        print_json({"pruned": [{"version": version.number, "bundle": version.bundle} for version in gone]})
    else:
        names = ", ".join(f"{version.number} ({version.bundle})" for version in gone)
        print_line(f"{catalogue}: {f'pruned version {names}' if gone else 'only the live version is there'}")


def _figures(compared: Comparison) -> dict[str, float]:
    """What gates are held against; recall is 0 where no right item is known."""
    recall = compared.recall
    new = [0.0] * len(DEPTHS) if recall is None else [mean for mean, _, _ in recall.new]
    return {_OVERLAP: compared.overlap[0]} | {f"recall@{k}": mean for k, mean in zip(DEPTHS, new, strict=True)}


def _show(compared: Comparison) -> None:
    for line in told(compared):
        print_line(line)
    rows = table(compared)
    if rows:
        print_table(HEADER, rows, right=HEADER[1:])


def _line(catalogue: Path, report: UpgradeReport) -> str:
    copies = f", {report.from_copies:,} of its photos from copies" if report.from_copies else ""
    return (
        f"{catalogue}: {report.version.bundle}, version {report.version.number}, "
        f"{'answers' if report.switched else 'does not answer yet'}; embedded {report.embedded:,} in "
        f"{report.seconds:.1f} s{copies}"
    )
