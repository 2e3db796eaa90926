"""`serve`, `events`."""

import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from twinset.catalogue import Catalogue
from twinset.cli import logs
from twinset.cli.config import Config, configure, unread
from twinset.cli.output import Json, Quiet, SettingsFile, Talk, print_json, print_line, print_table, require_extra
from twinset.errors import UsageError
from twinset.runtime import Device, check_device

if TYPE_CHECKING:
    from twinset.server.events import Rates

_LOG: Final = logging.getLogger(__name__)
NEEDED: Final = ("fastapi", "prometheus_client", "python_multipart", "starlette", "threadpoolctl", "uvicorn")
_Catalogues = Annotated[
    list[str] | None,
    typer.Option("--catalogue", "-c", metavar="[NAME=]DIR", help="A catalogue's folder; several by name."),
]
_OnDevice = Annotated[
    Device | None,
    typer.Option(
        "--device",
        parser=check_device,
        metavar="auto|cpu|cuda",
        help="Where searched photos are embedded (cpu).",
    ),
]


def add_commands(app: typer.Typer) -> None:
    """Adds this module's commands."""
    app.command("serve")(serve_command)
    app.command("events")(events_command)


def serve_command(
    catalogue: _Catalogues = None,
    host: Annotated[str | None, typer.Option("--host", help="The address to listen at.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Its port; 0 is any that is free.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Who searches needs it; rather TWINSET_KEY.")] = None,
    admin_key: Annotated[
        str | None, typer.Option("--admin-key", help="Who changes items needs it; rather TWINSET_ADMIN_KEY.")
    ] = None,
    public: Annotated[
        bool | None, typer.Option("--public/--no-public", help="Anybody may search, so many times a minute.")
    ] = None,
    rate: Annotated[int | None, typer.Option("--rate", help="Searches a minute of an address.")] = None,
    quota: Annotated[int | None, typer.Option("--quota", help="Searches a day; 0 is any number.")] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", help="A name that this server is reached by.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option("--allow-origin", help="A site whose pages may search, as https://shop.example."),
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None, typer.Option("--trusted-proxy", help="An address whose X-Forwarded-For counts.")
    ] = None,
    queue: Annotated[int | None, typer.Option("--queue", help="Requests that wait or are served at once.")] = None,
    receive_seconds: Annotated[
        float | None, typer.Option("--receive-seconds", help="Seconds for a request to arrive whole.")
    ] = None,
    most_hits: Annotated[int | None, typer.Option("--most-hits", help="Hits of one answer.")] = None,
    most_photos: Annotated[int | None, typer.Option("--most-photos", help="Photos of one search.")] = None,
    device: _OnDevice = None,
    events: Annotated[str | None, typer.Option("--events", help="The file to add answers and clicks to.")] = None,
    theme: Annotated[str | None, typer.Option("--theme", help="A CSS file: the page's colours and fonts.")] = None,
    settings: SettingsFile = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Answers over HTTP until it is told to stop, and answers then what it has accepted."""
    require_serving()
    flags = {
        "catalogue": _listed(catalogue),
        "host": host,
        "port": port,
        "key": key,
        "admin_key": admin_key,
        "public": public,
        "rate": rate,
        "quota": quota,
        "allow_host": _listed(allow_host),
        "allow_origin": _listed(allow_origin),
        "trusted_proxy": _listed(trusted_proxy),
        "queue": queue,
        "receive_seconds": receive_seconds,
        "most_hits": most_hits,
        "most_photos": most_photos,
        "device": device,
        "events": events,
        "theme": theme,
    }
    serve_until_told(flags, settings, json=json, quiet=quiet)


def require_serving() -> None:
    """Says that the extra is missing, before anything else is done.

    Raises:
        MissingExtraError: it is.

    """
    require_extra("serve", NEEDED, "serving needs")


def serve_until_told(flags: Mapping[str, Any], settings: Path | None = None, *, json: bool, quiet: bool) -> None:
    """Serves by these settings, those of the environment and those of a file, until it is told to stop.

    Raises:
        PathError, UsageError, ResourceError: something cannot be served so.

    """
    with _ending_well():
        _serve(configure(flags, os.environ, settings), json=json, quiet=quiet)


@contextmanager
def _ending_well() -> Iterator[None]:
    """Lets SIGTERM end the process with 0 before the server listens, too: nothing has been accepted then."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _listed(values: list[str] | None) -> tuple[str, ...] | None:
    return tuple(values) if values else None


def _serve(config: Config, *, json: bool, quiet: bool) -> None:
    from twinset.server.app import create_app
    from twinset.server.hosts import Doors
    from twinset.server.run import serve

    if not config.catalogues:
        raise UsageError("there is no catalogue to serve", "name one: --catalogue DIR, or TWINSET_CATALOGUE")
    if not Doors.of(config.settings).names:
        mend = "name those that clients use: --allow-host shop.example, or TWINSET_ALLOW_HOST"
        raise UsageError(f"{config.settings.host} is no name that a server is reached by", mend)

    def listening(address: str) -> None:
        if foreign := unread(os.environ):
            _LOG.warning("variables that are no settings, and are not read: %s", ", ".join(foreign))
        if json:
            print_json({"address": address, "catalogues": list(config.catalogues)})
        else:
            print_line(address)
        sys.stdout.flush()

    logs.configure(quiet=quiet)
    with ExitStack() as opened:
        catalogues = {name: Catalogue(place, config.settings.device) for name, place in config.catalogues.items()}
        for catalogue in catalogues.values():
            opened.enter_context(catalogue)
        serve(create_app(catalogues, config.settings), config.settings, listening)


def events_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file of `serve --events`.")],
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Click rates by position, for each bundle that has answered."""
    from twinset.server import events

    told = events.read(file)
    if json:
        print_json(told.to_json())
        return
    for rates in told.by_bundle:
        _show(rates)
    talk = Talk(quiet)
    if told.broken:
        talk.say(f"{told.broken:,} lines are cut or foreign")
    if told.unknown:
        talk.say(f"{told.unknown:,} events belong to answers that are not in {file}")


def _show(rates: "Rates") -> None:
    versions = ", ".join(str(version) for version in rates.versions)
    acts = "".join(f", {count:,} {kind}" for kind, count in sorted(rates.events.items()))
    print_line(f"bundle {rates.fingerprint[:12]}, version {versions}: {rates.searches:,} answers{acts}")
    rows = [
        [str(place), f"{shown:,}", f"{rates.clicks.get(place, 0):,}", f"{rates.click_rate(place):.3f}"]
        for place, shown in rates.shown.items()
    ]
    print_table(
        ["position", "shown", "clicked", "click rate"], rows, right=("position", "shown", "clicked", "click rate")
    )
