"""What the routes share: catalogues by name, the queue, decoders, memory, counters; and who may call them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from twinset.catalogue import Catalogue
from twinset.errors import RequestError, did_you_mean
from twinset.server.decoders import Decoders
from twinset.server.desk import Desk
from twinset.server.events import Log
from twinset.server.ready import Readiness
from twinset.server.remembered import Memory
from twinset.server.telemetry import Telemetry
from twinset.server.turnstile import Turnstile
from twinset.settings import ServeSettings

SEARCH_KEY: Final = "searchKey"
WAIT: Final = 1.0
"""Seconds for the writer's lock: who holds it longer, an `index` run, holds it for long."""
_SEARCH: Final = HTTPBearer(
    auto_error=False, scheme_name=SEARCH_KEY, description="The search key, where one is set, or the admin key."
)
_ADMIN: Final = HTTPBearer(auto_error=False, scheme_name="adminKey", description="The admin key.")
Given = Annotated[HTTPAuthorizationCredentials | None, Depends(_SEARCH)]
GivenByAdmin = Annotated[HTTPAuthorizationCredentials | None, Depends(_ADMIN)]


@dataclass(frozen=True, slots=True)
class Service:
    """One server: what it serves, and with what."""

    catalogues: Mapping[str, Catalogue]
    settings: ServeSettings
    desk: Desk
    thumbnails: Desk
    changes: Mapping[str, Desk]
    decoders: Decoders
    memory: Memory
    turnstile: Turnstile
    telemetry: Telemetry
    readiness: Readiness
    events: Log | None
    theme: bytes | None

    def catalogue(self, name: str | None) -> tuple[str, Catalogue]:
        """A catalogue by name; the first where none is named.

        Raises:
            RequestError: there is none of that name, or it was found to be broken or gone.

        """
        name = name or next(iter(self.catalogues))
        if name not in self.catalogues:
            mend = did_you_mean(name, self.catalogues, f"name one of {', '.join(self.catalogues)}")
            raise RequestError("not_found", f"there is no catalogue {name!r}", mend)
        if name in self.readiness.broken:
            raise RequestError("not_ready", f"the catalogue {name} cannot be read now", "ask again", after=5)
        return name, self.catalogues[name]

    def close(self) -> None:
        """Serves who waits, then ends decoders and closes files."""
        self.desk.close()
        self.thumbnails.close()
        for desk in self.changes.values():
            desk.close()
        self.decoders.close()
        if self.events is not None:
            self.events.close()


async def served(request: Request) -> Service:
    """The service of the application that a request reached."""
    service: Service = request.app.state.service
    return service


# None of these waits for anything; were they plain functions, each would be sent to a thread and back.
Served = Annotated[Service, Depends(served)]


async def shopper(service: Served, given: Given) -> None:
    """Lets through who has the search key, where one is set."""
    service.turnstile.check_key(_key(given))


async def searcher(request: Request, service: Served, given: Given) -> None:
    """As `shopper`, and counts a search."""
    await shopper(service, given)
    service.turnstile.count(request.state.client, _key(given))


async def teller(request: Request, service: Served, given: Given) -> None:
    """As `shopper`, and counts an event."""
    await shopper(service, given)
    service.turnstile.count_event(request.state.client, _key(given))


async def admin(service: Served, given: GivenByAdmin) -> None:
    """Lets the admin through."""
    service.turnstile.check_admin(_key(given))


def _key(given: HTTPAuthorizationCredentials | None) -> str | None:
    return None if given is None else given.credentials
