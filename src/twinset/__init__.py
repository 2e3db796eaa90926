"""Finds the product in the photo: consumer-to-shop image retrieval.

The names below are loaded when they are first used; `import twinset` loads no heavy library.
"""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from twinset.bundle import Bundle, open_bundle
    from twinset.catalogue import Catalogue, IndexOptions
    from twinset.client import AsyncClient, Client
    from twinset.embedder import Embedder
    from twinset.errors import TwinsetError
    from twinset.records import Answer, Hit

__version__: Final = "0.1.0"
__all__ = [
    "Answer",
    "AsyncClient",
    "Bundle",
    "Catalogue",
    "Client",
    "Embedder",
    "Hit",
    "IndexOptions",
    "TwinsetError",
    "open_bundle",
]

_HOMES: Final = {
    "Answer": "records",
    "AsyncClient": "client",
    "Bundle": "bundle",
    "Catalogue": "catalogue",
    "Client": "client",
    "Embedder": "embedder",
    "Hit": "records",
    "IndexOptions": "catalogue",
    "TwinsetError": "errors",
    "open_bundle": "bundle",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'twinset' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"twinset.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
