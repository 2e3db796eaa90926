"""The application: routes, in front of them the guard, behind them what they share."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response
from threadpoolctl import threadpool_limits

from twinset.catalogue import Catalogue
from twinset.embedder import cores
from twinset.errors import PathError, RequestError, TwinsetError, UsageError
from twinset.server.account import Account
from twinset.server.decoders import Decoders
from twinset.server.desk import Desk
from twinset.server.events import Log
from twinset.server.guard import Guard
from twinset.server.hosts import Doors
from twinset.server.inflow import Inflow
from twinset.server.openapi import Described, operation_id
from twinset.server.problems import problem
from twinset.server.ready import Readiness
from twinset.server.remembered import Memory
from twinset.server.routes import admin, facts, items, pages, search, versions
from twinset.server.rush import Rush
from twinset.server.service import Service
from twinset.server.telemetry import Telemetry
from twinset.server.turnstile import Turnstile
from twinset.settings import ServeSettings

_ROUTERS: Final = (search.router, items.router, facts.router, admin.router, versions.router, pages.router)
_PICTURES: Final = 256
"""Small photos that are waited for: a page asks for twenty at once."""
_AT_A_GPU: Final = 32
"""Threads beside a GPU, at most, however many photos it embeds at once: a guess, as none was at hand."""
_CHANGES: Final = 16
"""Changes of a catalogue that wait for each other: it has one writer."""


def create_app(catalogue: Catalogue | Mapping[str, Catalogue], settings: ServeSettings | None = None) -> FastAPI:
    """An ASGI application that answers for one catalogue, or for several by name.

    Raises:
        UsageError: there is no catalogue; or, as MissingExtraError, not the device of one.
        OutOfMemoryError: a device has no room for a model.
        PathError, ResourceError: the file of events, or that of the theme, cannot be opened.

    """
    settings = settings or ServeSettings()
    service = _service(catalogue, settings)
    app = Described(
        title="twinset",
        version="1",
        generate_unique_id_function=operation_id,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        exception_handlers={
            TwinsetError: _refused,
            RequestValidationError: _invalid,
            HTTPException: _missing,
        },
    )
    app.state.service = service
    for router in _ROUTERS:
        app.include_router(router)
    app.add_middleware(Rush, desk=service.desk, routes=search.router.routes)
    app.add_middleware(Guard, doors=Doors.of(settings), inflow=Inflow(settings.receive_seconds))
    app.add_middleware(Account, telemetry=service.telemetry)
    return app


def _service(catalogue: Catalogue | Mapping[str, Catalogue], settings: ServeSettings) -> Service:
    catalogues = {catalogue.path.name: catalogue} if isinstance(catalogue, Catalogue) else dict(catalogue)
    if not catalogues:
        raise UsageError("there is no catalogue to serve", "name one: --catalogue DIR")
    desk = Desk(settings.queue, _threads(catalogues.values()))
    decoders, telemetry = Decoders(cores()), Telemetry()
    return Service(
        catalogues=catalogues,
        settings=settings,
        desk=desk,
        thumbnails=Desk(_PICTURES, threads=1),
        changes={name: Desk(_CHANGES, threads=1) for name in catalogues},
        decoders=decoders,
        memory=Memory(),
        turnstile=Turnstile(settings),
        telemetry=telemetry,
        readiness=Readiness(catalogues, decoders, telemetry),
        events=Log(Path(settings.events)) if settings.events else None,
        theme=_theme(settings.theme),
    )


def _theme(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes() if path else None
    except OSError as error:
        raise PathError(f"the theme {path} cannot be read: {error.strerror}", "name a CSS file: --theme") from error


def _threads(catalogues: Iterable[Catalogue]) -> int:
    """A thread a core; and as many as a GPU embeds at once, since who waits for that needs no core."""
    return max(cores(), min(_AT_A_GPU, max(catalogue.together() for catalogue in catalogues)))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    # Each request has a core of its own: with more threads for its products, each would wait for the others'.
    with threadpool_limits(1, user_api="blas"):
        beside = [asyncio.create_task(work) for work in (service.readiness.watch(), service.memory.forget())]
        try:
            yield
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await asyncio.to_thread(service.close)


async def _refused(request: Request, error: Exception) -> Response:
    return problem(error if isinstance(error, TwinsetError) else TwinsetError(str(error)), request.scope["state"])


async def _invalid(request: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    first: Mapping[str, Any] = faults[0] if faults else {"loc": ("request",), "msg": "it is not valid", "type": ""}
    # Behind the name of what is wrong may stand which of several types it was tried as.
    name = ".".join(str(part) for part in first["loc"][1:] if "[" not in str(part)) or str(first["loc"][0])
    mend = "see /openapi.json"
    match first["type"]:
        case "json_invalid":
            told = RequestError("bad_form", f"the body is no JSON: {first['ctx']['error']}", "send valid JSON")
        case "extra_forbidden":
            told = RequestError("bad_parameter", f"there is no parameter {name}", mend)
        case _:
            told = RequestError("bad_parameter", f"{name}: {first['msg']}", mend)
    return problem(told, request.scope["state"])


async def _missing(request: Request, error: Exception) -> Response:
    told: TwinsetError
    status = error.status_code if isinstance(error, HTTPException) else 404
    if isinstance(error.__cause__, TwinsetError):  # FastAPI was reading the body
        told = error.__cause__
    elif status == 400:
        told = RequestError("bad_request", "the body cannot be read", "send valid JSON in UTF-8")
    elif status == 405:
        told = RequestError("method_not_allowed", f"{request.method} is not for this address", "see /openapi.json")
    else:
        told = RequestError("not_found", "there is nothing at this address", "see /openapi.json")
    answer = problem(told, request.scope["state"])
    if status == 405:
        answer.headers["Allow"] = ", ".join(sorted(_methods(request.url.path)))
    return answer


def _methods(path: str) -> set[str]:
    """What the routes of an address may be asked; Starlette tells only those of the first."""
    every = (route for router in _ROUTERS for route in router.routes if isinstance(route, APIRoute))
    return {name for route in every if route.path_regex.match(path) for name in route.methods or ()} or {"GET"}
