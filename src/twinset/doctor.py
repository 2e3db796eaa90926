"""What this machine and installation are, and what about them would hurt."""

import platform
import re
import resource
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Final

from twinset import bundle, runtime
from twinset.embedder import Embedder, cores
from twinset.errors import TwinsetError
from twinset.settings import ServeSettings

_LEAST_FREE_BYTES: Final = 2**30
_LEAST_FILES: Final = 256
_FLOORS: Final = {"pillow": (12, 3), "pillow-heif": (1, 7)}
"""Below these lie known holes that a hostile photo could use."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact, and how to mend it where it is bad."""

    name: str
    value: str
    ok: bool = True
    mend: str = ""


def examine(folder: Path) -> list[Finding]:
    """Versions, cores, the default bundle, the device, the disk below `folder`, open files."""
    return [
        Finding("twinset", metadata.version("twinset")),
        Finding("python", platform.python_version()),
        Finding("system", f"{platform.system()} {platform.machine()}"),
        Finding("cores", str(cores())),
        Finding("numpy", metadata.version("numpy")),
        _library("pillow", "pip install -U pillow"),
        _library("pillow-heif", 'pip install -U "twinset[heic]"'),
        *_runtime(),
        Finding("sqlite", sqlite3.sqlite_version),
        _default_bundle(),
        _disk(folder),
        _files(),
    ]


def serving(settings: ServeSettings, catalogues: Mapping[str, Path], origins: Mapping[str, str]) -> list[Finding]:
    """What `serve` would be started with, each setting with where it comes from; a key is only told to be set."""
    named = ", ".join(f"{name}={folder}" for name, folder in catalogues.items())
    values = {"catalogue": named or "none"} | {
        field.name: _told(getattr(settings, field.name), secret=not field.repr) for field in fields(settings)
    }
    return [Finding(f"serve {name}", f"{value} ({origins[name]})") for name, value in values.items()]


def _told(value: object, *, secret: bool) -> str:
    if isinstance(value, tuple):
        value = ", ".join(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value == "":
        return "none"
    return "set" if secret else str(value)


def _library(name: str, mend: str) -> Finding:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(name, f"not installed; {mend}")
    floor = _FLOORS[name]
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    return Finding(name, version, found >= floor, "" if found >= floor else mend)


def _runtime() -> list[Finding]:
    """What is installed of ONNX Runtime, what it offers, and what `--device auto` means here."""
    found = runtime.installation()
    facts = [
        Finding("runtime", str(found), not found.mend, found.mend),
        Finding("providers", ", ".join(found.providers) or "none", bool(found.providers), found.mend),
    ]
    try:
        device = Embedder(bundle.open_bundle()).device
    except TwinsetError as error:
        return [*facts, Finding("device", error.message, ok=False, mend=error.mend)]
    return [*facts, Finding("device", device)]


def _default_bundle() -> Finding:
    try:
        opened = bundle.open_bundle()
    except TwinsetError as error:
        return Finding("bundle", str(error), ok=False, mend="install twinset again")
    return Finding("bundle", f"{opened.facts.name} {opened.fingerprint[:12]}")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    enough = free >= _LEAST_FREE_BYTES
    return Finding("disk", f"{free / 2**30:.1f} GiB free", enough, "" if enough else "free some space")


def _files() -> Finding:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    enough = limit >= _LEAST_FILES
    return Finding("open files", f"at most {limit:,}", enough, "" if enough else f"ulimit -n {_LEAST_FILES}")
