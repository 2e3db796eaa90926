"""`/`, `/admin`, `/web/…`: what a shopper and the shop see, files as they lie in the package."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from fastapi import APIRouter, Request, Response

from twinset.errors import RequestError
from twinset.server.kept import is_kept, tag_of
from twinset.server.service import Served

router: Final = APIRouter(include_in_schema=False)
_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "jpg": "image/jpeg",
}
_THEME: Final = "theme.css"
_INDEX: Final = "index.html"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'; "
    "frame-ancestors {}"
)


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    kind: str
    tag: str


def _files(folder: Traversable, above: str = "") -> dict[str, _File]:
    """Every file below a folder by its path there; what is asked for is one of these names, and no path."""
    found: dict[str, _File] = {}
    for one in folder.iterdir():
        kind = _TYPES.get(one.name.rpartition(".")[2])
        if one.is_dir():
            found |= _files(one, f"{above}{one.name}/")
        elif kind is not None:
            content = one.read_bytes()
            found[above + one.name] = _File(content, kind, tag_of(content))
    return found


_FILES: Final = _files(resources.files("twinset") / "web")


@router.head("/")
@router.get("/")
async def page(request: Request, service: Served) -> Response:
    """The page of one application: what is shown is in the address behind `?`."""
    return _answer(request, service, _INDEX)


@router.head("/admin")
@router.get("/admin")
async def console(request: Request, service: Served) -> Response:
    """The console; what it tells needs the admin key."""
    return _answer(request, service, "admin.html", framed=False)


@router.head("/web/{name:path}")
@router.get("/web/{name:path}")
async def file(request: Request, name: str, service: Served) -> Response:
    """A file of a page; the pages themselves have addresses of their own."""
    if name == _THEME and service.theme is not None:
        return _answered(request, _File(service.theme, _TYPES["css"], tag_of(service.theme)), {})
    return _answer(request, service, "" if name.endswith(".html") else name)


def _answer(request: Request, service: Served, name: str, *, framed: bool = True) -> Response:
    found = _FILES.get(name)
    if found is None:
        raise RequestError("not_found", "there is nothing at this address", "see /")
    if not found.kind.startswith("text/html"):
        return _answered(request, found, {})
    origins = " ".join(service.settings.allow_origin) if framed else ""
    return _answered(request, found, {"Content-Security-Policy": _POLICY.format(origins or "'none'")})


def _answered(request: Request, found: _File, policy: Mapping[str, str]) -> Response:
    headers = {"ETag": found.tag, "Cache-Control": "no-cache", **policy}
    if is_kept(found.tag, request):
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.kind, headers=headers)
