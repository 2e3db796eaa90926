"""`data fetch`: photos by URL → a folder with a manifest."""

from pathlib import Path
from typing import Annotated

import typer

from twinset.cli.output import Json, Quiet, Talk, print_json, print_line


def add_commands(app: typer.Typer) -> None:
    """Adds this module's command."""
    app.command("fetch")(fetch_command)


def fetch_command(
    source: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A manifest (CSV) whose paths are URLs.")],
    out: Annotated[Path, typer.Option("--out", help="The folder for the photos and their manifest, photos.csv.")],
    hosts: Annotated[
        list[str], typer.Option("--allow-host", metavar="HOST", help="A host that may be asked; give each.")
    ],
    concurrency: Annotated[int, typer.Option("--concurrency", help="Requests at once to a host, 1-64.")] = 8,
    keep_query: Annotated[
        bool, typer.Option("--keep-query", help="URLs that differ only behind the `?` are different photos.")
    ] = False,
    loopback: Annotated[bool, typer.Option("--test-loopback", hidden=True)] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Brings photos by URL into a folder; again, it asks only for what has changed."""
    from twinset.fetch import Limits, fetch

    talk = Talk(quiet)
    done = fetch(
        source,
        out,
        hosts,
        keep_query=keep_query,
        limits=Limits(concurrency),
        loopback=loopback,
        progress=talk.progress(),
    )
    talk.skipped(done.faults, done.rows, done.failed)
    if stale := done.count("stale"):
        talk.say(f"{stale:,} of these photos stay in {done.manifest}, as an earlier run brought them")
    if json:
        print_json(done.to_json())
        return
    counts = {"fetched": done.count("fetched"), "unchanged": done.count("unchanged"), "kept": done.count("kept")}
    came = ", ".join(f"{count:,} {how}" for how, count in counts.items() if count)
    print_line(f"{done.manifest}: {done.written:,} rows{'; photos: ' + came if came else ''}")
