"""Settings of `serve` from flags, the environment and a TOML file; the first that has one counts, and is told."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, get_origin, get_type_hints

from twinset.errors import PathError, UsageError, did_you_mean
from twinset.settings import ServeSettings

Value = str | int | float | bool | tuple[str, ...]

PREFIX: Final = "TWINSET_"
"""In front of a setting's name in capitals: its variable."""
FILE: Final = f"{PREFIX}SETTINGS"
DEFAULT: Final = "default"
"""Where a setting comes from that nobody has set."""
_CATALOGUE: Final = "catalogue"
_TYPES: Final[Mapping[str, Any]] = {_CATALOGUE: tuple[str, ...]} | {
    name: str if get_origin(wanted) is Literal else wanted for name, wanted in get_type_hints(ServeSettings).items()
}
_WORDS: Final = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}
_FORMS: Final = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Config:
    """What a server is started with: its settings, catalogues by name, and where each setting came from."""

    settings: ServeSettings
    catalogues: Mapping[str, Path]
    origins: Mapping[str, str]


def configure(
    flags: Mapping[str, Value | None], environment: Mapping[str, str], file: Path | None = None
) -> Config:
    """The settings as flags, else `TWINSET_*`, else the file, else the defaults have them; lists are not merged.

    A flag that is None, and a variable that is empty, were not given. The file is `file`, else `TWINSET_SETTINGS`.

    Raises:
        PathError: the file cannot be read.
        UsageError: there is no such setting, or a value is of another type or out of its range.

    """
    path = file or (Path(environment[FILE]) if environment.get(FILE) else None)
    layers: tuple[tuple[str, Mapping[str, Value]], ...] = (
        ("flag", {name: value for name, value in flags.items() if value is not None}),
        ("environment", _from_environment(environment)),
        (f"file {path}", _from_file(path) if path else {}),
    )
    values: dict[str, Any] = {}
    origins = dict.fromkeys(_TYPES, DEFAULT)
    for origin, layer in reversed(layers):
        values |= layer
        origins |= dict.fromkeys(layer, origin)
    catalogues = _catalogues(values.pop(_CATALOGUE, ()))
    return Config(ServeSettings(**values), catalogues, origins)


def unread(environment: Mapping[str, str]) -> list[str]:
    """The variables that look like settings and are none."""
    known = {FILE, *(PREFIX + name.upper() for name in _TYPES)}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def _from_environment(environment: Mapping[str, str]) -> dict[str, Value]:
    variables = {name: PREFIX + name.upper() for name in _TYPES}
    return {
        name: _parsed(variable, environment[variable].strip(), _TYPES[name])
        for name, variable in variables.items()
        if environment.get(variable, "").strip()
    }


def _parsed(variable: str, text: str, wanted: Any) -> Value:
    """A value from the text of a variable; lists are parted by commas."""
    try:
        if wanted is bool:
            return _WORDS[text.lower()]
        if wanted in (str, int, float):
            number_or_text: str | int | float = wanted(text)
            return number_or_text
    except (ValueError, KeyError) as error:
        raise UsageError(f"{variable} is {text!r}", f"use {_FORMS[wanted]}, or unset it") from error
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _from_file(path: Path) -> dict[str, Value]:
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PathError(f"{path} cannot be read: {error.strerror}", "name a file of settings") from error
    except ValueError as error:
        raise UsageError(f"{path} is no TOML: {error}", "write lines of name = value") from error
    return {_known(path, name): _typed(path, name, value) for name, value in told.items()}


def _known(path: Path, name: str) -> str:
    if name not in _TYPES:
        mend = did_you_mean(name, _TYPES, f"use one of {', '.join(_TYPES)}")
        raise UsageError(f"{path}: there is no setting {name!r}", mend)
    return name


def _typed(path: Path, name: str, value: Any) -> Value:
    """A value of the file, in the type that is wanted."""
    wanted = _TYPES[name]
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is wanted:
        fine: Value = value
        return fine
    if wanted not in _FORMS and isinstance(value, list) and all(isinstance(part, str) for part in value):
        return tuple(value)
    form = _FORMS.get(wanted, 'a list of texts, as ["a", "b"]')
    told = "" if name in _secrets() else f" = {value!r}"
    raise UsageError(f"{path}: {name}{told} is of another type", f"use {form}")


def _secrets() -> frozenset[str]:
    return frozenset(field.name for field in fields(ServeSettings) if not field.repr)


def _catalogues(given: tuple[str, ...]) -> dict[str, Path]:
    """Folders by name: `NAME=DIR`, or `DIR`, whose own name it is then."""
    found: dict[str, Path] = {}
    for text in given:
        name, folder = _named(text)
        if name in found:
            raise UsageError(f"two catalogues are named {name}", f"name them: --catalogue OTHER={folder}")
        found[name] = folder
    return found


def _named(text: str) -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not equals or "/" in name or name.startswith("."):
        return Path(text).resolve().name or _CATALOGUE, Path(text)
    if not _NAME.fullmatch(name) or not folder:
        raise UsageError(
            f"--catalogue {text!r} is no NAME=DIR", "use letters, digits, - and _ for NAME, or write ./DIR"
        )
    return name, Path(folder)
