"""Every error that twinset raises on purpose, and the closed list of their codes.

::

    TwinsetError                     code                exit  HTTP
    ├── UsageError                   usage                  2   400
    │   ├── WhereError               bad_where              2   400
    │   ├── UnknownFieldError        unknown_field          2   400
    │   └── MissingExtraError        missing_extra          2   501
    ├── InputError                   bad_input              3   422
    │   ├── PathError                no_such_path           3   404
    │   ├── PhotoError               (one of PHOTO_CODES)   3   413 · 415 · 422
    │   ├── FetchError               not_fetched            3   502
    │   ├── ManifestError            bad_manifest           3   422
    │   ├── VectorsError             bad_vectors            3   422
    │   ├── NoQueriesError           no_queries             3   422
    │   ├── SourceError              wrong_source           3   409
    │   ├── UnknownItemError         unknown_item           3   404
    │   ├── CursorError              bad_cursor             3   400
    │   └── CursorExpiredError       cursor_expired         3   410
    ├── IntegrityError               corrupt                4   500
    │   ├── BundleError              bad_bundle             4   500
    │   ├── DumpError                bad_dump               4   500
    │   ├── FingerprintError         fingerprint_mismatch   4   409
    │   └── CatalogueError           catalogue_corrupt      4   500
    ├── ResourceError                resources              5   503
    │   ├── DiskFullError            disk_full              5   507
    │   ├── OutOfMemoryError         out_of_memory          5   503
    │   ├── BusyError                catalogue_busy         5   503
    │   ├── ServerError              no_answer              5   502
    │   └── ReadOnlyError            read_only              5   503
    ├── RequestError                 (one of REQUEST_CODES) 2   400 to 503
    ├── GateError                    gate_failed            1   422
    └── DivergedError                diverged               1   422
"""

import bisect
import difflib
import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final

PHOTO_CODES: Final = {
    "photo_too_large": 413,
    "too_many_pixels": 413,
    "not_a_photo": 415,
    "heic_needs_extra": 415,
    "unsupported_mode": 415,
    "truncated_photo": 422,
    "broken_photo": 422,
    "photo_too_heavy": 422,
    "bad_box": 422,
}
"""The codes of `PhotoError`, each with its HTTP status."""
FETCH_CODES: Final = (
    "bad_url",
    "not_https",
    "host_not_allowed",
    "query_differs",
    "local_path",
    "no_such_host",
    "address_refused",
    "bad_certificate",
    "no_connection",
    "timed_out",
    "broken_answer",
    "encoded_answer",
    "bad_status",
    "bad_redirect",
    "host_busy",
    "host_down",
    "not_fetched",
)
"""The codes of `FetchError`."""
REQUEST_CODES: Final = {
    "bad_request": 400,
    "bad_form": 400,
    "wrong_key": 401,
    "admin_only": 403,
    "cross_site": 403,
    "events_off": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "too_slow": 408,
    "query_expired": 410,
    "body_too_large": 413,
    "wrong_type": 415,
    "wrong_host": 421,
    "bad_parameter": 422,
    "too_many_requests": 429,
    "quota_used": 429,
    "internal": 500,
    "overloaded": 503,
    "not_ready": 503,
}
"""The codes of `RequestError`, each with its HTTP status."""
NEAREST: Final = 3
"""How many ids are told in place of one that is unknown."""
_MOST_COMPARED: Final = 20_000


class TwinsetError(Exception):
    """What went wrong, which value, and how to mend it."""

    code: str = "error"
    exit_code: ClassVar[int] = 1
    http_status: int = 500

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.message}: {self.mend}" if self.mend else self.message

    def to_json(self) -> dict[str, dict[str, str]]:
        """`{"error": {"code", "message", "mend"}}`, the same on the command line and over HTTP."""
        return {"error": {"code": self.code, "message": self.message, "mend": self.mend}}


class UsageError(TwinsetError):
    """The call itself is wrong: an option, a value out of its range."""

    code, exit_code, http_status = "usage", 2, 400


class WhereError(UsageError):
    """A filter that cannot be parsed."""

    code = "bad_where"


class UnknownFieldError(UsageError):
    """A filter names a field that no photo has."""

    code = "unknown_field"


class MissingExtraError(UsageError):
    """An optional library is not installed; the mend is the exact command."""

    code, http_status = "missing_extra", 501


class InputError(TwinsetError):
    """The data handed in is bad."""

    code, exit_code, http_status = "bad_input", 3, 422


class PathError(InputError):
    """A file or folder that is not there, or is not what it should be."""

    code, http_status = "no_such_path", 404


class PhotoError(InputError):
    """A photo that is refused; `code` is one of `PHOTO_CODES`."""

    def __init__(self, code: str, message: str, mend: str = "") -> None:
        super().__init__(message, mend)
        self.code = code
        self.http_status = PHOTO_CODES[code]


class FetchError(InputError):
    """A photo that cannot be had from its URL; `code` is one of `FETCH_CODES`.

    `again` is None where asking again is of no use, else the seconds that the server asks to wait, 0 for none.
    """

    code, http_status = "not_fetched", 502

    def __init__(self, code: str, message: str, mend: str = "", *, again: float | None = None) -> None:
        super().__init__(message, mend)
        self.code = code
        self.again = again


class ManifestError(InputError):
    """A manifest that cannot be used at all, or none of whose rows can."""

    code = "bad_manifest"


class VectorsError(InputError):
    """A file of vectors that does not fit the manifest."""

    code = "bad_vectors"


class NoQueriesError(InputError):
    """A protocol that finds no query or no gallery in a manifest."""

    code = "no_queries"


class SourceError(InputError):
    """A manifest or folder that is not the catalogue's source of that name."""

    code, http_status = "wrong_source", 409


class UnknownItemError(InputError):
    """An item or photo that the catalogue does not hold."""

    code, http_status = "unknown_item", 404


class CursorError(InputError):
    """A cursor that is not one of ours, or belongs to another query."""

    code, http_status = "bad_cursor", 400


class CursorExpiredError(InputError):
    """The catalogue has changed since the cursor was given."""

    code, http_status = "cursor_expired", 410


class IntegrityError(TwinsetError):
    """Stored data that does not agree with itself."""

    code, exit_code, http_status = "corrupt", 4, 500


class BundleError(IntegrityError):
    """A bundle that is damaged, foreign or newer than this program."""

    code = "bad_bundle"


class DumpError(IntegrityError):
    """A dumped catalogue that is damaged, foreign or newer than this program."""

    code = "bad_dump"


class FingerprintError(IntegrityError):
    """Vectors of one bundle met another bundle."""

    code, http_status = "fingerprint_mismatch", 409


class CatalogueError(IntegrityError):
    """A catalogue that is damaged or newer than this program."""

    code = "catalogue_corrupt"


class ResourceError(TwinsetError):
    """The machine ran out of something, or somebody else holds it."""

    code, exit_code, http_status = "resources", 5, 503


class DiskFullError(ResourceError):
    """No space is left on the disk."""

    code, http_status = "disk_full", 507


class OutOfMemoryError(ResourceError):
    """The photos that were to be embedded at once do not fit into memory."""

    code = "out_of_memory"


class BusyError(ResourceError):
    """Another process writes to the catalogue."""

    code = "catalogue_busy"


class ServerError(ResourceError):
    """A server that cannot be reached, or that answers otherwise than this program's server would."""

    code, http_status = "no_answer", 502


class ReadOnlyError(ResourceError):
    """The folder may not be written, and what is asked needs it."""

    code = "read_only"


class RequestError(TwinsetError):
    """A request that a server refuses; `code` is one of `REQUEST_CODES`.

    `after` is how many seconds to wait before asking again, where that is of use.
    """

    exit_code = 2

    def __init__(self, code: str, message: str, mend: str = "", *, after: int | None = None) -> None:
        super().__init__(message, mend)
        self.code = code
        self.http_status = REQUEST_CODES[code]
        self.after = after


class GateError(TwinsetError):
    """A measured figure did not pass the gate that was asked for."""

    code, exit_code, http_status = "gate_failed", 1, 422


class DivergedError(TwinsetError):
    """A training run whose loss is no finite number any more."""

    code, exit_code, http_status = "diverged", 1, 422


def did_you_mean(given: str, known: Iterable[str], otherwise: str, *, most: int = 1) -> str:
    """A mend for a name that is unknown: the nearest of those that are known, or else what to say instead.

    >>> did_you_mean("Marign", ["margin", "rate"], "use a setting")
    'did you mean margin?'
    >>> did_you_mean("item_1", ["item_10", "item_11", "skirt"], "see the ids", most=3)
    'did you mean item_11 or item_10?'
    """
    plain = {name.casefold(): name for name in known if name}
    names, wanted = sorted(plain), given.casefold()
    here = bisect.bisect(names, wanted)  # among very many, those that begin alike
    close = names[max(0, here - _MOST_COMPARED // 2) : here + _MOST_COMPARED // 2]
    near = [plain[name] for name in difflib.get_close_matches(wanted, close, most)]
    return f"did you mean {' or '.join(near)}?" if near else otherwise


def of_code(code: str, message: str, mend: str = "", *, after: int | None = None) -> TwinsetError | None:
    """The error that another process told by its code; None where the code is none of an answer's.

    >>> of_code("too_slow", "the request took more than 15 s")
    RequestError('the request took more than 15 s')
    """
    if code in PHOTO_CODES:
        return PhotoError(code, message, mend)
    if code in REQUEST_CODES:
        return RequestError(code, message, mend, after=after)
    kind = next((kind for kind in _kinds(TwinsetError) if kind.code == code), None)
    return None if kind is None else kind(message, mend)


def http_status(code: str) -> int:
    """The HTTP status of a code.

    >>> http_status("cursor_expired")
    410
    """
    told = of_code(code, "")
    return 500 if told is None else told.http_status


def _kinds(kind: type[TwinsetError]) -> Iterator[type[TwinsetError]]:
    """An error and those below it, less those of several codes."""
    if kind not in (PhotoError, FetchError, RequestError):
        yield kind
        for below in kind.__subclasses__():
            yield from _kinds(below)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns the operating system's errors of writing `path` into ours.

    Raises:
        PathError, DiskFullError, ResourceError: by the error's number.

    """
    try:
        yield
    except OSError as error:
        where = error.filename or path
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
            raise PathError(f"{where}: {error.strerror}", "name a place that is there") from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(f"no space is left to write {where}", "free some space and run it again") from error
        raise ResourceError(f"{where}: {error.strerror}", "check the disk and its permissions") from error


def first_line(error: Exception) -> str:
    """What an error says in its first line, for the libraries' go on for many."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
