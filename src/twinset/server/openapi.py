"""The API's description, OpenAPI 3.1: what the routes declare, and what no route can declare."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from twinset.server.problems import Problem
from twinset.server.service import SEARCH_KEY

_ABOUT: Final = (
    "Finds the product in the photo. A search answers with the shop's items nearest to a customer's photo. "
    "Errors are application/problem+json with a `code` of a closed list; /v1/limits tells every limit."
)
_TAGS: Final = {
    "search": "From a photo, an item or a verdict to an answer.",
    "items": "What the catalogue holds.",
    "facts": "Counts, limits, events, and whether the server is well.",
    "admin": "Changing the catalogue: the admin key.",
}


class Described(FastAPI):
    """An application with its description."""

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = _described(self)
        return self.openapi_schema


def operation_id(route: APIRoute) -> str:
    """What generated clients call a route: its name."""
    return route.name


def _described(app: FastAPI) -> dict[str, Any]:
    tags = [{"name": name, "description": text} for name, text in _TAGS.items()]
    told = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes, tags=tags)
    told["components"]["schemas"]["Problem"] = Problem.model_json_schema()
    for methods in told["paths"].values():
        for operation in methods.values():
            _keys_are_optional(operation)
    return told


def _keys_are_optional(operation: dict[str, Any]) -> None:
    """A server may be started without a search key."""
    if {SEARCH_KEY: []} in operation.get("security", []):
        operation["security"].append({})
