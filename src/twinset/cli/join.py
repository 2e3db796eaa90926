"""`data join`: several manifests as one, without customers' photos that would spoil a measurement."""

from pathlib import Path
from typing import Annotated

import typer

from twinset.cli.output import Json, Quiet, Talk, print_json, print_line
from twinset.join import WHY, join
from twinset.manifest import write_faults


def add_commands(app: typer.Typer) -> None:
    """Adds this module's command."""
    app.command("join")(join_command)


def join_command(
    sources: Annotated[list[Path], typer.Argument(metavar="MANIFEST…", help="The shop's, and its customers'.")],
    out: Annotated[
        Path, typer.Option("--out", help="The manifest to write, in a folder above all of their photos.")
    ],
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Joins manifests, and leaves out customers' photos that are copies of the shop's or of one another."""
    talk = Talk(quiet)
    done = join(sources, out, talk.progress())
    beside = out.with_suffix(".skipped.csv")
    beside.unlink(missing_ok=True)
    if done.faults:
        write_faults(beside, done.faults)
        talk.skipped(done.faults, done.rows, beside)
    if json:
        print_json(done.to_json())
        return
    print_line(f"{out}: {done.customers:,} customers' photos and {done.shop:,} of the shop; {done.rows:,} rows")
    for code, count in done.counts().items():
        print_line(f"{count:,} {WHY[code]}")
