"""`data audit`: what is likely wrong with a manifest."""

from pathlib import Path
from typing import Annotated, Final

import typer

from twinset import manifest
from twinset.audit import KINDS, RATE, Audit, Limit, audit, write
from twinset.cli.embeds import Origin, unboxed, vectors_of
from twinset.cli.output import (
    Bundle,
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
from twinset.errors import GateError, PathError, UsageError

_SHOWN: Final = 10


def add_commands(app: typer.Typer) -> None:
    """Adds this module's command."""
    app.command("audit")(audit_command)


def audit_command(
    source: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A manifest (CSV) or a folder of photos.")],
    bundle: Bundle = None,
    vectors: Annotated[Path | None, typer.Option("--vectors", help="Take the embeddings of this file.")] = None,
    device: OnDevice = "auto",
    out: Annotated[
        Path | None, typer.Option("--out", help="A new folder for audit.csv, audit.html and audit.json.")
    ] = None,
    rate: Annotated[
        float,
        typer.Option("--false-alarms", help="The share of faultless photos or items that may be told, 0-0.5."),
    ] = RATE,
    fail: Annotated[bool, typer.Option("--fail", help="Exit 1 where something is found.")] = False,
    photos_root: PhotosRoot = None,
    ignore_boxes: IgnoreBoxes = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Products under two ids, misfiled photos, items whose photos disagree, leakage between splits."""
    if bundle and vectors:
        raise UsageError("--bundle and --vectors exclude each other", "name one of them")
    if ignore_boxes and vectors:
        raise UsageError("--ignore-boxes goes with --bundle", "give it to `embed`, which makes the vectors")
    if out and out.exists():
        raise PathError(f"{out} is there already", "name a place where nothing is")
    talk = Talk(quiet)
    table = manifest.read(source, photos_root=photos_root, files=vectors is None)
    table.require_photos()
    faults = list(table.faults)
    origin = Origin("vectors", str(vectors)) if vectors else Origin("bundle", bundle)
    side = vectors_of(origin, table, talk, faults, device=device)
    photos = unboxed(table.photos, side.boxes_ignored or ignore_boxes)
    found = audit(photos, side.embeds, table.root, rate=rate, progress=talk.progress())
    talk.skipped(faults, table.rows, None)
    if out:
        write(found, table.root, out, title=source.name, progress=talk.progress())
    if json:
        print_json(found.to_json())
    else:
        _show(found, out)
    if fail and not found.ok:
        raise GateError(
            f"the audit found {len(found.findings):,} likely faults", "look at them, and mend the manifest"
        )


def _show(found: Audit, out: Path | None) -> None:
    print_line(f"{found.photos:,} photos of {found.items:,} items")
    for note in found.notes:
        print_line(note)
    rows = [[limit.kind, limit.compared, f"{limit.looked_at:,}", *_sight(limit)] for limit in found.limits]
    header = ["by embedding", "compared", "looked at", "planted faults seen", "false alarms expected"]
    print_table(header, rows, right=header[2:])
    print_line("")
    counts = found.counts()
    print_table(
        ["", "found", ""], [[kind, f"{counts[kind]:,}", what] for kind, what in KINDS.items()], right=["found"]
    )
    for kind in KINDS:
        for finding in [one for one in found.findings if one.kind == kind][:_SHOWN]:
            print_line(f"{kind}: {', '.join(finding.photos[:4])}: {finding.why}; {finding.mend}")
        if counts[kind] > _SHOWN:
            print_line(f"{kind}: {counts[kind] - _SHOWN:,} more" + ("" if out else "; --out DIR writes them all"))
    if out:
        print_line(f"{out / 'audit.html'} shows them")


def _sight(limit: Limit) -> tuple[str, str]:
    return ("too few", "") if limit.limit is None else (f"{limit.power:.0%}", f"{limit.false_alarms:.1%}")
